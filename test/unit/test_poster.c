#include "provisioning/poster.h"

#include "base/time.h"
#include "test/unit/https_peer.h"

#define TYPE "application/cloudevents+json"

#define ANSWER(status, more)                                                          \
	"HTTP/1.1 " status "\r\nConnection: close\r\nContent-Length: 0\r\n" more "\r" \
	"\n"

/* Long enough for a machine that is busy. */
#define PATIENCE_MS 20000

static const char ok[] = ANSWER("202 Accepted", "");

static struct loop *loop;
static struct transfers *transfers;
/* Each lives as long as the process. */
static struct poster *posters[32];
static size_t n_posters;

/* What came of one post. */
struct outcome {
	int times;
	unsigned status;
	char why[256];
	char type[64];
	char body[64];
};
static int n_open;

static void on_posted(void *arg, const struct post_answer *answer)
{
	struct outcome *outcome = arg;

	outcome->times++;
	outcome->status = answer->status;
	snprintf(outcome->why, sizeof(outcome->why), "%s", answer->why);
	snprintf(outcome->type, sizeof(outcome->type), "%s", answer->type);
	snprintf(outcome->body, sizeof(outcome->body), "%.*s", (int)answer->body.n,
		 answer->body.p);
	if (--n_open == 0)
		loop_stop(loop);
}

static void on_late(void *arg)
{
	loop_stop(arg);
}

static void run(void)
{
	struct timer late;

	timer_init(&late, loop, on_late, loop);
	timer_start(&late, 2 * PATIENCE_MS);
	loop_run(loop);
	timer_cancel(&late);
	CU_ASSERT_EQUAL(n_open, 0);
}

/* What no test changes, and lives as long as the posters. */
static struct service services[sizeof(posters) / sizeof(posters[0])];

static struct poster *make_poster_for(const struct service *service, size_t limit)
{
	if (!loop) {
		loop = loop_new();
		transfers = transfers_new(loop);
	}
	CU_ASSERT_FATAL(n_posters < sizeof(posters) / sizeof(posters[0]));
	services[n_posters] = *service;
	struct post_settings settings = { .service = &services[n_posters],
					  .content_type = TYPE,
					  .answer_limit_bytes = limit };
	return posters[n_posters++] = poster_new(transfers, &settings);
}

static struct poster *make_poster(const char *url, const char *trust,
				  int64_t timeout_ms)
{
	return make_poster_for(&(struct service){ .url = url,
						  .trust = slice_of(trust),
						  .timeout_ms = timeout_ms },
			       0);
}

static void post(struct poster *poster, const char *body, const char *key,
		 struct outcome *outcome)
{
	*outcome = (struct outcome){ 0 };
	n_open++;
	poster_post(poster, slice_of(body), key, on_posted, outcome);
	CU_ASSERT_EQUAL(outcome->times, 0); /* never before it has returned */
}

/* One post, to its end. */
static struct outcome post_to(const char *url, const char *trust, int64_t timeout_ms)
{
	struct outcome outcome;

	post(make_poster(url, trust, timeout_ms), "{}", "key", &outcome);
	run();
	CU_ASSERT_EQUAL(outcome.times, 1);
	return outcome;
}

/* One post to a peer that answers so. */
static struct outcome answer_of(const char *answer, int64_t timeout_ms)
{
	struct https_peer peer;

	https_open(&peer, HTTPS_NAME, &answer, 1);
	char *trust = https_trust(&peer);
	struct outcome outcome = post_to(peer.url, trust, timeout_ms);
	CU_ASSERT_STRING_NOT_EQUAL(https_heard(&peer), "");
	CU_ASSERT_STRING_EQUAL(https_heard(&peer), ""); /* never twice, nor elsewhere */
	free(trust);
	https_close(&peer);
	return outcome;
}

static bool has_line(const char *head, const char *line)
{
	char whole[256];

	snprintf(whole, sizeof(whole), "\r\n%s\r\n", line);
	return strstr(head, whole) != NULL;
}

/* Source: draft-ietf-httpapi-idempotency-key-header, 2.1: the key is a quoted string */
static void sends_what_it_is_given(void)
{
	const char *const answers[] = { ok };
	struct https_peer peer;
	struct outcome outcome;
	char body[] = "{\"id\": \"1\"}";

	https_open(&peer, HTTPS_NAME, answers, 1);
	char *trust = https_trust(&peer);
	post(make_poster(peer.url, trust, PATIENCE_MS), body, "request:4711", &outcome);
	memset(body, 'x', sizeof(body) - 1); /* it was copied */
	run();
	CU_ASSERT_EQUAL(outcome.status, 202);
	CU_ASSERT_STRING_EQUAL(outcome.why, "");
	const char *heard = https_heard(&peer);
	CU_ASSERT_EQUAL(strncmp(heard, "POST /events HTTP/1.1\r\n", 23), 0);
	CU_ASSERT_TRUE(has_line(heard, "Content-Type: " TYPE));
	CU_ASSERT_TRUE(has_line(heard, "Idempotency-Key: \"request:4711\""));
	CU_ASSERT_TRUE(has_line(heard, "Content-Length: 11"));
	CU_ASSERT_PTR_NULL(strcasestr(heard, "\r\nExpect:"));
	const char *end = strstr(heard, "\r\n\r\n");
	CU_ASSERT_PTR_NOT_NULL_FATAL(end);
	CU_ASSERT_STRING_EQUAL(end + 4, "{\"id\": \"1\"}");
	free(trust);
	https_close(&peer);
}

static void tells_the_status(void)
{
	static const struct {
		const char *answer;
		unsigned status;
	} cases[] = {
		{ ANSWER("200 OK", ""), 200 },
		{ ANSWER("400 Bad Request", ""), 400 },
		{ ANSWER("503 Service Unavailable", "Retry-After: 1\r\n"), 503 },
		/* not followed: the body would go to where nobody configured it */
		{ ANSWER("307 Temporary Redirect", "Location: /other\r\n"), 307 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct outcome outcome = answer_of(cases[i].answer, PATIENCE_MS);

		CU_ASSERT_EQUAL(outcome.status, cases[i].status);
		CU_ASSERT_STRING_EQUAL(outcome.why, "");
	}
}

static void tells_when_there_is_no_answer(void)
{
	static const char *const answers[] = {
		HTTPS_CUT,
		"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
		"SSH-2.0-nonsense\r\n\r\n",
	};
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct outcome outcome = answer_of(answers[i], PATIENCE_MS);

		CU_ASSERT_EQUAL(outcome.status, 0);
		CU_ASSERT_STRING_NOT_EQUAL(outcome.why, "");
	}
}

static void ends_at_its_deadline(void)
{
	int64_t begin = time_now_ms();
	struct outcome outcome = answer_of(HTTPS_SILENCE, 400);

	CU_ASSERT_EQUAL(outcome.status, 0);
	CU_ASSERT_STRING_NOT_EQUAL(outcome.why, "");
	CU_ASSERT_TRUE(time_now_ms() - begin >= 400);
	CU_ASSERT_TRUE(time_now_ms() - begin < PATIENCE_MS);
}

/* Of another name, or of another authority: it gets nothing. */
static void sends_nothing_to_a_stranger(void)
{
	const char *const answers[] = { ok };
	struct https_peer named, other;

	https_open(&named, "DNS:billing.example.com", answers, 1);
	https_open(&other, HTTPS_NAME, answers, 1);
	char *trust = https_trust(&named);
	const char *const urls[] = { named.url, other.url };
	for (size_t i = 0; i < 2; i++) {
		struct outcome outcome = post_to(urls[i], trust, PATIENCE_MS);

		CU_ASSERT_EQUAL(outcome.status, 0);
		CU_ASSERT_STRING_NOT_EQUAL(outcome.why, "");
	}
	CU_ASSERT_STRING_EQUAL(https_heard(&named), "");
	CU_ASSERT_STRING_EQUAL(https_heard(&other), "");
	free(trust);
	https_close(&named);
	https_close(&other);
}

static void goes_nowhere_but_where_it_is_sent(void)
{
	const char *const answers[] = { ok };
	struct https_peer peer;
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t size = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	char plain[64];

	/* Nobody is even called without TLS. */
	CU_ASSERT_EQUAL_FATAL(bind(listener, (void *)&address, size), 0);
	CU_ASSERT_EQUAL_FATAL(listen(listener, 1), 0);
	getsockname(listener, (void *)&address, &size);
	snprintf(plain, sizeof(plain), "http://localhost:%u/events",
		 ntohs(address.sin_port));
	struct outcome outcome = post_to(plain, "", 400);
	CU_ASSERT_EQUAL(outcome.status, 0);
	CU_ASSERT_EQUAL(accept(listener, NULL, NULL), -1);
	close(listener);

	https_open(&peer, HTTPS_NAME, answers, 1);
	char *trust = https_trust(&peer);
	setenv("https_proxy", "http://127.0.0.1:1", 1); /* nobody's business here */
	outcome = post_to(peer.url, trust, PATIENCE_MS);
	unsetenv("https_proxy");
	CU_ASSERT_EQUAL(outcome.status, 202);
	free(trust);
	https_close(&peer);
	outcome = post_to(peer.url, "", PATIENCE_MS); /* where nobody listens */
	CU_ASSERT_EQUAL(outcome.status, 0);
	CU_ASSERT_STRING_NOT_EQUAL(outcome.why, "");
}

/* One post by a service, with room for an answer of so many bytes. */
static struct outcome post_by(const struct service *service, size_t limit)
{
	struct outcome outcome;

	post(make_poster_for(service, limit), "{}", "key", &outcome);
	run();
	return outcome;
}

static void shows_who_it_is(void)
{
	static char token[] = "Authorization: Bearer s3cret";
	const char *const answers[] = { ok };
	struct https_peer peer;

	https_open_as(&peer, HTTPS_NAME, true, answers, 1);
	const struct pki_leaf *leaf = pki_issue(
		peer.pki, "client", &(struct pki_options){ .eku = "clientAuth" });
	char *trust = https_trust(&peer), *key = NULL, *certificate = NULL;
	size_t n_key, n_certificate;
	FILE *key_pem = open_memstream(&key, &n_key);
	FILE *certificate_pem = open_memstream(&certificate, &n_certificate);
	PEM_write_PrivateKey(key_pem, leaf->key, NULL, NULL, 0, NULL, NULL);
	PEM_write_X509(certificate_pem, leaf->cert);
	fclose(key_pem);
	fclose(certificate_pem);
	struct service service = { .url = peer.url,
				   .trust = slice_of(trust),
				   .timeout_ms = PATIENCE_MS };
	CU_ASSERT_EQUAL(post_by(&service, 0).status, 0); /* without it nobody */
	CU_ASSERT_STRING_EQUAL(https_heard(&peer), "");
	service.key = slice_make(key, n_key);
	service.certificate = slice_make(certificate, n_certificate);
	service.authorization = token;
	CU_ASSERT_EQUAL(post_by(&service, 0).status, 202);
	CU_ASSERT_TRUE(has_line(https_heard(&peer), token));
	free(key);
	free(certificate);
	free(trust);
	https_close(&peer);
}

static void keeps_as_much_of_an_answer_as_it_may(void)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nConnection: close\r\n"
				     "Content-Type: text/plain\r\n"
				     "Content-Length: 5\r\n\r\nhello";
	static const struct {
		size_t limit;
		unsigned status;
		const char *why, *type, *body;
	} cases[] = {
		{ 5, 200, "", "text/plain", "hello" },
		{ 4, 0, "the answer is too long", "", "" },
		{ 0, 200, "", "text/plain", "" }, /* dropped */
	};
	const char *const answers[] = { answer };
	struct https_peer peer;

	https_open(&peer, HTTPS_NAME, answers, 1);
	char *trust = https_trust(&peer);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct outcome outcome =
			post_by(&(struct service){ .url = peer.url,
						   .trust = slice_of(trust),
						   .timeout_ms = PATIENCE_MS },
				cases[i].limit);
		CU_ASSERT_EQUAL(outcome.status, cases[i].status);
		CU_ASSERT_STRING_EQUAL(outcome.why, cases[i].why);
		CU_ASSERT_STRING_EQUAL(outcome.type, cases[i].type);
		CU_ASSERT_STRING_EQUAL(outcome.body, cases[i].body);
	}
	free(trust);
	https_close(&peer);
}

/* Each status there is. Source: doc/billing.md */
static void judges_every_status(void)
{
	for (unsigned status = 0; status < 1000; status++) {
		enum post_verdict verdict = POST_FAILED;

		if (status / 100 == 2)
			verdict = POST_DONE;
		else if ((status / 100 == 3 || status / 100 == 4) && status != 408 &&
			 status != 425 && status != 429)
			verdict = POST_REFUSED;
		CU_ASSERT_EQUAL(post_judge(status), verdict);
	}
}

static void keeps_many_apart(void)
{
	const char *const answers[] = { ANSWER("500 No", ""), ok };
	struct https_peer peer;
	struct outcome outcomes[8];
	unsigned seen = 0, n_failed = 0;

	https_open(&peer, HTTPS_NAME, answers, 2);
	char *trust = https_trust(&peer);
	struct poster *poster = make_poster(peer.url, trust, PATIENCE_MS);
	for (unsigned i = 0; i < 8; i++) {
		char key[] = { (char)('a' + i), '\0' };
		post(poster, "{}", key, &outcomes[i]);
	}
	run();
	for (unsigned i = 0; i < 8; i++) {
		const char *key = strstr(https_heard(&peer), "\r\nIdempotency-Key: \"");
		CU_ASSERT_PTR_NOT_NULL_FATAL(key);
		seen |= 1u << (key[20] - 'a');
		CU_ASSERT_EQUAL(outcomes[i].times, 1);
		/* The first that was heard was refused, whichever it is. */
		CU_ASSERT_EQUAL(outcomes[key[20] - 'a'].status, i == 0 ? 500 : 202);
		n_failed += outcomes[i].status == 500;
	}
	CU_ASSERT_EQUAL(seen, 0xff);
	CU_ASSERT_EQUAL(n_failed, 1);
	free(trust);
	https_close(&peer);
}

TEST_MAIN("poster", TEST(sends_what_it_is_given), TEST(tells_the_status),
	  TEST(tells_when_there_is_no_answer), TEST(ends_at_its_deadline),
	  TEST(sends_nothing_to_a_stranger), TEST(goes_nowhere_but_where_it_is_sent),
	  TEST(shows_who_it_is), TEST(keeps_as_much_of_an_answer_as_it_may),
	  TEST(judges_every_status), TEST(keeps_many_apart))
