#include "provisioning/courier.h"

#include <signal.h>
#include <sys/prctl.h>

#include "base/log.h"
#include "base/metrics.h"
#include "provisioning/server_config.h"
#include "provisioning/server_metrics.h"
#include "test/unit/https_peer.h"
#include "test/unit/schema.h"

#define ANSWER(status) \
	"HTTP/1.1 " status "\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

/* How long anything may take on a machine that is busy. */
#define PATIENCE_MS 20000

static struct cluster cluster;
static PGconn *admin;
static struct https_peer peer;
static pid_t courier;

/* ---- A courier as a process of its own, which the supervisor would start ---- */

static void run_courier(const char *trust, int64_t timeout_ms)
{
	struct server_config config = {
		.dsn = cluster.dsn,
		.is_prepare = true,
		.database_timeout_ms = PATIENCE_MS,
		.billing = { .url = peer.url,
			     .trust = (char *)(uintptr_t)trust,
			     .timeout_ms = timeout_ms },
		.mail = { .server = { .url = (char *)(uintptr_t) "" } },
		.hook = { .url = (char *)(uintptr_t) "" },
		.verification = { .url = (char *)(uintptr_t) "" },
	};
	struct worker worker = { .config = &config, .loop = loop_new() };

	if (!courier_load(&config, &worker.secrets) || !courier_start(&worker))
		_exit(1);
	loop_run(worker.loop);
	_exit(0);
}

/* Begin with a peer that answers so, and a courier that trusts it. */
static void start(const char *const *answers, size_t n, int64_t timeout_ms)
{
	https_open(&peer, HTTPS_NAME, answers, n);
	fflush(NULL);
	courier = fork();
	if (courier == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* should the test die first */
		alarm(TEST_TIMEOUT_S);
		run_courier(peer.pki->ca_path, timeout_ms);
	}
}

/* The database may still be at a lease that the courier asked for: what the next test
 * puts there would be taken by nobody. */
static bool is_forgotten(void)
{
	return strcmp(schema_value(admin, "select count(*) from pg_stat_activity where "
					  "application_name like '%courier'"),
		      "0") == 0;
}

static void stop(void)
{
	kill(courier, SIGKILL);
	waitpid(courier, NULL, 0);
	https_close(&peer);
	for (int64_t ms = 0; ms < PATIENCE_MS && !is_forgotten(); ms += 10)
		usleep(10000);
	CU_ASSERT_TRUE(is_forgotten());
}

/* ---- The outbox ---- */

/* One effect that is due, alone in the outbox, and whatever the test changes of it. */
static void put_effect(const char *settings)
{
	CU_ASSERT_TRUE(schema_run(
		admin, "update provbox.setting set value = '100 milliseconds' "
		       "where key = 'backoff_first';"
		       "update provbox.setting set value = '1 hour' "
		       "where key in ('backoff_cap', 'give_up');"
		       "delete from provbox.event; delete from provbox.outbox;"
		       "insert into provbox.outbox (kind, key, payload) "
		       "values ('billing', 'request:4711', '{\"id\": \"4711\"}')"));
	CU_ASSERT_TRUE(schema_run(admin, settings));
}

/* Whether the one effect comes to satisfy a condition in time. */
static bool becomes(const char *condition)
{
	char sql[512];

	snprintf(sql, sizeof(sql), "select count(*) from provbox.outbox where %s",
		 condition);
	for (int64_t ms = 0; ms < PATIENCE_MS; ms += 10) {
		if (strcmp(schema_value(admin, sql), "1") == 0)
			return true;
		usleep(10000);
	}
	fprintf(stderr, "never %s, but: %s\n", condition,
		schema_value(admin, "select o::text from provbox.outbox o"));
	return false;
}

/* ---- What comes of an effect ---- */

static void brings_an_effect(void)
{
	const char *const answers[] = { ANSWER("202 Accepted") };
	int64_t posted = metrics_sum(SERVER_BILLING_DONE);

	put_effect("");
	start(answers, 1, PATIENCE_MS);
	CU_ASSERT_TRUE(becomes("state = 'done' and attempt = 1 and reason is null and "
			       "token is null and worker like 'courier-%'"));
	const char *heard = https_heard(&peer);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(heard, "\r\nIdempotency-Key: \"request:4711\"\r\n"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(heard, "\r\nContent-Type: application/cloudevents+json\r\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(heard, "\r\n\r\n{\"id\": \"4711\"}"));
	CU_ASSERT_EQUAL(metrics_sum(SERVER_BILLING_DONE), posted + 1);
	usleep(300000);
	CU_ASSERT_STRING_EQUAL(https_heard(&peer), ""); /* once */
	stop();
}

/* Somebody else has the row when the answer comes: it was brought, and is not done. */
static void counts_as_done_what_is_stored(void)
{
	const char *const answers[] = { ANSWER("202 Accepted") };
	int64_t done = metrics_sum(SERVER_BILLING_DONE);

	put_effect("create function public.steal() returns trigger language plpgsql as "
		   "'begin update provbox.outbox set token = gen_random_uuid() "
		   "where id = new.id; return null; end';"
		   "create trigger steal after update of token on provbox.outbox "
		   "for each row when (old.token is null and new.token is not null) "
		   "execute function public.steal()");
	start(answers, 1, PATIENCE_MS);
	for (int i = 0; i < 500 && !*https_heard(&peer); i++)
		usleep(10000);
	usleep(300000);
	CU_ASSERT_TRUE(becomes("state = 'due' and attempt = 1"));
	CU_ASSERT_EQUAL(metrics_sum(SERVER_BILLING_DONE), done);
	stop();
	CU_ASSERT_TRUE(schema_run(admin, "drop function public.steal cascade"));
}

/* The database waits longer each time; the key stays. */
static void tries_again_what_failed(void)
{
	const char *const answers[] = {
		ANSWER("503 Service Unavailable"),
		ANSWER("429 Too Many Requests"),
		HTTPS_CUT,
		ANSWER("200 OK"),
	};
	int64_t retried = metrics_sum(SERVER_BILLING_FAILED);

	put_effect("");
	start(answers, 4, PATIENCE_MS);
	CU_ASSERT_TRUE(becomes("state = 'done' and attempt = 4 and "
			       "changed - created > interval '700 milliseconds'"));
	for (int i = 0; i < 4; i++)
		CU_ASSERT_PTR_NOT_NULL(
			strstr(https_heard(&peer),
			       "\r\nIdempotency-Key: \"request:4711\"\r\n"));
	CU_ASSERT_EQUAL(metrics_sum(SERVER_BILLING_FAILED), retried + 3);
	stop();
}

static void says_why_it_will_try_again(void)
{
	const char *const answers[] = { ANSWER("500 Internal Server Error") };

	put_effect("update provbox.setting set value = '10 minutes' "
		   "where key = 'backoff_first'");
	start(answers, 1, PATIENCE_MS);
	CU_ASSERT_TRUE(becomes("state = 'due' and attempt = 1 and token is null and "
			       "reason = 'effect_failed' and "
			       "due_at - changed between interval '9 minutes' "
			       "and interval '10 minutes'"));
	stop();
}

static void gives_up_what_is_refused(void)
{
	const char *const answers[] = { ANSWER("400 Bad Request") };
	int64_t dead = metrics_sum(SERVER_BILLING_DEAD);

	put_effect("");
	start(answers, 1, PATIENCE_MS);
	CU_ASSERT_TRUE(becomes("state = 'dead' and attempt = 1 and "
			       "reason = 'effect_refused'"));
	CU_ASSERT_STRING_EQUAL(schema_value(admin,
					    "select kind || ' ' || actor || ' ' || "
					    "(detail ->> 'key') from provbox.event"),
			       "billing_dead courier request:4711");
	for (int i = 0; i < 200 && metrics_sum(SERVER_BILLING_DEAD) == dead; i++)
		usleep(10000);
	CU_ASSERT_EQUAL(metrics_sum(SERVER_BILLING_DEAD), dead + 1);
	for (int i = 0; i < 500 && metrics_sum(SERVER_OUTBOX_BILLING_DEAD) == 0; i++)
		usleep(10000);
	CU_ASSERT_EQUAL(metrics_sum(SERVER_OUTBOX_BILLING_DEAD),
			1); /* the gauge, by the sweep */
	stop();
	metrics_use_slot(0); /* as the supervisor does for the next */
}

static void gives_up_what_fails_for_too_long(void)
{
	const char *const answers[] = { ANSWER("503 Service Unavailable") };

	put_effect("update provbox.setting set value = '1 second' "
		   "where key = 'give_up'");
	start(answers, 1, PATIENCE_MS);
	CU_ASSERT_TRUE(becomes("state = 'dead' and attempt > 1 and "
			       "reason = 'given_up'"));
	stop();
}

/* The lease outlasts the attempt and the storing of what came of it: nobody else sends
 * it in between. When it is over, others may. */
static void leases_for_longer_than_an_attempt(void)
{
	const char *const answers[] = { HTTPS_SILENCE };

	put_effect("update provbox.setting set value = '10 minutes' "
		   "where key = 'backoff_first'");
	start(answers, 1, 1500);
	CU_ASSERT_TRUE(becomes("token is not null and attempt = 1 and "
			       "due_at - changed between interval '11 seconds' "
			       "and interval '11.5 seconds'"));
	CU_ASSERT_TRUE(becomes("token is null and attempt = 1 and state = 'due' and "
			       "reason = 'effect_failed'"));
	stop();
}

/* Of a courier that died with it in hand: under the same key, once its lease is over.
 */
static void takes_over_what_another_left(void)
{
	const char *const answers[] = { ANSWER("200 OK") };

	put_effect("update provbox.outbox set attempt = 1, worker = 'courier-1', "
		   "token = gen_random_uuid(), "
		   "due_at = clock_timestamp() + interval '700 milliseconds'");
	start(answers, 1, PATIENCE_MS);
	usleep(300000);
	CU_ASSERT_STRING_EQUAL(https_heard(&peer), "");
	CU_ASSERT_TRUE(becomes("state = 'done' and attempt = 2"));
	stop();
}

/* More than it takes in hand at a time, each once. */
static void brings_many(void)
{
	const char *const answers[] = { ANSWER("200 OK") };
	int n = 0;

	put_effect("insert into provbox.outbox (kind, key) "
		   "select 'billing', 'more:' || n from generate_series(1, 40) n");
	start(answers, 1, PATIENCE_MS);
	CU_ASSERT_TRUE(becomes("key = 'request:4711' and "
			       "not exists (select from provbox.outbox where "
			       "state <> 'done' or attempt <> 1)"));
	while (*https_heard(&peer))
		n++;
	CU_ASSERT_EQUAL(n, 41);
	stop();
}

/* Sixteen at a time; when none of them gets an answer the others still have their turn.
 */
static void goes_on_after_a_full_hand_of_silence(void)
{
	const char *answers[17];

	for (size_t i = 0; i < 16; i++)
		answers[i] = HTTPS_SILENCE;
	answers[16] = ANSWER("200 OK");
	put_effect("update provbox.setting set value = '10 minutes' "
		   "where key = 'backoff_first';"
		   "insert into provbox.outbox (kind, key) "
		   "select 'billing', 'more:' || n from generate_series(1, 19) n");
	start(answers, 17, 1500);
	CU_ASSERT_TRUE(becomes("key = 'request:4711' and 16 = (select count(*) from "
			       "provbox.outbox where token is not null)"));
	CU_ASSERT_TRUE(becomes("key = 'request:4711' and 4 = (select count(*) from "
			       "provbox.outbox where state = 'done')"));
	stop();
}

static void leaves_the_work_of_others(void)
{
	const char *const answers[] = { ANSWER("200 OK") };

	put_effect("update provbox.outbox set kind = 'mail'");
	start(answers, 1, PATIENCE_MS);
	usleep(700000);
	CU_ASSERT_STRING_EQUAL(https_heard(&peer), "");
	CU_ASSERT_TRUE(becomes("state = 'due' and attempt = 0"));
	stop();
}

int main(void)
{
	static const struct test_case cases[] = {
		TEST(brings_an_effect),
		TEST(counts_as_done_what_is_stored),
		TEST(tries_again_what_failed),
		TEST(says_why_it_will_try_again),
		TEST(gives_up_what_is_refused),
		TEST(gives_up_what_fails_for_too_long),
		TEST(leases_for_longer_than_an_attempt),
		TEST(takes_over_what_another_left),
		TEST(brings_many),
		TEST(goes_on_after_a_full_hand_of_silence),
		TEST(leaves_the_work_of_others),
	};
	if (!cluster_open(&cluster)) {
		cluster_close(&cluster);
		puts("courier: skipped, no PostgreSQL server found");
		return TEST_SKIPPED;
	}
	log_open("test_courier", LOG_LEVEL_ERROR);
	metrics_open(server_metrics, SERVER_N_METRICS, 1);
	admin = schema_connect(&cluster);
	int status = 1;
	if (schema_make(admin))
		status = test_main("courier", cases, sizeof(cases) / sizeof(cases[0]));
	PQfinish(admin);
	cluster_close(&cluster);
	return status;
}
