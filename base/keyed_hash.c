#include "base/keyed_hash.h"

#define ROUNDS_OF_WORD 2
#define ROUNDS_OF_END  4

struct state {
	uint64_t v0, v1, v2, v3;
};

/* Little-endian, of at most 8 bytes. */
static uint64_t load(const uint8_t *bytes, size_t n)
{
	uint64_t word = 0;

	for (size_t i = 0; i < n; i++)
		word |= (uint64_t)bytes[i] << (8 * i);
	return word;
}

static uint64_t rotate(uint64_t word, unsigned bits)
{
	return word << bits | word >> (64 - bits);
}

static void mix(struct state *s, unsigned rounds)
{
	while (rounds--) {
		s->v0 += s->v1;
		s->v1 = rotate(s->v1, 13) ^ s->v0;
		s->v0 = rotate(s->v0, 32);
		s->v2 += s->v3;
		s->v3 = rotate(s->v3, 16) ^ s->v2;
		s->v0 += s->v3;
		s->v3 = rotate(s->v3, 21) ^ s->v0;
		s->v2 += s->v1;
		s->v1 = rotate(s->v1, 17) ^ s->v2;
		s->v2 = rotate(s->v2, 32);
	}
}

static void feed(struct state *s, uint64_t word)
{
	s->v3 ^= word;
	mix(s, ROUNDS_OF_WORD);
	s->v0 ^= word;
}

uint64_t keyed_hash(const uint8_t key[KEYED_HASH_KEY_BYTES], struct slice bytes)
{
	const uint64_t k0 = load(key, 8), k1 = load(key + 8, 8);
	const uint8_t *p = (const uint8_t *)bytes.p;
	struct state s = {
		.v0 = k0 ^ 0x736f6d6570736575,
		.v1 = k1 ^ 0x646f72616e646f6d,
		.v2 = k0 ^ 0x6c7967656e657261,
		.v3 = k1 ^ 0x7465646279746573,
	};
	size_t left = bytes.n;

	for (; left >= 8; p += 8, left -= 8)
		feed(&s, load(p, 8));
	feed(&s, load(p, left) | (uint64_t)bytes.n << 56);
	s.v2 ^= 0xff;
	mix(&s, ROUNDS_OF_END);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
