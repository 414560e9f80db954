/*
 * A landnet worker for unit tests, as far as a call of the API sees it: one gateway,
 * one grant key, one connection. The test is the gateway, with the other end of that
 * connection as a bare socket.
 */
#ifndef TEST_UNIT_LANDNET_STAGE_H
#define TEST_UNIT_LANDNET_STAGE_H

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/time.h"
#include "provisioning/api.h"
#include "test/unit/claims.h"
#include "test/unit/directory.h"
#include "test/unit/test.h"

#define STAGE_KEYS          \
	"a0a1a2a3a4a5a6a7 " \
	"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"

/** How long an answer may take, in ms. */
#define STAGE_PATIENCE_MS 20000

struct stage {
	struct loop *loop;
	struct landnet landnet;
	struct gateway gateway;
	struct peer peer;
	int raw; /* our end of the connection */

	/* The last answer, its body after the head. */
	char text[4 << 20];
	size_t n_text, head_bytes, body_bytes;
	unsigned status;
	bool is_ended; /* nothing more will come */
};

static inline void stage_open(struct stage *stage)
{
	static const char *const all[] = { "all" };
	struct directory directory;
	struct auth_claims claims;
	char why[256];

	signal(SIGPIPE, SIG_IGN);
	memset(stage, 0, sizeof(*stage));
	claims_fill(&claims);
	stage->gateway.name = "a";
	memcpy(stage->gateway.gw, claims.gw, SHA256_BYTES);
	for (size_t k = 0; k < AUTHORITY_N_KINDS; k++)
		stage->gateway.devices[k] = (struct authority_prefixes){ all, 1 };
	memcpy(stage->landnet.srv, claims.srv, sizeof(stage->landnet.srv));
	stage->loop = stage->landnet.loop = loop_new();
	directory_open(&directory);
	stage->landnet.grants = grant_keys_load(
		directory_write(&directory, "grant.keys", STAGE_KEYS, 0600), why,
		sizeof(why));
	directory_close(&directory);
	CU_ASSERT_PTR_NOT_NULL_FATAL(stage->landnet.grants);
}

/** A new connection of the gateway, whose requests @p fn gets. */
static inline void stage_connect(struct stage *stage, link_fn *fn)
{
	static const struct link_settings settings = { .arena_bytes = 0 };
	int fds[2];

	CU_ASSERT_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
	stage->raw = fds[0];
	stage->is_ended = false;
	stage->peer =
		(struct peer){ .landnet = &stage->landnet, .gateway = &stage->gateway };
	memcpy(stage->peer.gw, stage->gateway.gw, SHA256_BYTES);
	stage->peer.link = link_accept(stage->loop, fds[1], &settings, fn, stage);
	CU_ASSERT_PTR_NOT_NULL_FATAL(stage->peer.link);
}

static inline void stage_hang_up(struct stage *stage)
{
	if (stage->peer.call)
		api_drop(stage->peer.call);
	if (stage->peer.link)
		link_free(stage->peer.link);
	stage->peer.link = NULL;
	close(stage->raw);
	event_base_loop(loop_base(stage->loop), EVLOOP_NONBLOCK);
}

static inline void stage_close(struct stage *stage)
{
	grant_keys_free(stage->landnet.grants);
	loop_free(stage->loop);
}

/* ---- What the gateway says and hears ---- */

/** A grant as the stage's server makes it for its own gateway, one hour to go. */
static inline struct grant stage_grant(void)
{
	struct grant grant = { .standing = STANDING_ACTIVE, .epoch = 7 };

	claims_fill(&grant.claims);
	grant.issued_s = time_now_ms() / 1000;
	grant.expires_s = grant.issued_s + AUTH_GRANT_SECONDS;
	return grant;
}

/** Its text for the Provbox-Grant field; static, good until the next call. */
static inline const char *stage_grant_text(const struct stage *stage,
					   const struct grant *grant)
{
	static char text[BASE64URL_CHARS(AUTH_GRANT_BYTES) + 1];
	uint8_t bytes[AUTH_GRANT_BYTES];
	size_t n = grant_make(stage->landnet.grants, grant, bytes);

	base64url_encode(slice_make(bytes, n), text);
	return text;
}

/* Whether the answer is whole: a head, and as many bytes as it promised. */
static inline bool stage_is_answered(struct stage *stage)
{
	const char *end = strstr(stage->text, "\r\n\r\n");
	const char *length = strstr(stage->text, "Content-Length: ");

	if (!end)
		return false;
	stage->head_bytes = (size_t)(end + 4 - stage->text);
	stage->body_bytes = stage->n_text - stage->head_bytes;
	stage->status = (unsigned)strtoul(stage->text + strlen("HTTP/1.1 "), NULL, 10);
	return stage->body_bytes >=
	       (length && length < end ? strtoul(length + 16, NULL, 10) : 0);
}

/** Let the server work for a moment, without taking anything from it. */
static inline void stage_work(struct stage *stage)
{
	event_base_loop(loop_base(stage->loop), EVLOOP_NONBLOCK);
	usleep(500);
}

/** Let it work, and take what has come: at most @p n bytes, not 0. */
static inline void stage_take(struct stage *stage, size_t n)
{
	size_t room = sizeof(stage->text) - 1 - stage->n_text;

	stage_work(stage);
	ssize_t got =
		recv(stage->raw, stage->text + stage->n_text, n < room ? n : room, 0);
	if (got > 0)
		stage->n_text += (size_t)got;
	else if (got == 0 || errno != EAGAIN)
		stage->is_ended = true;
	stage->text[stage->n_text] = '\0';
}

static inline void stage_say(struct stage *stage, const char *request)
{
	stage->n_text = stage->head_bytes = stage->body_bytes = 0;
	stage->status = 0;
	stage->text[0] = '\0';
	CU_ASSERT_EQUAL_FATAL(send(stage->raw, request, strlen(request), MSG_NOSIGNAL),
			      (ssize_t)strlen(request));
}

/** Read the answer to its end, or to that of the connection. */
static inline void stage_hear(struct stage *stage)
{
	int64_t end = loop_now_ms(stage->loop) + STAGE_PATIENCE_MS;

	while (!stage_is_answered(stage) && !stage->is_ended &&
	       loop_now_ms(stage->loop) < end)
		stage_take(stage, sizeof(stage->text));
	event_base_loop(loop_base(stage->loop), EVLOOP_NONBLOCK);
}

/** Whether the head of the answer has exactly this line. */
static inline bool stage_has_line(const struct stage *stage, const char *line)
{
	char whole[512];
	const char *found;

	snprintf(whole, sizeof(whole), "\r\n%s\r\n", line);
	found = strstr(stage->text, whole);
	return found && found < stage->text + stage->head_bytes;
}

/** Whether it was refused so, by a problem document that says the same twice. */
static inline bool stage_is_refused(const struct stage *stage, unsigned status,
				    const char *reason)
{
	char member[64];

	snprintf(member, sizeof(member), "\"reason\":\"%s\"", reason);
	return stage->status == status &&
	       stage_has_line(stage, "Content-Type: application/problem+json") &&
	       strstr(stage->text + stage->head_bytes, member);
}

#endif
