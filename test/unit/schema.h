/*
 * The schema of the product in a cluster of one unit test: the migrations as they stand
 * in provisioning/sql, applied by the superuser.
 */
#ifndef TEST_UNIT_SCHEMA_H
#define TEST_UNIT_SCHEMA_H

#include <libpq-fe.h>

#include "base/schema.h"
#include "test/unit/cluster.h"
#include "test/unit/test.h"

/** Run one or many commands; whether all were well. */
static inline bool schema_run(PGconn *pg, const char *sql)
{
	PGresult *result = PQexec(pg, sql);
	ExecStatusType status = PQresultStatus(result);
	bool ok = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ||
		  status == PGRES_EMPTY_QUERY;

	if (!ok)
		fprintf(stderr, "%.60s...: %s", sql, PQerrorMessage(pg));
	PQclear(result);
	return ok;
}

/** The first value of a query as text; static, good until the next call. */
static inline const char *schema_value(PGconn *pg, const char *sql)
{
	static char value[256];
	PGresult *result = PQexec(pg, sql);

	snprintf(value, sizeof(value), "%s",
		 PQntuples(result) > 0 ? PQgetvalue(result, 0, 0)
				       : PQresultErrorMessage(result));
	PQclear(result);
	return value;
}

/** Connect, once the cluster is there. Closed by the caller with PQfinish(). */
static inline PGconn *schema_connect(const struct cluster *cluster)
{
	PGconn *pg = PQconnectdb(cluster->dsn);

	for (int i = 0; i < 100 && PQstatus(pg) != CONNECTION_OK; i++) {
		usleep(50000);
		PQreset(pg);
	}
	return pg;
}

static inline bool schema_apply(PGconn *pg, const char *path)
{
	char *text = NULL;
	size_t size = 0;
	FILE *file = fopen(path, "r");
	bool ok = file && getdelim(&text, &size, '\0', file) > 0 &&
		  schema_run(pg, "begin") && schema_run(pg, text) &&
		  schema_run(pg, "commit");

	if (!ok)
		fprintf(stderr, "%s: was not applied\n", path);
	if (file)
		fclose(file);
	free(text);
	return ok;
}

/** All of it, into an empty database. */
static inline bool schema_make(PGconn *pg)
{
	char pattern[512];
	glob_t found = { 0 };

	snprintf(pattern, sizeof(pattern), "%s/provisioning/sql/roles.sql",
		 test_source_dir());
	bool ok = schema_apply(pg, pattern);
	snprintf(pattern, sizeof(pattern), "%s/provisioning/sql/[0-9]*.sql",
		 test_source_dir());
	ok = ok && glob(pattern, 0, NULL, &found) == 0;
	for (size_t i = 0; ok && i < found.gl_pathc; i++)
		ok = schema_apply(pg, found.gl_pathv[i]);
	globfree(&found);
	snprintf(pattern, sizeof(pattern),
		 "select provbox.schema_record('%d', sha256(''))", SCHEMA_VERSION);
	return ok && schema_run(pg, pattern);
}

#endif
