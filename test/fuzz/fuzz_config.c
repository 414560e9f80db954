/*
 * Fuzz target of configurations: one that is read is written, and that is read the
 * same; one that is refused says why, and in which file.
 *
 * Parser: base/config_scan.c base/config_tree.c base/config_value.c
 */
#include "base/config.h"

#include <sys/stat.h>
#include <unistd.h>

#include "test/fuzz/fuzz.h"

struct block {
	char *title;
	char *address;
	int64_t weight;
	struct config_list paths;
};

struct top {
	char *name, *file, *key, *maybe, *listen;
	int64_t number, wait_ms, size_bytes;
	bool is_on;
	struct config_list peers, hosts;
	struct config_array blocks;
};

static bool check_name(const void *section, char *why, size_t why_size)
{
	const struct top *top = section;

	if (!strstr(top->name, "password="))
		return true;
	snprintf(why, why_size, "holds a password, name a passfile instead");
	return false;
}

#define AT(member) .offset = offsetof(struct top, member), .help = "Help."
static const struct config_key top_keys[] = {
	{ .name = "name", AT(name), .fallback = "none", .check = check_name },
	{ .name = "number",
	  .type = CONFIG_NUMBER,
	  AT(number),
	  .fallback = "5",
	  .min = -7,
	  .max = 64 },
	{ .name = "wait",
	  .type = CONFIG_DURATION,
	  AT(wait_ms),
	  .fallback = "1500ms",
	  .min = 1,
	  .max = 86400000 },
	{ .name = "size", .type = CONFIG_SIZE, AT(size_bytes), .fallback = "64k" },
	{ .name = "on", .type = CONFIG_BOOL, AT(is_on), .fallback = "no" },
	{ .name = "file", .type = CONFIG_PATH, AT(file), .fallback = "" },
	{ .name = "key", .type = CONFIG_SECRET, AT(key), .fallback = "" },
	{ .name = "maybe", .type = CONFIG_PATH, AT(maybe), .fallback = "" },
	{ .name = "listen", .type = CONFIG_ADDRESS, AT(listen), .fallback = NULL },
	{ .name = "peers",
	  .type = CONFIG_ADDRESSES,
	  AT(peers),
	  .fallback = "{\"127.0.0.1:1\"}" },
	{ .name = "hosts",
	  .type = CONFIG_LIST,
	  AT(hosts),
	  .fallback = "{}",
	  .min = 0,
	  .max = 3 },
};
#undef AT
#define AT(member) .offset = offsetof(struct block, member), .help = "Help."
static const struct config_key block_keys[] = {
	{ .name = "address", .type = CONFIG_ADDRESS, AT(address), .fallback = NULL },
	{ .name = "weight", .type = CONFIG_NUMBER, AT(weight), .fallback = "1" },
	{ .name = "paths", .type = CONFIG_LIST, AT(paths), .fallback = "{\"/\"}" },
};
#undef AT
static const struct config_section sections[] = {
	{ .keys = top_keys,
	  .n_keys = sizeof(top_keys) / sizeof(top_keys[0]),
	  .size = sizeof(struct top) },
	{ .name = "route",
	  .help = "Blocks.",
	  .keys = block_keys,
	  .n_keys = sizeof(block_keys) / sizeof(block_keys[0]),
	  .size = sizeof(struct block),
	  .offset = offsetof(struct top, blocks),
	  .min_count = 1 },
};
static const struct config_spec spec = { "fuzz", sections, 2 };

/* With the files that a configuration may name: `file`, `key`, and itself. */
static char directory[] = "/tmp/provbox-fuzz-XXXXXX";
static char path[64];

static const char *place(const char *name)
{
	static char text[64];

	snprintf(text, sizeof(text), "%s/%s", directory, name);
	return text;
}

static void write_file(const char *name, struct slice text, mode_t mode)
{
	FILE *file = fopen(place(name), "w");

	REQUIRE(file && fwrite(text.p, 1, text.n, file) == text.n);
	REQUIRE(fchmod(fileno(file), mode) == 0 && fclose(file) == 0);
}

static void clean_up(void)
{
	static const char *const names[] = { "file", "key", "config" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(place(names[i]));
	rmdir(directory);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	(void)argc, (void)argv;
	REQUIRE(mkdtemp(directory) && out);
	write_file("file", SLICE(""), 0644);
	write_file("key", SLICE(""), 0600);
	snprintf(path, sizeof(path), "%s", place("config"));
	config_help(&spec, out);
	REQUIRE(fclose(out) == 0 && strstr(text, "route \"TITLE\""));
	free(text);
	atexit(clean_up);
	return 0;
}

static struct config *read_text(struct slice text)
{
	char *errors = NULL;
	size_t n;
	FILE *out = open_memstream(&errors, &n);

	write_file("config", text, 0600);
	REQUIRE(out != NULL);
	struct config *config = config_read(&spec, path, out);
	fclose(out);
	REQUIRE(!config == (n > 0));
	REQUIRE(config || strncmp(errors, path, strlen(path)) == 0);
	free(errors);
	return config;
}

static char *dump(const struct config *config)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	REQUIRE(out != NULL);
	config_dump(config, out);
	REQUIRE(fclose(out) == 0);
	return text;
}

static void check_values(const struct top *top)
{
	REQUIRE(top->number >= -7 && top->number <= 64);
	REQUIRE(top->wait_ms >= 1 && top->wait_ms <= 86400000);
	REQUIRE(top->size_bytes >= 0 && top->hosts.n <= 3 && top->blocks.n >= 1);
	REQUIRE(top->listen && !strstr(top->name, "password="));
}

/* No fuzz target opens files all over the machine: but for comments, a slash becomes
 * another character, so that no path leads out of the directory. */
static void confine(char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char before = i > 0 ? text[i - 1] : '\0',
		     after = i + 1 < n ? text[i + 1] : '\0';
		if (text[i] == '/' && before != '/' && before != '*' && after != '/' &&
		    after != '*')
			text[i] = '_';
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	REQUIRE(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	confine(text, size);
	struct config *config = read_text(slice_make(text, size));
	free(text);
	if (!config)
		return 0;
	check_values(config_get(config));
	char *once = dump(config);
	struct config *again = read_text(slice_of(once));
	REQUIRE(again != NULL);
	char *twice = dump(again);
	REQUIRE(strcmp(once, twice) == 0);
	free(once);
	free(twice);
	config_free(again);
	config_free(config);
	return 0;
}
