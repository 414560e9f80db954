/* Types of columns, from PostgreSQL's catalogue pg_type; these numbers do not change.
 */
#ifndef PROVCTL_PG_TYPE_H
#define PROVCTL_PG_TYPE_H

enum pg_type {
	PG_BOOL = 16,
	PG_INT8 = 20,
	PG_INT4 = 23,
	PG_FLOAT8 = 701,
	PG_TEXT_ARRAY = 1009,
	PG_TIMESTAMPTZ = 1184,
	PG_JSONB = 3802,
};

#endif
