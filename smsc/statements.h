/*
 * The SQL that provbox-smsc may use: functions of doc/database.md, section "SMSC
 * link". A statement is its index in the table.
 */
#ifndef SMSC_STATEMENTS_H
#define SMSC_STATEMENTS_H

#include "base/db.h"

enum statement {
	STATEMENT_LEASE,
	STATEMENT_PARTS,
	STATEMENT_RETRY,
	STATEMENT_UNACKED,
	STATEMENT_UNREPORTED,
	STATEMENT_NEWS,
	STATEMENT_MO,
	STATEMENT_N,
};

/** Columns of STATEMENT_LEASE. */
enum lease_column {
	LEASE_NOTICE,
	LEASE_TOKEN,
	LEASE_MSISDN,
	LEASE_SENDER,
	LEASE_TEXT,
	LEASE_SEALED, /* hex; empty: the text is not sealed */
	LEASE_CONCAT_REF,
	LEASE_SETTLED,
	LEASE_VALIDITY, /* seconds */
	LEASE_NOW,      /* seconds since 1970, by the clock of the database */
};

/** Columns of STATEMENT_UNREPORTED. */
enum unreported_column {
	UNREPORTED_UUID,
	UNREPORTED_LEFT_MS,
};

extern const struct db_statement statements[STATEMENT_N];

#endif
