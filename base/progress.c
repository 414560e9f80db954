#include "base/progress.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/time.h"

#define PROGRESS_MS 2000

void progress_begin(struct progress *progress, const char *what, uint64_t total)
{
	int64_t now = time_monotonic_ms();
	*progress = (struct progress){ now, now, what, total };
}

void progress_tell(struct progress *progress, uint64_t done)
{
	int64_t now = time_monotonic_ms();
	if (now - progress->told_ms < PROGRESS_MS)
		return;
	progress->told_ms = now;
	fprintf(stderr, "%s: %" PRIu64 " of %" PRIu64 " in %" PRId64 " s\n",
		progress->what, done, progress->total,
		(now - progress->begun_ms) / 1000);
}
