#include "provctl/manifest.h"

#include "base/arena.h"
#include "test/unit/directory.h"
#include "test/unit/operator.h"

static struct directory directory;
static struct arena *arena;
static struct manifest manifest;

#define HEAD                                                    \
	"{\"default_language\": \"en\", \"provisioning_uri\": " \
	"\"https://p.example.com/\", "
#define TERMS                                                               \
	"\"terms\": [{\"language\": \"en\", \"version\": \"1\", \"file\": " \
	"\"terms\"}]}"
#define ABC_SHA256 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void prepare(void)
{
	directory_open(&directory);
	directory_write(&directory, "abc", "abc", 0644);
	directory_write(&directory, "empty", "", 0644);
	directory_write(&directory, "latin1", "\xe9", 0644);
	directory_write(&directory, "terms", "Two\nlines\n\n", 0644);
}

static void clean_up(void)
{
	directory_close(&directory);
}

static bool open_text(const char *text)
{
	complaints_clear();
	arena = arena_new(1 << 20);
	return manifest_open(arena,
			     directory_write(&directory, "manifest.json", text, 0644),
			     &manifest);
}

static void close_it(void)
{
	manifest_close(&manifest);
	arena_free(arena);
}

/* A manifest whose only feature is @p feature. */
static bool open_feature(const char *feature)
{
	char text[1024];

	snprintf(text, sizeof(text), HEAD "\"features\": [%s], " TERMS, feature);
	return open_text(text);
}

static const json_t *feature_at(size_t i)
{
	return json_array_get(json_object_get(manifest.json, "features"), i);
}

static const char *text_at(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

static void takes_the_digest_of_every_content(void)
{
	CU_ASSERT_TRUE_FATAL(open_feature(
		"{\"id\": \"a\", \"version\": \"1\", \"name\": \"A\", \"kind\": "
		"\"module\", \"file\": \"abc\"}, {\"id\": \"b\", \"version\": \"2\", "
		"\"name\": \"B\", \"kind\": \"activation\", \"file\": \"./abc\", "
		"\"media_type\": \"text/plain\", \"description\": \"D\", \"uri\": "
		"\"https://other.example.com/\", \"models\": [\"One\"], "
		"\"conflicts\": [\"a\"]}"));
	CU_ASSERT_STRING_EQUAL(complaints, "");
	CU_ASSERT_EQUAL(manifest.n_contents, 2);
	CU_ASSERT_EQUAL(manifest.contents[0].size, 3);
	CU_ASSERT_PTR_NOT_NULL(strstr(manifest.contents[0].path, "/abc"));
	CU_ASSERT_PTR_NULL(
		json_object_get(json_object_get(feature_at(0), "content"), "url"));
	CU_ASSERT_STRING_EQUAL(manifest.contents[0].hex, ABC_SHA256);
	CU_ASSERT_STRING_EQUAL(manifest.contents[1].media_type, "text/plain");
	const json_t *content = json_object_get(feature_at(0), "content");
	CU_ASSERT_STRING_EQUAL(text_at(content, "sha256"), ABC_SHA256);
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(content, "size")), 3);
	CU_ASSERT_STRING_EQUAL(text_at(content, "media_type"),
			       "application/octet-stream");
	/* What one does not say it takes from the manifest. */
	CU_ASSERT_STRING_EQUAL(text_at(feature_at(0), "uri"), "https://p.example.com/");
	CU_ASSERT_STRING_EQUAL(text_at(feature_at(0), "description"), "");
	CU_ASSERT_PTR_NULL(json_object_get(feature_at(0), "models"));
	CU_ASSERT_STRING_EQUAL(text_at(feature_at(1), "uri"),
			       "https://other.example.com/");
	CU_ASSERT_EQUAL(json_array_size(json_object_get(feature_at(1), "conflicts")),
			1);
	CU_ASSERT_PTR_NULL(json_object_get(feature_at(1), "file"));
	close_it();
}

#define ELSEWHERE(more)                                                               \
	"{\"id\": \"a\", \"version\": \"1\", \"name\": \"A\", \"kind\": \"module\", " \
	"\"url\": \"https://files.example.com/a\"" more "}"

static void takes_what_lies_elsewhere_at_its_word(void)
{
	CU_ASSERT_TRUE_FATAL(open_feature(
		ELSEWHERE(", \"sha256\": \"" ABC_SHA256 "\", \"size\": 3")));
	CU_ASSERT_EQUAL(manifest.n_contents, 1);
	CU_ASSERT_PTR_NULL(manifest.contents[0].path);
	const json_t *content = json_object_get(feature_at(0), "content");
	CU_ASSERT_STRING_EQUAL(text_at(content, "url"), "https://files.example.com/a");
	CU_ASSERT_STRING_EQUAL(text_at(content, "sha256"), ABC_SHA256);
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(content, "size")), 3);
	CU_ASSERT_PTR_NULL(json_object_get(feature_at(0), "url"));
	close_it();
}

static void takes_terms_but_for_the_last_line_end(void)
{
	CU_ASSERT_TRUE_FATAL(open_feature(""));
	const json_t *terms =
		json_array_get(json_object_get(manifest.json, "terms"), 0);
	CU_ASSERT_STRING_EQUAL(text_at(terms, "text"), "Two\nlines\n");
	CU_ASSERT_STRING_EQUAL(text_at(terms, "language"), "en");
	CU_ASSERT_STRING_EQUAL(text_at(manifest.json, "default_language"), "en");
	close_it();
}

/* As some editors leave it. */
static void takes_a_byte_order_mark(void)
{
	CU_ASSERT_TRUE_FATAL(open_text("\xef\xbb\xbf" HEAD "\"features\": [], " TERMS));
	CU_ASSERT_STRING_EQUAL(text_at(manifest.json, "default_language"), "en");
	close_it();
}

static void finds_the_manifest_of_a_folder(void)
{
	open_feature("");
	close_it();
	arena = arena_new(1 << 16);
	CU_ASSERT_TRUE(manifest_open(arena, directory.path, &manifest));
	close_it();
}

#define FEATURE(file, more)                                                  \
	HEAD "\"features\": [{\"id\": \"a\", \"version\": \"1\", \"name\": " \
	     "\"A\", \"kind\": \"module\", \"file\": \"" file "\"" more "}], " TERMS

static const struct {
	const char *text, *complaint;
} wrong[] = {
	{ FEATURE("../abc", ""), "the file ../abc is not in the folder" },
	{ FEATURE("x/../../abc", ""), "is not in the folder" },
	{ FEATURE("/etc/passwd", ""), "is not in the folder" },
	{ FEATURE("", ""), "is not in the folder" },
	{ FEATURE("absent", ""), "/absent: No such file" },
	{ FEATURE(".", ""), "is no regular file" },
	{ FEATURE("empty", ""), "/empty: is empty" },
	{ FEATURE("abc", ", \"surplus\": 1"), "manifest.json: feature 1: " },
	{ FEATURE("abc", ", \"uri\": 1"), "manifest.json: feature 1: " },
	{ FEATURE("abc", ", \"url\": \"https://files.example.com/a\""),
	  "feature 1: has a file here and content elsewhere" },
	{ HEAD "\"features\": [" ELSEWHERE(", \"size\": 3") "], " TERMS,
	  "feature 1: has no file, nor url, sha256 and size" },
	{ HEAD "\"features\": [" ELSEWHERE(", \"sha256\": \"" ABC_SHA256
					   "\", \"size\": 0") "], " TERMS,
	  "feature 1: has no file, nor url, sha256 and size" },
	{ HEAD "\"features\": [" ELSEWHERE(
		  ", \"sha256\": \"ba78\", \"size\": 3") "], " TERMS,
	  "feature 1: has no file, nor url, sha256 and size" },
	{ FEATURE("abc", ", \"id\": \"b\""), "manifest.json:1: duplicate object key" },
	{ HEAD "\"features\": [{}], " TERMS, "feature 1: Object item not found: id" },
	{ HEAD "\"features\": []}", "Object item not found: terms" },
	{ HEAD "\"features\": [], \"more\": 1, " TERMS, "more" },
	{ HEAD "\"features\": [], \"terms\": [{\"language\": \"en\", \"version\": "
	       "\"1\", \"file\": \"latin1\"}]}",
	  "/latin1: is not UTF-8" },
	{ HEAD "\"features\": [], \"terms\": [{\"language\": \"en\", \"version\": "
	       "\"1\", \"file\": \"../terms\"}]}",
	  "the file ../terms is not in the folder" },
	{ HEAD "\"features\": [], \"terms\": [{\"language\": \"en\"}]}",
	  "manifest.json: terms 1: Object item not found: version" },
	{ "{\n\n,", "manifest.json:3: " },
	{ "[]", "manifest.json:1: " },
};

static void refuses_what_is_wrong(void)
{
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		CU_ASSERT_FALSE(open_text(wrong[i].text));
		if (!strstr(complaints, wrong[i].complaint))
			fprintf(stderr, "\nwanted %s\ngot %s", wrong[i].complaint,
				complaints);
		CU_ASSERT_PTR_NOT_NULL(strstr(complaints, wrong[i].complaint));
		CU_ASSERT_PTR_EQUAL(strchr(complaints, '\n') + 1,
				    complaints + strlen(complaints));
		close_it();
	}
}

static void refuses_too_many_features(void)
{
	static char text[MANIFEST_FEATURES_MAX * 3 + 512];
	size_t n = (size_t)snprintf(text, sizeof(text), HEAD "\"features\": [{}");

	for (size_t i = 0; i < MANIFEST_FEATURES_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, ",{}");
	snprintf(text + n, sizeof(text) - n, "], " TERMS);
	CU_ASSERT_FALSE(open_text(text));
	CU_ASSERT_PTR_NOT_NULL(strstr(complaints, "has too many features"));
	close_it();
}

TEST_MAIN("manifest", TEST(prepare), TEST(takes_the_digest_of_every_content),
	  TEST(takes_what_lies_elsewhere_at_its_word),
	  TEST(takes_terms_but_for_the_last_line_end), TEST(takes_a_byte_order_mark),
	  TEST(finds_the_manifest_of_a_folder), TEST(refuses_what_is_wrong),
	  TEST(refuses_too_many_features), TEST(clean_up))
