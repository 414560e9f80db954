#include "base/seal.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "base/codec.h"
#include "base/keyfile.h"
#include "base/log.h"

#define NONCE_BYTES 12
#define TAG_BYTES   16

struct seal_keys {
	struct keyfile file;
};

struct seal_keys *seal_keys_load(const char *path, char *why, size_t why_size)
{
	struct seal_keys *keys = OPENSSL_zalloc(sizeof(*keys));

	BUG_ON(!keys);
	if (keyfile_load(path, &keys->file, why, why_size))
		return keys;
	seal_keys_free(keys);
	return NULL;
}

void seal_keys_free(struct seal_keys *keys)
{
	OPENSSL_clear_free(keys, sizeof(*keys));
}

void seal_close(const struct seal_keys *keys, struct slice place, struct slice plain,
		void *out)
{
	const struct keyfile_key *key = &keys->file.keys[0];
	uint8_t *nonce = (uint8_t *)out + KEYFILE_KID_BYTES,
		*body = nonce + NONCE_BYTES;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0, end = 0;

	BUG_ON(!ctx || place.n > INT_MAX || plain.n > INT_MAX - TAG_BYTES);
	memcpy(out, key->kid, KEYFILE_KID_BYTES);
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
	const struct keyfile_key *key = keyfile_find(&keys->file, sealed.p);
	const uint8_t *nonce = (const uint8_t *)sealed.p + KEYFILE_KID_BYTES;
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
