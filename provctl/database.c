#include "provctl/database.h"

#include <stdlib.h>

#include "base/dsn.h"

#define KEYWORDS_MAX 64
#define PARAMS_MAX   8
#define CONNECT_S    "10"

/* SQLSTATE, or its class, and what it means here. */
static const struct {
	const char *state;
	enum result result;
	const char *advice;
} meanings[] = {
	{ "3F000", RESULT_UNAVAILABLE, "there is no schema; run `provctl db init`" },
	{ "42883", RESULT_UNAVAILABLE,
	  "the schema is of another version; run `provctl db status`" },
	{ "PB002", RESULT_USAGE, NULL }, /* of our functions: the filter is wrong */
	{ "42501", RESULT_CONFIG, "the DSN has the wrong role; see doc/database.md" },
	{ "08", RESULT_UNAVAILABLE, "the connection broke" },
	{ "53", RESULT_UNAVAILABLE, "the server is short of something" },
	{ "57P", RESULT_UNAVAILABLE, "the server was stopped" },
};

static enum result complain_of(PGconn *db, const PGresult *answer)
{
	const char *state =
		answer ? PQresultErrorField(answer, PG_DIAG_SQLSTATE) : NULL;
	const char *text =
		answer ? PQresultErrorField(answer, PG_DIAG_MESSAGE_PRIMARY) : NULL;
	if (!state) {
		complain("%.*s", (int)strcspn(PQerrorMessage(db), "\n"),
			 PQerrorMessage(db));
		return RESULT_UNAVAILABLE;
	}
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
		if (strncmp(state, meanings[i].state, strlen(meanings[i].state)) != 0)
			continue;
		const char *advice = meanings[i].advice;
		complain("%s%s%s", text ? text : state, advice ? ": " : "",
			 advice ? advice : "");
		return meanings[i].result;
	}
	complain("%s", text ? text : state);
	return RESULT_FAILED;
}

/* Does who wrote the DSN say how long? Else we do: who hangs is not waited for. */
static bool has_timeout(const PQconninfoOption *options)
{
	for (; options->keyword; options++)
		if (strcmp(options->keyword, "connect_timeout") == 0 && options->val)
			return true;
	return getenv("PGCONNECT_TIMEOUT") != NULL;
}

/* The keywords of a DSN with some of them replaced; false when there are too many. */
static bool keywords(const PQconninfoOption *options, const char *database,
		     const char **names, const char **values)
{
	size_t n = 0;
	if (!has_timeout(options)) {
		names[n] = "connect_timeout";
		values[n++] = CONNECT_S;
	}
	for (; options->keyword && n < KEYWORDS_MAX; options++) {
		bool is_dbname = strcmp(options->keyword, "dbname") == 0;
		const char *value = is_dbname && database ? database : options->val;
		if (!value ||
		    strcmp(options->keyword, "fallback_application_name") == 0)
			continue;
		names[n] = options->keyword;
		values[n++] = value;
	}
	if (n == KEYWORDS_MAX)
		return false;
	names[n] = "fallback_application_name";
	values[n++] = "provctl";
	names[n] = NULL;
	values[n] = NULL;
	return true;
}

enum result database_open(struct context *ctx, const char *dsn, const char *database)
{
	const char *names[KEYWORDS_MAX + 2], *values[KEYWORDS_MAX + 2];
	char why[200];

	database_close(ctx);
	if (!dsn_check(dsn, why, sizeof(why))) {
		complain("%s; mend dsn of the configuration, or --dsn", why);
		return RESULT_CONFIG;
	}
	PQconninfoOption *options = PQconninfoParse(dsn, NULL);
	if (!options || !keywords(options, database, names, values)) {
		PQconninfoFree(options);
		complain("the DSN cannot be used");
		return RESULT_CONFIG;
	}
	ctx->db = PQconnectdbParams(names, values, 0);
	PQconninfoFree(options);
	if (PQstatus(ctx->db) != CONNECTION_OK) {
		complain_of(ctx->db, NULL);
		complain("the DSN was \"%s\"; name another in the configuration (-c "
			 "FILE) "
			 "or with --dsn",
			 dsn);
		return RESULT_UNAVAILABLE;
	}
	/* Without the interval the server would go on, and commit, after a Ctrl-C. */
	return database_run(ctx, "set timezone = 'UTC'; set datestyle = 'ISO';"
				 " set client_encoding = 'UTF8';"
				 " set client_min_messages = 'warning';"
				 " set client_connection_check_interval = '500 ms'");
}

void database_close(struct context *ctx)
{
	PQfinish(ctx->db);
	ctx->db = NULL;
}

enum result database_query(struct context *ctx, const char *sql,
			   const struct param *params, size_t n_params, PGresult **out)
{
	const char *values[PARAMS_MAX];
	int lengths[PARAMS_MAX], formats[PARAMS_MAX];

	*out = NULL;
	if (n_params > PARAMS_MAX)
		abort();
	for (size_t i = 0; i < n_params; i++) {
		values[i] = params[i].value;
		lengths[i] = (int)params[i].n;
		formats[i] = params[i].n > 0;
	}
	PGresult *answer = PQexecParams(ctx->db, sql, (int)n_params, NULL, values,
					lengths, formats, 0);
	ExecStatusType status = PQresultStatus(answer);
	if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
		*out = answer;
		return RESULT_OK;
	}
	enum result result = complain_of(ctx->db, answer);
	PQclear(answer);
	return result;
}

enum result database_run(struct context *ctx, const char *sql)
{
	PGresult *answer = PQexec(ctx->db, sql);
	ExecStatusType status = PQresultStatus(answer);
	enum result result = RESULT_OK;
	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
		result = complain_of(ctx->db, answer);
	PQclear(answer);
	return result;
}

enum result database_value(struct context *ctx, const char *sql,
			   const struct param *params, size_t n_params,
			   const char **out)
{
	PGresult *answer;
	enum result result = database_query(ctx, sql, params, n_params, &answer);

	*out = NULL;
	if (result != RESULT_OK)
		return result;
	if (PQntuples(answer) == 1 && !PQgetisnull(answer, 0, 0))
		*out = arena_string(ctx->arena, slice_of(PQgetvalue(answer, 0, 0)));
	PQclear(answer);
	return RESULT_OK;
}
