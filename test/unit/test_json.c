#include "base/json.h"

#include "test/unit/test.h"

struct sample {
	struct slice name, nick;
	int64_t count;
	bool is_on;
	struct json_bytes key, tag;
	json_t *inner, *list;
};

static const struct json_member members[] = {
	{ "name", JSON_TEXT, offsetof(struct sample, name), 1, 8 },
	{ "nick", JSON_TEXT_OPTIONAL, offsetof(struct sample, nick), 0, 8 },
	{ "count", JSON_INT, offsetof(struct sample, count), -2, 9 },
	{ "on", JSON_FLAG, offsetof(struct sample, is_on), 0, 0 },
	{ "key", JSON_BYTES, offsetof(struct sample, key), 0, 4 },
	{ "tag", JSON_BYTES_OPTIONAL, offsetof(struct sample, tag), 0, 2 },
	{ "inner", JSON_OBJECT_OF, offsetof(struct sample, inner), 0, 0 },
	{ "list", JSON_LIST_OF, offsetof(struct sample, list), 1, 2 },
};
#define N_MEMBERS (sizeof(members) / sizeof(members[0]))

#define REST "\"on\":true,\"key\":\"AAECAw\",\"inner\":{},\"list\":[1]"
#define GOOD "{\"name\":\"Ann\",\"count\":3," REST "}"

static char why[128];

/* Whether a text is parsed and read; `why` is set when not. */
static bool accepts(const char *text, struct sample *out)
{
	why[0] = '\0';
	json_t *object = json_parse(slice_of(text), why, sizeof(why));
	bool ok =
		object && json_read(object, members, N_MEMBERS, out, why, sizeof(why));
	json_decref(object);
	CU_ASSERT_EQUAL(ok, why[0] == '\0');
	return ok;
}

static void reads_each_shape(void)
{
	struct sample s;
	json_t *object = json_parse(SLICE(GOOD), why, sizeof(why));
	CU_ASSERT_PTR_NOT_NULL_FATAL(object);
	CU_ASSERT_FATAL(json_read(object, members, N_MEMBERS, &s, why, sizeof(why)));
	CU_ASSERT(slice_eq(s.name, SLICE("Ann")));
	CU_ASSERT_PTR_NULL(s.nick.p);
	CU_ASSERT_EQUAL(s.count, 3);
	CU_ASSERT_TRUE(s.is_on);
	CU_ASSERT_EQUAL(s.key.n, 4);
	CU_ASSERT_EQUAL(memcmp(s.key.p, "\0\1\2\3", 4), 0);
	CU_ASSERT_EQUAL(s.tag.n, 0);
	CU_ASSERT_EQUAL(json_object_size(s.inner), 0);
	CU_ASSERT_EQUAL(json_array_size(s.list), 1);
	json_decref(object);
}

static void reads_the_optional(void)
{
	struct sample s;
	CU_ASSERT_TRUE(accepts("{\"name\":\"A\",\"nick\":\"B\",\"tag\":\"AAE\","
			       "\"count\":-2," REST "}",
			       &s));
	CU_ASSERT_EQUAL(s.nick.n, 1);
	CU_ASSERT_EQUAL(s.tag.n, 2);
}

static void refuses_members_that_are_wrong(void)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "{\"name\":\"A\"," REST "}", "member `count`: missing" },
		{ "{\"name\":7,\"count\":3," REST "}",
		  "member `name`: must be a string" },
		{ "{\"name\":\"\",\"count\":3," REST "}", "member `name`: too short" },
		{ "{\"name\":\"123456789\",\"count\":3," REST "}",
		  "member `name`: too long" },
		{ "{\"name\":\"a\\nb\",\"count\":3," REST "}",
		  "member `name`: holds a control character" },
		{ "{\"name\":\"a\\u0085\",\"count\":3," REST "}",
		  "member `name`: holds a control character" },
		{ "{\"name\":\"A\",\"nick\":null,\"count\":3," REST "}",
		  "member `nick`: must be a string" },
		{ "{\"name\":\"A\",\"count\":10," REST "}",
		  "member `count`: out of range" },
		{ "{\"name\":\"A\",\"count\":-3," REST "}",
		  "member `count`: out of range" },
		{ "{\"name\":\"A\",\"count\":3.0," REST "}",
		  "member `count`: must be an integer" },
		{ "{\"name\":\"A\",\"count\":\"3\"," REST "}",
		  "member `count`: must be an integer" },
		{ "{\"name\":\"A\",\"count\":3,\"more\":1," REST "}",
		  "member `more`: unknown" },
		{ "{\"name\":\"A\",\"count\":3,\"\\u001b[31m\":1," REST "}",
		  "member `?`: unknown" },
	};
	struct sample s;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CU_ASSERT_FALSE(accepts(cases[i].text, &s));
		CU_ASSERT_STRING_EQUAL(why, cases[i].why);
	}
}

static void refuses_other_types(void)
{
#define HEAD "{\"name\":\"A\",\"count\":3,"
	static const char *const cases[] = {
		HEAD "\"on\":1,\"key\":\"AAECAw\",\"inner\":{},\"list\":[1]}",
		HEAD "\"on\":true,\"key\":\"AAEC\",\"inner\":{},\"list\":[1]}",
		HEAD "\"on\":true,\"key\":\"AAECAw==\",\"inner\":{},\"list\":[1]}",
		HEAD "\"on\":true,\"key\":\"AAECAx\",\"inner\":{},\"list\":[1]}",
		HEAD "\"on\":true,\"key\":4,\"inner\":{},\"list\":[1]}",
		HEAD "\"on\":true,\"key\":\"AAECAw\",\"inner\":[],\"list\":[1]}",
		HEAD "\"on\":true,\"key\":\"AAECAw\",\"inner\":{},\"list\":[]}",
		HEAD "\"on\":true,\"key\":\"AAECAw\",\"inner\":{},\"list\":[1,2,3]}",
		HEAD "\"on\":true,\"key\":\"AAECAw\",\"inner\":{},\"list\":{}}",
	};
	struct sample s;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CU_ASSERT_FALSE(accepts(cases[i], &s));
}

static void refuses_what_is_not_one_object(void)
{
	static const char *const cases[] = {
		"",
		" ",
		"[]",
		"1",
		"null",
		"{",
		"{}}",
		"{} {}",
		"{\"a\":1,\"a\":1}",
		"{\"a\":{\"b\":1,\"b\":2}}",
		"{\"a\":\"\\u0000\"}",
		"{\"a\":\"\\ud800\"}",
		"{\"a\":\"\xff\"}",
		"{\"a\":NaN}",
		"{'a':1}",
		"{\"a\":1,}",
		"{\"a\":01}",
		"{\"a\":99999999999999999999}",
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CU_ASSERT_PTR_NULL(json_parse(slice_of(cases[i]), why, sizeof(why)));
	CU_ASSERT_PTR_NULL(json_parse(slice_make("{}\0", 3), why, sizeof(why)));
	CU_ASSERT_PTR_NULL(json_parse(slice_make(NULL, 0), why, sizeof(why)));
}

static void limits_depth_and_size(void)
{
	char open[JSON_DEPTH_LIMIT], closed[JSON_DEPTH_LIMIT];
	memset(open, '[', sizeof(open));
	memset(closed, ']', sizeof(closed));
	char text[8 * JSON_DEPTH_LIMIT];
	snprintf(text, sizeof(text), "{\"a\":%.*s%.*s}", JSON_DEPTH_LIMIT - 1, open,
		 JSON_DEPTH_LIMIT - 1, closed);
	json_t *deepest = json_parse(slice_of(text), why, sizeof(why));
	CU_ASSERT_PTR_NOT_NULL(deepest);
	json_decref(deepest);

	char deeper[16 * JSON_DEPTH_LIMIT];
	snprintf(deeper, sizeof(deeper), "{\"b\":%s}", text);
	CU_ASSERT_PTR_NULL(json_parse(slice_of(deeper), why, sizeof(why)));
	CU_ASSERT_STRING_EQUAL(why, "the body is nested too deeply");

	json_t *quoted = json_parse(SLICE("{\"a\":\"\\\"[[[[[[[[[[[[[[[[[[[[[[\"}"),
				    why, sizeof(why));
	CU_ASSERT_PTR_NOT_NULL(quoted);
	json_decref(quoted);

	static char large[JSON_TEXT_LIMIT + 1];
	memset(large, ' ', sizeof(large));
	large[0] = '{';
	large[sizeof(large) - 1] = '}';
	CU_ASSERT_PTR_NULL(
		json_parse(slice_make(large, sizeof(large)), why, sizeof(why)));
	CU_ASSERT_STRING_EQUAL(why, "the body is too long");
}

TEST_MAIN("json", TEST(reads_each_shape), TEST(reads_the_optional),
	  TEST(refuses_members_that_are_wrong), TEST(refuses_other_types),
	  TEST(refuses_what_is_not_one_object), TEST(limits_depth_and_size))
