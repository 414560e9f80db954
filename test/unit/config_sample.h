/*
 * A specification with a key of each type and a section that may come many times, and
 * configurations of it in a directory of their own.
 */
#ifndef TEST_UNIT_CONFIG_SAMPLE_H
#define TEST_UNIT_CONFIG_SAMPLE_H

#include "base/config.h"
#include "test/unit/directory.h"

struct block {
	char *title;
	char *address;
	int64_t weight;
	struct config_list paths;
};

struct top {
	char *name;
	int64_t number, delta;
	bool is_on;
	int64_t wait_ms;
	int64_t size_bytes;
	char *file;
	char *key;
	char *maybe;
	char *listen;
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

#define AT(member) .offset = offsetof(struct top, member)
static const struct config_key top_keys[] = {
	{ .name = "name",
	  AT(name),
	  .fallback = "none",
	  .help = "A name.",
	  .check = check_name },
	{ .name = "number",
	  .type = CONFIG_NUMBER,
	  AT(number),
	  .fallback = "5",
	  .min = 1,
	  .max = 64,
	  .help = "How many." },
	{ .name = "delta",
	  .type = CONFIG_NUMBER,
	  AT(delta),
	  .fallback = "-3",
	  .help = "Signed." },
	{ .name = "on",
	  .type = CONFIG_BOOL,
	  AT(is_on),
	  .fallback = "no",
	  .help = "Whether." },
	{ .name = "wait",
	  .type = CONFIG_DURATION,
	  AT(wait_ms),
	  .fallback = "90s",
	  .min = 1,
	  .max = 3600000,
	  .help = "How long." },
	{ .name = "size",
	  .type = CONFIG_SIZE,
	  AT(size_bytes),
	  .fallback = "64k",
	  .help = "How large." },
	{ .name = "file", .type = CONFIG_PATH, AT(file), .help = "A file." },
	{ .name = "key", .type = CONFIG_SECRET, AT(key), .help = "A secret." },
	{ .name = "maybe",
	  .type = CONFIG_PATH,
	  AT(maybe),
	  .fallback = "",
	  .help = "A file or none." },
	{ .name = "listen",
	  .type = CONFIG_ADDRESS,
	  AT(listen),
	  .fallback = "127.0.0.1:80",
	  .help = "Where." },
	{ .name = "peers",
	  .type = CONFIG_LIST,
	  AT(peers),
	  .fallback = "{\"a b\", \"c\"}",
	  .help = "Who." },
	{ .name = "hosts",
	  .type = CONFIG_ADDRESSES,
	  AT(hosts),
	  .fallback = "{\"127.0.0.1:1\"}",
	  .min = 1,
	  .max = 2,
	  .help = "Whom." },
};
static const struct config_key block_keys[] = {
	{ .name = "address",
	  .type = CONFIG_ADDRESS,
	  .offset = offsetof(struct block, address),
	  .help = "Where." },
	{ .name = "weight",
	  .type = CONFIG_NUMBER,
	  .offset = offsetof(struct block, weight),
	  .fallback = "1",
	  .help = "How." },
	{ .name = "paths",
	  .type = CONFIG_LIST,
	  .offset = offsetof(struct block, paths),
	  .fallback = "{}",
	  .help = "What." },
};
static const struct config_section sections[] = {
	{ .keys = top_keys,
	  .n_keys = sizeof(top_keys) / sizeof(top_keys[0]),
	  .size = sizeof(struct top) },
	{ .name = "block",
	  .help = "A block.",
	  .keys = block_keys,
	  .n_keys = 3,
	  .size = sizeof(struct block),
	  AT(blocks) },
};
static const struct config_spec spec = { "test", sections, 2 };

static struct directory directory;
static char path[sizeof(directory.file)], *errors;

static inline struct config *config_of_file(const struct config_spec *of,
					    const char *name)
{
	size_t size;

	free(errors);
	FILE *out = open_memstream(&errors, &size);
	struct config *config = config_read(of, name, out);
	fclose(out);
	CU_ASSERT_EQUAL(config == NULL, errors[0] != '\0');
	return config;
}

/* Read @p text after the two keys that are required. */
static inline struct config *config_of(const char *text)
{
	char all[4096];

	snprintf(all, sizeof(all), "file = plain key = \"secret\"\n%s", text);
	directory_write(&directory, "plain", "x", 0644);
	directory_write(&directory, "secret", "x", 0600);
	snprintf(path, sizeof(path), "%s",
		 directory_write(&directory, "test.conf", all, 0644));
	return config_of_file(&spec, path);
}

static inline void expect_error(const char *text, unsigned line, const char *what)
{
	char head[sizeof(path) + 16];
	struct config *config = config_of(text);

	CU_ASSERT_PTR_NULL(config);
	config_free(config);
	if (line > 0)
		snprintf(head, sizeof(head), "%s:%u: ", path, line);
	else
		snprintf(head, sizeof(head), "%s: ", path);
	if (!strstr(errors, head) || !strstr(errors, what)) {
		fprintf(stderr, "\nwanted %s%s\ngot %s", head, what, errors);
		CU_FAIL("another error");
	}
}

static inline void makes_its_directory(void)
{
	directory_open(&directory);
}

static inline void leaves_nothing_behind(void)
{
	directory_close(&directory);
	free(errors);
}

#endif
