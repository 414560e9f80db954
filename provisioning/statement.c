#include "provisioning/statement.h"

/* The functions that take an epoch answer alike. */
#define ANSWER "select status, reason, etag, body, retry_s from provbox."

/* clang-format off */
const struct db_statement statements[STATEMENT_N] = {
	[STATEMENT_AUTHENTICATION_READ] = {
		"authentication_read",
		"select standing, epoch, outcome, reason "
		"from provbox.authentication_read($1, $2, $3, $4, $5)", 5, .is_short = true },
	[STATEMENT_SESSION_END] = {
		"session_end", "select provbox.session_end($1, $2, $3, $4, $5, $6)", 6 },
	[STATEMENT_CHANGES_READ] = {
		"changes_read", "select cursor, lines from provbox.changes_read($1, $2)", 2 },
	[STATEMENT_DEVICE_READ] = {
		"device_read", ANSWER "device_read($1, $2, $3)", 3, .is_short = true },
	[STATEMENT_CATALOGUE_READ] = {
		"catalogue_read", ANSWER "catalogue_read($1, $2, $3)", 3 },
	[STATEMENT_REQUEST_PUT] = {
		"request_put", ANSWER "request_put($1, $2, $3, $4, $5, $6)", 6 },
	[STATEMENT_REQUEST_READ] = {
		"request_read", ANSWER "request_read($1, $2, $3, $4, $5)", 5, .is_short = true },
	[STATEMENT_REQUEST_DELETE] = {
		"request_delete", ANSWER "request_delete($1, $2, $3, $4)", 4 },
	[STATEMENT_TERMS_READ] = {
		"terms_read", ANSWER "terms_read($1, $2, $3, $4)", 4, .is_short = true },
	[STATEMENT_ANSWER_PUT] = {
		"answer_put",
		ANSWER "answer_put($1, $2, $3, $4, $5, $6, $7, $8, $9)", 9 },
	[STATEMENT_ITEM_RESULT_PUT] = {
		"item_result_put",
		ANSWER "item_result_put($1, $2, $3, $4, $5, $6, $7, $8)", 8 },
	[STATEMENT_RETRANSMISSION_POST] = {
		"retransmission_post",
		ANSWER "retransmission_post($1, $2, $3, $4, $5, $6, $7)", 7 },
	[STATEMENT_CONTENT_OPEN] = {
		"content_open", ANSWER "content_open($1, $2, $3, $4)", 4 },
	[STATEMENT_CONTENT_CHUNK_READ] = {
		"content_chunk_read", "select provbox.content_chunk_read($1, $2)", 2,
		.is_binary = true },
	[STATEMENT_CONTENT_NEXT] = {
		"content_next", "select provbox.content_next($1)", 1 },
	[STATEMENT_FETCH_CHUNK_PUT] = {
		"fetch_chunk_put", "select provbox.fetch_chunk_put($1, $2, $3, $4, $5)", 5 },
	[STATEMENT_FETCH_CHUNK_READ] = {
		"fetch_chunk_read", "select provbox.fetch_chunk_read($1, $2, $3, $4)", 4,
		.is_binary = true },
	[STATEMENT_FETCH_END] = {
		"fetch_end", "select provbox.fetch_end($1, $2, $3)", 3 },
	[STATEMENT_ITEMS_SETTLE] = {
		"items_settle", "select provbox.items_settle()", 0 },
	[STATEMENT_STATUS_NOTICE] = {
		"status_notice", "select provbox.status_notice()", 0 },
	[STATEMENT_BILLING_FILE_CUT] = {
		"billing_file_cut", "select provbox.billing_file_cut()", 0 },
	[STATEMENT_OUTBOX_LEASE] = {
		"outbox_lease",
		"select id, kind, key, attempt, payload, token "
		"from provbox.outbox_lease($1, $2, $3, $4)", 4 },
	[STATEMENT_OUTBOX_DONE] = {
		"outbox_done", "select provbox.outbox_done($1, $2)", 2 },
	[STATEMENT_OUTBOX_RETRY] = {
		"outbox_retry", "select provbox.outbox_retry($1, $2, $3, $4)", 4 },
	[STATEMENT_VERIFICATION_RESULT] = {
		"verification_result",
		"select provbox.verification_result($1, $2, $3, $4)", 4 },
	[STATEMENT_REQUESTS_EXPIRE] = {
		"requests_expire", "select provbox.requests_expire($1)", 1 },
	[STATEMENT_CONTROL_FORGET] = {
		"control_forget", "select provbox.control_forget($1)", 1 },
	[STATEMENT_QUEUE_READ] = {
		"queue_read",
		"select kind, due, dead, greatest(oldest_s, 0)::bigint from provbox.queue_read()",
		0 },
};
/* clang-format on */
