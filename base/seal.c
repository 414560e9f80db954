#include "base/seal.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "base/codec.h"
#include "base/log.h"
#include "base/secret.h"

#define KID_BYTES      8
#define NONCE_BYTES    12
#define TAG_BYTES      16
#define KEY_BYTES      32
#define KEYS_MAX       2
#define KEY_FILE_BYTES 4096

struct seal_key {
	uint8_t kid[KID_BYTES];
	uint8_t bytes[KEY_BYTES];
};

struct seal_keys {
	struct seal_key keys[KEYS_MAX];
	size_t n;
};

static const struct seal_key *key_find(const struct seal_keys *keys, const void *kid)
{
	for (size_t i = 0; i < keys->n; i++)
		if (memcmp(keys->keys[i].kid, kid, KID_BYTES) == 0)
			return &keys->keys[i];
	return NULL;
}

/* `kid key`, both hex. NULL when taken, else what is wrong with the line. */
static const char *take_line(struct seal_keys *keys, struct slice line)
{
	struct slice kid, rest = line;
	struct seal_key key;
	const char *problem = NULL;

	if (!slice_next(&rest, ' ', &kid) || !rest.p ||
	    !hex_decode(kid, key.kid, KID_BYTES) ||
	    !hex_decode(rest, key.bytes, KEY_BYTES))
		problem = "not `KID KEY`, 16 and 64 hex digits; a line is made with: "
			  "echo $(openssl rand -hex 8) $(openssl rand -hex 32)";
	else if (keys->n == KEYS_MAX)
		problem = "more than two keys";
	else if (key_find(keys, key.kid))
		problem = "the same KID twice";
	else
		keys->keys[keys->n++] = key;
	OPENSSL_cleanse(&key, sizeof(key));
	return problem;
}

static bool take_lines(struct seal_keys *keys, struct slice text, const char *path,
		       char *why, size_t why_size)
{
	struct slice line;

	for (unsigned number = 1; slice_next(&text, '\n', &line); number++) {
		line = slice_trim(line);
		if (line.n == 0 || line.p[0] == '#')
			continue;
		const char *problem = take_line(keys, line);
		if (!problem)
			continue;
		snprintf(why, why_size, "%s:%u: %s", path, number, problem);
		return false;
	}
	if (keys->n == 0)
		snprintf(why, why_size, "%s: holds no key", path);
	return keys->n > 0;
}

struct seal_keys *seal_keys_load(const char *path, char *why, size_t why_size)
{
	struct secret text;
	struct seal_keys *keys = OPENSSL_zalloc(sizeof(*keys));

	BUG_ON(!keys);
	if (!secret_read(path, KEY_FILE_BYTES, &text, why, why_size) ||
	    !take_lines(keys, slice_make(text.p, text.n), path, why, why_size)) {
		seal_keys_free(keys);
		keys = NULL;
	}
	secret_free(&text);
	return keys;
}

void seal_keys_free(struct seal_keys *keys)
{
	OPENSSL_clear_free(keys, sizeof(*keys));
}

void seal_close(const struct seal_keys *keys, struct slice place, struct slice plain,
		void *out)
{
	const struct seal_key *key = &keys->keys[0];
	uint8_t *nonce = (uint8_t *)out + KID_BYTES, *body = nonce + NONCE_BYTES;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0, end = 0;

	BUG_ON(!ctx || place.n > INT_MAX || plain.n > INT_MAX - TAG_BYTES);
	memcpy(out, key->kid, KID_BYTES);
	random_bytes(nonce, NONCE_BYTES);
	bool is_sealed = EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key->bytes,
					    nonce) == 1 &&
			 EVP_EncryptUpdate(ctx, NULL, &n, (const uint8_t *)place.p,
					   (int)place.n) == 1 &&
			 EVP_EncryptUpdate(ctx, body, &n, (const uint8_t *)plain.p,
					   (int)plain.n) == 1 &&
			 EVP_EncryptFinal_ex(ctx, body + n, &end) == 1 &&
			 EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_BYTES,
					     body + plain.n) == 1;
	BUG_ON(!is_sealed);
	EVP_CIPHER_CTX_free(ctx);
}

ssize_t seal_open(const struct seal_keys *keys, struct slice place, struct slice sealed,
		  void *out)
{
	if (sealed.n < SEAL_OVERHEAD || sealed.n > INT_MAX || place.n > INT_MAX)
		return -1;
	const struct seal_key *key = key_find(keys, sealed.p);
	const uint8_t *nonce = (const uint8_t *)sealed.p + KID_BYTES;
	const uint8_t *body = nonce + NONCE_BYTES;
	int length = (int)(sealed.n - SEAL_OVERHEAD), n = 0, end = 0;
	uint8_t tag[TAG_BYTES];

	if (!key)
		return -1;
	memcpy(tag, body + length, TAG_BYTES);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	BUG_ON(!ctx);
	bool is_open =
		EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key->bytes, nonce) ==
			1 &&
		EVP_DecryptUpdate(ctx, NULL, &n, (const uint8_t *)place.p,
				  (int)place.n) == 1 &&
		EVP_DecryptUpdate(ctx, out, &n, body, length) == 1 &&
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, tag) == 1 &&
		EVP_DecryptFinal_ex(ctx, (uint8_t *)out + n, &end) == 1;
	EVP_CIPHER_CTX_free(ctx);
	if (is_open)
		return length;
	OPENSSL_cleanse(out, sealed.n);
	return -1;
}
