#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "base/log.h"

static uid_t trusted = (uid_t)-1;

void secret_trust(uid_t uid)
{
	trusted = uid;
}

bool secret_may_own(uid_t owner)
{
	return owner == 0 || owner == geteuid() ||
	       (owner == trusted && trusted != (uid_t)-1);
}

static bool check_file(const char *path, const struct stat *st, size_t limit, char *why,
		       size_t why_size)
{
	if (!S_ISREG(st->st_mode))
		snprintf(why, why_size, "%s: not a regular file", path);
	else if (!secret_may_own(st->st_uid))
		snprintf(why, why_size,
			 "%s: belongs to user %u, not to root or this one; type: "
			 "chown %u %s",
			 path, (unsigned)st->st_uid, (unsigned)geteuid(), path);
	else if (st->st_mode & 077)
		snprintf(why, why_size,
			 "%s: others than its owner have rights on it (mode %03o); "
			 "type: chmod 600 %s",
			 path, (unsigned)st->st_mode & 0777, path);
	else if (st->st_size < 0 || (uintmax_t)st->st_size > limit)
		snprintf(why, why_size, "%s: longer than %zu bytes", path, limit);
	else
		return true;
	return false;
}

/* Until the end of the file or @p cap bytes; -1 with errno. */
static ssize_t read_all(int fd, char *out, size_t cap)
{
	size_t used = 0;

	while (used < cap) {
		ssize_t n = read(fd, out + used, cap - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		used += (size_t)n;
	}
	return (ssize_t)used;
}

static bool read_file(int fd, const char *path, size_t limit, struct secret *out,
		      char *why, size_t why_size)
{
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0) {
		snprintf(why, why_size, "%s: %s", path, strerror(errno));
		return false;
	}
	if (!check_file(path, &st, limit, why, why_size))
		return false;
	size_t cap = (size_t)st.st_size;
	out->p = OPENSSL_zalloc(cap + 1);
	BUG_ON(!out->p);
	out->n = cap;
	ssize_t n = read_all(fd, out->p, cap);
	if (n >= 0 && (size_t)n == cap)
		return true;
	snprintf(why, why_size, "%s: %s", path,
		 n < 0 ? strerror(errno) : "changed while it was read");
	return false;
}

bool secret_read(const char *path, size_t limit, struct secret *out, char *why,
		 size_t why_size)
{
	/* Without O_NONBLOCK a FIFO would hold up the start. */
	int fd = open(files_path(path), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	*out = (struct secret){ NULL, 0 };
	bool ok = read_file(fd, path, limit, out, why, why_size);
	if (fd >= 0)
		close(fd);
	return ok;
}

void secret_free(struct secret *secret)
{
	OPENSSL_clear_free(secret->p, secret->n);
	*secret = (struct secret){ NULL, 0 };
}
