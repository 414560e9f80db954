#include "provctl/database.h"

#include <stdlib.h>

#include "base/dsn.h"

#define KEYWORDS_MAX 64
#define PARAMS_MAX   8
#define CONNECT_S    "10"
#define OPERATOR     "provbox_operator"

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

/* What a connection fails by, in PostgreSQL's English, and what to do about it. */
static const struct trouble {
	const char *said;
	bool is_who; /* who connects is not let in as whom the DSN names */
	const char *advice;
} troubles[] = {
	{ "Peer authentication failed", true,
	  "pg_ident.conf has to map your system user to this role (doc/database.md); "
	  "or "
	  "type this as a user that is mapped" },
	{ "no pg_hba.conf entry", true,
	  "pg_hba.conf has to let this role in from here (doc/database.md), then "
	  "systemctl reload postgresql" },
	{ "password", true,
	  "name a file with the password, mode 0600, in the DSN: passfile=/path; its "
	  "lines are host:port:database:role:password" },
	{ "role \"", true, "this role is not there: provctl db init makes ours" },
	{ "database \"", false,
	  "this database is not there: provctl db init makes it" },
	{ "No such file or directory", false,
	  "is PostgreSQL running, and is host= the folder of its socket? see "
	  "pg_lsclusters" },
	{ "Connection refused", false,
	  "is PostgreSQL running, and are host and port right? see pg_lsclusters" },
	{ "timeout expired", false,
	  "are host and port right, and does no firewall hold it up?" },
};

static void advise(const struct context *ctx, const struct trouble *trouble)
{
	if (trouble->is_who && ctx->command && ctx->command->is_administrators)
		complain("this is for an administrator of PostgreSQL, on Debian: "
			 "runuser "
			 "-u postgres -- provctl %s --dsn 'host=/run/postgresql "
			 "dbname=provbox user=postgres'",
			 ctx->command->words);
	else if (trouble->is_who && strcmp(PQuser(ctx->db), OPERATOR) != 0)
		complain("provctl works as the role " OPERATOR ": put user=" OPERATOR
			 " into the DSN");
	else
		complain("%s", trouble->advice);
}

static enum result complain_of_connection(const struct context *ctx, const char *dsn)
{
	const char *why = PQerrorMessage(ctx->db);

	complain("%.*s", (int)strcspn(why, "\n"), why);
	for (size_t i = 0; i < sizeof(troubles) / sizeof(troubles[0]); i++) {
		if (!strstr(why, troubles[i].said))
			continue;
		advise(ctx, &troubles[i]);
		break;
	}
	complain("the DSN was \"%s\"; name another in the configuration (-c FILE) or "
		 "with --dsn",
		 dsn);
	return RESULT_UNAVAILABLE;
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
	if (PQstatus(ctx->db) != CONNECTION_OK)
		return complain_of_connection(ctx, dsn);
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
