#include "auth/auth.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "auth/field.h"
#include "base/keyfile.h"
#include "base/log.h"

#define KID_BYTES KEYFILE_KID_BYTES

struct grant_key {
	uint8_t kid[KID_BYTES];
	EVP_MAC_CTX *mac; /* keyed; each use duplicates it */
};

struct grant_keys {
	struct grant_key keys[KEYFILE_KEYS_MAX];
	size_t n;
};

/* ---- Keys ---- */

static EVP_MAC_CTX *mac_new(const uint8_t key[KEYFILE_KEY_BYTES])
{
	OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(
					OSSL_MAC_PARAM_DIGEST, (char[]){ "SHA256" }, 0),
				OSSL_PARAM_construct_end() };
	EVP_MAC *algorithm = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *mac = algorithm ? EVP_MAC_CTX_new(algorithm) : NULL;

	BUG_ON(!mac || EVP_MAC_init(mac, key, KEYFILE_KEY_BYTES, params) != 1);
	EVP_MAC_free(algorithm);
	return mac;
}

static const struct grant_key *key_find(const struct grant_keys *keys, const void *kid)
{
	for (size_t i = 0; i < keys->n; i++)
		if (memcmp(keys->keys[i].kid, kid, KID_BYTES) == 0)
			return &keys->keys[i];
	return NULL;
}

static void key_add(struct grant_keys *keys, const struct keyfile_key *from)
{
	struct grant_key *key = &keys->keys[keys->n++];

	memcpy(key->kid, from->kid, KID_BYTES);
	key->mac = mac_new(from->bytes);
}

struct grant_keys *grant_keys_load(const char *path, char *why, size_t why_size)
{
	struct keyfile file;

	if (!keyfile_load(path, &file, why, why_size))
		return NULL;
	struct grant_keys *keys = calloc(1, sizeof(*keys));
	BUG_ON(!keys);
	for (size_t i = 0; i < file.n; i++)
		key_add(keys, &file.keys[i]);
	keyfile_wipe(&file);
	return keys;
}

void grant_keys_free(struct grant_keys *keys)
{
	if (!keys)
		return;
	for (size_t i = 0; i < keys->n; i++)
		EVP_MAC_CTX_free(keys->keys[i].mac); /* wipes the key */
	free(keys);
}

/* ---- Payload ---- */

/* The fields in the order of doc/proof.md, Grant. */
enum payload_field {
	PAYLOAD_GW,
	PAYLOAD_SRV,
	PAYLOAD_SID,
	PAYLOAD_DEV,
	PAYLOAD_METHOD,
	PAYLOAD_CRED,
	PAYLOAD_BINDING,
	PAYLOAD_STANDING,
	PAYLOAD_EPOCH,
	PAYLOAD_ISSUED,
	PAYLOAD_EXPIRES,
	PAYLOAD_N
};

static void put_i64(uint8_t out[8], int64_t value)
{
	for (int i = 0; i < 8; i++)
		out[i] = (uint8_t)((uint64_t)value >> (56 - 8 * i));
}

static bool get_i64(struct slice field, int64_t *out)
{
	uint64_t value = 0;

	if (!field.p || field.n != 8 || (field.p[0] & 0x80))
		return false;
	for (size_t i = 0; i < 8; i++)
		value = value << 8 | (uint8_t)field.p[i];
	*out = (int64_t)value;
	return true;
}

static size_t payload_encode(const struct grant *grant, uint8_t *out, size_t cap)
{
	const struct auth_claims *c = &grant->claims;
	uint8_t epoch[8], issued[8], expires[8];

	put_i64(epoch, grant->epoch);
	put_i64(issued, grant->issued_s);
	put_i64(expires, grant->expires_s);
	const struct slice fields[PAYLOAD_N] = {
		[PAYLOAD_GW] = slice_make(c->gw, sizeof(c->gw)),
		[PAYLOAD_SRV] = slice_of(c->srv),
		[PAYLOAD_SID] = slice_make(c->sid, sizeof(c->sid)),
		[PAYLOAD_DEV] = slice_of(c->dev),
		[PAYLOAD_METHOD] = SLICE(AUTH_METHOD),
		[PAYLOAD_CRED] = slice_make(c->cred, sizeof(c->cred)),
		[PAYLOAD_BINDING] = slice_make(c->binding, sizeof(c->binding)),
		[PAYLOAD_STANDING] = slice_of(standing_name(grant->standing)),
		[PAYLOAD_EPOCH] = slice_make(epoch, sizeof(epoch)),
		[PAYLOAD_ISSUED] = slice_make(issued, sizeof(issued)),
		[PAYLOAD_EXPIRES] = slice_make(expires, sizeof(expires)),
	};
	return auth_encode(AUTH_LABEL_GRANT_PAYLOAD, fields, PAYLOAD_N, out, cap);
}

static bool payload_decode(struct slice payload, struct grant *out)
{
	struct auth_claims *c = &out->claims;
	struct slice f[PAYLOAD_N];

	*out = (struct grant){ .standing = STANDING_UNKNOWN };
	return auth_decode(AUTH_LABEL_GRANT_PAYLOAD, payload, f, PAYLOAD_N) &&
	       field_bytes(f[PAYLOAD_GW], c->gw, sizeof(c->gw)) &&
	       field_srv(f[PAYLOAD_SRV], c->srv) &&
	       field_bytes(f[PAYLOAD_SID], c->sid, sizeof(c->sid)) &&
	       field_dev(f[PAYLOAD_DEV], c->dev) &&
	       slice_eq(f[PAYLOAD_METHOD], SLICE(AUTH_METHOD)) &&
	       field_bytes(f[PAYLOAD_CRED], c->cred, sizeof(c->cred)) &&
	       field_bytes(f[PAYLOAD_BINDING], c->binding, sizeof(c->binding)) &&
	       standing_parse(f[PAYLOAD_STANDING], &out->standing) &&
	       get_i64(f[PAYLOAD_EPOCH], &out->epoch) &&
	       get_i64(f[PAYLOAD_ISSUED], &out->issued_s) &&
	       get_i64(f[PAYLOAD_EXPIRES], &out->expires_s);
}

/* ---- Grant ---- */

static void grant_mac(const struct grant_key *key, struct slice payload,
		      uint8_t out[SHA256_BYTES])
{
	const struct slice fields[] = { slice_make(key->kid, KID_BYTES), payload };
	uint8_t bytes[AUTH_GRANT_BYTES + 64];
	size_t size = 0;

	size_t n = auth_encode(AUTH_LABEL_GRANT, fields, 2, bytes, sizeof(bytes));
	EVP_MAC_CTX *mac = EVP_MAC_CTX_dup(key->mac);
	BUG_ON(n == 0 || !mac || EVP_MAC_update(mac, bytes, n) != 1 ||
	       EVP_MAC_final(mac, out, &size, SHA256_BYTES) != 1 ||
	       size != SHA256_BYTES);
	EVP_MAC_CTX_free(mac);
}

size_t grant_make(const struct grant_keys *keys, const struct grant *grant,
		  uint8_t out[AUTH_GRANT_BYTES])
{
	const struct grant_key *key = &keys->keys[0];
	uint8_t *payload = out + KID_BYTES;
	size_t n = payload_encode(grant, payload,
				  AUTH_GRANT_BYTES - KID_BYTES - SHA256_BYTES);

	BUG_ON(n == 0); /* the longest names fit */
	memcpy(out, key->kid, KID_BYTES);
	grant_mac(key, slice_make(payload, n), payload + n);
	return KID_BYTES + n + SHA256_BYTES;
}

enum auth_reason grant_open(const struct grant_keys *keys, struct slice bytes,
			    const uint8_t gw[SHA256_BYTES], const char *srv,
			    int64_t now_s, struct grant *out)
{
	uint8_t mac[SHA256_BYTES];

	if (bytes.n < KID_BYTES + SHA256_BYTES || bytes.n > AUTH_GRANT_BYTES)
		return REASON_GRANT_INVALID;
	const struct grant_key *key = key_find(keys, bytes.p);
	if (!key)
		return REASON_GRANT_INVALID;
	struct slice payload =
		slice_make(bytes.p + KID_BYTES, bytes.n - KID_BYTES - SHA256_BYTES);
	grant_mac(key, payload, mac);
	if (!slice_eq_secret(slice_make(mac, sizeof(mac)),
			     slice_make(payload.p + payload.n, SHA256_BYTES)))
		return REASON_GRANT_INVALID;
	if (!payload_decode(payload, out) ||
	    memcmp(out->claims.gw, gw, SHA256_BYTES) != 0 ||
	    strcmp(out->claims.srv, srv) != 0)
		return REASON_GRANT_INVALID;
	/* One of a clock that was far ahead would outlive all others. */
	return now_s < out->expires_s && now_s > out->issued_s - AUTH_GRANT_SECONDS
		       ? REASON_NONE
		       : REASON_GRANT_EXPIRED;
}

void grant_hash(struct slice grant, uint8_t out[SHA256_BYTES])
{
	sha256(grant, out);
}
