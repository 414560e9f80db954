#include <errno.h>
#include <libpq-fe.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/config.h"
#include "base/describe.h"
#include "base/log.h"
#include "base/standard.h"
#include "provctl/command_line.h"
#include "provctl/database.h"
#include "provctl/grid.h"
#include "provctl/paint.h"
#include "provctl/plain.h"
#include "provctl/provctl.h"
#include "provctl/rows.h"
#include "provctl/watch.h"

#define SQL_DIR_DEFAULT   PROVBOX_DATADIR "/provisioning/sql"
#define DSN_DEFAULT       "dbname=provbox user=provbox_operator"
#define ADMIN_DSN_DEFAULT "dbname=provbox"

/* One run prints at most so much. */
#define MEMORY_LIMIT (256U << 20)

struct settings {
	char *title;
	char *dsn, *admin_dsn, *sql_dir, *seal_key_file;
};

static const struct config_key config_keys[] = {
	{ .name = "dsn",
	  .type = CONFIG_STRING,
	  .offset = offsetof(struct settings, dsn),
	  .fallback = DSN_DEFAULT,
	  .help = "Connection of the role provbox_operator." },
	{ .name = "admin_dsn",
	  .type = CONFIG_STRING,
	  .offset = offsetof(struct settings, admin_dsn),
	  .fallback = ADMIN_DSN_DEFAULT,
	  .help = "Connection of an administrator, for db init and db upgrade." },
	{ .name = "sql_dir",
	  .type = CONFIG_STRING,
	  .offset = offsetof(struct settings, sql_dir),
	  .fallback = SQL_DIR_DEFAULT,
	  .help = "Folder of the migrations." },
	{ .name = "seal_key_file",
	  .type = CONFIG_SECRET,
	  .offset = offsetof(struct settings, seal_key_file),
	  .fallback = "",
	  .help = "Keys that seal texts with secrets, the same file as "
		  "provbox-smsc's." },
};

static const struct config_section config_sections[] = {
	{ .keys = config_keys,
	  .n_keys = sizeof(config_keys) / sizeof(config_keys[0]),
	  .size = sizeof(struct settings) },
};

static const struct config_spec config_spec = { "provctl", config_sections, 1 };

void complain(const char *format, ...)
{
	char *text = NULL;
	va_list arguments;
	va_start(arguments, format);
	BUG_ON(vasprintf(&text, format, arguments) < 0);
	va_end(arguments);
	plain(text);
	fprintf(stderr, "provctl: %s\n", text);
	free(text);
}

/* ---- Configuration ---- */

/* Options win over the environment, that over the file, that over what is built in. */
static enum result configure(struct context *ctx, struct config **config)
{
	static const struct settings built_in = { NULL, DSN_DEFAULT, ADMIN_DSN_DEFAULT,
						  SQL_DIR_DEFAULT, NULL };
	const struct settings *settings = &built_in;
	const char *path = ctx->options[OPTION_CONFIG];
	const char *dsn = ctx->options[OPTION_DSN], *dir = ctx->options[OPTION_SQL_DIR];

	if (path || access(CONFIG_PATH_DEFAULT, F_OK) == 0) {
		*config = config_read(&config_spec, path ? path : CONFIG_PATH_DEFAULT,
				      stderr);
		if (!*config && path && access(path, F_OK) != 0)
			complain("give -c the path of your configuration; without -c "
				 "it is %s",
				 CONFIG_PATH_DEFAULT);
		if (!*config)
			return RESULT_CONFIG;
		settings = config_get(*config);
	}
	ctx->dsn = dsn ? dsn : settings->dsn;
	ctx->admin_dsn = dsn ? dsn : settings->admin_dsn;
	if (!dir)
		dir = getenv("PROVBOX_SQL_DIR");
	ctx->sql_dir = dir ? dir : settings->sql_dir;
	ctx->seal_key_file = settings->seal_key_file;
	return RESULT_OK;
}

/* ---- Commands that are a query ---- */

static enum result run_query(struct context *ctx)
{
	const struct command *command = ctx->command;
	struct param params[sizeof(ctx->words) / sizeof(ctx->words[0])];
	size_t n = command->is_filter ? 1 : command->max_words;
	PGresult *rows;

	for (size_t i = 0; i < n; i++)
		params[i] = TEXT(ctx->words[i]);
	if (command->is_filter) {
		params[0] = TEXT(command_line_filter(ctx));
		if (!params[0].value)
			return RESULT_USAGE;
	}
	enum result result = database_open(ctx, ctx->dsn, NULL);
	if (result == RESULT_OK)
		result = database_query(ctx, command->query, params, n, &rows);
	if (result != RESULT_OK)
		return result;
	if (command->missing && ctx->n_words > 0 && PQntuples(rows) == 0) {
		complain("%s: %s", command->missing, ctx->words[0]);
		result = RESULT_FAILED;
	} else if (ctx->options[OPTION_JSON] && command->is_silent) {
		rows_print_done();
	} else if (ctx->options[OPTION_JSON]) {
		rows_print(rows_array(rows));
	} else if (!command->is_silent) {
		grid_print(ctx->arena, rows);
	}
	PQclear(rows);
	return result;
}

static enum result run(struct context *ctx)
{
	return ctx->command->run ? ctx->command->run(ctx) : run_query(ctx);
}

/* ---- The program ---- */

static void describe(void)
{
	command_line_describe(stdout);
	describe_config(stdout, &config_spec);
}

/* Answer what is asked of the program itself; false: it is a command. */
static bool answer(const struct context *ctx)
{
	if (ctx->options[OPTION_HELP])
		command_line_help(ctx->command, ctx->noun);
	else if (ctx->options[OPTION_HELP_CONFIG])
		config_help(&config_spec, stdout);
	else if (ctx->options[OPTION_VERSION])
		puts("provctl " PACKAGE_VERSION);
	else if (ctx->options[OPTION_DESCRIBE])
		describe();
	else
		return false;
	return true;
}

int main(int argc, char **argv)
{
	struct context ctx = { .arena = arena_new(MEMORY_LIMIT) };
	struct config *config = NULL;

	if (!standard_open())
		return (int)RESULT_FAILED;
	setlocale(LC_CTYPE,
		  "C.UTF-8"); /* for widths; what is printed is UTF-8 anyway */
	paint_open();
	enum result result = command_line_read(&ctx, argc, argv);
	if (result == RESULT_OK && !answer(&ctx)) {
		result = configure(&ctx, &config);
		if (result == RESULT_OK)
			result = ctx.options[OPTION_WATCH] ? watch(&ctx, run)
							   : run(&ctx);
	}
	if (!standard_flush()) {
		complain("standard output cannot be written: %s", strerror(errno));
		result = RESULT_FAILED;
	}
	database_close(&ctx);
	config_free(config);
	arena_free(ctx.arena);
	return (int)result;
}
