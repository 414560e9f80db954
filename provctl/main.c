#include <libpq-fe.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <jansson.h>

#include "base/config.h"
#include "provctl/database.h"
#include "provctl/grid.h"
#include "provctl/provctl.h"

#define CONFIG_PATH_DEFAULT PROVBOX_SYSCONFDIR "/provctl.conf"
#define SQL_DIR_DEFAULT     PROVBOX_DATADIR "/provisioning/sql"
#define DSN_DEFAULT         "dbname=provbox user=provbox_operator"
#define ADMIN_DSN_DEFAULT   "dbname=provbox"

/* One run prints at most so much. */
#define MEMORY_LIMIT (256U << 20)

static const struct option_row {
	const char *name, *argument, *help;
	char letter;
	const char *member; /* of a filter; NULL: not part of it */
} option_rows[OPTION_N] = {
	[OPTION_HELP] = { "help", NULL, "this text", 'h', NULL },
	[OPTION_VERSION] = { "version", NULL, "print the version", 'V', NULL },
	[OPTION_JSON] = { "json", NULL, "print JSON", 0, NULL },
	[OPTION_DSN] = { "dsn", "DSN", "libpq connection string", 0, NULL },
	[OPTION_CONFIG] = { "config", "FILE",
			    "or -c FILE; default " CONFIG_PATH_DEFAULT, 'c', NULL },
	[OPTION_SQL_DIR] = { "sql-dir", "DIR", "folder of the migrations", 0, NULL },
	[OPTION_DEV] = { "dev", "DEV", "only of this device", 0, "dev" },
	[OPTION_STATE] = { "state", "STATES", "only in these, with commas", 0,
			   "state" },
	[OPTION_REASON] = { "reason", "TEXT", "a reason code, or words", 0, "reason" },
	[OPTION_REQUEST] = { "request", "ID", "only of this request", 0, "request" },
	[OPTION_LIMIT] = { "limit", "N", "at most so many", 0, "limit" },
};

#define OPTIONS_OF_ALL \
	(OPTION(HELP) | OPTION(VERSION) | OPTION(JSON) | OPTION(DSN) | OPTION(CONFIG))

struct settings {
	char *title;
	char *dsn, *admin_dsn, *sql_dir;
};

static const struct config_key config_keys[] = {
	{ .name = "dsn",
	  .type = CONFIG_STRING,
	  .offset = offsetof(struct settings, dsn),
	  .fallback = "\"" DSN_DEFAULT "\"",
	  .help = "connection of the role provbox_operator" },
	{ .name = "admin_dsn",
	  .type = CONFIG_STRING,
	  .offset = offsetof(struct settings, admin_dsn),
	  .fallback = "\"" ADMIN_DSN_DEFAULT "\"",
	  .help = "connection of an administrator, for db init and db upgrade" },
	{ .name = "sql_dir",
	  .type = CONFIG_STRING,
	  .offset = offsetof(struct settings, sql_dir),
	  .fallback = "\"" SQL_DIR_DEFAULT "\"",
	  .help = "folder of the migrations" },
};

static const struct config_section config_sections[] = {
	{ .keys = config_keys,
	  .n_keys = sizeof(config_keys) / sizeof(config_keys[0]),
	  .size = sizeof(struct settings) },
};

static const struct config_spec config_spec = { "provctl", config_sections, 1 };

void complain(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fputs("provctl: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
}

/* ---- Help ---- */

static int print_usage(FILE *out, const struct command *command)
{
	return fprintf(out, "%s%s%s", command->words, command->arguments ? " " : "",
		       command->arguments ? command->arguments : "");
}

static void print_help(const struct command *command)
{
	if (command) {
		printf("usage: provctl ");
		print_usage(stdout, command);
		printf(" [options]\n%s\n\n", command->help);
	} else {
		puts("usage: provctl COMMAND [options]; options of a command: "
		     "provctl COMMAND --help");
	}
	for (size_t i = 0; !command && i < n_commands; i++) {
		int width = printf("  ") + print_usage(stdout, &commands[i]);
		printf("%*s%s\n", 29 - width, "", commands[i].help);
	}
	if (!command)
		puts("\nConfiguration: " CONFIG_PATH_DEFAULT
		     ", or -c FILE. --json prints JSON.\n"
		     "Exit status: 0 done, 1 failed, 2 wrong usage, 69 database away, "
		     "78 wrong configuration.");
	for (size_t i = 0; command && i < OPTION_N; i++) {
		const struct option_row *row = &option_rows[i];
		if (!((command->options | OPTIONS_OF_ALL) & 1U << i))
			continue;
		int width = printf("  --%s %s", row->name,
				   row->argument ? row->argument : "");
		printf("%*s%s\n", 22 - width, "", row->help);
	}
}

/* ---- Command line ---- */

static enum option_id option_find(struct slice name)
{
	for (size_t i = 0; i < OPTION_N; i++) {
		const struct option_row *row = &option_rows[i];
		if (name.n == 2 && name.p[0] == '-' && name.p[1] == row->letter)
			return (enum option_id)i;
		if (name.n > 2 && slice_starts(name, SLICE("--")) &&
		    slice_eq(slice_make(name.p + 2, name.n - 2), slice_of(row->name)))
			return (enum option_id)i;
	}
	return OPTION_N;
}

/* Take one option and its value; returns how many arguments they were, 0 on failure. */
static int option_take(struct context *ctx, char **argv, int left)
{
	struct slice rest = slice_of(argv[0]), name;
	bool has_value = slice_next(&rest, '=', &name) && rest.p;
	enum option_id id = option_find(name);

	if (id == OPTION_N) {
		complain("no such option: %s; see --help", argv[0]);
		return 0;
	}
	if (!option_rows[id].argument) {
		ctx->options[id] = "";
		if (has_value)
			complain("--%s takes no value", option_rows[id].name);
		return !has_value;
	}
	if (!has_value && left < 2) {
		complain("--%s needs a value", option_rows[id].name);
		return 0;
	}
	ctx->options[id] = has_value ? rest.p : argv[1];
	return has_value ? 1 : 2;
}

/* How many words of the command line are the command's own; 0: it is not this one. */
static size_t words_matched(const struct command *command, char **words, size_t n)
{
	struct slice rest = slice_of(command->words), word;
	size_t matched = 0;
	while (slice_next(&rest, ' ', &word)) {
		if (matched == n || !slice_eq(word, slice_of(words[matched])))
			return 0;
		matched++;
	}
	return matched;
}

static bool command_find(struct context *ctx, char **words, size_t n)
{
	for (size_t i = 0; i < n_commands; i++) {
		size_t matched = words_matched(&commands[i], words, n);
		if (matched == 0)
			continue;
		ctx->command = &commands[i];
		for (size_t k = matched; k < n; k++, ctx->n_words++)
			if (ctx->n_words < sizeof(ctx->words) / sizeof(ctx->words[0]))
				ctx->words[ctx->n_words] = words[k];
		return true;
	}
	return false;
}

/* There is no such command: name those that begin as this one does. */
static void complain_of_command(char **words, size_t n)
{
	bool is_begun = false;

	for (size_t i = 0; n > 0 && i < n_commands; i++) {
		struct slice rest = slice_of(commands[i].words), first;
		slice_next(&rest, ' ', &first);
		if (!slice_eq(first, slice_of(words[0])))
			continue;
		fputs(is_begun ? "       provctl " : "usage: provctl ", stderr);
		print_usage(stderr, &commands[i]);
		fputc('\n', stderr);
		is_begun = true;
	}
	if (n == 0)
		complain("a command is missing; see provctl --help");
	else if (!is_begun)
		complain("no such command: %s; see provctl --help", words[0]);
}

static enum result command_line(struct context *ctx, int argc, char **argv)
{
	char **words = argv; /* what is no option moves to the front */
	size_t n = 0;

	for (int i = 1, taken; i < argc; i += taken) {
		bool is_option = argv[i][0] == '-' && argv[i][1] != '\0';
		taken = is_option ? option_take(ctx, argv + i, argc - i) : 1;
		if (taken == 0)
			return RESULT_USAGE;
		if (!is_option)
			words[n++] = argv[i];
	}
	bool is_found = command_find(ctx, words, n);
	if (ctx->options[OPTION_HELP] || ctx->options[OPTION_VERSION])
		return RESULT_OK;
	if (!is_found) {
		complain_of_command(words, n);
		return RESULT_USAGE;
	}
	for (size_t i = 0; i < OPTION_N; i++) {
		if (!ctx->options[i] ||
		    (ctx->command->options | OPTIONS_OF_ALL) & 1U << i)
			continue;
		complain("%s takes no --%s", ctx->command->words, option_rows[i].name);
		return RESULT_USAGE;
	}
	if (ctx->n_words < ctx->command->min_words ||
	    ctx->n_words > ctx->command->max_words) {
		fputs("usage: provctl ", stderr);
		print_usage(stderr, ctx->command);
		fputc('\n', stderr);
		return RESULT_USAGE;
	}
	return RESULT_OK;
}

/* ---- Configuration ---- */

/* Options win over the environment, that over the file, that over what is built in. */
static enum result configure(struct context *ctx, struct config **config)
{
	static const struct settings built_in = { NULL, DSN_DEFAULT, ADMIN_DSN_DEFAULT,
						  SQL_DIR_DEFAULT };
	const struct settings *settings = &built_in;
	const char *path = ctx->options[OPTION_CONFIG];
	const char *dsn = ctx->options[OPTION_DSN], *dir = ctx->options[OPTION_SQL_DIR];

	if (path || access(CONFIG_PATH_DEFAULT, F_OK) == 0) {
		*config = config_read(&config_spec, path ? path : CONFIG_PATH_DEFAULT,
				      stderr);
		if (!*config)
			return RESULT_CONFIG;
		settings = config_get(*config);
	}
	ctx->dsn = dsn ? dsn : settings->dsn;
	ctx->admin_dsn = dsn ? dsn : settings->admin_dsn;
	if (!dir)
		dir = getenv("PROVBOX_SQL_DIR");
	ctx->sql_dir = dir ? dir : settings->sql_dir;
	return RESULT_OK;
}

/* ---- Commands that are a query ---- */

/* The filter that the options make, as a JSON text. NULL after a complaint. */
static const char *filter(struct context *ctx)
{
	json_t *object = json_object();
	for (size_t i = 0; i < OPTION_N; i++) {
		const char *value = ctx->options[i];
		uint64_t limit;
		if (!value || !option_rows[i].member)
			continue;
		bool is_limit = i == OPTION_LIMIT;
		if (is_limit && !slice_to_u64(slice_of(value), 1000000, &limit)) {
			complain("--limit is not a number up to 1000000");
			json_decref(object);
			return NULL;
		}
		json_object_set_new(object, option_rows[i].member,
				    is_limit ? json_integer((json_int_t)limit)
					     : json_string(value));
	}
	char *text = json_dumps(object, 0);
	const char *copy = arena_string(ctx->arena, slice_of(text));
	free(text);
	json_decref(object);
	return copy;
}

/* No rows, or as JSON an empty array. */
static bool is_empty(const PGresult *rows)
{
	return PQntuples(rows) == 0 || strcmp(PQgetvalue(rows, 0, 0), "[]") == 0;
}

static enum result run_query(struct context *ctx)
{
	const struct command *command = ctx->command;
	struct param params[sizeof(ctx->words) / sizeof(ctx->words[0])];
	size_t n = command->is_filter ? 1 : command->max_words;
	const char *sql = command->query;
	PGresult *rows;

	for (size_t i = 0; i < n; i++)
		params[i] = TEXT(ctx->words[i]);
	if (command->is_filter) {
		params[0] = TEXT(filter(ctx));
		if (!params[0].value)
			return RESULT_USAGE;
	}
	if (ctx->options[OPTION_JSON] && !command->is_silent)
		sql = arena_printf(ctx->arena,
				   "select coalesce(json_agg(t), '[]') from (%s) t",
				   sql);
	enum result result = database_open(ctx, ctx->dsn, NULL);
	if (result == RESULT_OK)
		result = database_query(ctx, sql, params, n, &rows);
	if (result != RESULT_OK)
		return result;
	if (command->missing && ctx->n_words > 0 && is_empty(rows)) {
		complain("%s: %s", command->missing, ctx->words[0]);
		result = RESULT_FAILED;
	} else if (ctx->options[OPTION_JSON] && !command->is_silent) {
		grid_print_json(PQgetvalue(rows, 0, 0));
	} else if (!command->is_silent) {
		grid_print(ctx->arena, rows);
	}
	PQclear(rows);
	return result;
}

int main(int argc, char **argv)
{
	struct context ctx = { .arena = arena_new(MEMORY_LIMIT) };
	struct config *config = NULL;
	enum result result = command_line(&ctx, argc, argv);

	if (result == RESULT_OK && ctx.options[OPTION_HELP])
		print_help(ctx.command);
	else if (result == RESULT_OK && ctx.options[OPTION_VERSION])
		puts("provctl " PACKAGE_VERSION);
	else if (result == RESULT_OK)
		result = configure(&ctx, &config);
	if (result == RESULT_OK && ctx.dsn)
		result = ctx.command->run ? ctx.command->run(&ctx) : run_query(&ctx);
	if (fflush(stdout) != 0) {
		complain("stdout cannot be written");
		result = RESULT_FAILED;
	}
	database_close(&ctx);
	config_free(config);
	arena_free(ctx.arena);
	return (int)result;
}
