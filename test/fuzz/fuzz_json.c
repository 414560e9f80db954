/*
 * Fuzz target of JSON from outside: what is taken is of the table's shape, within its
 * limits, and says the same when it is written and read again.
 *
 * Parser: base/json.c
 */
#include "base/json.h"

#include "test/fuzz/fuzz.h"

struct members {
	struct slice text, maybe_text;
	struct json_bytes bytes, maybe_bytes;
	int64_t number;
	bool flag;
	json_t *object, *list;
};

#define AT(member) offsetof(struct members, member)
static const struct json_member table[] = {
	{ "text", JSON_TEXT, AT(text), 1, 20 },
	{ "maybe_text", JSON_TEXT_OPTIONAL, AT(maybe_text), 0, 8 },
	{ "bytes", JSON_BYTES, AT(bytes), 0, 4 },
	{ "maybe_bytes", JSON_BYTES_OPTIONAL, AT(maybe_bytes), 0, 64 },
	{ "number", JSON_INT, AT(number), -5, INT64_MAX },
	{ "flag", JSON_FLAG, AT(flag), 0, 0 },
	{ "object", JSON_OBJECT_OF, AT(object), 0, 0 },
	{ "list", JSON_LIST_OF, AT(list), 1, 3 },
};
#define N_TABLE (sizeof(table) / sizeof(table[0]))

/* Deepest is JSON_DEPTH_LIMIT, so that this does not recurse further. */
static void check_depth(const json_t *value, unsigned depth)
{
	const char *name;
	json_t *item;
	size_t i;

	if (!json_is_object(value) && !json_is_array(value))
		return;
	REQUIRE(depth < JSON_DEPTH_LIMIT);
	json_object_foreach ((json_t *)value, name, item)
		check_depth(item, depth + 1);
	json_array_foreach (value, i, item)
		check_depth(item, depth + 1);
}

static void check_written(const json_t *object)
{
	char why[128], *text = json_dumps(object, JSON_COMPACT);

	/* Jansson reads numbers that it does not write: out of range of a double. */
	if (!text)
		return;
	if (strlen(text) <= JSON_TEXT_LIMIT) {
		json_t *again = json_parse(slice_of(text), why, sizeof(why));
		REQUIRE(again && json_equal(object, again));
		json_decref(again);
	}
	free(text);
}

static void check_text(struct slice text, size_t min, size_t max)
{
	REQUIRE(text.n >= min && text.n <= max);
	for (size_t i = 0; i < text.n; i++)
		REQUIRE((uint8_t)text.p[i] >= 0x20 && text.p[i] != 0x7f);
}

static void check_members(const struct members *m)
{
	check_text(m->text, 1, 20);
	check_text(m->maybe_text, 0, 8);
	REQUIRE(m->bytes.n == 4);
	REQUIRE(m->maybe_bytes.n == 0 || m->maybe_bytes.n == 64);
	REQUIRE(m->number >= -5);
	REQUIRE(json_is_object(m->object));
	REQUIRE(json_array_size(m->list) >= 1 && json_array_size(m->list) <= 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct members members;
	char why[128] = "";
	json_t *object = json_parse(slice_make(data, size), why, sizeof(why));

	REQUIRE(object || why[0]);
	if (!object)
		return 0;
	check_depth(object, 0);
	check_written(object);
	if (json_read(object, table, N_TABLE, &members, why, sizeof(why))) {
		check_members(&members);
		REQUIRE(json_object_size(object) <= N_TABLE);
	} else {
		REQUIRE(slice_starts(slice_of(why), SLICE("member `")));
	}
	json_decref(object);
	return 0;
}
