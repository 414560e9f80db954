#include "base/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/codec.h"
#include "base/config_errors.h"
#include "base/config_places.h"
#include "base/config_scan.h"
#include "base/config_tree.h"
#include "base/config_value.h"
#include "base/files.h"
#include "base/help.h"
#include "base/log.h"
#include "base/secret.h"

#define FILE_BYTES  (256 << 10)
#define ARENA_BYTES (16 << 20)
#define HELP_BYTES  512
#define KEY_COLUMN  37 /* of the help */

struct config {
	const struct config_spec *spec;
	struct arena *arena;
	void *top;
	uint8_t digest[SHA256_BYTES];
	struct config_places places;
	struct files *files;
	const char *path; /* of itself */
};

static const struct config *used; /* by config_use() */

struct reader {
	struct config *config;
	const struct config_tree *tree;
	const char *directory;
	struct config_errors errors;
};

/* ---- From the file's values to the struct ---- */

/* Of a value; one that is not in the file is spoken of where its block is. */
static void fail(struct reader *reader, const struct config_key *key,
		 const struct config_block *block, const char *why)
{
	unsigned line = config_tree_line(reader->tree, block, key->name);

	config_errors_add(&reader->errors, line ? line : block->line, "`%s` %s%s",
			  key->name, line ? "" : "(by default) ", why);
}

static bool read_key(struct reader *reader, const struct config_key *key,
		     const struct config_block *block, char *out)
{
	struct arena *arena = reader->config->arena;
	unsigned line = config_tree_line(reader->tree, block, key->name);
	char why[512];
	struct config_reading value = { key, arena, reader->directory, why,
					sizeof(why) };

	if (!line && !key->fallback) {
		config_errors_add(&reader->errors, block->line, "`%s` is missing: %s",
				  key->name, key->help);
		return false;
	}
	struct config_items items = line ? config_tree_items(block, key->name, arena)
					 : config_tree_fallback(key, arena);
	if (config_value_read(&value, items.p, items.n, out + key->offset))
		return true;
	fail(reader, key, block, why);
	return false;
}

static void check_key(struct reader *reader, const struct config_key *key,
		      const struct config_block *block, const void *out)
{
	char why[512] = "is refused";

	if (key->check && !key->check(out, why, sizeof(why)))
		fail(reader, key, block, why);
}

/* @param name  of the block: section and title, or NULL for the top */
static void read_block(struct reader *reader, const struct config_section *spec,
		       const struct config_block *block, const char *name, void *out)
{
	struct config *config = reader->config;

	for (size_t i = 0; i < spec->n_keys; i++) {
		const struct config_key *key = &spec->keys[i];
		unsigned line = config_tree_line(reader->tree, block, key->name);

		if (line)
			config_places_add(&config->places,
					  arena_printf(config->arena, "%s%s%s",
						       name ? name : "",
						       name ? ": " : "", key->name),
					  line);
		if (read_key(reader, key, block, out))
			check_key(reader, key, block, out);
	}
}

static void read_blocks(struct reader *reader, const struct config_section *spec)
{
	struct config *config = reader->config;
	struct config_array *array = (void *)((char *)config->top + spec->offset);
	size_t n = config_tree_count(reader->tree, spec->name);

	if (n < spec->min_count)
		config_errors_add(&reader->errors, 0,
				  "at least %zu block `%s \"...\" { }` is needed: %s",
				  spec->min_count, spec->name, spec->help);
	array->n = n;
	array->items = arena_alloc(config->arena, n * spec->size);
	BUG_ON(!array->items);
	for (size_t i = 0; i < n; i++) {
		struct config_block block =
			config_tree_block(reader->tree, spec->name, i);
		char *out = (char *)array->items + i * spec->size;
		char *name = arena_printf(config->arena, "%s \"%s\"", spec->name,
					  block.title);
		*(char **)out = arena_string(config->arena, slice_of(block.title));
		config_places_add(&config->places, name, block.line);
		read_block(reader, spec, &block, name, out);
	}
}

static void read_all(struct reader *reader)
{
	const struct config_spec *spec = reader->config->spec;
	struct config_block top = config_tree_top(reader->tree);

	read_block(reader, &spec->sections[0], &top, NULL, reader->config->top);
	for (size_t i = 1; i < spec->n_sections; i++)
		read_blocks(reader, &spec->sections[i]);
}

/* ---- The file ---- */

/* The byte order mark that some editors put at the front says nothing here. */
static void blank_mark(char *text)
{
	static const char mark[] = "\xef\xbb\xbf";

	if (strncmp(text, mark, strlen(mark)) == 0)
		memset(text, ' ', strlen(mark));
}

/* The whole file and a NUL, to be freed. libconfuse would exit(2) on a directory. */
static char *load(struct config_errors *errors)
{
	char *text = NULL;
	struct stat st;
	size_t n = 0;
	ssize_t got = 0;

	int fd = open(errors->file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0) {
		config_errors_add(errors, 0, "%s", strerror(errno));
		goto end;
	}
	if (!S_ISREG(st.st_mode)) {
		config_errors_add(errors, 0, "is no regular file");
		goto end;
	}
	text = malloc(FILE_BYTES + 1);
	BUG_ON(!text);
	while (n <= FILE_BYTES && (got = read(fd, text + n, FILE_BYTES + 1 - n)) > 0)
		n += (size_t)got;
	if (got == 0 && n <= FILE_BYTES && !memchr(text, '\0', n)) {
		text[n] = '\0';
		blank_mark(text);
		goto end;
	}
	config_errors_add(errors, 0, "%s",
			  got < 0          ? strerror(errno)
			  : n > FILE_BYTES ? "is larger than 256 KiB"
					   : "holds a NUL byte; save it as UTF-8");
	free(text);
	text = NULL;
end:
	if (fd >= 0)
		close(fd);
	return text;
}

/* Absolute, so that relative paths mean the same after a change of directory. */
static char *directory_of(struct config_errors *errors)
{
	char *directory = realpath(errors->file, NULL);

	if (!directory) {
		config_errors_add(errors, 0, "%s", strerror(errno));
		return NULL;
	}
	char *slash = strrchr(directory, '/');
	slash[slash == directory] = '\0';
	return directory;
}

static void read_text(struct reader *reader, const char *text)
{
	char *clean = config_scan_clean(slice_of(text), &reader->errors);

	if (!clean)
		return;
	struct config_tree *tree =
		config_tree_new(reader->config->spec, clean, &reader->errors);
	free(clean);
	if (!tree)
		return;
	char *directory = directory_of(&reader->errors);
	reader->tree = tree;
	reader->directory = directory;
	if (directory)
		read_all(reader);
	free(directory);
	config_tree_free(tree);
}

struct config *config_read(const struct config_spec *spec, const char *path,
			   FILE *errors)
{
	struct config *config = calloc(1, sizeof(*config));
	struct reader reader = { .config = config,
				 .errors = { .file = path, .out = errors } };

	BUG_ON(!config);
	config->spec = spec;
	config->files = files_new();
	config->arena = arena_new(ARENA_BYTES);
	config->top = arena_alloc(config->arena, spec->sections[0].size);
	config->path = arena_printf(config->arena, "%s", path);
	BUG_ON(!config->top || !config->path);
	char *text = load(&reader.errors);
	if (text) {
		sha256(slice_of(text), config->digest);
		read_text(&reader, text);
	}
	free(text);
	if (reader.errors.n == 0)
		return config;
	config_free(config);
	return NULL;
}

void config_free(struct config *config)
{
	if (!config)
		return;
	config_places_clear(&config->places);
	files_free(config->files);
	arena_free(config->arena);
	free(config);
}

const void *config_get(const struct config *config)
{
	return config->top;
}

const uint8_t *config_digest(const struct config *config)
{
	return config->digest;
}

unsigned config_line(const struct config *config, struct slice text)
{
	return config_places_find(&config->places, text);
}

void config_use(const struct config *config)
{
	used = config;
}

void config_log_error(const char *key, const char *why)
{
	char said[1024], place[1024] = "";
	unsigned line;

	snprintf(said, sizeof(said), "%s: %s", key, why);
	line = used ? config_line(used, slice_of(said)) : 0;
	if (line > 0)
		snprintf(place, sizeof(place), "%s:%u: ", used->path, line);
	else if (used)
		snprintf(place, sizeof(place), "%s: ", used->path);
	char whole[sizeof(place) + sizeof(said)];
	snprintf(whole, sizeof(whole), "%s%s", place, said);
	log_error("config_error", log_str("why", whole));
}

/* ---- The files that it names ---- */

static bool keep(const struct config *config, const struct config_key *key,
		 const char *path, FILE *errors)
{
	if (!files_keep(config->files, path)) {
		fprintf(errors, "%s: %s: %s\n", key->name, path, strerror(errno));
		return false;
	}
	uid_t owner = files_owner(config->files, path);
	if (key->type != CONFIG_SECRET || secret_may_own(owner))
		return true;
	fprintf(errors,
		"%s: %s belongs to another user (uid %u); chown it to the user that "
		"the daemon runs as, or to root\n",
		key->name, path, (unsigned)owner);
	return false;
}

static bool keep_section(const struct config *config, const struct config_section *spec,
			 const char *values, FILE *errors)
{
	bool is_kept = true;

	for (size_t i = 0; i < spec->n_keys; i++) {
		const struct config_key *key = &spec->keys[i];
		const char *path;

		if (key->type != CONFIG_PATH && key->type != CONFIG_SECRET)
			continue;
		memcpy(&path, values + key->offset, sizeof(path));
		is_kept &= !path || keep(config, key, path, errors);
	}
	return is_kept;
}

bool config_keep_files(struct config *config, FILE *errors)
{
	const struct config_section *sections = config->spec->sections;
	const char *top = config->top;

	bool is_kept = keep_section(config, &sections[0], top, errors);
	for (size_t i = 1; i < config->spec->n_sections; i++) {
		const struct config_array *blocks =
			(const void *)(top + sections[i].offset);

		for (size_t k = 0; k < blocks->n; k++)
			is_kept &= keep_section(config, &sections[i],
						(const char *)blocks->items +
							k * sections[i].size,
						errors);
	}
	return is_kept;
}

const struct files *config_files(const struct config *config)
{
	return config->files;
}

/* ---- Back to text ---- */

static void dump_section(const struct config_section *spec, const char *values,
			 const char *indent, FILE *out)
{
	for (size_t i = 0; i < spec->n_keys; i++) {
		fprintf(out, "%s%s = ", indent, spec->keys[i].name);
		config_value_write(&spec->keys[i], values + spec->keys[i].offset, out);
		fputc('\n', out);
	}
}

void config_dump(const struct config *config, FILE *out)
{
	const struct config_spec *spec = config->spec;
	const char *top = config->top;

	dump_section(&spec->sections[0], top, "", out);
	for (size_t i = 1; i < spec->n_sections; i++) {
		const struct config_section *section = &spec->sections[i];
		const struct config_array *array =
			(const void *)(top + section->offset);
		for (size_t k = 0; k < array->n; k++) {
			const char *block =
				(const char *)array->items + k * section->size;
			const struct config_key title = { .type = CONFIG_STRING };
			fprintf(out, "%s ", section->name);
			config_value_write(&title, block, out);
			fputs(" {\n", out);
			dump_section(section, block, "\t", out);
			fputs("}\n", out);
		}
	}
}

static void describe_key(const struct config_key *key, const char *indent, FILE *out)
{
	char left[64], text[HELP_BYTES];
	const char *fallback = key->fallback ? key->fallback : "";

	snprintf(left, sizeof(left), "%s%-*s %s", indent, 26 - (int)strlen(indent),
		 key->name, config_value_type(key->type));
	int n = snprintf(text, sizeof(text), "%s%s. %s",
			 !key->fallback ? "required"
			 : *fallback    ? "default "
					: "optional",
			 fallback, key->help);
	BUG_ON((size_t)n >= sizeof(text));
	help_row(out, KEY_COLUMN, left, text);
}

void config_help(const struct config_spec *spec, FILE *out)
{
	for (size_t i = 0; i < spec->n_sections; i++) {
		const struct config_section *section = &spec->sections[i];
		if (section->name) {
			fprintf(out, "%s \"TITLE\" { }:\n", section->name);
			help_row(out, 0, "", section->help);
		}
		for (size_t k = 0; k < section->n_keys; k++)
			describe_key(&section->keys[k], section->name ? "    " : "",
				     out);
	}
}
