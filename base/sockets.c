#include "base/sockets.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/admin.h"
#include "base/conn.h"
#include "base/log.h"

struct socket_row {
	char *address;
	size_t slot;
	int fd;
	bool is_admin;
	uint32_t users; /* a bit for each */
};

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
	struct socket_row *row;

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
	size_t n = 0;

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
