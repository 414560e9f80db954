#include "auth/jws.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>

#include "base/json.h"
#include "base/log.h"

#define ALG              "ES256"
#define COORDINATE_BYTES 32
#define SIGNATURE_BYTES  (2 * COORDINATE_BYTES) /* r || s, RFC 7518, 3.4 */
#define DER_BYTES_MAX    80                     /* of the same as ECDSA-Sig-Value */
#define TYP_CHARS        64

/* ---- Keys ---- */

/* security: a thumbprint says nothing of the curve, so parameters that come with the
 * key, which could give the same point another private key, are refused. */
static bool is_p256(const EVP_PKEY *key)
{
	char group[32];
	int is_explicit = 1;

	return key && EVP_PKEY_is_a(key, "EC") &&
	       EVP_PKEY_get_int_param(key,
				      OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS,
				      &is_explicit) == 1 &&
	       !is_explicit &&
	       EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1 &&
	       strcmp(group, "prime256v1") == 0;
}

static bool coordinate(const EVP_PKEY *key, const char *name, char *out)
{
	uint8_t bytes[COORDINATE_BYTES];
	BIGNUM *number = NULL;
	bool ok = EVP_PKEY_get_bn_param(key, name, &number) == 1 &&
		  BN_bn2binpad(number, bytes, sizeof(bytes)) == sizeof(bytes);

	BN_free(number);
	if (ok)
		base64url_encode(slice_make(bytes, sizeof(bytes)), out);
	return ok;
}

bool jws_thumbprint(const EVP_PKEY *key, char out[JWS_THUMBPRINT_CHARS + 1])
{
	char x[BASE64URL_CHARS(COORDINATE_BYTES) + 1], y[sizeof(x)], json[160];
	uint8_t hash[SHA256_BYTES];

	if (!is_p256(key) || !coordinate(key, OSSL_PKEY_PARAM_EC_PUB_X, x) ||
	    !coordinate(key, OSSL_PKEY_PARAM_EC_PUB_Y, y))
		return false;
	/* RFC 7638, 3: required members alone, in this order, without spaces. */
	snprintf(json, sizeof(json),
		 "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", x, y);
	sha256(slice_of(json), hash);
	base64url_encode(slice_make(hash, sizeof(hash)), out);
	return true;
}

/* ---- Signature ---- */

/* Length of @p raw as DER, or 0. */
static size_t signature_to_der(const uint8_t raw[SIGNATURE_BYTES],
			       uint8_t der[DER_BYTES_MAX])
{
	ECDSA_SIG *signature = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(raw, COORDINATE_BYTES, NULL);
	BIGNUM *s = BN_bin2bn(raw + COORDINATE_BYTES, COORDINATE_BYTES, NULL);

	BUG_ON(!signature || !r || !s || ECDSA_SIG_set0(signature, r, s) != 1);
	int n = i2d_ECDSA_SIG(signature, NULL);
	BUG_ON(n <= 0 || n > DER_BYTES_MAX);
	i2d_ECDSA_SIG(signature, &der);
	ECDSA_SIG_free(signature);
	return (size_t)n;
}

static void signature_from_der(const uint8_t *der, size_t n,
			       uint8_t raw[SIGNATURE_BYTES])
{
	ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &der, (long)n);
	const BIGNUM *r, *s;

	BUG_ON(!signature);
	ECDSA_SIG_get0(signature, &r, &s);
	BUG_ON(BN_bn2binpad(r, raw, COORDINATE_BYTES) < 0 ||
	       BN_bn2binpad(s, raw + COORDINATE_BYTES, COORDINATE_BYTES) < 0);
	ECDSA_SIG_free(signature);
}

static bool signature_verifies(EVP_PKEY *key, const uint8_t raw[SIGNATURE_BYTES],
			       struct slice text)
{
	uint8_t der[DER_BYTES_MAX];
	size_t n = signature_to_der(raw, der);
	EVP_MD_CTX *context = EVP_MD_CTX_new();

	BUG_ON(!context);
	bool ok =
		EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
		EVP_DigestVerify(context, der, n, (const uint8_t *)text.p, text.n) == 1;
	EVP_MD_CTX_free(context);
	return ok;
}

/* ---- Reading ---- */

struct header {
	struct slice alg, typ, kid;
	json_t *x5c;
};

static const struct json_member header_members[] = {
	{ "alg", JSON_TEXT, offsetof(struct header, alg), 1, TYP_CHARS },
	{ "typ", JSON_TEXT, offsetof(struct header, typ), 1, TYP_CHARS },
	{ "kid", JSON_TEXT, offsetof(struct header, kid), 1, TYP_CHARS },
	{ "x5c", JSON_LIST_OF, offsetof(struct header, x5c), 1, JWS_CERTS_MAX },
};
#define N_HEADER_MEMBERS (sizeof(header_members) / sizeof(header_members[0]))

/* Decode a part into the arena. */
static bool decode_part(struct slice text, struct arena *arena, struct slice *out)
{
	uint8_t *bytes = arena_alloc(arena, text.n + 1);
	ssize_t n = bytes ? base64url_decode(text, bytes, text.n) : -1;

	*out = slice_make(bytes, n < 0 ? 0 : (size_t)n);
	return n >= 0;
}

/* One certificate: plain base64 (RFC 7515, 4.1.6), DER and nothing after it. */
static X509 *read_cert(struct slice text)
{
	uint8_t der[JWS_X5C_CHARS / 4 * 3];
	const uint8_t *at = der;
	ssize_t n = base64_decode(text, der, sizeof(der));
	X509 *cert = n > 0 ? d2i_X509(NULL, &at, n) : NULL;

	if (cert && at == der + n)
		return cert;
	X509_free(cert);
	return NULL;
}

static bool read_certs(const json_t *x5c, struct jws *out)
{
	size_t left = JWS_X5C_CHARS, n = json_array_size(x5c);

	for (size_t i = 0; i < n; i++) {
		const json_t *item = json_array_get(x5c, i);
		struct slice text =
			slice_make(json_string_value(item), json_string_length(item));
		if (!text.p || text.n > left)
			return false;
		left -= text.n;
		X509 *cert = read_cert(text);
		if (!cert)
			return false;
		out->certs[out->n_certs++] = cert;
	}
	return true;
}

static bool read_header(struct slice json, const char *typ, struct jws *out)
{
	struct header header = { .x5c = NULL };
	char why[64];
	json_t *object = json_parse(json, why, sizeof(why));
	bool ok = object &&
		  json_read(object, header_members, N_HEADER_MEMBERS, &header, why,
			    sizeof(why)) &&
		  slice_eq(header.alg, SLICE(ALG)) &&
		  slice_eq(header.typ, slice_of(typ)) && read_certs(header.x5c, out) &&
		  jws_thumbprint(X509_get0_pubkey(out->certs[0]), out->kid) &&
		  slice_eq(header.kid, slice_of(out->kid));

	json_decref(object);
	return ok;
}

enum jws_result jws_open(struct slice text, const char *typ, struct arena *arena,
			 struct jws *out)
{
	struct slice rest = text, parts[3], header;
	uint8_t signature[SIGNATURE_BYTES];

	*out = (struct jws){ .n_certs = 0 };
	for (size_t i = 0; i < 3; i++)
		if (!slice_next(&rest, '.', &parts[i]))
			return JWS_MALFORMED;
	if (rest.p || !decode_part(parts[0], arena, &header) ||
	    !decode_part(parts[1], arena, &out->payload) ||
	    base64url_decode(parts[2], signature, sizeof(signature)) !=
		    SIGNATURE_BYTES ||
	    !read_header(header, typ, out))
		return JWS_MALFORMED;
	struct slice covered = slice_make(text.p, (size_t)(parts[2].p - text.p) - 1);
	bool ok =
		signature_verifies(X509_get0_pubkey(out->certs[0]), signature, covered);
	return ok ? JWS_OK : JWS_BAD_SIGNATURE;
}

void jws_close(struct jws *jws)
{
	for (size_t i = 0; i < jws->n_certs; i++)
		X509_free(jws->certs[i]);
	*jws = (struct jws){ .n_certs = 0 };
	ERR_clear_error(); /* what was refused left its errors */
}

/* ---- Writing ---- */

/* `"base64"` of one certificate, behind what is in @p list. */
static bool add_cert(char list[JWS_X5C_CHARS + 16], X509 *cert)
{
	unsigned char *der = NULL;
	int n = i2d_X509(cert, &der);
	size_t used = strlen(list), chars = (size_t)(n + 2) / 3 * 4;

	BUG_ON(n <= 0);
	bool fits = chars + 4 <= JWS_X5C_CHARS + 16 - used;
	if (fits) {
		char *at = list + used;
		if (used > 0)
			*at++ = ',';
		*at++ = '"';
		base64_encode(slice_make(der, (size_t)n), at);
		memcpy(at + chars, "\"", 2);
	}
	OPENSSL_free(der);
	return fits;
}

const char *jws_header(const char *typ, X509 *const *certs, size_t n_certs,
		       struct arena *arena)
{
	char kid[JWS_THUMBPRINT_CHARS + 1], x5c[JWS_X5C_CHARS + 16] = "";

	if (n_certs == 0 || n_certs > JWS_CERTS_MAX ||
	    !jws_thumbprint(X509_get0_pubkey(certs[0]), kid))
		return NULL;
	for (size_t i = 0; i < n_certs; i++)
		if (!add_cert(x5c, certs[i]))
			return NULL;
	if (strlen(x5c) - 3 * n_certs + 1 > JWS_X5C_CHARS) /* quotes and commas */
		return NULL;
	struct slice json = slice_of(arena_printf(
		arena,
		"{\"alg\":\"" ALG "\",\"typ\":\"%s\",\"kid\":\"%s\",\"x5c\":[%s]}", typ,
		kid, x5c));
	char *out = json.p ? arena_alloc(arena, BASE64URL_CHARS(json.n) + 1) : NULL;
	if (out)
		base64url_encode(json, out);
	return out;
}

static void sign(EVP_PKEY *key, struct slice text, uint8_t raw[SIGNATURE_BYTES])
{
	uint8_t der[DER_BYTES_MAX];
	size_t n = sizeof(der);
	EVP_MD_CTX *context = EVP_MD_CTX_new();

	BUG_ON(!context ||
	       EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) != 1 ||
	       EVP_DigestSign(context, der, &n, (const uint8_t *)text.p, text.n) != 1);
	EVP_MD_CTX_free(context);
	signature_from_der(der, n, raw);
}

ssize_t jws_sign(EVP_PKEY *key, struct slice header, struct slice payload, char *out,
		 size_t cap)
{
	const size_t signature_chars = BASE64URL_CHARS(SIGNATURE_BYTES);
	uint8_t raw[SIGNATURE_BYTES];

	/* Each length is far below the size of any memory, so no sum overflows. */
	size_t covered = header.n + 1 + BASE64URL_CHARS(payload.n);
	if (covered + 1 + signature_chars + 1 > cap)
		return -1;
	memcpy(out, header.p, header.n);
	out[header.n] = '.';
	base64url_encode(payload, out + header.n + 1);
	sign(key, slice_make(out, covered), raw);
	out[covered] = '.';
	base64url_encode(slice_make(raw, sizeof(raw)), out + covered + 1);
	return (ssize_t)(covered + 1 + signature_chars);
}
