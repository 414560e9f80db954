#include "gateway/authentication.h"

#include "test/unit/gateway_stage.h"
#include "test/unit/proof_site.h"

#define GRANT       "a grant"
#define OTHER_GRANT "A grant"
#define FAR_MS      8000 /* not reached */

/* What the server puts into its answer instead of what it should. */
enum lie {
	TRUTH,
	SID,
	NONCE,
	SPENT_NONCE,
	NO_GRANT,
	GRANT_OF_BLOCKED,
	NO_DOCUMENT,
	NO_TYPE,
	MORE_MEMBERS,
	TOO_LONG,
	WRONG_NUMBER,
	NO_PROOF,
	PROOF_KEY,
	PROOF_SIGNATURE,
	PROOF_OF_SID,
	PROOF_OF_NONCE,
	PROOF_OF_SRV,
	PROOF_OF_STANDING,
	PROOF_OF_GRANT,
	PROOF_GARBAGE,
};

struct play {
	struct stage stage;
	struct route route;
	const char *address[1];
	struct auth_claims own;
	struct auth_claims asked; /* as the last request said */
	uint8_t spent[AUTH_NONCE_BYTES];
	bool wants_proof, is_asked_for_proof;
	/* how the server answers */
	enum lie lie;
	enum standing standing;
	unsigned status; /* 0: 200 */
	bool is_volunteering, is_silent;
	struct exchange *held; /* that a silent server did not answer */
	unsigned n_drops;      /* requests to be dropped, with their link */
	/* what came of it */
	struct authentication *authentication;
	unsigned n_results;
	enum auth_reason result;
	enum standing told_standing;
	char told_grant[64];
	bool is_proven;
};

static bool is_granting(const struct play *play)
{
	if (play->lie == NO_GRANT)
		return false;
	return play->lie == GRANT_OF_BLOCKED || (play->standing != STANDING_BLOCKED &&
						 play->standing != STANDING_UNKNOWN);
}

/* The proof for what was asked, but for the lie. */
static struct slice prove(const struct play *play, struct slice grant)
{
	struct proof_claims claims = { .claims = play->asked,
				       .standing = play->standing,
				       .issued_s = 1795224000 };
	bool is_other_key = play->lie == PROOF_KEY || play->lie == PROOF_SIGNATURE;
	const char *header = play->lie == PROOF_KEY
				     ? header_of((X509 *const[]){ site.middle }, 1)
				     : own_header();

	memcpy(claims.claims.gw, play->own.gw, sizeof(play->own.gw));
	memcpy(claims.claims.srv, play->route.srv, sizeof(play->route.srv));
	grant_hash(play->lie == PROOF_OF_GRANT ? SLICE(OTHER_GRANT) : grant, claims.gh);
	claims.claims.sid[15] ^= play->lie == PROOF_OF_SID;
	claims.claims.nonce[31] ^= play->lie == PROOF_OF_NONCE;
	claims.claims.srv[0] ^= play->lie == PROOF_OF_SRV;
	if (play->lie == PROOF_OF_STANDING)
		claims.standing = STANDING_LIMITED;
	if (play->lie == PROOF_GARBAGE)
		return SLICE("a.b.c");
	return make(is_other_key ? site.middle_key : site.leaf_key, header,
		    proof_claims_encode(&claims, site.arena));
}

static const char *compose(const struct play *play)
{
	struct auth_information information = { .standing = play->standing };
	bool is_proving = play->lie != NO_PROOF &&
			  (play->is_asked_for_proof || play->is_volunteering);

	memcpy(information.sid, play->asked.sid, sizeof(information.sid));
	memcpy(information.nonce,
	       play->lie == SPENT_NONCE ? play->spent : play->asked.nonce,
	       sizeof(information.nonce));
	information.sid[15] ^= play->lie == SID;
	information.nonce[31] ^= play->lie == NONCE;
	if (is_granting(play))
		information.grant = SLICE(GRANT);
	if (is_proving)
		information.proof = prove(play, information.grant);
	return auth_information_encode(&information, site.arena);
}

static const char *answer_text(const struct play *play)
{
	const char *text = compose(play);

	if (play->lie == NO_DOCUMENT)
		return "{";
	if (play->lie == MORE_MEMBERS)
		return arena_printf(site.arena, "{\"more\":1,%s", text + 1);
	if (play->lie == TOO_LONG)
		return arena_printf(site.arena, "%s%25000s", text, "");
	return text;
}

static void answer(struct stage *stage, struct exchange *exchange)
{
	struct play *play = (struct play *)stage;
	struct http_field wrong = { SLICE("Provbox-Exchange"), SLICE("4711") };
	struct http_field second = { SLICE("Provbox-Exchange"), SLICE("1") };
	char why[128];

	memcpy(play->spent, play->asked.nonce, sizeof(play->spent));
	CU_ASSERT_EQUAL_FATAL(
		auth_request_decode(slice_of(stage->last_body), &play->asked,
				    &play->is_asked_for_proof, why, sizeof(why)),
		AUTH_FAULT_NONE);
	play->held = exchange;
	if (play->is_silent)
		return;
	if (play->n_drops) {
		play->n_drops--;
		exchange_cancel(exchange);
		return;
	}
	if (play->lie == WRONG_NUMBER)
		exchange_reply(exchange, 200, &wrong, 1, slice_of(compose(play)));
	else if (play->lie == NO_TYPE)
		exchange_reply(exchange, 200, &second, 1, slice_of(compose(play)));
	else
		stage_reply(exchange, play->status ? play->status : 200,
			    answer_text(play));
}

static void play_open(struct play *play)
{
	memset(play, 0, sizeof(*play));
	stage_open(&play->stage);
	play->stage.answer = answer;
	play->address[0] = play->stage.address;
	stage_route_open(&play->stage, &play->route, play->address);
	play->route.trust = site.by_pin;
	claims_fill(&play->own);
	memset(play->own.srv, 0, sizeof(play->own.srv));
	memset(play->own.nonce, 0, sizeof(play->own.nonce));
}

static void play_close(struct play *play)
{
	if (play->authentication)
		authentication_cancel(play->authentication);
	pool_free(play->route.pool);
	stage_close(&play->stage);
}

static void on_result(void *arg, enum auth_reason reason,
		      const struct auth_information *information,
		      const struct auth_claims *claims)
{
	struct play *play = arg;

	play->authentication = NULL;
	play->n_results++;
	play->result = reason;
	/* Nothing that failed can be believed by mistake. */
	CU_ASSERT_EQUAL(information != NULL, reason == REASON_NONE);
	if (!information)
		return;
	play->told_standing = information->standing;
	play->is_proven = information->proof.n > 0;
	snprintf(play->told_grant, sizeof(play->told_grant), "%.*s",
		 (int)information->grant.n, information->grant.p);
	CU_ASSERT_STRING_EQUAL(claims->srv, play->route.srv);
	CU_ASSERT_EQUAL(memcmp(claims->nonce, play->asked.nonce, AUTH_NONCE_BYTES), 0);
}

static void begin(struct play *play, int64_t deadline_ms)
{
	play->n_results = 0;
	play->authentication =
		authentication_begin(play->stage.loop, &play->route, &play->own,
				     play->wants_proof, deadline_ms, on_result, play);
	CU_ASSERT_EQUAL(play->n_results, 0); /* never from within */
}

static enum auth_reason authenticate(struct play *play)
{
	begin(play, FAR_MS);
	STAGE_RUN_UNTIL(&play->stage, play->n_results);
	CU_ASSERT_EQUAL(play->n_results, 1);
	return play->result;
}

static void asks_with_the_claims_of_the_session(void)
{
	struct play play;

	play_open(&play);
	CU_ASSERT_EQUAL(authenticate(&play), REASON_NONE);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(play.stage.last_head, "POST /v1/authentication\n"));
	CU_ASSERT_EQUAL(memcmp(play.asked.sid, play.own.sid, AUTH_SID_BYTES), 0);
	CU_ASSERT_EQUAL(memcmp(play.asked.cred, play.own.cred, SHA256_BYTES), 0);
	CU_ASSERT_EQUAL(memcmp(play.asked.binding, play.own.binding, SHA256_BYTES), 0);
	CU_ASSERT_STRING_EQUAL(play.asked.dev, play.own.dev);
	CU_ASSERT_FALSE(play.is_asked_for_proof);
	CU_ASSERT_STRING_EQUAL(play.told_grant, GRANT);
	play_close(&play);
}

static void draws_a_nonce_for_each_request(void)
{
	struct play play;

	play_open(&play);
	for (int i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(authenticate(&play), REASON_NONE);
		CU_ASSERT_NOT_EQUAL(
			memcmp(play.spent, play.asked.nonce, AUTH_NONCE_BYTES), 0);
	}
	play_close(&play);
}

static const struct {
	enum standing standing;
	const char *grant;
} standings[STANDING_N] = {
	{ STANDING_ACTIVE, GRANT },  { STANDING_UNPROVISIONED, GRANT },
	{ STANDING_LIMITED, GRANT }, { STANDING_BLOCKED, "" },
	{ STANDING_UNKNOWN, "" },
};

static void brings_each_standing_with_the_grant_it_has(void)
{
	for (int wants_proof = 0; wants_proof < 2; wants_proof++) {
		for (size_t i = 0; i < STANDING_N; i++) {
			struct play play;

			play_open(&play);
			play.wants_proof = wants_proof;
			play.standing = standings[i].standing;
			CU_ASSERT_EQUAL(authenticate(&play), REASON_NONE);
			CU_ASSERT_EQUAL(play.told_standing, standings[i].standing);
			CU_ASSERT_STRING_EQUAL(play.told_grant, standings[i].grant);
			CU_ASSERT_EQUAL(play.is_proven, wants_proof);
			play_close(&play);
		}
	}
}

static const struct {
	enum lie lie;
	enum standing standing;
	enum auth_reason result;
} lies[] = {
	{ SID, STANDING_ACTIVE, REASON_AUTHENTICATION_MISMATCH },
	{ NONCE, STANDING_ACTIVE, REASON_AUTHENTICATION_MISMATCH },
	{ SPENT_NONCE, STANDING_ACTIVE, REASON_AUTHENTICATION_MISMATCH },
	{ NO_GRANT, STANDING_ACTIVE, REASON_GRANT_MISSING },
	{ NO_GRANT, STANDING_LIMITED, REASON_GRANT_MISSING },
	{ NO_GRANT, STANDING_UNPROVISIONED, REASON_GRANT_MISSING },
	{ GRANT_OF_BLOCKED, STANDING_BLOCKED, REASON_AUTHENTICATION_MISMATCH },
	{ GRANT_OF_BLOCKED, STANDING_UNKNOWN, REASON_AUTHENTICATION_MISMATCH },
	{ NO_DOCUMENT, STANDING_ACTIVE, REASON_AUTHENTICATION_MALFORMED },
	{ NO_TYPE, STANDING_ACTIVE, REASON_AUTHENTICATION_MALFORMED },
	{ MORE_MEMBERS, STANDING_ACTIVE, REASON_AUTHENTICATION_MALFORMED },
	{ TOO_LONG, STANDING_ACTIVE, REASON_AUTHENTICATION_MALFORMED },
	{ WRONG_NUMBER, STANDING_ACTIVE, REASON_LANDNET_DESYNC },
};

static void believes_no_information_but_its_own(void)
{
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct play play;

		play_open(&play);
		/* One that is spent by the time of the lie. */
		CU_ASSERT_EQUAL(authenticate(&play), REASON_NONE);
		play.lie = lies[i].lie;
		play.standing = lies[i].standing;
		CU_ASSERT_EQUAL(authenticate(&play), lies[i].result);
		play_close(&play);
	}
}

static const struct {
	enum lie lie;
	enum auth_reason result;
} false_proofs[] = {
	{ PROOF_KEY, REASON_PROOF_UNTRUSTED },
	{ PROOF_SIGNATURE, REASON_PROOF_SIGNATURE },
	{ PROOF_OF_SID, REASON_PROOF_MISMATCH },
	{ PROOF_OF_NONCE, REASON_PROOF_MISMATCH },
	{ PROOF_OF_SRV, REASON_PROOF_MISMATCH },
	{ PROOF_OF_STANDING, REASON_PROOF_MISMATCH },
	{ PROOF_OF_GRANT, REASON_PROOF_GRANT_MISMATCH },
	{ PROOF_GARBAGE, REASON_PROOF_MALFORMED },
};

/* Asked for or not: what is there is verified. */
static void believes_no_false_proof(void)
{
	for (int is_volunteered = 0; is_volunteered < 2; is_volunteered++) {
		for (size_t i = 0; i < sizeof(false_proofs) / sizeof(false_proofs[0]);
		     i++) {
			struct play play;

			play_open(&play);
			play.wants_proof = !is_volunteered;
			play.is_volunteering = is_volunteered;
			play.lie = false_proofs[i].lie;
			CU_ASSERT_EQUAL(authenticate(&play), false_proofs[i].result);
			play_close(&play);
		}
	}
}

static void misses_a_proof_that_was_asked_for(void)
{
	struct play play;

	play_open(&play);
	play.lie = NO_PROOF;
	CU_ASSERT_EQUAL(authenticate(&play), REASON_NONE);
	play.wants_proof = true;
	CU_ASSERT_EQUAL(authenticate(&play), REASON_PROOF_MISSING);
	CU_ASSERT_TRUE(play.is_asked_for_proof);
	play_close(&play);
}

static const struct {
	unsigned status;
	enum auth_reason result;
} statuses[] = {
	{ 201, REASON_AUTHENTICATION_MALFORMED },
	{ 302, REASON_AUTHENTICATION_MALFORMED },
	{ 400, REASON_AUTHENTICATION_MALFORMED },
	{ 401, REASON_AUTHENTICATION_MALFORMED },
	{ 403, REASON_AUTHENTICATION_REFUSED },
	{ 404, REASON_AUTHENTICATION_MALFORMED },
	{ 500, REASON_AUTHENTICATION_UNAVAILABLE },
	{ 503, REASON_AUTHENTICATION_UNAVAILABLE },
};

/* With the best of bodies: the status decides first. */
static void believes_no_other_status(void)
{
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		struct play play;

		play_open(&play);
		play.status = statuses[i].status;
		CU_ASSERT_EQUAL(authenticate(&play), statuses[i].result);
		play_close(&play);
	}
}

static void a_silent_server_is_given_up(void)
{
	struct play play;

	play_open(&play);
	CU_ASSERT_EQUAL(authenticate(&play), REASON_NONE);
	play.is_silent = true;
	begin(&play, 1500);
	STAGE_RUN_UNTIL(&play.stage, play.n_results);
	CU_ASSERT_EQUAL(play.result, REASON_AUTHENTICATION_TIMEOUT);
	/* With its link: the best of answers comes to nobody now. */
	stage_reply(play.held, 200, compose(&play));
	STAGE_RUN_UNTIL(&play.stage, !play.stage.links[0]);
	CU_ASSERT_EQUAL(play.n_results, 1);
	play_close(&play);
}

static void waiting_for_a_link_has_the_same_deadline(void)
{
	struct authentication *holders[2];
	struct play play, held[2];

	play_open(&play);
	play.is_silent = true;
	for (int i = 0; i < 2; i++) { /* as many as the pool has links */
		memset(&held[i], 0, sizeof(held[i]));
		holders[i] =
			authentication_begin(play.stage.loop, &play.route, &play.own,
					     false, FAR_MS, on_result, &held[i]);
	}
	STAGE_RUN_UNTIL(&play.stage, play.stage.n_requests == 2);
	begin(&play, 50);
	STAGE_RUN_UNTIL(&play.stage, play.n_results);
	CU_ASSERT_EQUAL(play.result, REASON_LANDNET_BUSY);
	CU_ASSERT_EQUAL(play.stage.n_requests, 2);
	for (int i = 0; i < 2; i++) {
		authentication_cancel(holders[i]);
		CU_ASSERT_EQUAL(held[i].n_results, 0);
	}
	play_close(&play);
}

static void a_server_that_is_away_is_told(void)
{
	struct play play;

	play_open(&play);
	stage_stop_listening(&play.stage);
	CU_ASSERT_EQUAL(authenticate(&play), REASON_LANDNET_UNREACHABLE);
	play_close(&play);
}

static const struct {
	unsigned n_kept; /* links that were used before */
	unsigned n_drops;
	enum auth_reason result;
	size_t n_requests; /* then */
} drops[] = {
	/* A server may close a kept link just when it is used, and all of them when it
	 * ends: again, until there is none left. */
	{ 1, 1, REASON_NONE, 2 },
	{ 1, 2, REASON_LANDNET_FAILED, 2 },
	{ 2, 2, REASON_NONE, 3 },
	{ 2, 3, REASON_LANDNET_FAILED, 3 },
	/* A new link that fails is a failure. */
	{ 0, 1, REASON_LANDNET_FAILED, 1 },
};

static void on_kept(void *arg, enum auth_reason reason,
		    const struct auth_information *information,
		    const struct auth_claims *claims)
{
	(void)information;
	(void)claims;
	CU_ASSERT_EQUAL(reason, REASON_NONE);
	++*(unsigned *)arg;
}

/* Have the pool keep so many links that were used. */
static void keep_links(struct play *play, unsigned n)
{
	unsigned n_kept = 0;

	for (unsigned i = 0; i < n; i++)
		authentication_begin(play->stage.loop, &play->route, &play->own, false,
				     FAR_MS, on_kept, &n_kept);
	STAGE_RUN_UNTIL(&play->stage, n_kept == n);
	CU_ASSERT_EQUAL(play->stage.n_links, n);
}

static void asks_again_where_a_kept_link_is_gone(void)
{
	for (size_t i = 0; i < sizeof(drops) / sizeof(drops[0]); i++) {
		struct play play;

		play_open(&play);
		keep_links(&play, drops[i].n_kept);
		play.stage.n_requests = 0;
		play.n_drops = drops[i].n_drops;
		CU_ASSERT_EQUAL(authenticate(&play), drops[i].result);
		CU_ASSERT_EQUAL(play.stage.n_requests, drops[i].n_requests);
		/* Even then with a nonce of its own. */
		CU_ASSERT_NOT_EQUAL(
			memcmp(play.spent, play.asked.nonce, AUTH_NONCE_BYTES), 0);
		play_close(&play);
	}
}

static void a_cancelled_one_says_nothing(void)
{
	struct play play;

	play_open(&play);
	begin(&play, FAR_MS); /* while it waits for a link */
	authentication_cancel(play.authentication);
	play.is_silent = true;
	begin(&play, FAR_MS); /* while the server is asked */
	STAGE_RUN_UNTIL(&play.stage, play.stage.n_requests == 1);
	authentication_cancel(play.authentication);
	play.authentication = NULL;
	stage_reply(play.held, 200, compose(&play));
	STAGE_RUN_UNTIL(&play.stage, !play.stage.links[0]);
	CU_ASSERT_EQUAL(play.n_results, 0);
	play_close(&play);
}

TEST_MAIN("authentication", TEST(site_open), TEST(asks_with_the_claims_of_the_session),
	  TEST(draws_a_nonce_for_each_request),
	  TEST(brings_each_standing_with_the_grant_it_has),
	  TEST(believes_no_information_but_its_own), TEST(believes_no_false_proof),
	  TEST(misses_a_proof_that_was_asked_for), TEST(believes_no_other_status),
	  TEST(a_silent_server_is_given_up),
	  TEST(waiting_for_a_link_has_the_same_deadline),
	  TEST(a_server_that_is_away_is_told),
	  TEST(asks_again_where_a_kept_link_is_gone),
	  TEST(a_cancelled_one_says_nothing), TEST(site_close))
