#include "base/keyed_hash.h"

#include "test/unit/test.h"

/* Aumasson, Bernstein: SipHash, appendix A, and vectors.h of their implementation: the
 * key 00 01 .. 0f, the input 00 01 .. of each length. */
static void agrees_with_its_vectors(void)
{
	static const struct {
		size_t n;
		uint64_t hash;
	} vectors[] = {
		{ 0, 0x726fdb47dd0e0e31 },  { 1, 0x74f839c593dc67fd },
		{ 2, 0x0d6c8009d9a94f5a },  { 7, 0xab0200f58b01d137 },
		{ 8, 0x93f5f5799a932462 },  { 9, 0x9e0082df0ba9e4b0 },
		{ 15, 0xa129ca6149be45e5 },
	};
	uint8_t key[KEYED_HASH_KEY_BYTES];
	char bytes[16];

	for (unsigned i = 0; i < sizeof(bytes); i++) {
		key[i] = (uint8_t)i;
		bytes[i] = (char)i;
	}
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		CU_ASSERT_EQUAL(keyed_hash(key, slice_make(bytes, vectors[i].n)),
				vectors[i].hash);
}

TEST_MAIN("keyed_hash", TEST(agrees_with_its_vectors))
