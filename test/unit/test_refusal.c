#include "gateway/refusal.h"

#include <stdlib.h>

#include "base/address.h"
#include "test/unit/gateway_stage.h"

#define SPREAD_S 20

/* What the handset must see, and what becomes of its session. Written out, not taken
 * from the module: the words are an interface (doc/airnet.md). */
enum words {
	ALIKE, /* 403 authentication_failed: tells nothing (F16) */
	AWAY,  /* 503 server_unavailable, Retry-After: worth another try */
	OWN    /* its own name */
};

static const struct expected {
	enum words words;
	unsigned status;
	bool is_final, is_reported;
} expected[REASON_N] = {
	[REASON_NONE] = { ALIKE, 403, true, false },
	[REASON_IDENTIFIER_MISSING] = { ALIKE, 403, true, false },
	[REASON_IDENTIFIER_AMBIGUOUS] = { ALIKE, 403, true, false },
	[REASON_IDENTIFIER_MALFORMED] = { ALIKE, 403, true, false },
	[REASON_IDENTIFIER_NOT_ALLOWED] = { ALIKE, 403, true, false },
	[REASON_CHANNEL_BINDING] = { ALIKE, 403, true, false },
	[REASON_ROUTE_UNKNOWN] = { ALIKE, 403, true, false },
	[REASON_LANDNET_UNREACHABLE] = { AWAY, 503, true, false },
	[REASON_LANDNET_UNTRUSTED] = { ALIKE, 403, true, false },
	[REASON_LANDNET_BUSY] = { OWN, 503, false, false },
	[REASON_LANDNET_DESYNC] = { AWAY, 503, true, false },
	[REASON_LANDNET_FAILED] = { AWAY, 503, true, false },
	[REASON_AUTHENTICATION_TIMEOUT] = { AWAY, 503, true, false },
	[REASON_AUTHENTICATION_REFUSED] = { ALIKE, 403, true, false },
	[REASON_AUTHENTICATION_UNAVAILABLE] = { AWAY, 503, true, false },
	[REASON_AUTHENTICATION_MALFORMED] = { ALIKE, 403, true, false },
	[REASON_AUTHENTICATION_MISMATCH] = { ALIKE, 403, true, false },
	[REASON_PROOF_MISSING] = { ALIKE, 403, true, false },
	[REASON_PROOF_MALFORMED] = { ALIKE, 403, true, false },
	[REASON_PROOF_UNTRUSTED] = { ALIKE, 403, true, false },
	[REASON_PROOF_SIGNATURE] = { ALIKE, 403, true, false },
	[REASON_PROOF_MISMATCH] = { ALIKE, 403, true, false },
	[REASON_PROOF_GRANT_MISMATCH] = { ALIKE, 403, true, false },
	[REASON_GRANT_MISSING] = { ALIKE, 403, true, false },
	[REASON_GRANT_INVALID] = { ALIKE, 403, true, true },
	[REASON_GRANT_EXPIRED] = { AWAY, 503, true, true },
	[REASON_GRANT_EPOCH] = { AWAY, 503, true, true },
	[REASON_DEVICE_UNKNOWN] = { OWN, 403, true, true },
	[REASON_DEVICE_BLOCKED] = { OWN, 403, true, true },
	[REASON_STANDING_LIMITED] = { OWN, 403, false, false },
	[REASON_CLIENT_CLOSED] = { ALIKE, 403, true, false },
	[REASON_CLIENT_FAILED] = { OWN, 400, true, true },
	[REASON_IDLE_TIMEOUT] = { ALIKE, 403, true, false },
	[REASON_HEAD_TIMEOUT] = { OWN, 408, true, true },
	[REASON_BODY_TIMEOUT] = { OWN, 408, true, true },
	[REASON_WRITE_TIMEOUT] = { OWN, 408, true, true },
	[REASON_ADMISSION_LIMITED] = { OWN, 503, false, false },
	[REASON_SUPERSEDED] = { ALIKE, 403, true, false },
	[REASON_BODY_TOO_LARGE] = { OWN, 413, true, true },
	[REASON_DRAINED] = { ALIKE, 403, true, false },
};

/* A handset that asks once for each reason; the stage refuses it with that. */
static struct ask {
	struct link *link;
	enum auth_reason reason;
	int64_t spread_s;
	unsigned returned, status;
	char head[4096], body[512];
	bool is_over;
} ask;

static void refuse(struct stage *stage, struct exchange *exchange)
{
	(void)stage;
	ask.returned = refusal_answer(exchange, ask.reason, ask.spread_s);
}

static void on_exchange(struct exchange *exchange, enum exchange_event event, void *arg)
{
	struct stage *stage = arg;

	if (event == EXCHANGE_HEAD) {
		ask.status = exchange_head(exchange)->status;
		stage_note_head(stage, exchange_head(exchange));
		memcpy(ask.head, stage->last_head, sizeof(ask.head));
	} else if (event == EXCHANGE_BODY) {
		size_t used = strlen(ask.body);
		int n = evbuffer_remove(exchange_body(exchange), ask.body + used,
					sizeof(ask.body) - 1 - used);

		if (n > 0)
			ask.body[used + (size_t)n] = '\0';
		exchange_resume(exchange);
	}
}

static void on_link(struct link *link, enum link_event event, struct exchange *exchange,
		    void *arg)
{
	(void)link;
	(void)exchange;
	(void)arg;
	ask.is_over = event == LINK_IDLE || event == LINK_CLOSED;
	CU_ASSERT_NOT_EQUAL(event, LINK_CLOSED);
}

static void ask_open(struct stage *stage)
{
	struct link_settings settings = stage_link_settings();
	struct sockaddr_storage address;
	socklen_t size;

	stage_open(stage);
	stage->answer = refuse;
	ask.spread_s = 1;
	CU_ASSERT_FATAL(address_parse(stage->address, &address, &size));
	ask.link = link_connect(stage->loop, (struct sockaddr *)&address, size,
				&settings, on_link, stage);
	STAGE_RUN_UNTIL(stage, link_is_ready(ask.link));
}

static void ask_for(struct stage *stage, enum auth_reason reason)
{
	struct exchange *exchange = link_request(ask.link, on_exchange, stage);

	ask.reason = reason;
	ask.is_over = false;
	ask.status = ask.returned = 0;
	ask.head[0] = ask.body[0] = '\0';
	exchange_send_head(exchange, &(struct http_head){ .method = HTTP_GET,
							  .target = SLICE("/"),
							  .host = SLICE("a"),
							  .keep_alive = true });
	STAGE_RUN_UNTIL(stage, ask.is_over);
}

static void ask_close(struct stage *stage)
{
	link_free(ask.link);
	stage_close(stage);
}

/* Who is sent away with others must not come back with them. */
static void check_spread(enum auth_reason reason, long longest_s)
{
	long n_seen = 0, seen[SPREAD_S + 1] = { 0 };
	struct stage stage;

	ask_open(&stage);
	ask.spread_s = SPREAD_S;
	for (int i = 0; i < 40; i++) {
		ask_for(&stage, reason);
		const char *field = strstr(ask.head, "Retry-After: ");
		CU_ASSERT_PTR_NOT_NULL_FATAL(field);
		long seconds = strtol(field + strlen("Retry-After: "), NULL, 10);
		CU_ASSERT_FATAL(seconds >= 1 && seconds <= longest_s);
		n_seen += seen[seconds]++ == 0;
	}
	CU_ASSERT(n_seen > longest_s / 2); /* by chance not so once in 10^6 runs */
	ask_close(&stage);
}

static void a_storm_is_spread_for_longer_than_a_failure(void)
{
	check_spread(REASON_ADMISSION_LIMITED, SPREAD_S);
	check_spread(REASON_LANDNET_UNREACHABLE, 5);
}

static void every_reason_has_its_status_and_word(void)
{
	struct stage stage;

	ask_open(&stage);
	for (int i = 0; i < REASON_N; i++) {
		const struct expected *own = &expected[i];
		const char *words[] = {
			[ALIKE] = "authentication_failed",
			[AWAY] = "server_unavailable",
			[OWN] = auth_reason_name((enum auth_reason)i),
		};
		char word[80];

		ask_for(&stage, (enum auth_reason)i);
		snprintf(word, sizeof(word), "\"reason\":\"%s\"", words[own->words]);
		CU_ASSERT_EQUAL(ask.status, own->status);
		CU_ASSERT_EQUAL(ask.returned, own->status);
		CU_ASSERT_PTR_NOT_NULL(strstr(ask.body, word));
		CU_ASSERT_EQUAL(strstr(ask.head, "Retry-After: ") != NULL,
				own->status == 503);
	}
	ask_close(&stage);
}

/* F16: not a byte of the answer tells one of these failures from another. */
static void what_is_told_alike_is_alike(void)
{
	static char heads[2][4096], bodies[2][512];
	struct stage stage;

	memset(bodies, 0, sizeof(bodies));
	ask_open(&stage);
	for (int i = 0; i < REASON_N; i++) {
		enum words words = expected[i].words;

		if (words == OWN)
			continue;
		ask_for(&stage, (enum auth_reason)i);
		if (!bodies[words][0]) {
			memcpy(heads[words], ask.head, sizeof(ask.head));
			memcpy(bodies[words], ask.body, sizeof(ask.body));
		}
		CU_ASSERT_STRING_EQUAL(ask.head, heads[words]);
		CU_ASSERT_STRING_EQUAL(ask.body, bodies[words]);
	}
	ask_close(&stage);
}

static void says_which_reasons_end_a_session_and_which_are_reported(void)
{
	for (int i = 0; i < REASON_N; i++) {
		CU_ASSERT_EQUAL(refusal_is_final((enum auth_reason)i),
				expected[i].is_final);
		CU_ASSERT_EQUAL(refusal_is_reported((enum auth_reason)i),
				expected[i].is_reported);
	}
}

TEST_MAIN("refusal", TEST(every_reason_has_its_status_and_word),
	  TEST(a_storm_is_spread_for_longer_than_a_failure),
	  TEST(what_is_told_alike_is_alike),
	  TEST(says_which_reasons_end_a_session_and_which_are_reported))
