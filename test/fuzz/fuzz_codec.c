/*
 * Fuzz target of the text forms of bytes and of networks: what is read has one
 * spelling, or, in hex, two cases.
 *
 * Kinds: x hex, u base64url, b base64, i a UUID, m milliseconds of a time, n a number,
 * w a network, l a list of fields.
 *
 * Parser: base/codec.c base/network.c base/slice.c
 */
#include "base/codec.h"
#include "base/time.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "base/network.h"
#include "test/fuzz/fuzz.h"

#define BYTES_MAX   300             /* decoded; a longer text is refused */
#define TIME_MAX_MS 253402300799998 /* one before the end of the year 9999 */

static char written[2 * BYTES_MAX + 1];
static uint8_t bytes[BYTES_MAX];

static void on_hex(struct slice text)
{
	size_t n = text.n / 2;

	if (n > BYTES_MAX || !hex_decode(text, bytes, n))
		return;
	hex_encode(slice_make(bytes, n), written);
	REQUIRE(slice_eq_nocase(text, slice_of(written)));
}

static void on_base64url(struct slice text)
{
	ssize_t n = base64url_decode(text, bytes, sizeof(bytes));

	if (n < 0)
		return;
	REQUIRE((size_t)n <= sizeof(bytes) && BASE64URL_CHARS((size_t)n) == text.n);
	base64url_encode(slice_make(bytes, (size_t)n), written);
	REQUIRE(slice_eq(text, slice_of(written)));
}

static void on_base64(struct slice text)
{
	ssize_t n = base64_decode(text, bytes, sizeof(bytes));

	if (n < 0)
		return;
	base64_encode(slice_make(bytes, (size_t)n), written);
	REQUIRE(slice_eq(text, slice_of(written)));
}

static void on_uuid(struct slice text)
{
	char made[UUID_CHARS + 1];

	uuid_make(made);
	REQUIRE(uuid_is_valid(slice_of(made)) && !slice_eq(slice_of(made), text));
	if (!uuid_is_valid(text))
		return;
	REQUIRE(text.n == UUID_CHARS);
	for (size_t i = 0; i < text.n; i++)
		REQUIRE(strchr("0123456789abcdef-", text.p[i]) != NULL);
}

/* RFC 3339; what sorts as text sorts as time. */
static void on_time(struct slice text)
{
	char now[25], later[25];
	uint64_t unix_ms;

	if (!slice_to_u64(text, TIME_MAX_MS, &unix_ms))
		return;
	time_format((int64_t)unix_ms, now);
	time_format((int64_t)unix_ms + 1, later);
	REQUIRE(strlen(now) == 24 && now[10] == 'T' && now[23] == 'Z');
	REQUIRE(strcmp(now, later) < 0);
}

static void on_number(struct slice text)
{
	uint64_t value, limited;

	text = slice_trim(text);
	if (!slice_to_u64(text, UINT64_MAX, &value))
		return;
	while (text.n > 1 && text.p[0] == '0')
		text = slice_make(text.p + 1, text.n - 1);
	snprintf(written, sizeof(written), "%llu", (unsigned long long)value);
	REQUIRE(slice_eq_secret(text, slice_of(written)));
	REQUIRE(slice_to_u64(text, value, &limited) && limited == value);
	REQUIRE(value == 0 || !slice_to_u64(text, value - 1, &limited));
}

/* @return an address of the network's own bits, with bit @p flip the other way */
static struct sockaddr_storage address_of(const struct network *network, int flip)
{
	struct sockaddr_storage address = { .ss_family = network->family };
	uint8_t prefix[sizeof(network->prefix)];

	memcpy(prefix, network->prefix, sizeof(prefix));
	if (flip >= 0)
		prefix[flip / 8] ^= (uint8_t)(0x80 >> flip % 8);
	if (network->family == AF_INET)
		memcpy(&((struct sockaddr_in *)&address)->sin_addr, prefix, 4);
	else
		memcpy(&((struct sockaddr_in6 *)&address)->sin6_addr, prefix, 16);
	return address;
}

static void on_network(const char *text)
{
	struct network network;

	if (!network_parse(text, &network))
		return;
	int bits = (int)network.bits, max = network.family == AF_INET ? 32 : 128;
	REQUIRE(bits <= max);
	for (int flip = -1; flip < max; flip++) {
		struct sockaddr_storage address = address_of(&network, flip);
		bool is_inside = flip < 0 || flip >= bits;
		REQUIRE(network_has(&network, (struct sockaddr *)&address) ==
			is_inside);
	}
	struct sockaddr_storage other = { .ss_family = AF_UNIX };
	REQUIRE(!network_has(&network, (struct sockaddr *)&other));
}

static void on_list(struct slice text)
{
	struct slice rest = text, field;
	size_t n = 0, n_fields = 0;

	for (; slice_next(&rest, ',', &field); n_fields++) {
		REQUIRE(!memchr(field.n ? field.p : "", ',', field.n));
		struct slice trimmed = slice_trim(field);
		REQUIRE(slice_eq(trimmed, slice_trim(trimmed)));
		REQUIRE(slice_starts(field, slice_make(field.p, field.n / 2)));
		n += field.n;
	}
	REQUIRE(n_fields > 0 && n + n_fields - 1 == text.n);
}

/* A digest does not tell in which pieces the bytes came. */
static void on_pieces(struct slice text)
{
	struct digest *digest = digest_begin();
	uint8_t whole[SHA256_BYTES], found[SHA256_BYTES];
	size_t n = text.n / 3;

	digest_add(digest, slice_make(text.p, n));
	digest_add(digest, slice_make(text.p + n, text.n - n));
	digest_end(digest, found);
	sha256(text, whole);
	REQUIRE(memcmp(whole, found, SHA256_BYTES) == 0);
	REQUIRE(time_monotonic_ms() > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	char *copy = fuzz_copy(data, size);
	struct slice text = slice_make(copy, size - 1);

	on_pieces(text);
	switch (data[0]) {
	case 'x': on_hex(text); break;
	case 'u': on_base64url(text); break;
	case 'b': on_base64(text); break;
	case 'i': on_uuid(text); break;
	case 'm': on_time(text); break;
	case 'n': on_number(text); break;
	case 'w': on_network(copy); break;
	case 'l': on_list(text); break;
	default: break;
	}
	free(copy);
	return 0;
}
