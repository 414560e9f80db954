/*
 * A landnet server in the test's own loop, without TLS: answers each request as the
 * test says and remembers what it was sent. For tests of gateway/ that drive real
 * links.
 */
#ifndef TEST_UNIT_GATEWAY_STAGE_H
#define TEST_UNIT_GATEWAY_STAGE_H

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/exchange.h"
#include "base/listener.h"
#include "base/log.h"
#include "gateway/gateway_metrics.h"
#include "gateway/route.h"
#include "test/unit/test.h"

#define STAGE_DEADLINE_MS 10000
#define STAGE_LINKS       16

struct stage {
	struct loop *loop;
	struct timer deadline;
	bool is_late;
	int listener_fd;
	struct listener *listener;
	char address[32];
	struct link *links[STAGE_LINKS]; /* of the server; NULL when closed */
	size_t n_links;                  /* accepted so far */
	size_t n_requests;
	char last_head[4096]; /* fields of the last request, "name: value\n" each */
	char last_body[4096];
	bool is_hasty; /* answers without waiting for the body */
	/* how to answer; NULL: not at all */
	void (*answer)(struct stage *stage, struct exchange *exchange);
};

static inline void stage_on_deadline(void *arg)
{
	struct stage *stage = arg;

	stage->is_late = true;
	loop_stop(stage->loop);
}

static inline void stage_note_head(struct stage *stage, const struct http_head *head)
{
	size_t used = (size_t)snprintf(stage->last_head, sizeof(stage->last_head),
				       "%s %.*s\n", http_method_name(head->method),
				       (int)head->target.n, head->target.p);

	for (size_t i = 0; i < head->n_fields && used < sizeof(stage->last_head); i++)
		used += (size_t)snprintf(
			stage->last_head + used, sizeof(stage->last_head) - used,
			"%.*s: %.*s\n", (int)head->fields[i].name.n,
			head->fields[i].name.p, (int)head->fields[i].value.n,
			head->fields[i].value.p);
}

static inline void stage_on_exchange(struct exchange *exchange,
				     enum exchange_event event, void *arg)
{
	struct stage *stage = arg;
	struct evbuffer *body;

	if (event != EXCHANGE_BODY && event != EXCHANGE_END)
		return;
	body = exchange_body(exchange);
	if (event == EXCHANGE_BODY) {
		size_t used = strlen(stage->last_body);
		int n = evbuffer_remove(body, stage->last_body + used,
					sizeof(stage->last_body) - 1 - used);

		if (n > 0)
			stage->last_body[used + (size_t)n] = '\0';
		exchange_resume(exchange);
	} else if (stage->answer) {
		stage->answer(stage, exchange);
	}
}

static inline void stage_on_link(struct link *link, enum link_event event,
				 struct exchange *exchange, void *arg)
{
	struct stage *stage = arg;

	if (event == LINK_REQUEST) {
		stage->n_requests++;
		stage->last_body[0] = '\0';
		stage_note_head(stage, exchange_head(exchange));
		exchange_on(exchange, stage_on_exchange, stage);
		exchange_resume(exchange);
		if ((exchange_is_received(exchange) || stage->is_hasty) &&
		    stage->answer)
			stage->answer(stage, exchange);
	} else if (event == LINK_CLOSED) {
		for (size_t i = 0; i < STAGE_LINKS; i++) {
			if (stage->links[i] == link)
				stage->links[i] = NULL;
		}
		link_free(link);
	}
}

static inline struct link_settings stage_link_settings(void)
{
	return (struct link_settings){
		.conn = { .handshake_timeout_ms = 2000, .write_timeout_ms = 2000 },
		.head_timeout_ms = 5000,
		.body_timeout_ms = 5000,
		.idle_timeout_ms = 5000,
	};
}

static inline void stage_on_accept(struct listener *listener, int fd, void *arg)
{
	struct stage *stage = arg;
	struct link_settings settings = stage_link_settings();

	(void)listener;
	BUG_ON(stage->n_links >= STAGE_LINKS);
	stage->links[stage->n_links++] =
		link_accept(stage->loop, fd, &settings, stage_on_link, stage);
}

static inline void stage_open(struct stage *stage)
{
	struct sockaddr_in bound;
	socklen_t size = sizeof(bound);

	memset(stage, 0, sizeof(*stage));
	stage->loop = loop_new();
	timer_init(&stage->deadline, stage->loop, stage_on_deadline, stage);
	timer_start(&stage->deadline, STAGE_DEADLINE_MS);
	stage->listener_fd = listener_open("127.0.0.1:0");
	BUG_ON(stage->listener_fd < 0 ||
	       getsockname(stage->listener_fd, (struct sockaddr *)&bound, &size));
	snprintf(stage->address, sizeof(stage->address), "127.0.0.1:%u",
		 ntohs(bound.sin_port));
	stage->listener =
		listener_new(stage->loop, stage->listener_fd, stage_on_accept, stage);
}

/** Run until a callback of the test stops the loop; a hang fails the test. */
static inline void stage_run(struct stage *stage)
{
	loop_run(stage->loop);
	CU_ASSERT_FALSE(stage->is_late);
}

/** Run until a condition holds; a hang fails the test. */
#define STAGE_RUN_UNTIL(stage, condition)                                       \
	do {                                                                    \
		while (!(condition) && !(stage)->is_late)                       \
			event_base_loop(loop_base((stage)->loop), EVLOOP_ONCE); \
		CU_ASSERT_FALSE((stage)->is_late);                              \
	} while (0)

static inline void stage_stop_listening(struct stage *stage)
{
	listener_free(stage->listener);
	stage->listener = NULL;
	close(stage->listener_fd);
}

static inline void stage_close(struct stage *stage)
{
	for (size_t i = 0; i < STAGE_LINKS; i++) {
		if (stage->links[i])
			link_free(stage->links[i]);
	}
	if (stage->listener)
		stage_stop_listening(stage);
	timer_cancel(&stage->deadline);
	loop_free(stage->loop);
}

/** A route to the server, zeroed but for what is set here; its pool is the caller's to
 * free. @param address  borrowed, one */
static inline void stage_route_open(struct stage *stage, struct route *route,
				    const char *const *address)
{
	*route = (struct route){ .srv = "prov.example.com:8443",
				 .host = "prov.example.com" };
	route->pool = pool_new(stage->loop, &(struct pool_settings){
						    .srv = route->srv,
						    .host = route->host,
						    .addresses = address,
						    .n_addresses = 1,
						    .link = stage_link_settings(),
						    .size = 2,
						    .queue_limit = 16,
					    });
}

/** Count from here on. */
static inline void stage_metrics_open(void)
{
	static bool is_open;

	if (!is_open)
		metrics_open(gateway_metrics(), GATEWAY_N_METRICS, 1);
	is_open = true;
}

/** Answer with the right exchange number, and what is said to be JSON. */
static inline void stage_reply(struct exchange *exchange, unsigned status,
			       const char *body)
{
	char number[24];
	struct http_field fields[] = {
		{ SLICE("Content-Type"), SLICE("application/json") },
		{ SLICE("Provbox-Exchange"), { NULL, 0 } },
	};

	snprintf(number, sizeof(number), "%" PRIu64,
		 link_count(exchange_link(exchange)));
	fields[1].value = slice_of(number);
	exchange_reply(exchange, status, fields, 2, slice_of(body));
}

static inline void stage_answer_ok(struct stage *stage, struct exchange *exchange)
{
	(void)stage;
	stage_reply(exchange, 200, "fine");
}

#endif
