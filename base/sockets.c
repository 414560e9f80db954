#include "base/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/address.h"
#include "base/admin.h"
#include "base/codec.h"
#include "base/listener.h"
#include "base/log.h"

struct socket_row {
	char *address;
	size_t slot;
	int fd;
	bool is_admin;
	uint32_t users; /* a bit for each */
};

struct socket_given {
	int fd;
	struct sockaddr_storage where;
	bool is_used;
};

/* ---- Those that were given ---- */

static bool has_option(int fd, int option, int wanted)
{
	int value = 0;
	socklen_t size = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 &&
	       value == wanted;
}

static bool take(struct socket_given *given, int fd)
{
	socklen_t size = sizeof(given->where);

	given->fd = fd;
	return has_option(fd, SO_TYPE, SOCK_STREAM) &&
	       has_option(fd, SO_ACCEPTCONN, 1) &&
	       getsockname(fd, (struct sockaddr *)&given->where, &size) == 0 &&
	       fcntl(fd, F_SETFL, O_NONBLOCK) == 0 &&
	       fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

bool sockets_take(struct sockets *sockets, int first, size_t n)
{
	sockets->given = calloc(n > 0 ? n : 1, sizeof(*sockets->given));
	BUG_ON(!sockets->given);
	for (size_t i = 0; i < n; i++) {
		if (!take(&sockets->given[i], first + (int)i)) {
			log_error("socket_unfit", log_num("descriptor", first + (int)i),
				  log_str("why", "not a stream socket that listens"));
			return false;
		}
		sockets->n_given++;
	}
	return true;
}

static bool is_same(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	const struct sockaddr_in *a4 = (const void *)a, *b4 = (const void *)b;
	const struct sockaddr_in6 *a6 = (const void *)a, *b6 = (const void *)b;

	if (a->ss_family != b->ss_family)
		return false;
	switch (a->ss_family) {
	case AF_INET:
		return a4->sin_port == b4->sin_port &&
		       a4->sin_addr.s_addr == b4->sin_addr.s_addr;
	case AF_INET6:
		return a6->sin6_port == b6->sin6_port &&
		       memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof(a6->sin6_addr)) ==
			       0;
	case AF_UNIX:
		return strcmp(((const struct sockaddr_un *)a)->sun_path,
			      ((const struct sockaddr_un *)b)->sun_path) == 0;
	default: return false;
	}
}

/* How many were given for an address. The one for @p slot is in *out. */
static size_t find_given(const struct sockets *sockets, const char *address,
			 size_t slot, struct socket_given **out)
{
	struct sockaddr_storage where = { 0 };
	socklen_t size;
	size_t n = 0, nth = 0;

	if (sockets->n_given == 0 || !address_parse(address, &where, &size))
		return 0;
	for (size_t i = 0; i < sockets->n_given; i++)
		n += is_same(&sockets->given[i].where, &where);
	for (size_t i = 0; i < sockets->n_given; i++)
		if (is_same(&sockets->given[i].where, &where) && nth++ == slot % n)
			*out = &sockets->given[i];
	return n;
}

void sockets_tell_unused(const struct sockets *sockets)
{
	char address[ADDRESS_CHARS + 1];

	for (size_t i = 0; i < sockets->n_given; i++) {
		const struct socket_given *given = &sockets->given[i];
		address_format((const struct sockaddr *)&given->where, address);
		if (!given->is_used)
			log_warn("socket_unused", log_str("address", address),
				 log_str("hint", "the configuration does not listen "
						 "there: who connects will wait"));
	}
}

void sockets_close_taken(struct sockets *sockets)
{
	for (size_t i = 0; i < sockets->n_given; i++)
		close(sockets->given[i].fd);
	free(sockets->given);
	sockets->given = NULL;
	sockets->n_given = 0;
}

/* ---- Those that we open ---- */

static bool is_file(const char *address)
{
	return slice_starts(slice_of(address), SLICE("unix:"));
}

static struct socket_row *find(const struct sockets *sockets, const char *address,
			       size_t slot, bool is_admin)
{
	for (size_t i = 0; i < sockets->n; i++) {
		struct socket_row *row = &sockets->rows[i];
		if (row->slot == slot && row->is_admin == is_admin &&
		    strcmp(row->address, address) == 0)
			return row;
	}
	return NULL;
}

static int add(struct sockets *sockets, struct socket_row row, const char *address)
{
	if (row.fd < 0)
		return -1;
	row.address = strdup(address);
	sockets->rows = realloc(sockets->rows, (sockets->n + 1) * sizeof(row));
	BUG_ON(!row.address || !sockets->rows);
	sockets->rows[sockets->n++] = row;
	return row.fd;
}

int sockets_get(struct sockets *sockets, const char *address, size_t slot,
		unsigned user)
{
	struct socket_given *given;
	struct socket_row *row;

	if (find_given(sockets, address, slot, &given) > 0) {
		given->is_used = true;
		return given->fd;
	}
	if (is_file(address))
		slot = 0;
	row = find(sockets, address, slot, false);
	if (row) {
		row->users |= 1u << user;
		return row->fd;
	}
	bool is_first = sockets_count(sockets, address) == 0;
	return add(sockets,
		   (struct socket_row){
			   .slot = slot,
			   .users = 1u << user,
			   .fd = is_first ? listener_open(address)
					  : listener_join(address),
		   },
		   address);
}

int sockets_get_admin(struct sockets *sockets, const char *address, uid_t uid,
		      gid_t gid, unsigned user)
{
	struct socket_row *row = find(sockets, address, 0, true);

	if (!row)
		return add(sockets,
			   (struct socket_row){
				   .is_admin = true,
				   .users = 1u << user,
				   .fd = admin_listen(address, uid, gid),
			   },
			   address);
	if (!admin_give(address, uid, gid))
		return -1;
	row->users |= 1u << user;
	return row->fd;
}

size_t sockets_count(const struct sockets *sockets, const char *address)
{
	struct socket_given *given;
	size_t n = find_given(sockets, address, 0, &given);

	for (size_t i = 0; i < sockets->n; i++)
		n += !sockets->rows[i].is_admin &&
		     strcmp(sockets->rows[i].address, address) == 0;
	return n;
}

static void row_close(struct socket_row *row)
{
	if (row->is_admin)
		admin_unlisten(row->address, row->fd);
	else
		close(row->fd);
	free(row->address);
}

void sockets_release(struct sockets *sockets, unsigned user)
{
	size_t n = 0;

	for (size_t i = 0; i < sockets->n; i++) {
		struct socket_row row = sockets->rows[i];
		row.users &= ~(1u << user);
		if (row.users)
			sockets->rows[n++] = row;
		else
			row_close(&row);
	}
	sockets->n = n;
	if (n == 0) {
		free(sockets->rows);
		sockets->rows = NULL;
	}
}
