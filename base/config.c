#include "base/config.h"

#include <confuse.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/codec.h"
#include "base/config_places.h"
#include "base/config_scan.h"
#include "base/config_value.h"
#include "base/log.h"

#define FILE_BYTES  (256 << 10)
#define ARENA_BYTES (16 << 20)
#define MAX_UNKNOWN 50

struct config {
	const struct config_spec *spec;
	struct arena *arena;
	void *top;
	uint8_t digest[SHA256_BYTES];
	struct config_places places;
};

/* Where an option was set: libconfuse forgets it, and that it was set before. */
struct mark {
	const cfg_opt_t *opt;
	unsigned line;
};

struct reader {
	struct config *config;
	const struct config_spec *spec;
	const char *path;
	char *directory;
	FILE *errors;
	size_t n_errors;
	struct arena *arena;
	struct mark *marks;
	size_t n_marks;
	/* The statement that ended the parse, if that was an unknown key. */
	char unknown[64];
	unsigned unknown_line;
};

/* libconfuse hands no argument to its callbacks; configs are read one at a time. */
static struct reader *reading;

__attribute__((format(printf, 3, 4))) static void fail(struct reader *reader,
						       unsigned line,
						       const char *format, ...)
{
	va_list args;

	reader->n_errors++;
	fprintf(reader->errors, "%s:", reader->path);
	if (line > 0)
		fprintf(reader->errors, "%u:", line);
	fputc(' ', reader->errors);
	va_start(args, format);
	vfprintf(reader->errors, format, args);
	va_end(args);
	fputc('\n', reader->errors);
}

/* ---- libconfuse's side ---- */

static struct mark *mark_find(const cfg_opt_t *opt)
{
	for (size_t i = 0; i < reading->n_marks; i++)
		if (reading->marks[i].opt == opt)
			return &reading->marks[i];
	return NULL;
}

static void mark_add(const cfg_opt_t *opt, unsigned line)
{
	size_t size = (reading->n_marks + 1) * sizeof(*reading->marks);

	reading->marks = realloc(reading->marks, size);
	BUG_ON(!reading->marks);
	reading->marks[reading->n_marks++] = (struct mark){ opt, line };
}

/* Called for each value. The first of a second assignment comes to an option that has
 * been marked by the first of the first. */
static int on_value(cfg_t *section, cfg_opt_t *opt, const char *value, void *result)
{
	if (cfg_opt_size(opt) == 1) {
		struct mark *mark = mark_find(opt);
		if (mark)
			fail(reading, (unsigned)section->line,
			     "`%s` is given twice, first on line %u", opt->name,
			     mark->line);
		else
			mark_add(opt, (unsigned)section->line);
	}
	*(const char **)result = value;
	return 0;
}

__attribute__((format(printf, 2, 0))) static void on_error(cfg_t *section,
							   const char *format,
							   va_list args)
{
	char text[256];

	vsnprintf(text, sizeof(text), format, args);
	struct slice rest = slice_of(text), name = { NULL, 0 };
	/* The one message with which more of the file can still be read. */
	if (slice_starts(rest, SLICE("no such option '"))) {
		slice_next(&rest, '\'', &name);
		slice_next(&rest, '\'', &name);
		snprintf(reading->unknown, sizeof(reading->unknown), "%.*s",
			 (int)name.n, name.p);
		reading->unknown_line = (unsigned)section->line;
	} else {
		fail(reading, (unsigned)section->line, "%s", text);
	}
}

static cfg_opt_t option_of(const struct config_key *key)
{
	cfg_opt_t single = CFG_STR_CB(key->name, NULL, CFGF_NODEFAULT, on_value);
	cfg_opt_t list = CFG_STR_LIST_CB(key->name, NULL, CFGF_NODEFAULT, on_value);

	return config_value_is_list(key->type) ? list : single;
}

static cfg_opt_t *options_of(const struct config_section *section, size_t n_more)
{
	cfg_opt_t end = CFG_END();
	cfg_opt_t *options = calloc(section->n_keys + n_more + 1, sizeof(*options));

	BUG_ON(!options);
	for (size_t i = 0; i < section->n_keys; i++)
		options[i] = option_of(&section->keys[i]);
	options[section->n_keys] = end;
	return options;
}

/* One parser for the whole spec: the keys of the top, then the sections. */
static cfg_t *parser_new(const struct config_spec *spec)
{
	const struct config_section *top = &spec->sections[0];
	cfg_opt_t *options = options_of(top, spec->n_sections - 1);
	size_t n = top->n_keys;

	for (size_t i = 1; i < spec->n_sections; i++) {
		cfg_opt_t section = CFG_SEC(
			spec->sections[i].name, options_of(&spec->sections[i], 0),
			CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES);
		options[n++] = section;
	}
	cfg_opt_t end = CFG_END();
	options[n] = end;
	cfg_t *parser = cfg_init(options, CFGF_NONE); /* copies them */
	BUG_ON(!parser);
	for (size_t i = top->n_keys; i < n; i++)
		free(options[i].subopts);
	free(options);
	cfg_set_error_function(parser, on_error);
	return parser;
}

static cfg_t *parse_once(struct reader *reader, const char *text)
{
	cfg_t *parser = parser_new(reader->spec);
	const size_t n_errors = reader->n_errors;

	reader->n_marks = 0;
	reader->unknown[0] = '\0';
	if (cfg_parse_buf(parser, text) == CFG_SUCCESS)
		return parser;
	/* libconfuse says nothing of a name that is empty. */
	if (!reader->unknown[0] && reader->n_errors == n_errors)
		fail(reader, (unsigned)parser->line,
		     "cannot be read here, write NAME = VALUE");
	cfg_free(parser);
	return NULL;
}

/* libconfuse stops at the first unknown key: blank it and start again. What else a
 * pass finds is said by the last one. */
static cfg_t *parse(struct reader *reader, char *text)
{
	FILE *errors = reader->errors;
	char *found = NULL;
	size_t found_size;
	bool is_blanked = true;
	cfg_t *parser = NULL;

	reading = reader;
	for (size_t n_unknown = 0; is_blanked; n_unknown++) {
		free(found);
		reader->n_errors = n_unknown;
		reader->errors = open_memstream(&found, &found_size);
		BUG_ON(!reader->errors);
		parser = parse_once(reader, text);
		fclose(reader->errors);
		reader->errors = errors;
		if (!reader->unknown[0])
			break;
		fail(reader, reader->unknown_line,
		     "unknown key `%s`, see the keys with --help-config",
		     reader->unknown);
		is_blanked =
			n_unknown < MAX_UNKNOWN &&
			config_scan_blank(text, reader->unknown_line, reader->unknown);
	}
	fputs(found, errors);
	free(found);
	return parser;
}

/* ---- From options to the struct ---- */

struct items {
	struct slice *p;
	size_t n;
};

static struct items items_of(struct arena *arena, cfg_opt_t *opt)
{
	struct items items = { NULL, cfg_opt_size(opt) };

	if (items.n == 1 &&
	    slice_eq(slice_of(cfg_opt_getnstr(opt, 0)), SLICE(CONFIG_SCAN_EMPTY)))
		items.n = 0;
	items.p = arena_alloc(arena, items.n * sizeof(*items.p));
	BUG_ON(!items.p); /* FILE_BYTES hold fewer items than ARENA_BYTES can */
	for (size_t i = 0; i < items.n; i++)
		items.p[i] =
			arena_copy(arena, slice_of(cfg_opt_getnstr(opt, (unsigned)i)));
	return items;
}

static struct items fallback_items(struct arena *arena, const struct config_key *key)
{
	cfg_opt_t options[] = { CFG_STR_LIST("list", NULL, CFGF_NODEFAULT), CFG_END() };
	struct slice text = slice_of(key->fallback);

	if (!config_value_is_list(key->type)) {
		struct items items = { arena_alloc(arena, sizeof(text)), 1 };
		BUG_ON(!items.p);
		items.p[0] = text;
		return items;
	}
	cfg_t *parser = cfg_init(options, CFGF_NONE);
	char *line = arena_printf(arena, "list = %s", key->fallback);
	BUG_ON(!parser || !line || cfg_parse_buf(parser, line) != CFG_SUCCESS);
	struct items items = items_of(arena, cfg_getopt(parser, "list"));
	cfg_free(parser);
	return items;
}

static bool read_key(struct reader *reader, const struct config_key *key,
		     cfg_t *section, char *out)
{
	cfg_opt_t *opt = cfg_getopt(section, key->name);
	const struct mark *mark = mark_find(opt);
	unsigned line = mark ? mark->line : (unsigned)section->line;
	char why[512];
	struct config_reading value = { key, reader->arena, reader->directory, why,
					sizeof(why) };

	if (!mark && !key->fallback) {
		fail(reader, line, "`%s` is missing: %s", key->name, key->help);
		return false;
	}
	struct items items = mark ? items_of(reader->arena, opt)
				  : fallback_items(reader->arena, key);
	if (config_value_read(&value, items.p, items.n, out + key->offset))
		return true;
	fail(reader, line, "`%s` %s%s", key->name, mark ? "" : "(by default) ", why);
	return false;
}

static void check_key(struct reader *reader, const struct config_key *key,
		      cfg_t *section, const void *out)
{
	const struct mark *mark = mark_find(cfg_getopt(section, key->name));
	char why[512] = "is refused";

	if (key->check && !key->check(out, why, sizeof(why)))
		fail(reader, mark ? mark->line : (unsigned)section->line, "`%s` %s%s",
		     key->name, mark ? "" : "(by default) ", why);
}

/* @param block  name of the section and its title, or NULL for the top */
static void read_section(struct reader *reader, const struct config_section *spec,
			 cfg_t *section, const char *block, void *out)
{
	for (size_t i = 0; i < spec->n_keys; i++) {
		const struct config_key *key = &spec->keys[i];
		const struct mark *mark = mark_find(cfg_getopt(section, key->name));

		if (mark)
			config_places_add(&reader->config->places,
					  arena_printf(reader->arena, "%s%s%s",
						       block ? block : "",
						       block ? ": " : "", key->name),
					  mark->line);
		if (read_key(reader, key, section, out))
			check_key(reader, key, section, out);
	}
}

static void read_blocks(struct reader *reader, const struct config_section *spec,
			cfg_t *parser, char *top)
{
	struct config_array *array = (void *)(top + spec->offset);
	size_t n = cfg_size(parser, spec->name);

	if (n < spec->min_count)
		fail(reader, 0, "at least %zu block `%s \"...\" { }` is needed: %s",
		     spec->min_count, spec->name, spec->help);
	array->n = n;
	array->items = arena_alloc(reader->arena, n * spec->size);
	BUG_ON(!array->items);
	for (size_t i = 0; i < n; i++) {
		cfg_t *section = cfg_getnsec(parser, spec->name, (unsigned)i);
		char *block = (char *)array->items + i * spec->size;
		char *name = arena_printf(reader->arena, "%s \"%s\"", spec->name,
					  cfg_title(section));
		*(char **)block =
			arena_string(reader->arena, slice_of(cfg_title(section)));
		config_places_add(&reader->config->places, name,
				  (unsigned)section->line);
		read_section(reader, spec, section, name, block);
	}
}

static void read_all(struct reader *reader, cfg_t *parser, void *top)
{
	const struct config_spec *spec = reader->spec;

	parser->line = 0; /* what is missing at the top is missing on no line */
	read_section(reader, &spec->sections[0], parser, NULL, top);
	for (size_t i = 1; i < spec->n_sections; i++)
		read_blocks(reader, &spec->sections[i], parser, top);
}

/* ---- The file ---- */

/* The whole file and a NUL, to be freed. libconfuse would exit(2) on a directory. */
static char *load(struct reader *reader)
{
	char *text = NULL;
	struct stat st;
	size_t n = 0;
	ssize_t got = 0;

	int fd = open(reader->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0) {
		fail(reader, 0, "%s", strerror(errno));
		goto end;
	}
	if (!S_ISREG(st.st_mode)) {
		fail(reader, 0, "is no regular file");
		goto end;
	}
	text = malloc(FILE_BYTES + 1);
	BUG_ON(!text);
	while (n <= FILE_BYTES && (got = read(fd, text + n, FILE_BYTES + 1 - n)) > 0)
		n += (size_t)got;
	if (got == 0 && n <= FILE_BYTES && !memchr(text, '\0', n)) {
		text[n] = '\0';
		goto end;
	}
	fail(reader, 0, "%s",
	     got < 0          ? strerror(errno)
	     : n > FILE_BYTES ? "is larger than 256 KiB"
			      : "holds a NUL byte");
	free(text);
	text = NULL;
end:
	if (fd >= 0)
		close(fd);
	return text;
}

/* Absolute, so that relative paths mean the same after a change of directory. */
static char *directory_of(struct reader *reader)
{
	char *directory = realpath(reader->path, NULL);

	if (!directory) {
		fail(reader, 0, "%s", strerror(errno));
		return NULL;
	}
	char *slash = strrchr(directory, '/');
	slash[slash == directory] = '\0';
	return directory;
}

static void read_text(struct reader *reader, const char *text, void *top)
{
	char *clean = config_scan_clean(slice_of(text), reader->path, reader->errors);

	if (!clean) {
		reader->n_errors++;
		return;
	}
	cfg_t *parser = parse(reader, clean);
	free(clean);
	if (!parser)
		return;
	reader->directory = directory_of(reader);
	if (reader->directory)
		read_all(reader, parser, top);
	free(reader->directory);
	cfg_free(parser);
}

struct config *config_read(const struct config_spec *spec, const char *path,
			   FILE *errors)
{
	struct config *config = calloc(1, sizeof(*config));
	struct reader reader = {
		.config = config, .spec = spec, .path = path, .errors = errors
	};

	BUG_ON(!config);
	config->spec = spec;
	config->arena = reader.arena = arena_new(ARENA_BYTES);
	config->top = arena_alloc(config->arena, spec->sections[0].size);
	BUG_ON(!config->top);
	char *text = load(&reader);
	if (text) {
		sha256(slice_of(text), config->digest);
		read_text(&reader, text, config->top);
	}
	free(text);
	free(reader.marks);
	reading = NULL;
	if (reader.n_errors == 0)
		return config;
	config_free(config);
	return NULL;
}

void config_free(struct config *config)
{
	if (!config)
		return;
	config_places_clear(&config->places);
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
	fprintf(out, "%s%-*s %-8s  ", indent, 26 - (int)strlen(indent), key->name,
		config_value_type(key->type));
	if (!key->fallback)
		fputs("required. ", out);
	else if (key->fallback[0])
		fprintf(out, "default %s. ", key->fallback);
	else
		fputs("optional. ", out);
	fprintf(out, "%s\n", key->help);
}

void config_describe(const struct config_spec *spec, FILE *out)
{
	for (size_t i = 0; i < spec->n_sections; i++) {
		const struct config_section *section = &spec->sections[i];
		if (section->name)
			fprintf(out, "%s \"TITLE\" { }: %s\n", section->name,
				section->help);
		for (size_t k = 0; k < section->n_keys; k++)
			describe_key(&section->keys[k], section->name ? "    " : "",
				     out);
	}
}
