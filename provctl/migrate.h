/*
 * The migrations of a folder, `NNN_name.sql`, and which of them a database has.
 */
#ifndef PROVCTL_MIGRATE_H
#define PROVCTL_MIGRATE_H

#include "base/codec.h"
#include "provctl/database.h"

#define MIGRATIONS_MAX 999

enum migration_state {
	MIGRATION_PENDING,
	MIGRATION_APPLIED,
	MIGRATION_CHANGED, /* applied with other content than the file has */
};

struct migration {
	const char *name, *path;
	uint64_t version;
	char sha256[2 * SHA256_BYTES + 1];
	enum migration_state state;
	const char *applied_at; /* NULL when pending */
};

struct migrations {
	struct migration *items;
	size_t n;
};

/** Read the names and digests of a folder, in order. False after a complaint. */
bool migrate_list(struct arena *arena, const char *sql_dir, struct migrations *out);
/** Learn the states from the open database; none applied when it has no schema. */
enum result migrate_compare(struct context *ctx, struct migrations *migrations);
/** Apply what is pending, each in a transaction of its own. */
enum result migrate_apply(struct context *ctx, const struct migrations *migrations);

#endif
