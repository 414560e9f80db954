/*
 * Fuzz target of the zone's question: a proof is signed over the fields of a question
 * that has its one form, and over nothing else.
 *
 * Parser: auth/zone.c
 */
#include "test/fuzz/fuzz.h"
#include "test/unit/proof_site.h"

static struct zone *zone;

static void on_answer(void *arg, bool ok, struct slice answer)
{
	(void)arg, (void)ok, (void)answer;
}

/* What a server asks fits into its channel. */
static void ask_once(void)
{
	struct loop *loop = loop_new();
	struct proof_claims own;
	int fds[2];

	REQUIRE(child_channel(fds) == 0);
	struct child_caller *caller = child_caller_new(loop, fds[0]);
	own_claims(&own);
	REQUIRE(zone_ask_proof(caller, &own.claims, own.standing, own.gh, 1000,
			       on_answer, NULL) != 0);
	child_caller_free(caller);
	REQUIRE(close(fds[0]) == 0 && close(fds[1]) == 0);
	loop_free(loop);
}

static void open_zone(void)
{
	char why[512], chain[512];

	site_open();
	X509 *const certs[] = { site.leaf, site.middle };
	X509 *const others[] = { site.middle, site.leaf };
	X509 *const many[] = { site.leaf, site.middle, site.root, site.root };
	snprintf(chain, sizeof(chain), "%s/proof.pem", site.directory.path);
	cert_write_key(directory_file(&site.directory, "proof.key"), site.leaf_key);
	cert_write(chain, others, 2);
	REQUIRE(!zone_load(chain, site.directory.file, why, sizeof(why)));
	cert_write(chain, many, 4);
	REQUIRE(!zone_load(chain, site.directory.file, why, sizeof(why)));
	REQUIRE(!zone_load("/dev/null", site.directory.file, why, sizeof(why)));
	cert_write(chain, certs, 2);
	zone = zone_load(chain, site.directory.file, why, sizeof(why));
	REQUIRE(zone != NULL);
	ask_once();
}

static void close_zone(void)
{
	zone_free(zone);
	site_close();
}

/* The site is made with assertions of CUnit, which want a test around them. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const struct test_case cases[] = { TEST(open_zone) };

	(void)argc, (void)argv;
	REQUIRE(test_main("zone", cases, 1) == 0);
	alarm(0);
	atexit(close_zone);
	return 0;
}

/* Claims as a question; the time is the zone's own. */
static size_t encode(const struct proof_claims *claims, uint8_t *out, size_t cap)
{
	const struct auth_claims *c = &claims->claims;
	const struct slice fields[] = {
		slice_make(c->gw, sizeof(c->gw)),
		slice_of(c->srv),
		slice_make(c->sid, sizeof(c->sid)),
		slice_make(c->nonce, sizeof(c->nonce)),
		slice_of(c->dev),
		SLICE(AUTH_METHOD),
		slice_make(c->cred, sizeof(c->cred)),
		slice_make(c->binding, sizeof(c->binding)),
		slice_of(standing_name(claims->standing)),
		slice_make(claims->gh, sizeof(claims->gh)),
	};

	return auth_encode(AUTH_LABEL_ZONE_PROOF, fields,
			   sizeof(fields) / sizeof(fields[0]), out, cap);
}

static void check_proof(struct slice text, struct slice question)
{
	struct arena *arena = arena_new(1 << 16);
	struct proof_claims claims;
	uint8_t again[1024];
	struct jws jws;

	REQUIRE(jws_open(text, PROOF_TYP, arena, &jws) == JWS_OK);
	REQUIRE(proof_claims_decode(jws.payload, &claims) && !claims.is_other_method);
	size_t n = encode(&claims, again, sizeof(again));
	REQUIRE(slice_eq(slice_make(again, n), question));
	jws_close(&jws);
	arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice question = slice_make(data, size);
	uint8_t answer[AUTH_PROOF_BYTES];
	ssize_t n = zone_answer(zone, question, answer, sizeof(answer));

	if (n < 0)
		return 0;
	check_proof(slice_make(answer, (size_t)n), question);
	REQUIRE(zone_answer(zone, question, answer, (size_t)n - 1) == -1);
	return 0;
}
