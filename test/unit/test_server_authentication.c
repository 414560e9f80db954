/*
 * Who gets a grant and a proof, and who is told only what it is. The call is played
 * here; grants are made and opened with real keys, and the zone is a process that
 * answers, or does not.
 */
#include "provisioning/authentication.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "base/log.h"
#include "base/time.h"
#include "provisioning/server_config.h"
#include "provisioning/server_metrics.h"
#include "test/unit/api_played.h"
#include "test/unit/landnet_stage.h"

#define PROOF "header.claims.signature"

static struct stage stage;
static struct server_config config;

/* What became of the call. */
static struct {
	bool is_answered;
	struct auth_information information;
	int refusal; /* -1: none */
} heard;

/* ---- Played ---- */

void api_refuse(struct api_call *its_call, enum api_refusal refusal, const char *detail)
{
	(void)its_call;
	CU_ASSERT_EQUAL(refusal == API_BODY_INVALID, detail != NULL);
	CU_ASSERT_FALSE(heard.is_answered || heard.refusal >= 0);
	heard.refusal = (int)refusal;
}

void api_reply(struct api_call *its_call, unsigned status,
	       const struct http_field *fields, size_t n_fields, struct slice body)
{
	char why[128];

	(void)its_call;
	CU_ASSERT_FALSE(heard.is_answered || heard.refusal >= 0);
	CU_ASSERT_EQUAL(status, 200);
	CU_ASSERT(n_fields == 1 &&
		  slice_eq(fields[0].value, SLICE("application/json")));
	heard.is_answered = auth_information_decode(body, arena, &heard.information,
						    why, sizeof(why));
	CU_ASSERT_TRUE(heard.is_answered);
}

void api_drop(struct api_call *its_call)
{
	(void)its_call;
}

/* ---- A call ---- */

static void begin(bool wants_proof)
{
	struct auth_claims claims;

	arena = arena_new(65536);
	heard.is_answered = false;
	heard.refusal = -1;
	n_params = 0;
	claims_fill(&claims);
	call = (struct api_call){ .peer = &stage.peer };
	call.body = slice_of(auth_request_encode(&claims, wants_proof, arena));
	CU_ASSERT_TRUE_FATAL(authentication_fill(&call, params, &n_params));
}

static void end(void)
{
	if (call.on_end)
		call.on_end(&call);
	arena_free(arena);
}

/* The row of authentication_read(): standing, epoch, outcome, reason. */
static void answer(const char *standing, const char *epoch, const char *outcome,
		   const char *reason)
{
	static char name[] = "c";
	PGresAttDesc columns[4] = { { .name = name, .typlen = -1 },
				    { .name = name, .typlen = -1 },
				    { .name = name, .typlen = -1 },
				    { .name = name, .typlen = -1 } };
	const char *values[] = { standing, epoch, outcome, reason };
	PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);

	CU_ASSERT_FATAL(PQsetResultAttrs(result, 4, columns));
	for (int i = 0; standing && i < 4; i++)
		CU_ASSERT_FATAL(PQsetvalue(result, 0, i, (char *)values[i],
					   values[i] ? (int)strlen(values[i]) : -1));
	authentication_answer(&call, result);
	PQclear(result);
}

/* ---- The zone ---- */

static ssize_t prove(void *arg, struct slice question, uint8_t *its_answer, size_t cap)
{
	(void)arg;
	if (question.n == 0 || cap < sizeof(PROOF))
		return -1;
	memcpy(its_answer, PROOF, sizeof(PROOF) - 1);
	return sizeof(PROOF) - 1;
}

static ssize_t refuse(void *arg, struct slice question, uint8_t *its_answer, size_t cap)
{
	(void)arg, (void)question, (void)its_answer, (void)cap;
	return -1;
}

static pid_t zone_pid;
static int zone_fd;

static void zone_begin(child_handler_fn *handler)
{
	int fds[2];

	CU_ASSERT_EQUAL_FATAL(child_channel(fds), 0);
	zone_pid = fork();
	if (zone_pid == 0) {
		close(fds[0]);
		if (handler)
			child_serve(&fds[1], 1, handler, NULL);
		else
			pause();
		_exit(0);
	}
	close(fds[1]);
	zone_fd = fds[0];
	stage.landnet.zone = child_caller_new(stage.loop, zone_fd);
}

static void zone_end(void)
{
	child_caller_free(stage.landnet.zone);
	close(zone_fd);
	kill(zone_pid, SIGKILL);
	waitpid(zone_pid, NULL, 0);
}

static void wait_for_zone(void)
{
	int64_t last = loop_now_ms(stage.loop) + STAGE_PATIENCE_MS;

	while (!heard.is_answered && heard.refusal < 0 &&
	       loop_now_ms(stage.loop) < last)
		stage_work(&stage);
}

static int64_t counted(enum server_metric metric)
{
	return metrics_sum(metric);
}

/* ---- Tests ---- */

static void opens(void)
{
	stage_open(&stage);
	config.authentication_timeout_ms = STAGE_PATIENCE_MS;
	stage.landnet.config = &config;
	stage.peer =
		(struct peer){ .landnet = &stage.landnet, .gateway = &stage.gateway };
	memcpy(stage.peer.gw, stage.gateway.gw, SHA256_BYTES);
}

static void closes(void)
{
	stage_close(&stage);
}

static bool is_bytes(size_t i, const void *bytes, size_t n)
{
	return params[i].is_binary && (size_t)params[i].n == n &&
	       memcmp(params[i].p, bytes, n) == 0;
}

static void another_method_is_not_permitted(void)
{
	static const struct {
		const char *method;
		int refusal;
	} rows[] = { { "key", API_METHOD_NOT_PERMITTED }, { "KEY", API_BODY_INVALID } };

	for (size_t i = 0; i < 2; i++) {
		begin(false);
		const char *at = memmem(call.body.p, call.body.n, AUTH_METHOD,
					strlen(AUTH_METHOD));
		call.body = slice_of(arena_printf(
			arena, "%.*s%s%s", (int)(at - call.body.p), call.body.p,
			rows[i].method, at + strlen(AUTH_METHOD)));
		CU_ASSERT_FALSE(authentication_fill(&call, params, &n_params));
		CU_ASSERT_EQUAL(heard.refusal, rows[i].refusal);
		end();
	}
}

static void a_gateway_speaks_for_its_own_devices(void)
{
	static const char *const theirs[] = { "99", "3520990" };
	struct authority_prefixes *imei = &stage.gateway.devices[AUTHORITY_IMEI];
	const struct authority_prefixes all = *imei;

	for (size_t n = 1; n <= 2; n++) {
		begin(false);
		n_params = 0;
		*imei = (struct authority_prefixes){ theirs, n };
		CU_ASSERT_EQUAL(authentication_fill(&call, params, &n_params), n == 2);
		if (n == 1)
			CU_ASSERT_EQUAL(heard.refusal, API_GATEWAY_NOT_FOR_DEVICE);
		*imei = all;
		end();
	}
}

static void asks_for_the_device_under_its_own_name_of_the_gateway(void)
{
	struct auth_claims claims;

	/* Whoever the claims say: what counts is who is connected. */
	memset(stage.peer.gw, 'G', sizeof(stage.peer.gw));
	begin(false);
	claims_fill(&claims);
	CU_ASSERT_EQUAL(n_params, 5);
	CU_ASSERT(slice_eq(slice_make(params[0].p, (size_t)params[0].n),
			   slice_of(claims.dev)));
	CU_ASSERT(is_bytes(1, claims.cred, sizeof(claims.cred)));
	CU_ASSERT(slice_eq(slice_make(params[2].p, (size_t)params[2].n),
			   SLICE("certificate")));
	CU_ASSERT(is_bytes(3, stage.peer.gw, sizeof(stage.peer.gw)));
	CU_ASSERT(is_bytes(4, claims.sid, sizeof(claims.sid)));
	CU_ASSERT_STRING_EQUAL(call.claims.srv, stage.landnet.srv);
	end();
	memcpy(stage.peer.gw, stage.gateway.gw, sizeof(stage.peer.gw));
}

static void refuses_what_is_no_request(void)
{
	static const char *const bodies[] = { "", "[]", "{}", "{\"v\":1}",
					      "{\"v\":2}" };

	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		begin(false);
		n_params = 0;
		call.body = slice_of(bodies[i]);
		CU_ASSERT_FALSE(authentication_fill(&call, params, &n_params));
		CU_ASSERT_EQUAL(heard.refusal,
				i == 4 ? API_VERSION_UNSUPPORTED : API_BODY_INVALID);
		CU_ASSERT_EQUAL(n_params, 0);
		end();
	}
}

static void gives_a_grant_that_is_bound_to_all_of_it(void)
{
	const int64_t n = counted(SERVER_AUTHENTICATED);
	struct grant grant;
	struct auth_claims claims;

	begin(false);
	answer("limited", "41", "grant", NULL);
	CU_ASSERT_TRUE_FATAL(heard.is_answered);
	claims_fill(&claims);
	CU_ASSERT_EQUAL(heard.information.standing, STANDING_LIMITED);
	CU_ASSERT_EQUAL(memcmp(heard.information.sid, claims.sid, AUTH_SID_BYTES), 0);
	CU_ASSERT_EQUAL(memcmp(heard.information.nonce, claims.nonce, AUTH_NONCE_BYTES),
			0);
	CU_ASSERT_EQUAL(heard.information.proof.n, 0);
	CU_ASSERT_EQUAL(grant_open(stage.landnet.grants, heard.information.grant,
				   stage.peer.gw, stage.landnet.srv,
				   time_now_ms() / 1000, &grant),
			REASON_NONE);
	CU_ASSERT_EQUAL(grant.standing, STANDING_LIMITED);
	CU_ASSERT_EQUAL(grant.epoch, 41);
	CU_ASSERT_EQUAL(grant.expires_s - grant.issued_s, AUTH_GRANT_SECONDS);
	CU_ASSERT_STRING_EQUAL(grant.claims.dev, claims.dev);
	CU_ASSERT_EQUAL(memcmp(grant.claims.sid, claims.sid, AUTH_SID_BYTES), 0);
	CU_ASSERT_EQUAL(memcmp(grant.claims.cred, claims.cred, SHA256_BYTES), 0);
	CU_ASSERT_EQUAL(memcmp(grant.claims.binding, claims.binding, SHA256_BYTES), 0);
	CU_ASSERT_EQUAL(counted(SERVER_AUTHENTICATED), n + 1);
	CU_ASSERT_EQUAL(call.reason.n, 0);
	end();
}

static const struct {
	const char *standing, *reason;
	enum standing is;
	enum server_metric metric;
} without[] = {
	{ "unknown", "device_unknown", STANDING_UNKNOWN,
	  SERVER_AUTHENTICATION_UNKNOWN },
	{ "blocked", "device_blocked", STANDING_BLOCKED,
	  SERVER_AUTHENTICATION_BLOCKED },
	{ "active", "credential_mismatch", STANDING_ACTIVE,
	  SERVER_AUTHENTICATION_MISMATCH },
	{ "blocked", "device_clone", STANDING_BLOCKED, SERVER_AUTHENTICATION_CLONE },
};

static void tells_the_standing_without_a_grant(void)
{
	for (size_t i = 0; i < sizeof(without) / sizeof(without[0]); i++) {
		const int64_t n = counted(without[i].metric);
		const int64_t n_granted = counted(SERVER_AUTHENTICATED);

		begin(false);
		answer(without[i].standing, "1", "no_grant", without[i].reason);
		CU_ASSERT_TRUE(heard.is_answered);
		CU_ASSERT_EQUAL(heard.information.standing, without[i].is);
		CU_ASSERT_EQUAL(heard.information.grant.n, 0);
		CU_ASSERT(slice_eq(call.reason, slice_of(without[i].reason)));
		CU_ASSERT_EQUAL(counted(without[i].metric), n + 1);
		CU_ASSERT_EQUAL(counted(SERVER_AUTHENTICATED), n_granted);
		end();
	}
}

static void believes_no_row_of_another_shape(void)
{
	static const struct {
		const char *standing, *epoch;
	} rows[] = {
		{ NULL, NULL },
		{ "splendid", "1" },
		{ "active", "-1" },
		{ "active", "soon" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin(true);
		answer(rows[i].standing, rows[i].epoch, "grant", NULL);
		CU_ASSERT_EQUAL(heard.refusal, API_INTERNAL);
		end();
	}
}

static void asks_the_zone_for_the_proof(void)
{
	const int64_t n = counted(SERVER_PROOFS);

	zone_begin(prove);
	begin(true);
	answer("active", "3", "grant", NULL);
	CU_ASSERT_FALSE(heard.is_answered); /* not before the zone has */
	wait_for_zone();
	CU_ASSERT_TRUE_FATAL(heard.is_answered);
	CU_ASSERT(slice_eq(heard.information.proof, SLICE(PROOF)));
	CU_ASSERT(heard.information.grant.n > 0);
	CU_ASSERT_EQUAL(counted(SERVER_PROOFS), n + 1);
	end();
	/* Who may do nothing, too, learns it from the server itself. */
	begin(true);
	answer("blocked", "3", "no_grant", "device_blocked");
	wait_for_zone();
	CU_ASSERT_TRUE_FATAL(heard.is_answered);
	CU_ASSERT(slice_eq(heard.information.proof, SLICE(PROOF)));
	CU_ASSERT_EQUAL(heard.information.grant.n, 0);
	end();
	zone_end();
}

static void gives_nothing_without_the_proof_that_was_wanted(void)
{
	static child_handler_fn *const zones[] = { refuse, NULL };

	config.authentication_timeout_ms = 200;
	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
		const int64_t n = counted(SERVER_PROOFS_FAILED);

		zone_begin(zones[i]);
		begin(true);
		answer("active", "3", "grant", NULL);
		wait_for_zone();
		CU_ASSERT_FALSE(heard.is_answered);
		CU_ASSERT_EQUAL(heard.refusal, API_ZONE_UNAVAILABLE);
		CU_ASSERT_EQUAL(counted(SERVER_PROOFS_FAILED), n + 1);
		end();
		zone_end();
	}
	config.authentication_timeout_ms = STAGE_PATIENCE_MS;
}

/* The gateway has gone: what the zone says later has nobody to go to. */
static void hears_nothing_after_its_end(void)
{
	const int64_t n = counted(SERVER_PROOFS);

	zone_begin(prove);
	begin(true);
	answer("active", "3", "grant", NULL);
	CU_ASSERT_PTR_NOT_NULL(call.on_end);
	end();
	memset(&call, 0xee, sizeof(call));
	for (int i = 0; i < 100; i++)
		stage_work(&stage);
	CU_ASSERT_FALSE(heard.is_answered || heard.refusal >= 0);
	CU_ASSERT_EQUAL(counted(SERVER_PROOFS), n);
	zone_end();
}

int main(void)
{
	const struct test_case cases[] = {
		TEST(opens),
		TEST(a_gateway_speaks_for_its_own_devices),
		TEST(another_method_is_not_permitted),
		TEST(asks_for_the_device_under_its_own_name_of_the_gateway),
		TEST(refuses_what_is_no_request),
		TEST(gives_a_grant_that_is_bound_to_all_of_it),
		TEST(tells_the_standing_without_a_grant),
		TEST(believes_no_row_of_another_shape),
		TEST(asks_the_zone_for_the_proof),
		TEST(gives_nothing_without_the_proof_that_was_wanted),
		TEST(hears_nothing_after_its_end),
		TEST(closes),
	};

	log_open("test_server_authentication", LOG_LEVEL_ERROR);
	metrics_open(server_metrics, SERVER_N_METRICS, 1);
	return test_main("server_authentication", cases,
			 sizeof(cases) / sizeof(cases[0]));
}
