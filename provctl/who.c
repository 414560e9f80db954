#include "provctl/who.h"

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

const char *who_is(struct arena *arena, unsigned int uid, const char *sudo_user)
{
	const struct passwd *user = getpwuid(uid);
	const char *text;

	if (uid == 0 && sudo_user && *sudo_user)
		text = arena_printf(arena, "%.80s (root)", sudo_user);
	else if (user)
		text = arena_printf(arena, "%.80s", user->pw_name);
	else
		text = arena_printf(arena, "uid %u", uid);
	return text ? text : "somebody";
}

const char *who_runs(struct arena *arena)
{
	return who_is(arena, getuid(), getenv("SUDO_USER"));
}
