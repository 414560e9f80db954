#include "base/config_tree.h"

#include <confuse.h>
#include <stdlib.h>

#include "base/config_scan.h"
#include "base/config_value.h"
#include "base/log.h"

#define MAX_UNKNOWN 50

/* Where an option was set: libconfuse forgets it, and that it was set before. */
struct mark {
	const cfg_opt_t *opt;
	unsigned line;
};

struct config_tree {
	const struct config_spec *spec;
	struct config_errors *errors;
	cfg_t *parser;
	struct mark *marks;
	size_t n_marks;
	/* The statement that ended the parse, if that was an unknown key. */
	char unknown[64];
	unsigned unknown_line;
};

/* libconfuse hands no argument to its callbacks. */
static struct config_tree *reading;

static struct mark *mark_find(const struct config_tree *tree, const cfg_opt_t *opt)
{
	for (size_t i = 0; i < tree->n_marks; i++)
		if (tree->marks[i].opt == opt)
			return &tree->marks[i];
	return NULL;
}

static void mark_add(struct config_tree *tree, const cfg_opt_t *opt, unsigned line)
{
	size_t size = (tree->n_marks + 1) * sizeof(*tree->marks);

	tree->marks = realloc(tree->marks, size);
	BUG_ON(!tree->marks);
	tree->marks[tree->n_marks++] = (struct mark){ opt, line };
}

/* ---- What libconfuse calls ---- */

/* Called for each value. The first of a second assignment comes to an option that has
 * been marked by the first of the first. */
static int on_value(cfg_t *section, cfg_opt_t *opt, const char *value, void *result)
{
	if (cfg_opt_size(opt) == 1) {
		struct mark *mark = mark_find(reading, opt);
		if (mark)
			config_errors_add(reading->errors, (unsigned)section->line,
					  "`%s` is given twice, first on line %u",
					  opt->name, mark->line);
		else
			mark_add(reading, opt, (unsigned)section->line);
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
		config_errors_add(reading->errors, (unsigned)section->line, "%s", text);
	}
}

/* ---- Its parser ---- */

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

static cfg_t *parse_once(struct config_tree *tree, const char *text)
{
	cfg_t *parser = parser_new(tree->spec);
	const size_t n_errors = tree->errors->n;

	tree->n_marks = 0;
	tree->unknown[0] = '\0';
	if (cfg_parse_buf(parser, text) == CFG_SUCCESS)
		return parser;
	/* libconfuse says nothing of a name that is empty. */
	if (!tree->unknown[0] && tree->errors->n == n_errors)
		config_errors_add(tree->errors, (unsigned)parser->line,
				  "cannot be read here, write NAME = VALUE");
	cfg_free(parser);
	return NULL;
}

/* libconfuse stops at the first unknown key: blank it and start again. What else a
 * pass finds is said by the last one. */
static void parse(struct config_tree *tree, char *text)
{
	struct config_errors *errors = tree->errors;
	FILE *out = errors->out;
	char *found = NULL;
	size_t found_size;
	bool is_blanked = true;

	reading = tree;
	for (size_t n_unknown = 0; is_blanked; n_unknown++) {
		free(found);
		errors->n = n_unknown;
		errors->out = open_memstream(&found, &found_size);
		BUG_ON(!errors->out);
		tree->parser = parse_once(tree, text);
		fclose(errors->out);
		errors->out = out;
		if (!tree->unknown[0])
			break;
		config_errors_add(errors, tree->unknown_line,
				  "unknown key `%s`, see the keys with --help-config",
				  tree->unknown);
		is_blanked = n_unknown < MAX_UNKNOWN &&
			     config_scan_blank(text, tree->unknown_line, tree->unknown);
	}
	reading = NULL;
	fputs(found, out);
	free(found);
}

struct config_tree *config_tree_new(const struct config_spec *spec, char *text,
				    struct config_errors *errors)
{
	struct config_tree *tree = calloc(1, sizeof(*tree));

	BUG_ON(!tree);
	tree->spec = spec;
	tree->errors = errors;
	parse(tree, text);
	if (tree->parser)
		return tree;
	config_tree_free(tree);
	return NULL;
}

void config_tree_free(struct config_tree *tree)
{
	if (!tree)
		return;
	if (tree->parser)
		cfg_free(tree->parser);
	free(tree->marks);
	free(tree);
}

/* ---- What stands in it ---- */

struct config_block config_tree_top(const struct config_tree *tree)
{
	return (struct config_block){ .inside = tree->parser };
}

size_t config_tree_count(const struct config_tree *tree, const char *section)
{
	return cfg_size(tree->parser, section);
}

struct config_block config_tree_block(const struct config_tree *tree,
				      const char *section, size_t i)
{
	cfg_t *block = cfg_getnsec(tree->parser, section, (unsigned)i);

	return (struct config_block){ .title = cfg_title(block),
				      .line = (unsigned)block->line,
				      .inside = block };
}

unsigned config_tree_line(const struct config_tree *tree,
			  const struct config_block *block, const char *key)
{
	const struct mark *mark = mark_find(tree, cfg_getopt(block->inside, key));

	return mark ? mark->line : 0;
}

static struct config_items items_of(struct arena *arena, cfg_opt_t *opt)
{
	struct config_items items = { NULL, cfg_opt_size(opt) };

	if (items.n == 1 &&
	    slice_eq(slice_of(cfg_opt_getnstr(opt, 0)), SLICE(CONFIG_SCAN_EMPTY)))
		items.n = 0;
	items.p = arena_alloc(arena, items.n * sizeof(*items.p));
	BUG_ON(!items.p); /* a file has room for fewer items than the arena */
	for (size_t i = 0; i < items.n; i++)
		items.p[i] =
			arena_copy(arena, slice_of(cfg_opt_getnstr(opt, (unsigned)i)));
	return items;
}

struct config_items config_tree_items(const struct config_block *block, const char *key,
				      struct arena *arena)
{
	return items_of(arena, cfg_getopt(block->inside, key));
}

struct config_items config_tree_fallback(const struct config_key *key,
					 struct arena *arena)
{
	cfg_opt_t options[] = { CFG_STR_LIST("list", NULL, CFGF_NODEFAULT), CFG_END() };

	if (!config_value_is_list(key->type)) {
		struct config_items items = { arena_alloc(arena, sizeof(*items.p)), 1 };
		BUG_ON(!items.p);
		items.p[0] = slice_of(key->fallback);
		return items;
	}
	cfg_t *parser = cfg_init(options, CFGF_NONE);
	char *line = arena_printf(arena, "list = %s", key->fallback);
	BUG_ON(!parser || !line || cfg_parse_buf(parser, line) != CFG_SUCCESS);
	struct config_items items = items_of(arena, cfg_getopt(parser, "list"));
	cfg_free(parser);
	return items;
}
