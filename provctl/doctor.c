#include "provctl/doctor.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "provctl/database.h"
#include "provctl/migrate.h"
#include "provctl/paint.h"
#include "provctl/plain.h"
#include "provctl/rows.h"

#define SKEW_S    1.0
#define ANSWER_MS "10000" /* of one question; a lock may be in its way */

static const char *const verdicts[VERDICT_N] = { "ok", "warn", "fail" };

void doctor_found(struct doctor *doctor, const char *name, enum verdict verdict,
		  const char *found, const char *fix)
{
	doctor->n[verdict]++;
	json_array_append_new(doctor->findings,
			      json_pack("{ss ss ss ss ss?}", "looks_at",
					doctor->looks_at, "name", name, "verdict",
					verdicts[verdict], "found", found, "fix", fix));
}

/* ---- The database ---- */

static double seconds_now(void)
{
	struct timeval now;

	gettimeofday(&now, NULL);
	return (double)now.tv_sec + (double)now.tv_usec / 1e6;
}

static void check_clock(struct doctor *doctor)
{
	struct context *ctx = doctor->ctx;
	const char *text;
	double before = seconds_now();

	if (database_value(ctx, "select extract(epoch from clock_timestamp())::text",
			   NULL, 0, &text) != RESULT_OK)
		return;
	double skew = strtod(text, NULL) - (before + seconds_now()) / 2;
	const char *found = arena_printf(
		ctx->arena, "the database's is %.3f s %s", fabs(skew),
		skew < 0 ? "behind that of this machine" : "ahead of this machine's");
	doctor_found(doctor, "clock", fabs(skew) > SKEW_S ? VERDICT_WARN : VERDICT_OK,
		     found,
		     fabs(skew) > SKEW_S
			     ? "set both by NTP; systemctl status systemd-timesyncd"
			     : NULL);
}

static void check_schema(struct doctor *doctor)
{
	static const char *const problems[] = {
		[MIGRATION_PENDING] = "is not applied",
		[MIGRATION_CHANGED] = "was applied with other content",
	};
	static const char *const fixes[] = {
		[MIGRATION_PENDING] = "provctl db upgrade",
		[MIGRATION_CHANGED] = "provctl db status; install the files of the "
				      "version that the database has",
	};
	struct context *ctx = doctor->ctx;
	struct migrations migrations;
	size_t n_good = 0;

	if (!migrate_list(ctx->arena, ctx->sql_dir, &migrations)) {
		doctor_found(
			doctor, "schema", VERDICT_FAIL, "the migrations cannot be read",
			"name their folder: --sql-dir, or sql_dir of provctl.conf");
		return;
	}
	if (migrate_compare(ctx, &migrations) != RESULT_OK)
		return;
	for (size_t i = 0; i < migrations.n; i++) {
		const struct migration *m = &migrations.items[i];
		if (m->state == MIGRATION_APPLIED)
			n_good++;
		else
			doctor_found(doctor, m->name, VERDICT_FAIL, problems[m->state],
				     fixes[m->state]);
	}
	if (n_good == migrations.n)
		doctor_found(doctor, "schema", VERDICT_OK,
			     arena_printf(ctx->arena, "all %zu migrations are applied",
					  n_good),
			     NULL);
}

static void check_role_of_ours(struct doctor *doctor)
{
	const char *role;

	if (database_value(doctor->ctx, "select current_user", NULL, 0, &role) !=
	    RESULT_OK)
		return;
	bool is_operator = strcmp(role, "provbox_operator") == 0;
	doctor_found(doctor, "dsn", is_operator ? VERDICT_OK : VERDICT_WARN,
		     arena_printf(doctor->ctx->arena, "provctl is %s", role),
		     is_operator ? NULL
				 : "name user=provbox_operator in dsn of provctl.conf");
}

/* What the files say that settings must fit, as doctor_settings() wants it. */
static const char *describe_site(struct doctor *doctor)
{
	static const char *const keys[] = { "verification_url", "billing_url",
					    "billing_folder", "mail_url", "hook_url" };
	json_t *site = json_object();
	int n_bearerboxes = 0;
	struct slice value, rest;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		rest = doctor->server.dump;
		if (doctor_next_value(&rest, keys[i], &value))
			json_object_set_new(site, keys[i],
					    json_stringn(value.p, value.n));
	}
	for (rest = doctor->smsc.dump; doctor_next_value(&rest, "address", &value);)
		n_bearerboxes++;
	json_object_set_new(site, "bearerboxes", json_integer(n_bearerboxes));
	char *dumped = json_dumps(site, 0);
	const char *text = arena_string(doctor->ctx->arena, slice_of(dumped));
	free(dumped);
	json_decref(site);
	return text;
}

static enum verdict verdict_of(const char *name)
{
	for (enum verdict v = VERDICT_OK; v < VERDICT_N; v++)
		if (strcmp(name, verdicts[v]) == 0)
			return v;
	return VERDICT_FAIL;
}

static void check_inside(struct doctor *doctor)
{
	PGresult *rows;

	if (database_query(doctor->ctx,
			   "select looks_at, name, verdict, found, fix"
			   " from provbox.doctor_read($1)",
			   PARAMS(TEXT(describe_site(doctor))), &rows) != RESULT_OK)
		return;
	for (int i = 0; i < PQntuples(rows); i++) {
		doctor->looks_at = PQgetvalue(rows, i, 0);
		doctor_found(doctor, PQgetvalue(rows, i, 1),
			     verdict_of(PQgetvalue(rows, i, 2)), PQgetvalue(rows, i, 3),
			     PQgetisnull(rows, i, 4) ? NULL : PQgetvalue(rows, i, 4));
	}
	PQclear(rows);
}

/* ---- All of it ---- */

/* A check that asks the database ends without a finding where it had no answer. */
static const struct {
	const char *looks_at;
	void (*run)(struct doctor *doctor);
	bool asks_database;
} checks[] = {
	{ "configuration", doctor_check_daemons, false },
	{ "clock", check_clock, true },
	{ "schema", check_schema, true },
	{ "rights", check_role_of_ours, true },
	{ "inside", check_inside, true }, /* says itself what it looks at */
	{ "bearerbox", doctor_check_bearerbox, false },
	{ "kannel", doctor_check_kannel, false },
};

static void run_check(struct doctor *doctor, size_t i)
{
	size_t n_before = json_array_size(doctor->findings);

	doctor->looks_at = checks[i].looks_at;
	if (!checks[i].asks_database) {
		checks[i].run(doctor);
		return;
	}
	if (!doctor->ctx->db) {
		doctor_found(doctor, "database", VERDICT_WARN,
			     "not looked at: the database cannot be reached",
			     "mend that first, then provctl doctor");
		return;
	}
	checks[i].run(doctor);
	if (json_array_size(doctor->findings) == n_before)
		doctor_found(
			doctor, "database", VERDICT_FAIL,
			"not looked at: the database gave no answer; see above",
			"provctl db status; mend what it says, then provctl doctor");
}

static void print(const struct doctor *doctor)
{
	size_t i;
	json_t *row;

	json_array_foreach (doctor->findings, i, row) {
		const char *parts[4];
		static const char *const names[] = { "verdict", "looks_at", "name",
						     "found" };
		for (size_t j = 0; j < 4; j++) {
			char *part =
				arena_string(doctor->ctx->arena,
					     slice_of(json_string_value(
						     json_object_get(row, names[j]))));
			plain(part);
			parts[j] = part;
		}
		const char *colour = paint_word(parts[0]);
		printf("%s%-4s%s  %-13s  %s: %s\n", colour, parts[0], paint_end(colour),
		       parts[1], parts[2], parts[3]);
		const char *fix = json_string_value(json_object_get(row, "fix"));
		if (fix)
			printf("      %-13s  > %s\n", "", fix);
	}
	printf("%zu good, %zu warnings, %zu failures\n", doctor->n[VERDICT_OK],
	       doctor->n[VERDICT_WARN], doctor->n[VERDICT_FAIL]);
}

/* The file that an option names, or where it is usually, if it is there. */
static const char *path_of(const struct context *ctx, enum option_id option,
			   const char *usual)
{
	if (ctx->options[option])
		return ctx->options[option];
	return usual && access(usual, F_OK) == 0 ? usual : NULL;
}

enum result doctor(struct context *ctx)
{
	struct doctor doctor = {
		.ctx = ctx,
		.server = { "provbox-server",
			    path_of(ctx, OPTION_SERVER,
				    PROVBOX_SYSCONFDIR "/server.conf"),
			    SLICE("") },
		.smsc = { "provbox-smsc",
			  path_of(ctx, OPTION_SMSC, PROVBOX_SYSCONFDIR "/smsc.conf"),
			  SLICE("") },
		.gateway = { "provbox-gateway",
			     path_of(ctx, OPTION_GATEWAY,
				     PROVBOX_SYSCONFDIR "/gateway.conf"),
			     SLICE("") },
		.kannel = path_of(ctx, OPTION_KANNEL, NULL),
		.findings = json_array(),
		.looks_at = "database",
	};
	enum result result = database_open(ctx, ctx->dsn, NULL);

	if (result == RESULT_OK)
		result = database_run(ctx, "set statement_timeout = " ANSWER_MS);
	if (result == RESULT_OK) {
		doctor_found(&doctor, "dsn", VERDICT_OK, "the database answers", NULL);
	} else {
		database_close(ctx);
		doctor_found(&doctor, "dsn", VERDICT_FAIL,
			     "the database cannot be reached; see above",
			     "start PostgreSQL, or mend dsn of provctl.conf");
	}
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		run_check(&doctor, i);
	if (ctx->options[OPTION_JSON])
		rows_print(json_incref(doctor.findings));
	else
		print(&doctor);
	json_decref(doctor.findings);
	if (result != RESULT_OK)
		return result;
	return doctor.n[VERDICT_FAIL] > 0 ? RESULT_FAILED : RESULT_OK;
}
