/* How far something is that takes long, told on stderr. */
#ifndef BASE_PROGRESS_H
#define BASE_PROGRESS_H

#include <stdint.h>

struct progress {
	int64_t begun_ms, told_ms;
	const char *what; /* borrowed */
	uint64_t total;
};

/** Begin to count up to @p total. @param what  borrowed; "devices made" */
void progress_begin(struct progress *progress, const char *what, uint64_t total);
/** Say that so much is done, unless that was said less than two seconds ago. */
void progress_tell(struct progress *progress, uint64_t done);

#endif
