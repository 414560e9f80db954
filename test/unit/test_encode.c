#include "auth/auth.h"

#include <stdlib.h>

#include "test/unit/test.h"
#include "test/unit/vector.h"

#define N_FIELDS_MAX 16
#define CAP          2048

static void labels_are_distinct_and_of_this_protocol(void)
{
	for (size_t i = 0; i < AUTH_LABEL_N; i++) {
		struct slice text = slice_of(auth_label_text((enum auth_label)i));

		CU_ASSERT_TRUE(slice_starts(text, SLICE("provbox/1 ")));
		CU_ASSERT_TRUE(text.n > strlen("provbox/1 "));
		for (size_t j = 0; j < i; j++)
			CU_ASSERT_FALSE(slice_eq(
				text, slice_of(auth_label_text((enum auth_label)j))));
	}
}

static enum auth_label label_of(const char *text)
{
	for (size_t i = 0; i < AUTH_LABEL_N; i++)
		if (strcmp(auth_label_text((enum auth_label)i), text) == 0)
			return (enum auth_label)i;
	return AUTH_LABEL_N;
}

/* One vector: fields as hex text or null (absent), and the bytes. */
struct vector {
	enum auth_label label;
	struct slice fields[N_FIELDS_MAX];
	size_t n_fields;
	struct slice bytes;
};

static void vector_read(json_t *json, struct arena *arena, struct vector *v)
{
	json_t *fields = json_object_get(json, "fields");

	v->label = label_of(vector_text(json, "label"));
	CU_ASSERT_NOT_EQUAL_FATAL(v->label, AUTH_LABEL_N);
	v->bytes = vector_bytes(json, "bytes", arena);
	v->n_fields = json_array_size(fields);
	CU_ASSERT_FATAL(v->n_fields <= N_FIELDS_MAX);
	for (size_t i = 0; i < v->n_fields; i++)
		v->fields[i] = vector_element(fields, i, arena);
}

static void for_each_vector(void (*check)(const struct vector *v))
{
	json_t *file = vector_load("encode.json"), *json;
	size_t i;

	CU_ASSERT_FATAL(json_array_size(file) >= 5);
	json_array_foreach (file, i, json) {
		struct arena *arena = arena_new(1 << 16);
		struct vector v;

		vector_read(json, arena, &v);
		check(&v);
		arena_free(arena);
	}
	json_decref(file);
}

/* Equal, and absent exactly where the other is. */
static bool field_eq(struct slice a, struct slice b)
{
	return !a.p == !b.p && slice_eq(a, b);
}

static bool decodes_to(const struct vector *v, struct slice bytes)
{
	struct slice fields[N_FIELDS_MAX];

	if (!auth_decode(v->label, bytes, fields, v->n_fields))
		return false;
	for (size_t i = 0; i < v->n_fields; i++)
		if (!field_eq(fields[i], v->fields[i]))
			return false;
	return true;
}

static void check_both_ways(const struct vector *v)
{
	uint8_t out[CAP];

	size_t n = auth_encode(v->label, v->fields, v->n_fields, out, sizeof(out));
	CU_ASSERT_TRUE(slice_eq(slice_make(out, n), v->bytes));
	CU_ASSERT_TRUE(decodes_to(v, v->bytes));
}

static void vectors_hold_both_ways(void)
{
	for_each_vector(check_both_ways);
}

static void check_caps(const struct vector *v)
{
	uint8_t out[CAP];
	size_t n = v->bytes.n;

	memset(out, 0xee, sizeof(out));
	for (size_t cap = 0; cap < n; cap++) {
		CU_ASSERT_EQUAL(auth_encode(v->label, v->fields, v->n_fields, out, cap),
				0);
		CU_ASSERT_EQUAL(out[cap], 0xee);
	}
	CU_ASSERT_EQUAL(auth_encode(v->label, v->fields, v->n_fields, out, n), n);
	CU_ASSERT_EQUAL(out[n], 0xee);
}

static void too_little_room_gives_nothing(void)
{
	for_each_vector(check_caps);
}

static void check_lengths(const struct vector *v)
{
	struct slice fields[N_FIELDS_MAX + 1];
	char *longer = calloc(1, v->bytes.n + 1);

	for (size_t n = 0; n < v->bytes.n; n++) {
		/* On the heap, so that the sanitizer sees a read past the end. */
		char *cut = malloc(n ? n : 1);
		memcpy(cut, v->bytes.p, n);
		CU_ASSERT_FALSE(
			auth_decode(v->label, slice_make(cut, n), fields, v->n_fields));
		free(cut);
	}
	memcpy(longer, v->bytes.p, v->bytes.n);
	CU_ASSERT_FALSE(auth_decode(v->label, slice_make(longer, v->bytes.n + 1),
				    fields, v->n_fields));
	CU_ASSERT_FALSE(auth_decode(v->label, v->bytes, fields, v->n_fields + 1));
	if (v->n_fields > 0)
		CU_ASSERT_FALSE(
			auth_decode(v->label, v->bytes, fields, v->n_fields - 1));
	free(longer);
}

static void cut_or_longer_bytes_are_refused(void)
{
	for_each_vector(check_lengths);
}

static void check_bits(const struct vector *v)
{
	char *bytes = malloc(v->bytes.n);

	memcpy(bytes, v->bytes.p, v->bytes.n);
	for (size_t i = 0; i < v->bytes.n * 8; i++) {
		bytes[i / 8] ^= (char)(1 << i % 8);
		CU_ASSERT_FALSE(decodes_to(v, slice_make(bytes, v->bytes.n)));
		bytes[i / 8] ^= (char)(1 << i % 8);
	}
	free(bytes);
}

static void a_flipped_bit_never_gives_the_same_fields(void)
{
	for_each_vector(check_bits);
}

static void check_labels(const struct vector *v)
{
	struct slice fields[N_FIELDS_MAX];

	for (size_t i = 0; i < AUTH_LABEL_N; i++)
		CU_ASSERT_EQUAL(
			auth_decode((enum auth_label)i, v->bytes, fields, v->n_fields),
			i == v->label);
}

static void another_label_is_refused(void)
{
	for_each_vector(check_labels);
}

/* Bytes moved over the border between two fields must change the encoding. */
static void check_neighbours(const struct vector *v)
{
	uint8_t out[CAP];

	for (size_t i = 0; i + 1 < v->n_fields; i++) {
		struct vector moved = *v;
		struct slice a = v->fields[i], b = v->fields[i + 1];
		char joined[CAP];

		if (!a.n && !b.n)
			continue;
		memcpy(joined, a.n ? a.p : "", a.n);
		memcpy(joined + a.n, b.n ? b.p : "", b.n);
		for (size_t cut = 0; cut <= a.n + b.n; cut++) {
			moved.fields[i] = slice_make(joined, cut);
			moved.fields[i + 1] = slice_make(joined + cut, a.n + b.n - cut);
			if (field_eq(moved.fields[i], a) &&
			    field_eq(moved.fields[i + 1], b))
				continue;
			size_t n = auth_encode(v->label, moved.fields, v->n_fields, out,
					       sizeof(out));
			CU_ASSERT_FALSE(slice_eq(slice_make(out, n), v->bytes));
			CU_ASSERT_TRUE(decodes_to(&moved, slice_make(out, n)));
		}
	}
}

static void a_field_moved_to_its_neighbour_is_another_encoding(void)
{
	for_each_vector(check_neighbours);
}

static void absent_and_empty_differ(void)
{
	uint8_t absent[64], empty[64];
	size_t n = auth_encode(AUTH_LABEL_GRANT, &(struct slice){ NULL, 0 }, 1, absent,
			       sizeof(absent));
	size_t m = auth_encode(AUTH_LABEL_GRANT, &SLICE(""), 1, empty, sizeof(empty));

	CU_ASSERT_EQUAL(n, m);
	CU_ASSERT_NOT_EQUAL(memcmp(absent, empty, n), 0);
}

static void any_bytes_decode_or_are_refused(void)
{
	struct slice fields[N_FIELDS_MAX];
	size_t label_n = strlen(auth_label_text(AUTH_LABEL_GRANT)) + 1;

	srandom(1);
	for (int round = 0; round < 20000; round++) {
		size_t n = label_n + (size_t)random() % 40;
		size_t n_fields = (size_t)random() % 4;
		uint8_t again[64], *bytes = malloc(n);

		memcpy(bytes, auth_label_text(AUTH_LABEL_GRANT), label_n);
		for (size_t i = label_n; i < n; i++)
			bytes[i] = random() % 3 ? 0 : (uint8_t)(random() % 8);
		struct slice text = slice_make(bytes, n);
		if (auth_decode(AUTH_LABEL_GRANT, text, fields, n_fields)) {
			size_t m = auth_encode(AUTH_LABEL_GRANT, fields, n_fields,
					       again, sizeof(again));
			CU_ASSERT_TRUE(slice_eq(slice_make(again, m), text));
		}
		free(bytes);
	}
}

TEST_MAIN("encode", TEST(labels_are_distinct_and_of_this_protocol),
	  TEST(vectors_hold_both_ways), TEST(too_little_room_gives_nothing),
	  TEST(cut_or_longer_bytes_are_refused),
	  TEST(a_flipped_bit_never_gives_the_same_fields),
	  TEST(another_label_is_refused),
	  TEST(a_field_moved_to_its_neighbour_is_another_encoding),
	  TEST(absent_and_empty_differ), TEST(any_bytes_decode_or_are_refused))
