#include "provisioning/server_metrics.h"

/* clang-format off */
#define COUNTER(name, label, help) { name, label, METRIC_COUNTER, help }
#define GAUGE(name, label, help)   { name, label, METRIC_GAUGE, help }

#define ANSWERS(class) \
	COUNTER("provbox_server_answers_total", "class=\"" class "\"", \
		"Requests answered, by class of status.")
#define GRANTS(reason) \
	COUNTER("provbox_server_grants_refused_total", "reason=\"" reason "\"", \
		"Requests refused for their grant.")
#define AUTHENTICATIONS(outcome) \
	COUNTER("provbox_server_authentications_total", "outcome=\"" outcome "\"", \
		"Authentication requests answered, by outcome.")
#define DATABASE(status) \
	COUNTER("provbox_server_database_failures_total", "kind=\"" status "\"", \
		"Database calls that brought no result.")
#define EFFECT(kind, outcome) \
	COUNTER("provbox_server_effects_total", \
		"kind=\"" kind "\",outcome=\"" outcome "\"", \
		"Attempts of the courier, and what it gave up.")
#define EFFECTS(kind, first) \
	[first] = EFFECT(kind, "done"), \
	[first + 1] = EFFECT(kind, "failed"), \
	[first + 2] = EFFECT(kind, "dead")

#define QUEUE(kind, state) \
	GAUGE("provbox_server_outbox", \
		"kind=\"" kind "\",state=\"" state "\"", \
		"Effects in the outbox, as each courier last counted them.")
#define OUTBOX(kind, first) \
	[first] = QUEUE(kind, "due"), \
	[first + 1] = QUEUE(kind, "dead")

#define OLDEST(kind) \
	GAUGE("provbox_server_outbox_oldest_seconds", "kind=\"" kind "\"", \
		"Age of the oldest effect that is due; 0 when none is.")

const struct metric server_metrics[SERVER_N_METRICS] = {
	[SERVER_LINKS_OPEN] = GAUGE("provbox_server_links", NULL,
		"Landnet connections open now."),
	[SERVER_LINKS_ACCEPTED] = COUNTER("provbox_server_links_total", NULL,
		"Landnet connections accepted."),
	[SERVER_ACCEPT_HELD] = COUNTER("provbox_server_accept_held_total", NULL,
		"Times that a worker had its limit of connections or handshakes."),
	[SERVER_HANDSHAKES_FAILED] = COUNTER("provbox_server_handshakes_failed_total",
		NULL, "Landnet connections that ended before they were verified."),
	[SERVER_GATEWAYS_UNKNOWN] = COUNTER("provbox_server_gateways_unknown_total",
		NULL, "Landnet connections of gateways that are not configured."),
	[SERVER_ANSWERS_1XX] = ANSWERS("1xx"),
	[SERVER_ANSWERS_2XX] = ANSWERS("2xx"),
	[SERVER_ANSWERS_3XX] = ANSWERS("3xx"),
	[SERVER_ANSWERS_4XX] = ANSWERS("4xx"),
	[SERVER_ANSWERS_5XX] = ANSWERS("5xx"),
	[SERVER_REQUESTS_CUT] = COUNTER("provbox_server_requests_cut_total", NULL,
		"Requests whose connection ended before the answer was sent."),
	[SERVER_GRANTS_INVALID] = GRANTS("grant_invalid"),
	[SERVER_GRANTS_EXPIRED] = GRANTS("grant_expired"),
	[SERVER_GRANTS_EPOCH] = GRANTS("grant_epoch"),
	[SERVER_GRANTS_UNEXPECTED] = GRANTS("grant_unexpected"),
	[SERVER_EXCHANGES_MISMATCHED] = COUNTER("provbox_server_exchange_mismatches_total",
		NULL, "Requests refused for their number on the connection."),
	[SERVER_AUTHENTICATED] = AUTHENTICATIONS("granted"),
	[SERVER_AUTHENTICATION_UNKNOWN] = AUTHENTICATIONS("device_unknown"),
	[SERVER_AUTHENTICATION_BLOCKED] = AUTHENTICATIONS("device_blocked"),
	[SERVER_AUTHENTICATION_MISMATCH] = AUTHENTICATIONS("credential_mismatch"),
	[SERVER_AUTHENTICATION_CLONE] = AUTHENTICATIONS("device_clone"),
	[SERVER_PROOFS] = COUNTER("provbox_server_proofs_total", NULL,
		"Proofs made by the zone."),
	[SERVER_PROOFS_FAILED] = COUNTER("provbox_server_proofs_failed_total", NULL,
		"Proofs that the zone refused or did not make in time."),
	[SERVER_CONTROL_STREAMS] = GAUGE("provbox_server_control_streams", NULL,
		"Control streams open now."),
	[SERVER_CONTROL_FAILURES] = COUNTER("provbox_server_control_failures_total",
		NULL, "Times that the changes could not be read and all streams ended."),
	[SERVER_CONTROL_SLOW] = COUNTER("provbox_server_control_slow_total", NULL,
		"Control streams cut because their gateway did not read."),
	[SERVER_CONTENT_BYTES] = COUNTER("provbox_server_content_bytes_total", NULL,
		"Bytes of content handed to connections."),
	[SERVER_DATABASE_CALLS] = COUNTER("provbox_server_database_calls_total", NULL,
		"Database calls made."),
	[SERVER_DATABASE_UNAVAILABLE] = DATABASE("unavailable"),
	[SERVER_DATABASE_TIMEOUTS] = DATABASE("timeout"),
	[SERVER_DATABASE_FAILURES] = DATABASE("failed"),
	[SERVER_DATABASE_UP] = GAUGE("provbox_server_database_up", NULL,
		"Processes that have a database connection."),
	EFFECTS("billing", SERVER_BILLING_DONE),
	EFFECTS("file", SERVER_FILE_DONE),
	EFFECTS("fetch", SERVER_FETCH_DONE),
	EFFECTS("mail", SERVER_MAIL_DONE),
	EFFECTS("hook", SERVER_HOOK_DONE),
	EFFECTS("verify", SERVER_VERIFICATION_DONE),
	[SERVER_REQUESTS_EXPIRED] = COUNTER("provbox_server_requests_expired_total", NULL,
		"Requests not verified, or terms not answered, in time."),
	OUTBOX("sms", SERVER_OUTBOX_SMS_DUE),
	OUTBOX("mail", SERVER_OUTBOX_MAIL_DUE),
	OUTBOX("billing", SERVER_OUTBOX_BILLING_DUE),
	OUTBOX("file", SERVER_OUTBOX_FILE_DUE),
	OUTBOX("service", SERVER_OUTBOX_SERVICE_DUE),
	OUTBOX("verify", SERVER_OUTBOX_VERIFY_DUE),
	OUTBOX("fetch", SERVER_OUTBOX_FETCH_DUE),
	OUTBOX("hook", SERVER_OUTBOX_HOOK_DUE),
	[SERVER_OUTBOX_SMS_OLDEST] = OLDEST("sms"),
	[SERVER_OUTBOX_MAIL_OLDEST] = OLDEST("mail"),
	[SERVER_OUTBOX_BILLING_OLDEST] = OLDEST("billing"),
	[SERVER_OUTBOX_FILE_OLDEST] = OLDEST("file"),
	[SERVER_OUTBOX_SERVICE_OLDEST] = OLDEST("service"),
	[SERVER_OUTBOX_VERIFY_OLDEST] = OLDEST("verify"),
	[SERVER_OUTBOX_FETCH_OLDEST] = OLDEST("fetch"),
	[SERVER_OUTBOX_HOOK_OLDEST] = OLDEST("hook"),
};
/* clang-format on */

void server_metrics_database(enum db_status status)
{
	static const enum server_metric failures[] = {
		[DB_UNAVAILABLE] = SERVER_DATABASE_UNAVAILABLE,
		[DB_TIMEOUT] = SERVER_DATABASE_TIMEOUTS,
		[DB_FAILED] = SERVER_DATABASE_FAILURES,
	};
	if (status != DB_OK)
		metrics_add(failures[status], 1);
}
