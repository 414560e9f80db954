/*
 * Provisioned features in storage. A version lives in a folder of its own; the link
 * `current` names the one in force and is replaced in one step, so that at every
 * moment, also after a power cut, the old version is in force or the new one, whole.
 *
 *	features/ID/current -> VERSION-DIGEST/
 *	features/ID/VERSION-DIGEST/{program | activation.json}, manifest.json
 *
 * stage -> the caller tests what was staged -> commit. Blocking file I/O.
 */
#ifndef CONTRIB_HANDSET_INSTALL_H
#define CONTRIB_HANDSET_INSTALL_H

#include "contrib/handset/storage.h"

#define INSTALL_ID_CHARS      64
#define INSTALL_VERSION_CHARS 40

enum install_kind {
	INSTALL_MODULE,     /* a program */
	INSTALL_ACTIVATION, /* what unlocks a resident feature of the same id */
	INSTALL_N_KINDS,
};

struct install_item {
	char id[INSTALL_ID_CHARS + 1];
	char version[INSTALL_VERSION_CHARS + 1];
	enum install_kind kind;
	uint8_t sha256[SHA256_BYTES];
};

const char *install_kind_name(enum install_kind kind);
bool install_kind_parse(struct slice name, enum install_kind *out);
/** Lower-case letters, digits, `. _ -`, not beginning with punctuation: a safe name. */
bool install_id_is_valid(struct slice id);

/**
 * Bring a downloaded file into the storage as a version that is not in force yet.
 *
 * @param download  path of the file; stays
 * @return NULL, or the reason: "digest_mismatch", "storage_full", "install_failed"
 */
const char *install_stage(const struct install_item *item, const char *download);
/** Path of what was staged (program or activation file). */
bool install_staged_path(const struct install_item *item, char out[STORAGE_PATH_BYTES]);
/**
 * Put the staged version in force and remove the others.
 *
 * @return NULL, or the reason; the old version is then still in force
 */
const char *install_commit(const struct install_item *item);
/** Throw away what was staged. The version in force stays, whatever @p item says. */
void install_discard(const struct install_item *item);

/** The version in force. @return false when there is none or it is not whole */
bool install_current(const char *id, struct install_item *out);
/** Path of what is in force; only after install_current(). */
bool install_current_path(const struct install_item *item,
			  char out[STORAGE_PATH_BYTES]);
/** Remove what an interrupted installation left. At each start. */
void install_recover(void);

#endif
