/*
 * Fuzz target of proofs: only what the pinned or chained key has signed is believed,
 * and of that only what claims exactly what the verifier knows itself.
 *
 * Kinds: j a compact JWS; s a line of its header and the payload, which the target
 * signs (@kid@, @leaf@, @middle@ and @root@ in the header stand for its thumbprint and
 * its certificates); x the same with a signature of another text; c claims; t a line of
 * a server's name and one of a pin.
 *
 * Parser: auth/jws.c auth/proof.c auth/proof_claims.c
 */
#include "test/fuzz/fuzz.h"
#include "test/unit/proof_site.h"

#define HEADER_BYTES 16384

static struct {
	char kid[JWS_THUMBPRINT_CHARS + 1];
	char leaf[4096], middle[4096], root[4096];
} marks;
static struct slice honest;

static void encode_cert(X509 *cert, char out[4096])
{
	uint8_t *der = NULL;
	int n = i2d_X509(cert, &der);

	REQUIRE(n > 0 && n < 3000);
	base64_encode(slice_make(der, (size_t)n), out);
	OPENSSL_free(der);
}

static void open_site(void)
{
	site_open();
	REQUIRE(jws_thumbprint(site.leaf_key, marks.kid));
	encode_cert(site.leaf, marks.leaf);
	encode_cert(site.middle, marks.middle);
	encode_cert(site.root, marks.root);
	honest = own_proof();
	REQUIRE(judge(site.by_pin, honest) == REASON_NONE);
	REQUIRE(judge(site.by_root, honest) == REASON_NONE);
}

/* The site is made with assertions of CUnit, which want a test around them. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const struct test_case cases[] = { TEST(open_site) };

	(void)argc, (void)argv;
	REQUIRE(test_main("site", cases, 1) == 0);
	alarm(0);
	atexit(site_close);
	return 0;
}

static void check_claims(struct slice json)
{
	struct proof_claims claims, again;
	struct arena *arena = arena_new(16384);

	if (proof_claims_decode(json, &claims)) {
		char *text = proof_claims_encode(&claims, arena);
		REQUIRE(text && proof_claims_decode(slice_of(text), &again));
		char *second = proof_claims_encode(&again, arena);
		REQUIRE(second && strcmp(text, second) == 0);
	}
	arena_free(arena);
}

/* @return whether it is believed */
static bool on_jws(struct slice jws)
{
	enum auth_reason by_pin = judge(site.by_pin, jws),
			 by_root = judge(site.by_root, jws);
	struct proof_claims other;

	/* The chain alone is judged apart. */
	REQUIRE(by_pin == by_root || by_root == REASON_PROOF_UNTRUSTED);
	if (by_pin != REASON_NONE)
		return false;
	own_claims(&other);
	other.claims.binding[0] ^= 1;
	REQUIRE(proof_verify(site.by_pin, jws, &other.claims, other.standing,
			     other.gh) == REASON_PROOF_MISMATCH);
	own_claims(&other);
	other.gh[0] ^= 1;
	REQUIRE(proof_verify(site.by_pin, jws, &other.claims, other.standing,
			     other.gh) == REASON_PROOF_GRANT_MISMATCH);
	REQUIRE(proof_verify(site.by_pin, jws, &other.claims, other.standing, NULL) ==
		REASON_NONE);
	return true;
}

static void append(char out[HEADER_BYTES], size_t *n, struct slice text)
{
	if (text.n > HEADER_BYTES - *n)
		return;
	memcpy(out + *n, text.p, text.n);
	*n += text.n;
}

static struct slice marked(struct slice line, char out[HEADER_BYTES])
{
	const struct {
		struct slice mark;
		const char *text;
	} all[] = {
		{ SLICE("@kid@"), marks.kid },
		{ SLICE("@leaf@"), marks.leaf },
		{ SLICE("@middle@"), marks.middle },
		{ SLICE("@root@"), marks.root },
	};
	size_t n = 0;

	while (line.n > 0) {
		struct slice next = slice_make(line.p, 1), text = next;
		for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
			if (slice_starts(line, all[i].mark)) {
				next = all[i].mark;
				text = slice_of(all[i].text);
			}
		append(out, &n, text);
		line = slice_make(line.p + next.n, line.n - next.n);
	}
	return slice_make(out, n);
}

static void on_parts(struct slice parts, bool is_of_another_text)
{
	static char json[HEADER_BYTES], header[BASE64URL_CHARS(HEADER_BYTES) + 1],
		jws[65536];
	struct slice line;

	if (!slice_next(&parts, '\n', &line) || !parts.p)
		return;
	base64url_encode(marked(line, json), header);
	ssize_t n = jws_sign(site.leaf_key, slice_of(header), parts, jws, sizeof(jws));
	if (n < 0)
		return;
	/* Its last characters hold spare bits of the signature: not those. */
	char *at = jws + strlen(header) + 1;
	if (is_of_another_text)
		*at = *at == 'A' ? 'B' : 'A';
	bool is_believed = on_jws(slice_make(jws, (size_t)n));
	REQUIRE(!is_believed || !is_of_another_text);
	check_claims(parts);
}

static void on_trust(char *text)
{
	char *pin = strchr(text, '\n'), why[AUTH_SRV_CHARS + 64] = "";

	if (pin)
		*pin++ = '\0';
	struct proof_trust *trust = proof_trust_new(
		&(struct proof_trust_settings){ .srv = text,
						.pins = (const char *const[]){ pin },
						.n_pins = pin ? 1 : 0 },
		why, sizeof(why));
	REQUIRE(trust || why[0]);
	REQUIRE(!trust || strlen(pin) == JWS_THUMBPRINT_CHARS);
	/* Nobody has the key of such a pin. */
	REQUIRE(!trust || judge(trust, honest) != REASON_NONE);
	proof_trust_free(trust);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0 || size > 2 * AUTH_PROOF_BYTES)
		return 0;
	char *copy = fuzz_copy(data, size);
	struct slice text = slice_make(copy, size - 1);

	switch (data[0]) {
	case 'j': on_jws(text); break;
	case 's': on_parts(text, false); break;
	case 'x': on_parts(text, true); break;
	case 'c': check_claims(text); break;
	case 't': on_trust(copy); break;
	default: break;
	}
	free(copy);
	return 0;
}
