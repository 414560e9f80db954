/*
 * Fuzz target of the messages between device, gateway and server: what is read can be
 * written, and is then read the same.
 *
 * Kinds: q authentication request, i authentication information, s session, e end of
 * a session.
 *
 * Parser: auth/message.c
 */
#include "auth/auth.h"
#include "test/fuzz/fuzz.h"

static struct arena *arena;
static char why[128];

static char *request(struct slice json)
{
	struct auth_claims claims;
	bool wants_proof;

	if (auth_request_decode(json, &claims, &wants_proof, why, sizeof(why)) !=
	    AUTH_FAULT_NONE)
		return NULL;
	return auth_request_encode(&claims, wants_proof, arena);
}

static char *information(struct slice json)
{
	struct auth_information information;

	if (!auth_information_decode(json, arena, &information, why, sizeof(why)))
		return NULL;
	REQUIRE(information.grant.n <= AUTH_GRANT_BYTES &&
		information.proof.n <= AUTH_PROOF_BYTES);
	return auth_information_encode(&information, arena);
}

static char *session(struct slice json)
{
	struct auth_claims claims;
	enum standing standing;
	struct slice proof;

	if (!auth_session_decode(json, arena, &claims, &standing, &proof, why,
				 sizeof(why)))
		return NULL;
	return auth_session_encode(&claims, standing, proof, arena);
}

static char *end(struct slice json)
{
	struct auth_claims claims;
	enum auth_reason reason;

	if (auth_end_decode(json, &claims, &reason, why, sizeof(why)) !=
	    AUTH_FAULT_NONE)
		return NULL;
	return auth_end_encode(&claims, reason, arena);
}

/* Read and write, twice: the second time there is nothing left to normalise. */
static void check(char *(*pass)(struct slice json), struct slice json)
{
	why[0] = '\0';
	char *once = pass(json);
	if (!once) {
		REQUIRE(why[0] != '\0'); /* refused, for a reason */
		return;
	}
	char *twice = pass(slice_of(once));
	REQUIRE(twice && strcmp(once, twice) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0 || size > 2 * AUTH_PROOF_BYTES)
		return 0;
	char *copy = fuzz_copy(data, size);
	struct slice json = slice_make(copy, size - 1);

	arena = arena_new(1 << 18);
	switch (data[0]) {
	case 'q': check(request, json); break;
	case 'i': check(information, json); break;
	case 's': check(session, json); break;
	case 'e': check(end, json); break;
	default: break;
	}
	arena_free(arena);
	free(copy);
	return 0;
}
