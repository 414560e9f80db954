/*
 * Fuzz target of grants: only what has our MAC is read, a grant has one spelling, and
 * none survives the change of a bit.
 *
 * Kinds: o the bytes of a grant, p a payload, to which the target makes the MAC as a
 * server that holds the key would, e an encoding of four fields, f a file of keys.
 *
 * Parser: auth/encode.c auth/grant.c
 */
#include <openssl/hmac.h>
#include <unistd.h>

#include "auth/auth.h"
#include "test/fuzz/fuzz.h"

#define KID_BYTES 8
#define KEY_BYTES 32
#define NOW_S     1795224000
#define SRV       "prov.example.com:8443"

static struct grant_keys *keys;
static const uint8_t kid[KID_BYTES] = "kid fuzz", key[KEY_BYTES] = "any";
static uint8_t gw[SHA256_BYTES];
static char key_path[] = "/tmp/provbox-fuzz-XXXXXX";

static void write_keys(struct slice text)
{
	FILE *file = fopen(key_path, "w");

	REQUIRE(file && fwrite(text.p, 1, text.n, file) == text.n);
	REQUIRE(fclose(file) == 0);
}

static void forget_keys(void)
{
	unlink(key_path);
	grant_keys_free(keys);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char line[2 * KID_BYTES + 2 * KEY_BYTES + 2], why[128];
	int fd = mkstemp(key_path); /* mode 0600 */

	(void)argc, (void)argv;
	REQUIRE(fd >= 0 && close(fd) == 0);
	hex_encode(slice_make(kid, sizeof(kid)), line);
	line[2 * KID_BYTES] = ' ';
	hex_encode(slice_make(key, sizeof(key)), line + 2 * KID_BYTES + 1);
	write_keys(slice_of(line));
	keys = grant_keys_load(key_path, why, sizeof(why));
	REQUIRE(keys != NULL);
	memset(gw, 'g', sizeof(gw));
	atexit(forget_keys);
	return 0;
}

static void check_round_trip(const struct grant *grant, struct slice bytes)
{
	uint8_t again[AUTH_GRANT_BYTES];
	size_t n = grant_make(keys, grant, again);

	REQUIRE(slice_eq(slice_make(again, n), bytes));
}

static void on_grant(struct slice bytes, bool is_ours)
{
	struct grant grant;
	enum auth_reason reason = grant_open(keys, bytes, gw, SRV, NOW_S, &grant);

	REQUIRE(reason == REASON_NONE || reason == REASON_GRANT_INVALID ||
		reason == REASON_GRANT_EXPIRED);
	if (reason == REASON_GRANT_INVALID)
		return;
	REQUIRE(is_ours); /* nobody guesses a MAC */
	REQUIRE((reason == REASON_NONE) ==
		(grant.expires_s > NOW_S &&
		 grant.issued_s < NOW_S + AUTH_GRANT_SECONDS));
	REQUIRE(grant.epoch >= 0 && grant.issued_s >= 0 && grant.expires_s >= 0);
	REQUIRE(grant_open(keys, bytes, gw, SRV, grant.expires_s, &grant) ==
		REASON_GRANT_EXPIRED);
	REQUIRE(grant_open(keys, bytes, gw, "other.example.com:8443", NOW_S, &grant) ==
		REASON_GRANT_INVALID);
	REQUIRE(grant_open(keys, bytes, gw, SRV, NOW_S, &grant) == reason);
	check_round_trip(&grant, bytes);
}

/* doc/proof.md, Grant. */
static void on_payload(struct slice payload)
{
	uint8_t grant[AUTH_GRANT_BYTES], input[AUTH_GRANT_BYTES + 64];
	const struct slice fields[] = { slice_make(kid, sizeof(kid)), payload };
	unsigned mac_bytes = 0;

	if (payload.n > AUTH_GRANT_BYTES - KID_BYTES - SHA256_BYTES)
		return;
	size_t n = auth_encode(AUTH_LABEL_GRANT, fields, 2, input, sizeof(input));
	memcpy(grant, kid, sizeof(kid));
	memcpy(grant + KID_BYTES, payload.p, payload.n);
	REQUIRE(n > 0 && HMAC(EVP_sha256(), key, sizeof(key), input, n,
			      grant + KID_BYTES + payload.n, &mac_bytes));
	size_t size = KID_BYTES + payload.n + mac_bytes;
	on_grant(slice_make(grant, size), true);
	grant[n % size] ^= (uint8_t)(1u << n % 8);
	on_grant(slice_make(grant, size), false);
}

static void on_encoding(struct slice bytes)
{
	struct slice fields[4];
	uint8_t again[2 * AUTH_GRANT_BYTES];

	if (!auth_decode(AUTH_LABEL_GRANT_PAYLOAD, bytes, fields, 4))
		return;
	size_t n = auth_encode(AUTH_LABEL_GRANT_PAYLOAD, fields, 4, again, bytes.n);
	REQUIRE(slice_eq(slice_make(again, n), bytes));
	/* Not into less. */
	REQUIRE(auth_encode(AUTH_LABEL_GRANT_PAYLOAD, fields, 4, again, bytes.n - 1) ==
		0);
}

static void on_key_file(struct slice text)
{
	char why[256] = "";

	write_keys(text);
	struct grant_keys *loaded = grant_keys_load(key_path, why, sizeof(why));
	REQUIRE(loaded || strstr(why, key_path));
	if (loaded)
		REQUIRE(memmem(text.p, text.n, " ", 1) && text.n >= 81);
	grant_keys_free(loaded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0 || size > 2 * AUTH_GRANT_BYTES)
		return 0;
	char *copy = fuzz_copy(data, size);
	struct slice bytes = slice_make(copy, size - 1);

	switch (data[0]) {
	case 'o': on_grant(bytes, false); break;
	case 'p': on_payload(bytes); break;
	case 'e': on_encoding(bytes); break;
	case 'f': on_key_file(bytes); break;
	default: break;
	}
	free(copy);
	return 0;
}
