#include <stdio.h>

#include "base/process.h"
#include "base/supervisor.h"

bool supervisor_check_user(const void *config, char *why, size_t why_size)
{
	const char *name = ((const struct supervisor_config *)config)->user;
	struct process_user user;

	if (process_user_find(name, &user))
		return true;
	snprintf(why, why_size, "%s does not exist: make it, or name another", name);
	return false;
}

bool supervisor_check_level(const void *config, char *why, size_t why_size)
{
	const char *text = ((const struct supervisor_config *)config)->log_level;
	enum log_level level;

	if (log_level_parse(slice_of(text), &level))
		return true;
	snprintf(why, why_size, "is none of error, warn, info, debug");
	return false;
}
