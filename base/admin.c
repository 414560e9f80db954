#include "base/admin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/address.h"
#include "base/exchange.h"
#include "base/listener.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/status_page.h"

#define MAX_PEERS  32
#define TIMEOUT_MS 5000
#define IDLE_MS    60000

struct peer {
	LIST_ENTRY(peer) next;
	struct admin *admin;
	struct link *link;
};

struct admin {
	struct loop *loop;
	struct admin_settings settings;
	struct listener *listener;
	LIST_HEAD(, peer) peers;
	size_t n_peers;
	loop_fn *on_drained; /* NULL: not draining */
	void *arg;
	bool is_drained; /* on_drained() is due */
};

/* ---- The socket ---- */

bool admin_is_local(const char *address)
{
	struct sockaddr_storage where;
	const struct sockaddr_in *in = (const void *)&where;
	const struct sockaddr_in6 *in6 = (const void *)&where;
	socklen_t size;

	if (!address_parse(address, &where, &size))
		return false;
	switch (where.ss_family) {
	case AF_UNIX: return true;
	case AF_INET: return ntohl(in->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	case AF_INET6: return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
	default: return false;
	}
}

/* Path of a "unix:" address, or NULL. */
static const char *socket_path(const char *address)
{
	struct slice text = slice_of(address);

	return slice_starts(text, SLICE("unix:")) ? address + strlen("unix:") : NULL;
}

bool admin_give(const char *address, uid_t uid, gid_t gid)
{
	const char *path = socket_path(address);

	if (!path || chown(path, uid, gid) == 0)
		return true;
	log_error("admin_failed", log_str("address", address),
		  log_str("why", strerror(errno)));
	return false;
}

int admin_listen(const char *address, uid_t uid, gid_t gid)
{
	mode_t mask = umask(0117);
	int fd = listener_open(address);
	umask(mask);
	if (fd < 0 || admin_give(address, uid, gid))
		return fd;
	close(fd);
	return -1;
}

void admin_unlisten(const char *address, int fd)
{
	const char *path = socket_path(address);

	if (path)
		unlink(path);
	close(fd);
}

/* ---- Pages ---- */

static void reply(struct exchange *exchange, unsigned status, struct slice type,
		  struct slice body)
{
	const struct http_field fields[] = {
		{ SLICE("Content-Type"), type },
		{ SLICE("Cache-Control"), SLICE("no-store") },
		{ SLICE("Content-Security-Policy"),
		  SLICE("default-src 'none'; style-src 'unsafe-inline'") },
		{ SLICE("X-Content-Type-Options"), SLICE("nosniff") },
	};

	exchange_reply(exchange, status, fields, sizeof(fields) / sizeof(fields[0]),
		       body);
}

static void show_metrics(struct admin *admin, struct exchange *exchange)
{
	struct evbuffer *text = evbuffer_new();

	BUG_ON(!text);
	metrics_render(text);
	admin->settings.metrics(text);
	reply(exchange, 200, SLICE("text/plain; version=0.0.4; charset=utf-8"),
	      slice_make(evbuffer_pullup(text, -1), evbuffer_get_length(text)));
	evbuffer_free(text);
}

static void show_life(struct admin *admin, struct exchange *exchange)
{
	(void)admin;
	reply(exchange, 200, SLICE("text/plain"), SLICE("alive\n"));
}

static void show_readiness(struct admin *admin, struct exchange *exchange)
{
	if (admin->settings.is_ready())
		reply(exchange, 200, SLICE("text/plain"), SLICE("ready\n"));
	else
		reply(exchange, 503, SLICE("text/plain"), SLICE("not ready\n"));
}

static void put_json(const json_t *status, struct evbuffer *out)
{
	char *text = json_dumps(status, JSON_INDENT(2));

	BUG_ON(!text);
	evbuffer_add_printf(out, "%s\n", text); /* people look at it in a terminal */
	free(text);
}

/* Forms of /status, by the ending of the path. */
enum status_form {
	STATUS_TEXT,
	STATUS_JSON,
	STATUS_HTML,
};

static void show_status_as(struct admin *admin, struct exchange *exchange,
			   enum status_form form)
{
	static const struct {
		const char *type;
		void (*put)(const json_t *status, struct evbuffer *out);
	} forms[] = {
		[STATUS_TEXT] = { "text/plain; charset=utf-8", status_page_text },
		[STATUS_JSON] = { "application/json", put_json },
		[STATUS_HTML] = { "text/html; charset=utf-8", status_page_html },
	};
	json_t *status = admin->settings.status();
	struct evbuffer *page = evbuffer_new();

	BUG_ON(!page);
	forms[form].put(status, page);
	json_decref(status);
	reply(exchange, 200, slice_of(forms[form].type),
	      slice_make(evbuffer_pullup(page, -1), evbuffer_get_length(page)));
	evbuffer_free(page);
}

static void show_status_text(struct admin *admin, struct exchange *exchange)
{
	show_status_as(admin, exchange, STATUS_TEXT);
}

static void show_status_json(struct admin *admin, struct exchange *exchange)
{
	show_status_as(admin, exchange, STATUS_JSON);
}

static void show_status_html(struct admin *admin, struct exchange *exchange)
{
	show_status_as(admin, exchange, STATUS_HTML);
}

/* What is asked for: browsers name HTML, programs JSON, and curl nothing. */
static void show_status(struct admin *admin, struct exchange *exchange)
{
	const struct http_field *accept = http_field(exchange_head(exchange), "Accept");
	struct slice value = accept ? accept->value : SLICE("");

	if (memmem(value.p, value.n, "text/html", strlen("text/html")))
		show_status_as(admin, exchange, STATUS_HTML);
	else if (memmem(value.p, value.n, "application/json",
			strlen("application/json")))
		show_status_as(admin, exchange, STATUS_JSON);
	else
		show_status_as(admin, exchange, STATUS_TEXT);
}

static const struct {
	struct slice path;
	void (*show)(struct admin *admin, struct exchange *exchange);
} pages[] = {
	{ SLICE("/metrics"), show_metrics },
	{ SLICE("/livez"), show_life },
	{ SLICE("/readyz"), show_readiness },
	{ SLICE("/status"), show_status },
	{ SLICE("/status.txt"), show_status_text },
	{ SLICE("/status.json"), show_status_json },
	{ SLICE("/status.html"), show_status_html },
};

static void answer(struct admin *admin, struct exchange *exchange)
{
	static const struct http_field allow = { SLICE("Allow"), SLICE("GET, HEAD") };
	const struct http_head *head = exchange_head(exchange);
	struct slice path, query;

	http_target_split(head->target, &path, &query);
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		if (!slice_eq(path, pages[i].path))
			continue;
		if (head->method == HTTP_GET || head->method == HTTP_HEAD)
			pages[i].show(admin, exchange);
		else
			exchange_problem(exchange, 405, "method_not_allowed", NULL,
					 &allow);
		return;
	}
	exchange_problem(exchange, 404, "not_found", NULL, NULL);
}

/* ---- Peers ---- */

static void peer_free(struct peer *peer)
{
	LIST_REMOVE(peer, next);
	peer->admin->n_peers--;
	link_free(peer->link);
	free(peer);
}

static void on_drained(void *arg)
{
	struct admin *admin = arg;

	admin->on_drained(admin->arg);
}

/* In a turn of its own: the last peer may just be telling that it has gone. */
static void check_drained(struct admin *admin)
{
	if (!admin->on_drained || !LIST_EMPTY(&admin->peers) || admin->is_drained)
		return;
	admin->is_drained = true;
	loop_defer(admin->loop, on_drained, admin);
}

/* The answer is whole from the start: nothing is left to do. */
static void on_exchange(struct exchange *exchange, enum exchange_event event, void *arg)
{
	(void)exchange;
	(void)event;
	(void)arg;
}

static void on_link(struct link *link, enum link_event event, struct exchange *exchange,
		    void *arg)
{
	struct peer *peer = arg;

	(void)link;
	if (event == LINK_REQUEST) {
		exchange_on(exchange, on_exchange, peer);
		answer(peer->admin, exchange);
	} else if (event == LINK_CLOSED) {
		struct admin *admin = peer->admin;
		peer_free(peer);
		check_drained(admin);
	}
}

static void on_accept(struct listener *listener, int fd, void *arg)
{
	struct admin *admin = arg;
	const struct link_settings settings = {
		.conn = { .handshake_timeout_ms = TIMEOUT_MS,
			  .write_timeout_ms = TIMEOUT_MS },
		.head_timeout_ms = TIMEOUT_MS,
		.body_timeout_ms = TIMEOUT_MS,
		.idle_timeout_ms = IDLE_MS,
	};

	(void)listener;
	if (admin->n_peers == MAX_PEERS) {
		close(fd);
		return;
	}
	struct peer *peer = calloc(1, sizeof(*peer));
	BUG_ON(!peer);
	peer->admin = admin;
	peer->link = link_accept(admin->loop, fd, &settings, on_link, peer);
	if (!peer->link) {
		free(peer);
		return;
	}
	LIST_INSERT_HEAD(&admin->peers, peer, next);
	admin->n_peers++;
}

struct admin *admin_new(struct loop *loop, int fd,
			const struct admin_settings *settings)
{
	struct admin *admin = calloc(1, sizeof(*admin));

	BUG_ON(!admin);
	admin->loop = loop;
	admin->settings = *settings;
	admin->listener = listener_new(loop, fd, on_accept, admin);
	return admin;
}

void admin_drain(struct admin *admin, loop_fn *fn, void *arg)
{
	struct peer *peer;

	listener_finish(admin->listener);
	admin->listener = NULL;
	admin->on_drained = fn;
	admin->arg = arg;
	LIST_FOREACH (peer, &admin->peers, next)
		link_drain(peer->link);
	check_drained(admin);
}

void admin_free(struct admin *admin)
{
	if (!admin)
		return;
	listener_free(admin->listener);
	while (!LIST_EMPTY(&admin->peers))
		peer_free(LIST_FIRST(&admin->peers));
	free(admin);
}
