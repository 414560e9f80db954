#include "smsc/statements.h"

const struct db_statement statements[STATEMENT_N] = {
	[STATEMENT_LEASE] = { "smsc_lease",
			      "select notice, token, msisdn, sender, text, "
			      "encode(sealed, 'hex'), concat_ref, settled, validity, "
			      "extract(epoch from now())::bigint "
			      "from provbox.smsc_lease($1, $2::int, "
			      "$3::bigint * interval '1 millisecond')",
			      3 },
	[STATEMENT_PARTS] = { "smsc_parts",
			      "select is_ours from provbox.smsc_parts($1::bigint[], "
			      "$2::uuid[], $3::int[], $4::int[], $5::int[], "
			      "$6::uuid[])",
			      6 },
	[STATEMENT_RETRY] = { "smsc_retry",
			      "select provbox.smsc_retry($1::bigint, $2::uuid, $3, "
			      "$4::boolean)",
			      4 },
	[STATEMENT_UNACKED] = { "smsc_unacked", "select provbox.smsc_unacked($1)", 1 },
	[STATEMENT_UNREPORTED] = { "smsc_unreported",
				   "select uuid, left_ms from "
				   "provbox.smsc_unreported($1, $2::int)",
				   2 },
	[STATEMENT_NEWS] = { "smsc_news",
			     "select news from provbox.smsc_news($1, $2::int[], "
			     "$3::int[], $4, $5)",
			     5 },
	[STATEMENT_MO] = { "mo_receive",
			   "select outcome from provbox.mo_receive($1, $2, $3, $4, $5)",
			   5 },
};
