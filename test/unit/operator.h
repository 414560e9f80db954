/*
 * What a module of provctl says, for one unit test: complaints and stdout kept instead
 * of shown. And rows as PostgreSQL gives them, without PostgreSQL.
 */
#ifndef TEST_UNIT_OPERATOR_H
#define TEST_UNIT_OPERATOR_H

#include <stdarg.h>
#include <string.h>

#include <libpq-fe.h>

#include "provctl/provctl.h"
#include "test/unit/caught.h"
#include "test/unit/test.h"

static char complaints[4096]; /* a line for each since complaints_clear() */

static inline void complaints_clear(void)
{
	complaints[0] = '\0';
}

void complain(const char *format, ...)
{
	size_t n = strlen(complaints);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(complaints + n, sizeof(complaints) - n, format, arguments);
	va_end(arguments);
	strncat(complaints, "\n", sizeof(complaints) - 1 - strlen(complaints));
}

struct column {
	const char *name;
	Oid type;
};

#define ROW_COLUMNS_MAX 8

/** Rows of texts; NULL in a row is SQL NULL. PQclear() frees them. */
static inline PGresult *rows_make(const struct column *columns, int n_columns,
				  const char *const (*rows)[ROW_COLUMNS_MAX],
				  int n_rows)
{
	PGresult *made = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	PGresAttDesc described[ROW_COLUMNS_MAX];

	memset(described, 0, sizeof(described));
	for (int i = 0; i < n_columns; i++) {
		described[i].name = (char *)(uintptr_t)columns[i].name;
		described[i].typid = columns[i].type;
	}
	CU_ASSERT_FATAL(PQsetResultAttrs(made, n_columns, described) == 1);
	for (int row = 0; row < n_rows; row++)
		for (int i = 0; i < n_columns; i++) {
			char *value = (char *)(uintptr_t)rows[row][i];
			CU_ASSERT_FATAL(PQsetvalue(made, row, i, value,
						   value ? (int)strlen(value) : -1) ==
					1);
		}
	return made;
}

#endif
