/* Headers as HAProxy's proxy-protocol.txt 2.2 has them. */
#include "base/proxy.h"

#include <netinet/in.h>
#include <stdlib.h>

#include "base/address.h"
#include "test/unit/test.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define LOCAL     "\x20"
#define PROXY     "\x21"
#define NONE      "\x00"
#define TCP4      "\x11"
#define TCP6      "\x21"

#define IP4                \
	"\xc0\x00\x02\x01" \
	"\xc6\x33\x64\x02" \
	"\x12\x67"         \
	"\x20\xfb"
#define IP6                        \
	"\x20\x01\x0d\xb8\0\0\0\0" \
	"\0\0\0\0\0\0\0\x01"       \
	"\x20\x01\x0d\xb8\0\0\0\0" \
	"\0\0\0\0\0\0\0\x02"       \
	"\x12\x67"                 \
	"\x20\xfb"
#define MAPPED_IP4                     \
	"\0\0\0\0\0\0\0\0\0\0\xff\xff" \
	"\xc0\x00\x02\x01"             \
	"\0\0\0\0\0\0\0\0\0\0\xff\xff" \
	"\xc6\x33\x64\x02"             \
	"\x12\x67"                     \
	"\x20\xfb"
#define UNIQUE_ID "\x05\x00\x02id"
#define EMPTY_TLV "\x04\x00\x00"

static const struct {
	struct slice bytes;
	bool is_local;
	const char *source;
} good[] = {
	{ SLICE(SIGNATURE PROXY TCP4 "\0\x0c" IP4), false, "192.0.2.1:4711" },
	{ SLICE(SIGNATURE PROXY TCP6 "\0\x24" IP6), false, "[2001:db8::1]:4711" },
	{ SLICE(SIGNATURE PROXY TCP6 "\0\x24" MAPPED_IP4), false, "192.0.2.1:4711" },
	{ SLICE(SIGNATURE PROXY TCP4 "\0\x14" IP4 UNIQUE_ID EMPTY_TLV), false,
	  "192.0.2.1:4711" },
	{ SLICE(SIGNATURE PROXY TCP6 "\0\x27" IP6 EMPTY_TLV), false,
	  "[2001:db8::1]:4711" },
	{ SLICE(SIGNATURE PROXY NONE "\0\0"), false, NULL },
	{ SLICE(SIGNATURE PROXY NONE "\0\x05" UNIQUE_ID), false, NULL },
	{ SLICE(SIGNATURE LOCAL NONE "\0\0"), true, NULL },
	/* "discard the protocol block including the family which is ignored" */
	{ SLICE(SIGNATURE LOCAL TCP4 "\0\x0c" IP4), true, NULL },
	{ SLICE(SIGNATURE LOCAL "\xff\0\x02?!"), true, NULL },
};

static const struct slice bad[] = {
	SLICE("\x16"), /* TLS */
	SLICE("P"),    /* version 1 */
	SLICE("G"),
	SLICE("\r\n\r\n\0\r\nQUIT\r"),
	SLICE(SIGNATURE "\x11"), /* versions */
	SLICE(SIGNATURE "\x31"),
	SLICE(SIGNATURE "\x01"),
	SLICE(SIGNATURE "\x22"), /* commands */
	SLICE(SIGNATURE "\x2f"),
	SLICE(SIGNATURE PROXY "\x01"), /* protocols */
	SLICE(SIGNATURE PROXY "\x10"),
	SLICE(SIGNATURE PROXY "\x12"),
	SLICE(SIGNATURE PROXY "\x22"),
	SLICE(SIGNATURE PROXY "\x31"),
	SLICE(SIGNATURE PROXY "\x32"),
	SLICE(SIGNATURE PROXY "\x41"),
	SLICE(SIGNATURE PROXY TCP4 "\0\0"), /* lengths */
	SLICE(SIGNATURE PROXY TCP4 "\0\x0b"),
	SLICE(SIGNATURE PROXY TCP6 "\0\x23"),
	SLICE(SIGNATURE PROXY TCP4 "\x02\x09"),
	SLICE(SIGNATURE PROXY TCP4 "\xff\xff"),
	SLICE(SIGNATURE LOCAL NONE "\x02\x09"),
	SLICE(SIGNATURE PROXY TCP4 "\0\x0d" IP4 "\x05"), /* further fields */
	SLICE(SIGNATURE PROXY TCP4 "\0\x0e" IP4 "\x05\0"),
	SLICE(SIGNATURE PROXY TCP4 "\0\x0f" IP4 "\x05\0\x01"),
	SLICE(SIGNATURE PROXY TCP4 "\0\x10" IP4 "\x05\xff\xffx"),
	SLICE(SIGNATURE PROXY TCP4 "\0\x13" IP4 UNIQUE_ID "\x05\0"),
	SLICE(SIGNATURE PROXY NONE "\0\x01\x05"),
};

/* A copy of its own, so that reading beyond the end is seen by the sanitizer. */
static enum proxy_verdict verdict_of(struct slice bytes, struct proxy_header *out,
				     size_t *missing)
{
	char *copy = malloc(bytes.n ? bytes.n : 1);

	CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
	memcpy(copy, bytes.p, bytes.n);
	enum proxy_verdict verdict =
		proxy_read(slice_make(copy, bytes.n), out, missing);
	free(copy);
	return verdict;
}

static void tells_whose_connection_it_is(void)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		char source[ADDRESS_CHARS + 1];
		struct proxy_header header;
		size_t missing;

		CU_ASSERT_EQUAL(verdict_of(good[i].bytes, &header, &missing),
				PROXY_DONE);
		CU_ASSERT_EQUAL(missing, 0);
		CU_ASSERT_EQUAL(header.is_local, good[i].is_local);
		CU_ASSERT_EQUAL(header.source.ss_family == AF_UNSPEC, !good[i].source);
		if (!good[i].source)
			continue;
		address_format((struct sockaddr *)&header.source, source);
		CU_ASSERT_STRING_EQUAL(source, good[i].source);
	}
}

/* Whoever reads what is asked for, be it in single bytes, never reads what follows. */
static void asks_for_no_byte_beyond_the_header(void)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		for (size_t n = 0; n < good[i].bytes.n; n++) {
			struct proxy_header header;
			size_t missing;

			CU_ASSERT_EQUAL(verdict_of(slice_make(good[i].bytes.p, n),
						   &header, &missing),
					PROXY_MORE);
			CU_ASSERT_TRUE(missing > 0);
			CU_ASSERT_TRUE(n + missing <= good[i].bytes.n);
		}
	}
}

static void takes_no_more_than_the_header(void)
{
	struct proxy_header header;
	size_t missing;

	CU_ASSERT_EQUAL(
		verdict_of(SLICE(SIGNATURE LOCAL NONE "\0\0\x16"), &header, &missing),
		PROXY_MALFORMED);
}

/* With the byte that is wrong, not with one before it, nor only at the end. */
static void refuses_at_the_wrong_byte(void)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct slice bytes = bad[i];
		struct proxy_header header;
		size_t missing;

		CU_ASSERT_EQUAL(verdict_of(bytes, &header, &missing), PROXY_MALFORMED);
		bytes.n--;
		CU_ASSERT_EQUAL(verdict_of(bytes, &header, &missing), PROXY_MORE);
	}
}

static void refuses_every_other_signature(void)
{
	const struct slice sound = good[0].bytes;
	char bytes[64];

	memcpy(bytes, sound.p, sound.n);
	for (size_t at = 0; at < 12; at++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			struct proxy_header header;
			size_t missing;

			bytes[at] = (char)(bytes[at] ^ 1 << bit);
			CU_ASSERT_EQUAL(verdict_of(slice_make(bytes, at + 1), &header,
						   &missing),
					PROXY_MALFORMED);
			CU_ASSERT_EQUAL(verdict_of(slice_make(bytes, sound.n), &header,
						   &missing),
					PROXY_MALFORMED);
			bytes[at] = (char)(bytes[at] ^ 1 << bit);
		}
	}
}

/* Of 65,536 pairs of command and protocol: LOCAL with any, PROXY with three. */
static void takes_no_other_command_or_protocol(void)
{
	char bytes[64];
	size_t n_proxy = 0, n_local = 0;

	memcpy(bytes, good[1].bytes.p, good[1].bytes.n);
	for (int pair = 0; pair < 65536; pair++) {
		struct proxy_header header;
		size_t missing;

		bytes[12] = (char)(pair >> 8);
		bytes[13] = (char)(pair & 0xff);
		if (proxy_read(slice_make(bytes, 16), &header, &missing) != PROXY_MORE)
			continue;
		CU_ASSERT_EQUAL(missing, good[1].bytes.n - 16);
		if (pair >> 8 == 0x20)
			n_local++;
		else
			n_proxy++;
	}
	CU_ASSERT_EQUAL(n_local, 256);
	CU_ASSERT_EQUAL(n_proxy, 3);
}

static void takes_the_longest_and_no_longer(void)
{
	char bytes[PROXY_HEADER_BYTES + 1] = SIGNATURE PROXY TCP4 "\x02\x08" IP4;
	const size_t at = 16 + 12, rest = PROXY_HEADER_BYTES - at - 3;
	struct proxy_header header;
	size_t missing;

	bytes[at] = 0x04;
	bytes[at + 1] = (char)(rest >> 8);
	bytes[at + 2] = (char)(rest & 0xff);
	CU_ASSERT_EQUAL(
		verdict_of(slice_make(bytes, PROXY_HEADER_BYTES), &header, &missing),
		PROXY_DONE);
	bytes[15]++;
	CU_ASSERT_EQUAL(verdict_of(slice_make(bytes, 16), &header, &missing),
			PROXY_MALFORMED);
}

TEST_MAIN("proxy", TEST(tells_whose_connection_it_is),
	  TEST(asks_for_no_byte_beyond_the_header), TEST(takes_no_more_than_the_header),
	  TEST(refuses_at_the_wrong_byte), TEST(refuses_every_other_signature),
	  TEST(takes_no_other_command_or_protocol),
	  TEST(takes_the_longest_and_no_longer))
