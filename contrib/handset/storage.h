/*
 * The memory of the handset: one directory, the current directory of the process once
 * storage_open() has returned. Whatever is written is either there whole or not at
 * all, also after a power cut. Blocking, as the flash of a device is.
 *
 *	handset.conf  device.key  device.csr  device.crt
 *	request.json            the request that has not ended (journal.h)
 *	messages/NNNNNN.json    received messages (messages.h)
 *	downloads/SHA256.part   content on its way (download.h)
 *	features/ID/...         what was provisioned (install.h)
 *	resident/ID/program     features from the factory, not operational yet
 */
#ifndef CONTRIB_HANDSET_STORAGE_H
#define CONTRIB_HANDSET_STORAGE_H

#include <sys/types.h>

#include "base/codec.h"

#define STORAGE_PATH_BYTES 256

/**
 * Enter the storage, make what folders are missing, and keep a second handset out.
 *
 * @param why  on failure one sentence
 * @return false when it cannot be entered, or a running handset holds it
 */
bool storage_open(const char *directory, char *why, size_t why_size);
/** Enter the storage to look at it, beside a handset that runs. */
bool storage_look(const char *directory, char *why, size_t why_size);

/**
 * Replace a file as a whole: written beside it, forced to disk, renamed, and the
 * folder forced to disk.
 *
 * @return false with errno; the old file is then still there
 */
bool storage_write(const char *path, struct slice bytes, mode_t mode)
	__attribute__((warn_unused_result));
/** The same without forcing anything to disk: after a power cut the file may be torn,
 * after a crash or on a full disk it is not. @return false with errno */
bool storage_put(const char *path, struct slice bytes, mode_t mode)
	__attribute__((warn_unused_result));
/**
 * Read a whole file of at most @p limit bytes.
 *
 * @return bytes that the caller frees, followed by a NUL; {NULL, 0} with errno
 */
struct slice storage_read(const char *path, size_t limit);
/** Digest and size of a file. @return false with errno */
bool storage_sha256(const char *path, uint8_t digest[SHA256_BYTES], int64_t *size);
/** Force what was made, renamed or removed in a folder to disk. */
bool storage_sync(const char *directory) __attribute__((warn_unused_result));
/** Force a file to disk. */
bool storage_sync_file(const char *path) __attribute__((warn_unused_result));
/** Remove a file, or a folder of plain files. What is not there is no error. */
bool storage_remove(const char *path);
/** Join into @p out of STORAGE_PATH_BYTES. @return false when it does not fit */
bool storage_path(char out[STORAGE_PATH_BYTES], const char *format, ...)
	__attribute__((format(printf, 2, 3), warn_unused_result));

/**
 * Call @p fn for the name of each entry but those that begin with a dot, sorted.
 * @p fn may remove entries. A folder that is not there has none.
 */
void storage_each(const char *directory, void (*fn)(void *arg, const char *name),
		  void *arg);

#endif
