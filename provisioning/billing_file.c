#include "provisioning/billing_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/config.h"
#include "base/log.h"

/* What a disk may take; the lease is a little longer. */
#define TIMEOUT_MS 60000

/* Readable by the group: mediation is another user. */
#define MODE 0640

/* ---- One file ---- */

static bool is_name(struct slice name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	if (name.n == 0 || name.n > BILLING_FILE_NAME_CHARS ||
	    !memchr(letters, name.p[0], sizeof(letters) - 1))
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (!memchr(letters, name.p[i], sizeof(letters) - 1) &&
		    !strchr("0123456789-.", name.p[i]))
			return false;
	return true;
}

static bool write_lines(FILE *out, const json_t *events)
{
	size_t i;
	const json_t *event;
	json_array_foreach (events, i, event)
		if (json_dumpf(event, out, JSON_COMPACT) != 0 || putc('\n', out) == EOF)
			return false;
	return fflush(out) == 0 && fsync(fileno(out)) == 0;
}

static bool write_part(int folder, const char *part, const json_t *events)
{
	/* One that a process of our number left when it was killed. */
	if (unlinkat(folder, part, 0) != 0 && errno != ENOENT)
		return false;
	int fd = openat(folder, part,
			O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, MODE);
	FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
	if (!out) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	bool is_written = write_lines(out, events);
	int error = errno;
	bool is_closed = fclose(out) == 0;
	if (!is_written)
		errno = error;
	return is_written && is_closed;
}

/* .NAME.PID.part, of any process */
static bool is_part_of(const char *found, struct slice whole)
{
	const struct slice end = SLICE(".part");
	struct slice name = slice_of(found);
	return name.n > 1 + whole.n + end.n && name.p[0] == '.' &&
	       memcmp(name.p + 1, whole.p, whole.n) == 0 &&
	       name.p[1 + whole.n] == '.' &&
	       memcmp(name.p + name.n - end.n, end.p, end.n) == 0;
}

/* The file is there: what processes left of it that were killed is nobody's. One that
 * was slow, and has lost its lease, does not find its own any more, and gives up. */
static void remove_parts(int folder, struct slice whole)
{
	int fd = openat(folder, ".", O_RDONLY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	for (const struct dirent *entry; (entry = readdir(dir));)
		if (is_part_of(entry->d_name, whole))
			(void)unlinkat(folder, entry->d_name, 0);
	closedir(dir);
}

const char *billing_file_write(int folder, struct slice name, const json_t *events)
{
	char whole[BILLING_FILE_NAME_CHARS + 1];
	char part[sizeof(whole) + sizeof(".2147483647.part")];
	if (!is_name(name))
		return "the name is none of a file";
	snprintf(whole, sizeof(whole), "%.*s", (int)name.n, name.p);
	/* Whose lease has run out may be slow, and still have its own. */
	snprintf(part, sizeof(part), ".%s.%d.part", whole, (int)getpid());
	if (write_part(folder, part, events) &&
	    renameat(folder, part, folder, whole) == 0 && fsync(folder) == 0) {
		remove_parts(folder, name);
		return NULL;
	}
	int error = errno;
	(void)unlinkat(folder, part, 0);
	return strerror(error);
}

/* ---- The kind ---- */

/* Opened each time anew: what is mounted there may have come back. */
static const char *write_into(const char *folder_name, struct slice name,
			      const json_t *events)
{
	int folder = open(folder_name, O_RDONLY | O_CLOEXEC);
	if (folder < 0)
		return strerror(errno);
	const char *why = billing_file_write(folder, name, events);
	close(folder);
	return why;
}

static bool file_load(const struct server_config *config, void **secrets)
{
	*secrets = NULL;
	if (!*config->billing_folder)
		return true;
	int folder = open(config->billing_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0) {
		char why[512];
		snprintf(why, sizeof(why),
			 "%s: %s; make it, and let the user of the daemon write there",
			 config->billing_folder, strerror(errno));
		config_log_error("billing_folder", why);
		return false;
	}
	close(folder);
	*secrets = config->billing_folder;
	return true;
}

static void *file_open(void *folder, struct transfers *transfers)
{
	(void)transfers;
	return folder;
}

static int64_t file_timeout_ms(const struct server_config *config)
{
	(void)config;
	return TIMEOUT_MS;
}

static void file_begin(void *state, struct effect *effect, struct slice payload)
{
	static const struct json_member members[] = {
		{ "name", JSON_TEXT, 0, 1, BILLING_FILE_NAME_CHARS },
		{ "events", JSON_LIST_OF, sizeof(struct slice), 1, JSON_TEXT_LIMIT },
	};
	struct {
		struct slice name;
		json_t *events;
	} file = { SLICE(""), NULL };
	char wrong[128];
	json_t *object = json_parse(payload, wrong, sizeof(wrong));
	const char *why = wrong;
	bool is_read =
		object && json_read(object, members, 2, &file, wrong, sizeof(wrong));
	if (is_read)
		why = write_into(state, file.name, file.events);
	if (!why)
		effect_done(effect, 0);
	else
		effect_fail(effect, 0, why, !is_read);
	json_decref(object);
}

const struct effect_kind billing_file_kind = {
	.name = "file",
	.in_hand = 1,
	.metrics = SERVER_FILE_DONE,
	.load = file_load,
	.open = file_open,
	.timeout_ms = file_timeout_ms,
	.begin = file_begin,
};
