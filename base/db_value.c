#include "base/db.h"

#include "base/log.h"

struct db_param db_slice(struct slice s)
{
	BUG_ON(s.n > INT32_MAX);
	return (struct db_param){ .p = s.p ? s.p : "", .n = (int)s.n };
}

struct db_param db_text(const char *s)
{
	return s ? db_slice(slice_of(s)) : db_null();
}

struct db_param db_bytes(const void *p, size_t n)
{
	struct db_param param = db_slice(slice_make(p, n));
	param.is_binary = true;
	return param;
}

struct db_param db_null(void)
{
	return (struct db_param){ .p = NULL };
}

struct slice db_value(const PGresult *result, int row, int column)
{
	if (PQgetisnull(result, row, column))
		return slice_make(NULL, 0);
	return slice_make(PQgetvalue(result, row, column),
			  (size_t)PQgetlength(result, row, column));
}
