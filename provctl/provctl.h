/*
 * provctl, the operator's command line. A command is one row of the table in
 * commands.c: its words, the options it takes, and either a query whose rows are
 * printed or a function. Everything about devices, catalogues and requests happens in
 * the functions of the schema (doc/database.md), as the role provbox_operator.
 */
#ifndef PROVCTL_PROVCTL_H
#define PROVCTL_PROVCTL_H

#include "base/arena.h"

/** Exit codes. Functions of commands return one of them. */
enum result {
	RESULT_OK = 0,
	RESULT_FAILED = 1,
	RESULT_USAGE = 2,
	RESULT_UNAVAILABLE = 69, /* a dependency is down (EX_UNAVAILABLE) */
	RESULT_CONFIG = 78,      /* the configuration is wrong (EX_CONFIG) */
};

enum option_id {
	OPTION_HELP,
	OPTION_HELP_CONFIG,
	OPTION_VERSION,
	OPTION_DESCRIBE,
	OPTION_JSON,
	OPTION_DSN,
	OPTION_CONFIG,
	OPTION_SQL_DIR,
	OPTION_DEV,
	OPTION_STATE,
	OPTION_REASON,
	OPTION_REQUEST,
	OPTION_LIMIT,
	OPTION_FOLLOW,
	OPTION_WATCH,
	OPTION_NUMBER,
	OPTION_CANCEL,
	OPTION_YES,
	OPTION_SERVER,
	OPTION_SMSC,
	OPTION_GATEWAY,
	OPTION_KANNEL,
	OPTION_N,
};

#define OPTION(id) (1U << OPTION_##id)

/** What a command is given. Everything in it is borrowed for the run of the program. */
struct context {
	const struct command *command;
	const char *options[OPTION_N]; /* NULL: not given; "" for one without a value */
	const char *words[3]; /* after the command's own words; NULL past the end */
	size_t n_words;
	const char *noun;          /* first word of all; NULL: none */
	const char *dsn;           /* of the operator */
	const char *admin_dsn;     /* of an administrator, for `db` */
	const char *sql_dir;       /* folder of the migrations */
	const char *seal_key_file; /* NULL: none is configured */
	struct arena *arena;
	struct pg_conn *db; /* NULL before database_open() */
};

struct command {
	const char *words;     /* "device show" */
	const char *arguments; /* "DEV"; NULL: none */
	const char *help;
	const char *example; /* a whole command line, which a test runs */
	size_t min_words, max_words;
	unsigned int options;   /* bits of OPTION(), besides those that all take */
	bool is_administrators; /* needs an administrator of PostgreSQL */
	bool is_filter;    /* the query's only parameter is the filter of the options */
	bool is_silent;    /* the query has no rows to print */
	const char *query; /* its parameters are the words; NULL: see run */
	const char *missing; /* what is said when its first word finds no row */
	enum result (*run)(struct context *ctx);
};

extern const struct command commands[];
extern const size_t n_commands;

/** Write "provctl: ..." and a line feed to stderr. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Commands with a function of their own. */
enum result db_init(struct context *ctx);
enum result db_upgrade(struct context *ctx);
enum result db_status(struct context *ctx);
enum result device_import(struct context *ctx);
enum result device_show(struct context *ctx);
enum result device_block(struct context *ctx);
enum result device_unblock(struct context *ctx);
enum result device_limit(struct context *ctx);
enum result device_trust(struct context *ctx);
enum result device_trace(struct context *ctx);
enum result catalogue_load(struct context *ctx);
enum result request_show(struct context *ctx);
enum result request_cancel(struct context *ctx);
enum result request_retry(struct context *ctx);
enum result doctor(struct context *ctx);
enum result outbox_retry(struct context *ctx);
enum result outbox_drop(struct context *ctx);
enum result notice_send(struct context *ctx);
enum result notice_show(struct context *ctx);
enum result notice_resend(struct context *ctx);
enum result number_stop(struct context *ctx);
enum result number_allow(struct context *ctx);
enum result user_export(struct context *ctx);
enum result user_erase(struct context *ctx);

#endif
