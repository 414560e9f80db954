#include "auth/auth.h"

#include "base/json.h"
#include "test/unit/claims.h"
#include "test/unit/test.h"

#define GRANT SLICE("\x00\xff grant \xfe")
#define PROOF SLICE("eyJhbGciOiJFUzI1NiJ9.e30.AA-_")

static struct arena *arena;
static char why[128];

/* One message: its text, and reading it back into something that can be compared. */
struct kind {
	const char *name;
	char *(*encode)(void);
	bool (*decode)(struct slice json);
	const char *const *optional; /* members that may be missing */
};

static char *request_encode(void)
{
	struct auth_claims claims;

	claims_fill(&claims);
	return auth_request_encode(&claims, true, arena);
}

static bool request_decode(struct slice json)
{
	struct auth_claims claims;
	bool wants_proof;

	return auth_request_decode(json, &claims, &wants_proof, why, sizeof(why)) ==
	       AUTH_FAULT_NONE;
}

static char *information_encode(void)
{
	struct auth_information information = { .standing = STANDING_LIMITED,
						.grant = GRANT,
						.proof = PROOF };

	return auth_information_encode(&information, arena);
}

static bool information_decode(struct slice json)
{
	struct auth_information information;

	return auth_information_decode(json, arena, &information, why, sizeof(why));
}

static char *session_encode(void)
{
	struct auth_claims claims;

	claims_fill(&claims);
	return auth_session_encode(&claims, STANDING_ACTIVE, PROOF, arena);
}

static bool session_decode(struct slice json)
{
	struct auth_claims claims;
	enum standing standing;
	struct slice proof;

	return auth_session_decode(json, arena, &claims, &standing, &proof, why,
				   sizeof(why));
}

static char *end_encode(void)
{
	struct auth_claims claims;

	claims_fill(&claims);
	return auth_end_encode(&claims, REASON_GRANT_INVALID, arena);
}

static bool end_decode(struct slice json)
{
	struct auth_claims claims;
	enum auth_reason reason;

	return auth_end_decode(json, &claims, &reason, why, sizeof(why)) ==
	       AUTH_FAULT_NONE;
}

static const char *const none[] = { NULL };
static const char *const grant_and_proof[] = { "grant", "proof", NULL };

static const struct kind kinds[] = {
	{ "request", request_encode, request_decode, none },
	{ "information", information_encode, information_decode, grant_and_proof },
	{ "session", session_encode, session_decode, none },
	{ "end", end_encode, end_decode, none },
};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void for_each_kind(void (*check)(const struct kind *kind))
{
	for (size_t i = 0; i < N_KINDS; i++) {
		arena = arena_new(1 << 24);
		check(&kinds[i]);
		arena_free(arena);
	}
}

static bool is_optional(const struct kind *kind, const char *member)
{
	for (size_t i = 0; kind->optional[i]; i++)
		if (strcmp(kind->optional[i], member) == 0)
			return true;
	return false;
}

/* Decode the message with one member replaced; NULL removes it. Takes @p value. */
static bool decode_with(const struct kind *kind, const char *member, json_t *value)
{
	json_t *object = json_loads(kind->encode(), 0, NULL);

	CU_ASSERT_PTR_NOT_NULL_FATAL(object);
	if (value)
		json_object_set_new(object, member, value);
	else
		json_object_del(object, member);
	char *text = json_dumps(object, JSON_COMPACT);
	bool ok = kind->decode(slice_of(text));
	free(text);
	json_decref(object);
	return ok;
}

static void check_members(const struct kind *kind)
{
	json_t *object = json_loads(kind->encode(), JSON_REJECT_DUPLICATES, NULL);
	const char *member;
	json_t *value;

	CU_ASSERT_PTR_NOT_NULL_FATAL(object);
	json_object_foreach (object, member, value) {
		CU_ASSERT_TRUE(decode_with(kind, member, json_incref(value)));
		CU_ASSERT_EQUAL(decode_with(kind, member, NULL),
				is_optional(kind, member));
		CU_ASSERT_FALSE(decode_with(kind, member, json_null()));
		CU_ASSERT_FALSE(decode_with(kind, member, json_array()));
		CU_ASSERT_FALSE(decode_with(kind, member, json_object()));
		CU_ASSERT_FALSE(decode_with(kind, member, json_string("")));
		CU_ASSERT_FALSE(decode_with(kind, member, json_real(1.0)));
		CU_ASSERT_FALSE(decode_with(kind, member, json_integer(2)));
		CU_ASSERT_FALSE(decode_with(kind, member, json_string("no one")));
	}
	CU_ASSERT_FALSE(decode_with(kind, "other", json_integer(1)));
	json_decref(object);
}

static void messages_have_exactly_their_members(void)
{
	for_each_kind(check_members);
}

/* Binary values: one character changed in length or alphabet is another spelling. */
static void check_spelling(const struct kind *kind)
{
	static const char *const members[] = { "sid", "nG", "gw", "cred", "cbA" };
	json_t *object = json_loads(kind->encode(), 0, NULL);

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		const char *text =
			json_string_value(json_object_get(object, members[i]));
		if (!text)
			continue;
		char spelled[64];
		size_t n = strlen(text);
		memcpy(spelled, text, n + 1);
		spelled[n - 1]++; /* the spare bits of the last character */
		CU_ASSERT_FALSE(decode_with(kind, members[i], json_string(spelled)));
		spelled[n - 1] = '\0';
		CU_ASSERT_FALSE(decode_with(kind, members[i], json_string(spelled)));
		snprintf(spelled, sizeof(spelled), "%s=", text);
		CU_ASSERT_FALSE(decode_with(kind, members[i], json_string(spelled)));
		snprintf(spelled, sizeof(spelled), "%sAAAA", text);
		CU_ASSERT_FALSE(decode_with(kind, members[i], json_string(spelled)));
		memcpy(spelled, text, n + 1);
		spelled[0] = '+';
		CU_ASSERT_FALSE(decode_with(kind, members[i], json_string(spelled)));
	}
	json_decref(object);
}

static void binary_values_have_one_spelling(void)
{
	for_each_kind(check_spelling);
}

static void check_cuts(const struct kind *kind)
{
	struct slice text = slice_of(kind->encode());

	for (size_t n = 0; n < text.n; n++) {
		char *cut = malloc(n ? n : 1);
		memcpy(cut, text.p, n);
		CU_ASSERT_FALSE(kind->decode(slice_make(cut, n)));
		free(cut);
	}
	CU_ASSERT_TRUE(kind->decode(text));
	CU_ASSERT_FALSE(kind->decode(slice_of(arena_printf(arena, "%s{}", text.p))));
	CU_ASSERT_FALSE(
		kind->decode(slice_of(arena_printf(arena, "{\"v\":1,%s", text.p + 1))));
}

static void cut_doubled_or_longer_messages_are_refused(void)
{
	for_each_kind(check_cuts);
}

static void check_mutations(const struct kind *kind)
{
	struct slice text = slice_of(kind->encode());
	char *bytes = malloc(text.n);

	srandom(2);
	for (int round = 0; round < 5000; round++) {
		memcpy(bytes, text.p, text.n);
		for (int i = random() % 4; i >= 0; i--)
			bytes[(size_t)random() % text.n] = (char)random();
		if (!kind->decode(slice_make(bytes, text.n)))
			CU_ASSERT_TRUE(why[0] != '\0');
		if (round % 100 == 0)
			arena_reset(arena);
		if (round % 100 == 0)
			text = slice_of(kind->encode());
	}
	free(bytes);
}

static void any_bytes_are_read_or_refused(void)
{
	for_each_kind(check_mutations);
}

static void a_request_comes_back(void)
{
	struct auth_claims claims, back;
	bool wants_proof;

	arena = arena_new(4096);
	claims_fill(&claims);
	for (int wanted = 0; wanted < 2; wanted++) {
		const char *text = auth_request_encode(&claims, wanted, arena);
		CU_ASSERT_EQUAL(auth_request_decode(slice_of(text), &back, &wants_proof,
						    why, sizeof(why)),
				AUTH_FAULT_NONE);
		CU_ASSERT_EQUAL(wants_proof, wanted);
		CU_ASSERT_STRING_EQUAL(back.dev, claims.dev);
		CU_ASSERT_EQUAL(memcmp(back.sid, claims.sid, sizeof(back.sid)), 0);
		CU_ASSERT_EQUAL(memcmp(back.nonce, claims.nonce, sizeof(back.nonce)),
				0);
		CU_ASSERT_EQUAL(memcmp(back.cred, claims.cred, sizeof(back.cred)), 0);
		CU_ASSERT_EQUAL(
			memcmp(back.binding, claims.binding, sizeof(back.binding)), 0);
		/* What the server knows itself is not in the message. */
		CU_ASSERT_EQUAL(back.srv[0], '\0');
		CU_ASSERT_PTR_NULL(strstr(text, "\"gw\""));
		CU_ASSERT_PTR_NULL(strstr(text, "\"srv\""));
	}
	arena_free(arena);
}

static void a_request_holds_a_canonical_identifier(void)
{
	arena = arena_new(1 << 16);
	CU_ASSERT_FALSE(decode_with(&kinds[0], "dev",
				    json_string("urn:gsma:imei:35209900-176148-1")));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "`dev`"));
	CU_ASSERT_FALSE(decode_with(&kinds[0], "dev",
				    json_string("URN:gsma:imei:35209900-176148-0")));
	CU_ASSERT_TRUE(decode_with(&kinds[0], "dev",
				   json_string("urn:gsma:imei:49015420-323751-0")));
	arena_free(arena);
}

static enum auth_fault fault_of_method(const char *method)
{
	json_t *object = json_loads(request_encode(), 0, NULL);
	struct auth_claims claims;
	bool wants_proof;

	json_object_set_new(object, "method", json_string(method));
	char *text = json_dumps(object, JSON_COMPACT);
	enum auth_fault fault = auth_request_decode(slice_of(text), &claims,
						    &wants_proof, why, sizeof(why));
	free(text);
	json_decref(object);
	return fault;
}

/* Another version's method is no garbage: it is told apart. */
static void another_method_is_another_fault(void)
{
	static const char *const others[] = { "key", "link", "certificate_", "_" };
	static const char *const malformed[] = { "", "Certificate", "key2", "a b",
						 "key\n" };

	arena = arena_new(1 << 16);
	CU_ASSERT_EQUAL(fault_of_method("certificate"), AUTH_FAULT_NONE);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		CU_ASSERT_EQUAL(fault_of_method(others[i]), AUTH_FAULT_METHOD);
		CU_ASSERT_PTR_NOT_NULL(strstr(why, "`method`"));
	}
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
		CU_ASSERT_EQUAL(fault_of_method(malformed[i]), AUTH_FAULT_FORM);
	arena_free(arena);
}

/* Its other members are not looked at: nobody can know them. */
static void a_later_version_is_another_fault(void)
{
	static const struct {
		const char *json;
		enum auth_fault fault;
	} rows[] = {
		{ "{\"v\":2}", AUTH_FAULT_VERSION },
		{ "{\"v\":9,\"dev\":[]}", AUTH_FAULT_VERSION },
		{ "{\"v\":1}", AUTH_FAULT_FORM },
		{ "{\"v\":0}", AUTH_FAULT_FORM },
		{ "{\"v\":-2}", AUTH_FAULT_FORM },
		{ "{\"v\":2.0}", AUTH_FAULT_FORM },
		{ "{\"v\":\"2\"}", AUTH_FAULT_FORM },
		{ "{\"v\":2,\"v\":2}", AUTH_FAULT_FORM },
		{ "{\"v\":2", AUTH_FAULT_FORM },
		{ "{}", AUTH_FAULT_FORM },
	};
	struct auth_claims claims;
	enum auth_reason reason;
	bool wants_proof;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice json = slice_of(rows[i].json);
		CU_ASSERT_EQUAL(auth_request_decode(json, &claims, &wants_proof, why,
						    sizeof(why)),
				rows[i].fault);
		CU_ASSERT_EQUAL(
			auth_end_decode(json, &claims, &reason, why, sizeof(why)),
			rows[i].fault);
	}
}

static void information_comes_back(void)
{
	static const struct slice grants[] = { GRANT, { NULL, 0 } };
	static const struct slice proofs[] = { PROOF, { NULL, 0 } };
	struct auth_information back;

	arena = arena_new(1 << 20);
	for (size_t i = 0; i < 4 * STANDING_N; i++) {
		struct auth_information information = {
			.standing = (enum standing)(i / 4),
			.grant = grants[i & 1],
			.proof = proofs[i >> 1 & 1],
		};
		memset(information.sid, 's', sizeof(information.sid));
		memset(information.nonce, 'n', sizeof(information.nonce));
		const char *text = auth_information_encode(&information, arena);
		CU_ASSERT_TRUE(auth_information_decode(slice_of(text), arena, &back,
						       why, sizeof(why)));
		CU_ASSERT_EQUAL(back.standing, information.standing);
		CU_ASSERT_TRUE(slice_eq(back.grant, information.grant));
		CU_ASSERT_TRUE(slice_eq(back.proof, information.proof));
		CU_ASSERT_EQUAL(memcmp(back.sid, information.sid, sizeof(back.sid)), 0);
		CU_ASSERT_EQUAL(
			memcmp(back.nonce, information.nonce, sizeof(back.nonce)), 0);
	}
	arena_free(arena);
}

static void information_has_limits(void)
{
	const struct kind *information = &kinds[1];
	size_t longest = BASE64URL_CHARS(AUTH_GRANT_BYTES);

	arena = arena_new(1 << 20);
	char *text = arena_alloc(arena, AUTH_PROOF_BYTES + 2);
	memset(text, 'A', longest);
	CU_ASSERT_TRUE(decode_with(information, "grant", json_string(text)));
	text[longest] = 'A';
	CU_ASSERT_FALSE(decode_with(information, "grant", json_string(text)));
	memset(text, 'A', AUTH_PROOF_BYTES);
	CU_ASSERT_TRUE(decode_with(information, "proof", json_string(text)));
	text[AUTH_PROOF_BYTES] = 'A';
	CU_ASSERT_FALSE(decode_with(information, "proof", json_string(text)));
	CU_ASSERT_FALSE(decode_with(information, "proof", json_string("a.b.c\\")));
	CU_ASSERT_FALSE(decode_with(information, "proof", json_string("a.b.c\"")));
	CU_ASSERT_FALSE(decode_with(information, "grant", json_string("AB")));
	arena_free(arena);
}

static void an_arena_that_is_full_is_an_error(void)
{
	struct arena *big = arena_new(1 << 16), *small = arena_new(32);

	arena = big;
	const char *text = information_encode();
	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	arena = small;
	CU_ASSERT_FALSE(information_decode(slice_of(text)));
	CU_ASSERT_PTR_NULL(information_encode());
	CU_ASSERT_PTR_NULL(request_encode());
	CU_ASSERT_PTR_NULL(session_encode());
	CU_ASSERT_PTR_NULL(end_encode());
	arena_free(big);
	arena_free(small);
}

static void a_session_comes_back(void)
{
	struct auth_claims claims, back;
	enum standing standing = STANDING_UNKNOWN;
	struct slice proof;

	arena = arena_new(4096);
	claims_fill(&claims);
	const char *text =
		auth_session_encode(&claims, STANDING_UNPROVISIONED, PROOF, arena);
	CU_ASSERT_TRUE(auth_session_decode(slice_of(text), arena, &back, &standing,
					   &proof, why, sizeof(why)));
	CU_ASSERT_EQUAL(standing, STANDING_UNPROVISIONED);
	CU_ASSERT_TRUE(slice_eq(proof, PROOF));
	CU_ASSERT_EQUAL(memcmp(back.gw, claims.gw, sizeof(back.gw)), 0);
	CU_ASSERT_EQUAL(memcmp(back.sid, claims.sid, sizeof(back.sid)), 0);
	CU_ASSERT_EQUAL(memcmp(back.nonce, claims.nonce, sizeof(back.nonce)), 0);
	CU_ASSERT_EQUAL(back.dev[0], '\0');
	arena_free(arena);
}

static void an_end_comes_back_with_every_reason(void)
{
	struct auth_claims claims, back;
	enum auth_reason reason;

	arena = arena_new(1 << 20);
	claims_fill(&claims);
	for (size_t i = 0; i < REASON_N; i++) {
		const char *text = auth_end_encode(&claims, (enum auth_reason)i, arena);
		bool ok = auth_end_decode(slice_of(text), &back, &reason, why,
					  sizeof(why)) == AUTH_FAULT_NONE;
		CU_ASSERT_EQUAL(ok, i != REASON_NONE);
		if (!ok)
			continue;
		CU_ASSERT_EQUAL(reason, i);
		CU_ASSERT_STRING_EQUAL(back.dev, claims.dev);
		CU_ASSERT_EQUAL(memcmp(back.sid, claims.sid, sizeof(back.sid)), 0);
		CU_ASSERT_EQUAL(memcmp(back.cred, claims.cred, sizeof(back.cred)), 0);
	}
	arena_free(arena);
}

TEST_MAIN("message", TEST(messages_have_exactly_their_members),
	  TEST(binary_values_have_one_spelling),
	  TEST(cut_doubled_or_longer_messages_are_refused),
	  TEST(any_bytes_are_read_or_refused), TEST(a_request_comes_back),
	  TEST(a_request_holds_a_canonical_identifier),
	  TEST(another_method_is_another_fault), TEST(a_later_version_is_another_fault),
	  TEST(information_comes_back), TEST(information_has_limits),
	  TEST(an_arena_that_is_full_is_an_error), TEST(a_session_comes_back),
	  TEST(an_end_comes_back_with_every_reason))
