#include "base/codec.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "base/log.h"

static const char hex_digits[] = "0123456789abcdef";

void hex_encode(struct slice bytes, char *out)
{
	for (size_t i = 0; i < bytes.n; i++) {
		uint8_t byte = (uint8_t)bytes.p[i];
		*out++ = hex_digits[byte >> 4];
		*out++ = hex_digits[byte & 15];
	}
	*out = '\0';
}

int hex_digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool hex_decode(struct slice text, uint8_t *out, size_t n)
{
	if (text.n % 2 != 0 || text.n / 2 != n)
		return false;
	for (size_t i = 0; i < n; i++) {
		int high = hex_digit_value(text.p[2 * i]),
		    low = hex_digit_value(text.p[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* The two alphabets of RFC 4648 differ in the last two characters alone. */
static const char base64_plain[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64_url[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Without padding. Returns the end. */
static char *sextets_encode(const char *alphabet, struct slice bytes, char *out)
{
	unsigned bits = 0, held = 0;

	for (size_t i = 0; i < bytes.n; i++) {
		bits = bits << 8 | (uint8_t)bytes.p[i];
		for (held += 8; held >= 6; held -= 6)
			*out++ = alphabet[bits >> (held - 6) & 63];
	}
	if (held > 0)
		*out++ = alphabet[bits << (6 - held) & 63];
	return out;
}

/* What a character from space on is worth in either of them; -1: nothing in both. */
/* clang-format off */
static const int8_t sextets[96] = {
	-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 62, -1, 62, -1, 63,
	52, 53, 54, 55, 56, 57, 58, 59, 60, 61, -1, -1, -1, -1, -1, -1,
	-1,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14,
	15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, -1, -1, -1, -1, 63,
	-1, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
	41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, -1, -1, -1, -1, -1,
};
/* clang-format on */

static int sextet_value(const char *alphabet, char c)
{
	size_t place = (size_t)(uint8_t)c - ' ';
	int value = place < sizeof(sextets) ? sextets[place] : -1;

	return value >= 62 && alphabet[value] != c ? -1 : value;
}

static ssize_t sextets_decode(const char *alphabet, struct slice text, uint8_t *out,
			      size_t cap)
{
	unsigned bits = 0, held = 0;
	size_t n = 0;

	if (text.n % 4 == 1 || text.n > SSIZE_MAX || text.n / 4 * 3 > cap)
		return -1;
	for (size_t i = 0; i < text.n; i++) {
		int value = sextet_value(alphabet, text.p[i]);
		if (value < 0)
			return -1;
		bits = bits << 6 | (unsigned)value;
		held += 6;
		if (held >= 8) {
			if (n == cap)
				return -1;
			held -= 8;
			out[n++] = (uint8_t)(bits >> held);
		}
	}
	return (bits & ((1u << held) - 1)) == 0 ? (ssize_t)n : -1;
}

void base64url_encode(struct slice bytes, char *out)
{
	*sextets_encode(base64_url, bytes, out) = '\0';
}

ssize_t base64url_decode(struct slice text, uint8_t *out, size_t cap)
{
	return sextets_decode(base64_url, text, out, cap);
}

void base64_encode(struct slice bytes, char *out)
{
	char *end = sextets_encode(base64_plain, bytes, out);

	while ((end - out) % 4 != 0)
		*end++ = '=';
	*end = '\0';
}

ssize_t base64_decode(struct slice text, uint8_t *out, size_t cap)
{
	if (text.n % 4 != 0)
		return -1;
	for (int padding = 0; padding < 2; padding++)
		if (text.n > 0 && text.p[text.n - 1] == '=')
			text.n--;
	return sextets_decode(base64_plain, text, out, cap);
}

static bool is_uuid_dash(size_t i)
{
	return i == 8 || i == 13 || i == 18 || i == 23;
}

void uuid_make(char out[UUID_CHARS + 1])
{
	uint8_t bytes[16];
	char hex[2 * sizeof(bytes) + 1];

	random_bytes(bytes, sizeof(bytes));
	bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
	bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
	hex_encode(slice_make(bytes, sizeof(bytes)), hex);
	for (size_t i = 0, from = 0; i < UUID_CHARS; i++)
		out[i] = is_uuid_dash(i) ? '-' : hex[from++];
	out[UUID_CHARS] = '\0';
}

bool uuid_is_valid(struct slice text)
{
	if (text.n != UUID_CHARS)
		return false;
	for (size_t i = 0; i < UUID_CHARS; i++) {
		char c = text.p[i];
		bool is_digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
		if (is_uuid_dash(i) ? c != '-' : !is_digit)
			return false;
	}
	return true;
}

void sha256(struct slice bytes, uint8_t out[SHA256_BYTES])
{
	unsigned size = SHA256_BYTES;

	int ok = EVP_Digest(bytes.p, bytes.n, out, &size, EVP_sha256(), NULL);
	BUG_ON(ok != 1 || size != SHA256_BYTES);
}

struct digest *digest_begin(void)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();

	BUG_ON(!md || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1);
	return (struct digest *)md;
}

void digest_add(struct digest *digest, struct slice bytes)
{
	BUG_ON(EVP_DigestUpdate((EVP_MD_CTX *)digest, bytes.p, bytes.n) != 1);
}

void digest_end(struct digest *digest, uint8_t out[SHA256_BYTES])
{
	EVP_MD_CTX *md = (EVP_MD_CTX *)digest;
	uint8_t whole[SHA256_BYTES];

	BUG_ON(EVP_DigestFinal_ex(md, whole, NULL) != 1);
	if (out)
		memcpy(out, whole, sizeof(whole));
	EVP_MD_CTX_free(md);
}

void random_bytes(void *out, size_t n)
{
	BUG_ON(n > INT_MAX || RAND_bytes(out, (int)n) != 1);
}

/* Decimal, zero-padded; @p out holds @p width characters. */
