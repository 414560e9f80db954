/*
 * A file that holds a secret: read whole into memory that is wiped, and refused
 * unless only its owner can read it. Knows nothing of what is inside.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include "base/slice.h"

struct secret {
	char *p; /* followed by a NUL */
	size_t n;
};

/**
 * Read a secret file. It must be a regular file of at most @p limit bytes, belong to
 * root or to the user of this process, and give no right to group and others.
 * What is checked is the opened file, not the name.
 *
 * @param out  wiped and freed by secret_free(), also after a failure
 * @return false with @p why, which names the file and the remedy
 */
bool secret_read(const char *path, size_t limit, struct secret *out, char *why,
		 size_t why_size);
void secret_free(struct secret *secret);

#endif
