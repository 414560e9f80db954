#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/admin.h"
#include "base/files.h"
#include "base/process.h"
#include "base/secret.h"
#include "base/time.h"

static bool check_admin(const void *config, FILE *errors)
{
	const char *address = ((const struct supervisor_config *)config)->admin;

	if (!address[0] || admin_is_local(address))
		return true;
	fprintf(errors, "admin: %s is neither unix:/path nor ip:port of loopback\n",
		address);
	return false;
}

/* Started as root, a daemon and `-t` read what its processes could not. */
static void trust_user(const struct supervisor_config *config)
{
	struct process_user user;

	if (process_user_find(config->user, &user))
		secret_trust(user.uid);
}

/* What several values and the files say together, each line with the place in the file.
 */
static bool check_whole(const struct supervisor_spec *spec, struct config *config,
			const char *path, FILE *errors)
{
	char *text = NULL;
	size_t size = 0;
	FILE *found = open_memstream(&text, &size);

	BUG_ON(!found);
	trust_user(config_get(config));
	bool is_good = config_keep_files(config, found);
	files_use(config_files(config));
	is_good &= check_admin(config_get(config), found);
	if (spec->check)
		is_good &= spec->check(config_get(config), found);
	files_use(NULL);
	fclose(found);
	struct slice rest = slice_make(text, size), said;
	while (slice_next(&rest, '\n', &said)) {
		unsigned line = config_line(config, said);

		if (line > 0)
			fprintf(errors, "%s:%u: %.*s\n", path, line, (int)said.n,
				said.p);
		else if (said.n > 0)
			fprintf(errors, "%s: %.*s\n", path, (int)said.n, said.p);
	}
	free(text);
	return is_good;
}

struct config *check_read(const struct supervisor_spec *spec, const char *path,
			  FILE *errors)
{
	struct config *config = config_read(spec->config, path, errors);

	if (!config)
		return NULL;
	if (check_whole(spec, config, path, errors))
		return config;
	config_free(config);
	return NULL;
}

/* It can run with them; how well is another matter. */
static void tell_expiries(const struct supervisor_spec *spec, const void *config)
{
	struct expiry_plan plan = { .n = 0 };

	if (!spec->expiring)
		return;
	spec->expiring(config, &plan);
	for (size_t i = 0; i < plan.n; i++)
		expiry_tell(&plan.files[i], expiry_read(plan.files[i].path),
			    time_now_ms() / 1000, plan.warning_ms);
}

static void tell_if_hidden(const char *path, const char *user)
{
	char hint[1024];
	struct stat st;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	int error = errno;

	if (fd >= 0) {
		close(fd);
		return;
	}
	if (stat(path, &st) == 0)
		snprintf(hint, sizeof(hint),
			 "systemd starts it as %s; type: chown %s %s", user, user,
			 path);
	else
		snprintf(hint, sizeof(hint),
			 "systemd starts it as %s, which may not enter the folder",
			 user);
	log_warn("file_hidden", log_str("file", path), log_str("why", strerror(error)),
		 log_str("hint", hint));
}

static _Noreturn void look_as(const struct process_user *user,
			      const struct config *config, const char *path)
{
	const struct files *files = config_files(config);

	if (initgroups(user->name, user->gid) != 0 ||
	    setresgid(user->gid, user->gid, user->gid) != 0 ||
	    setresuid(user->uid, user->uid, user->uid) != 0) {
		log_warn("files_unseen", log_str("why", strerror(errno)));
		_exit(1);
	}
	tell_if_hidden(path, user->name);
	for (size_t i = 0; i < files_count(files); i++)
		tell_if_hidden(files_name(files, i), user->name);
	_exit(0);
}

/* Started as root, a daemon reads its files before it becomes its user. A unit of
 * systemd starts it as that user: it has to be able to read them itself. */
static void tell_hidden(const struct config *config, const char *path)
{
	const struct supervisor_config *own = config_get(config);
	struct process_user user;

	if (!process_user_find(own->user, &user) || !user.is_switched)
		return;
	pid_t pid = fork();
	if (pid == 0)
		look_as(&user, config, path);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

bool check_loads(const struct supervisor_spec *spec, const struct config *config,
		 const char *path)
{
	static void **loaded; /* known until the end: it is not lost memory */
	bool is_good = true;

	log_open(spec->program, process_log_level(config_get(config)));
	config_use(config);
	loaded = calloc(spec->n_roles, sizeof(*loaded));
	BUG_ON(!loaded);
	for (size_t i = 0; i < spec->n_roles; i++) {
		const struct supervisor_role *role = &spec->roles[i];

		if (role->load)
			is_good &= role->load(config_get(config), &loaded[i]);
	}
	config_use(NULL);
	tell_expiries(spec, config_get(config));
	tell_hidden(config, path);
	return is_good;
}
