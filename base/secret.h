/*
 * A file that holds a secret: read whole into memory that is wiped, and refused
 * unless only its owner can read it. Knows nothing of what is inside.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include <sys/types.h>

#include "base/slice.h"

struct secret {
	char *p; /* followed by a NUL */
	size_t n;
};

/**
 * From now on secrets may be this user's, too: of whom a daemon becomes that was
 * started as root. (uid_t)-1: of no more than root and the user of this process.
 */
void secret_trust(uid_t uid);
/** Whether a secret that we read may belong to @p owner. */
bool secret_may_own(uid_t owner);
/**
 * Read a secret file. It must be a regular file of at most @p limit bytes, belong to
 * whom secret_may_own() allows, and give no right to group and others.
 * What is checked is the opened file, not the name.
 *
 * @param out  wiped and freed by secret_free(), also after a failure
 * @return false with @p why, which names the file and the remedy
 */
bool secret_read(const char *path, size_t limit, struct secret *out, char *why,
		 size_t why_size);
void secret_free(struct secret *secret);

#endif
