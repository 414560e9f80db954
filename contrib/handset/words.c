#include "contrib/handset/words.h"

static const struct {
	const char *name;
	int exit_status;
} outcomes[OUTCOME_N] = {
	[OUTCOME_DONE] = { "done", 0 },
	[OUTCOME_FAILED] = { "failed", 1 },
	[OUTCOME_USAGE] = { "usage", 2 },
	[OUTCOME_DECLINED] = { "declined", 10 },
	[OUTCOME_REFUSED] = { "refused", 11 },
	[OUTCOME_NOT_INSTALLED] = { "not_installed", 12 },
	[OUTCOME_EXPIRED] = { "expired", 13 },
	[OUTCOME_DEVICE_UNKNOWN] = { "device_unknown", 14 },
	[OUTCOME_DEVICE_BLOCKED] = { "device_blocked", 15 },
	[OUTCOME_LIMITED] = { "limited", 16 },
	[OUTCOME_NOT_AUTHENTICATED] = { "not_authenticated", 17 },
	[OUTCOME_NOT_PROVEN] = { "not_proven", 18 },
	[OUTCOME_STOPPED] = { "stopped", 19 },
	[OUTCOME_SCRIPT] = { "script", 20 },
	[OUTCOME_UNREACHABLE] = { "unreachable", 69 },
	[OUTCOME_CONFIG] = { "config", 78 },
};

#define GATEWAY_UNTRUSTED                                                          \
	"The network's gateway could not show that it is genuine, so nothing was " \
	"sent. "
#define NOT_ACCEPTED "The network did not accept this phone's identity. "
#define NOT_PROVEN                                                                \
	"The provisioning server could not prove that it is genuine, so nothing " \
	"about "                                                                  \
	"you was sent. "
#define LATER  "Please try again later."
#define CARE   "Please contact customer care."
#define FAULTY "This is a fault of the network. " LATER

/* Sorted by who finds the reason. */
static const struct row {
	const char *reason;
	enum outcome outcome;
	const char *sentence;
} rows[] = {
	/* the handset itself */
	{ "none", OUTCOME_DONE, "Everything is in place." },
	{ "user_stopped", OUTCOME_STOPPED,
	  "You switched off before it was finished. It "
	  "goes on when you switch on again." },
	{ "script_failed", OUTCOME_SCRIPT, "The script expected something else." },
	{ "state_limit", OUTCOME_UNREACHABLE, "The network took too long. " LATER },
	{ "answer_malformed", OUTCOME_FAILED,
	  "The network's answer could not be understood. " CARE },
	{ "answer_too_large", OUTCOME_FAILED,
	  "The network's answer could not be understood. " CARE },
	{ "status_unexpected", OUTCOME_FAILED,
	  "The network's answer could not be understood. " CARE },
	{ "storage_failed", OUTCOME_FAILED, "This phone's storage cannot be written." },
	{ "other_server", OUTCOME_FAILED,
	  "This feature comes from another provisioning server." },

	/* the way to the gateway */
	{ "connect_failed", OUTCOME_UNREACHABLE,
	  "No coverage: the network's gateway "
	  "cannot be reached. " LATER },
	{ "reset", OUTCOME_UNREACHABLE, "The connection was lost. " LATER },
	{ "truncated", OUTCOME_UNREACHABLE, "The connection was lost. " LATER },
	{ "closed", OUTCOME_UNREACHABLE, "The network ended the connection. " LATER },
	{ "surplus_bytes", OUTCOME_UNREACHABLE, FAULTY },
	{ "eof", OUTCOME_UNREACHABLE, "The network ended the connection. " LATER },
	{ "system", OUTCOME_FAILED, "This phone is out of memory." },
	{ "handshake_timeout", OUTCOME_UNREACHABLE,
	  "The network's gateway does not answer. " LATER },
	{ "write_timeout", OUTCOME_UNREACHABLE, "The connection is too slow. " LATER },
	{ "head_timeout", OUTCOME_UNREACHABLE, "The network does not answer. " LATER },
	{ "body_timeout", OUTCOME_UNREACHABLE, "The connection is too slow. " LATER },
	{ "idle_timeout", OUTCOME_UNREACHABLE, "The connection was lost. " LATER },

	/* TLS between gateway and device */
	{ "tls_protocol", OUTCOME_NOT_AUTHENTICATED,
	  "What answers there is no gateway of this network. " CARE },
	{ "certificate_missing", OUTCOME_NOT_AUTHENTICATED, GATEWAY_UNTRUSTED CARE },
	{ "certificate_unknown_ca", OUTCOME_NOT_AUTHENTICATED, GATEWAY_UNTRUSTED CARE },
	{ "certificate_expired", OUTCOME_NOT_AUTHENTICATED, GATEWAY_UNTRUSTED CARE },
	{ "certificate_not_yet_valid", OUTCOME_NOT_AUTHENTICATED,
	  GATEWAY_UNTRUSTED "Is this phone's date right?" },
	{ "certificate_revoked", OUTCOME_NOT_AUTHENTICATED, GATEWAY_UNTRUSTED CARE },
	{ "crl_stale", OUTCOME_NOT_AUTHENTICATED, GATEWAY_UNTRUSTED CARE },
	{ "certificate_wrong_purpose", OUTCOME_NOT_AUTHENTICATED,
	  GATEWAY_UNTRUSTED CARE },
	{ "certificate_wrong_name", OUTCOME_NOT_AUTHENTICATED, GATEWAY_UNTRUSTED CARE },
	{ "certificate_chain", OUTCOME_NOT_AUTHENTICATED, GATEWAY_UNTRUSTED CARE },
	{ "tls_weak", OUTCOME_NOT_AUTHENTICATED, GATEWAY_UNTRUSTED CARE },
	{ "tls_alert", OUTCOME_NOT_AUTHENTICATED, NOT_ACCEPTED CARE },
	{ "key_unavailable", OUTCOME_FAILED, "This phone cannot use its key. " CARE },

	/* who may come in */
	{ "authentication_failed", OUTCOME_NOT_AUTHENTICATED, NOT_ACCEPTED CARE },
	{ "identifier_missing", OUTCOME_NOT_AUTHENTICATED, NOT_ACCEPTED CARE },
	{ "identifier_ambiguous", OUTCOME_NOT_AUTHENTICATED, NOT_ACCEPTED CARE },
	{ "identifier_malformed", OUTCOME_NOT_AUTHENTICATED, NOT_ACCEPTED CARE },
	{ "identifier_not_allowed", OUTCOME_NOT_AUTHENTICATED, NOT_ACCEPTED CARE },
	{ "credential_mismatch", OUTCOME_NOT_AUTHENTICATED, NOT_ACCEPTED CARE },
	{ "method_not_permitted", OUTCOME_NOT_AUTHENTICATED, NOT_ACCEPTED CARE },
	{ "gateway_not_for_device", OUTCOME_NOT_AUTHENTICATED, NOT_ACCEPTED CARE },
	{ "channel_binding", OUTCOME_NOT_AUTHENTICATED,
	  "The connection is not safe enough, so nothing was sent. " CARE },
	{ "device_unknown", OUTCOME_DEVICE_UNKNOWN,
	  "The operator does not know this phone. " CARE },
	{ "device_blocked", OUTCOME_DEVICE_BLOCKED,
	  "The operator has blocked this phone. " CARE },
	{ "device_clone", OUTCOME_DEVICE_BLOCKED,
	  "Two phones say that they are this one, and both are stopped. " CARE },
	{ "standing_limited", OUTCOME_LIMITED,
	  "This phone may reach customer care only. " CARE },

	/* the server's proof */
	{ "proof_missing", OUTCOME_NOT_PROVEN, NOT_PROVEN CARE },
	{ "proof_malformed", OUTCOME_NOT_PROVEN, NOT_PROVEN CARE },
	{ "proof_untrusted", OUTCOME_NOT_PROVEN, NOT_PROVEN CARE },
	{ "proof_signature", OUTCOME_NOT_PROVEN, NOT_PROVEN CARE },
	{ "proof_mismatch", OUTCOME_NOT_PROVEN, NOT_PROVEN CARE },
	{ "proof_grant_mismatch", OUTCOME_NOT_PROVEN, NOT_PROVEN CARE },

	/* between gateway and server */
	{ "route_unknown", OUTCOME_FAILED,
	  "The network does not know the provisioning server of this phone. " CARE },
	{ "landnet_unreachable", OUTCOME_UNREACHABLE,
	  "The provisioning server cannot be reached. " LATER },
	{ "landnet_down", OUTCOME_UNREACHABLE,
	  "The provisioning server cannot be reached. " LATER },
	{ "server_unavailable", OUTCOME_UNREACHABLE,
	  "The provisioning server cannot be reached. " LATER },
	{ "landnet_untrusted", OUTCOME_NOT_PROVEN, NOT_PROVEN CARE },
	{ "landnet_busy", OUTCOME_UNREACHABLE, "The network is busy. " LATER },
	{ "landnet_desync", OUTCOME_UNREACHABLE, FAULTY },
	{ "landnet_failed", OUTCOME_UNREACHABLE, FAULTY },
	{ "authentication_timeout", OUTCOME_UNREACHABLE,
	  "The provisioning server does not answer. " LATER },
	{ "authentication_refused", OUTCOME_NOT_AUTHENTICATED, FAULTY },
	{ "authentication_unavailable", OUTCOME_UNREACHABLE,
	  "The provisioning server cannot work at the moment. " LATER },
	{ "authentication_malformed", OUTCOME_NOT_PROVEN, NOT_PROVEN CARE },
	{ "authentication_mismatch", OUTCOME_NOT_PROVEN, NOT_PROVEN CARE },
	{ "gateway_unknown", OUTCOME_FAILED, FAULTY },
	{ "gateway_not_for_device", OUTCOME_FAILED, FAULTY },
	{ "grant_missing", OUTCOME_FAILED, FAULTY },
	{ "grant_invalid", OUTCOME_FAILED, FAULTY },
	{ "grant_expired", OUTCOME_FAILED, FAULTY },
	{ "grant_epoch", OUTCOME_FAILED, FAULTY },
	{ "grant_unexpected", OUTCOME_FAILED, FAULTY },
	{ "exchange_mismatch", OUTCOME_UNREACHABLE, FAULTY },
	{ "database_unavailable", OUTCOME_UNREACHABLE,
	  "The provisioning server cannot work at the moment. " LATER },
	{ "zone_unavailable", OUTCOME_UNREACHABLE,
	  "The provisioning server cannot work at the moment. " LATER },
	{ "server_busy", OUTCOME_UNREACHABLE,
	  "The provisioning server is busy. " LATER },
	{ "internal", OUTCOME_FAILED, FAULTY },
	{ "client_closed", OUTCOME_STOPPED, "The connection was ended." },
	{ "client_failed", OUTCOME_UNREACHABLE, "The connection was lost. " LATER },
	{ "drained", OUTCOME_UNREACHABLE, "The network ended the connection. " LATER },
	{ "body_too_large", OUTCOME_FAILED, "The request is too large." },
	{ "admission_limited", OUTCOME_UNREACHABLE, "The network is busy. " LATER },
	{ "superseded", OUTCOME_UNREACHABLE, "This phone has connected anew. " LATER },

	/* what a call may meet */
	{ "path_unknown", OUTCOME_FAILED, FAULTY },
	{ "method_not_allowed", OUTCOME_FAILED, FAULTY },
	{ "media_type_unsupported", OUTCOME_FAILED, FAULTY },
	{ "body_unexpected", OUTCOME_FAILED, FAULTY },
	{ "range_unsatisfiable", OUTCOME_FAILED, FAULTY },

	/* what a request may meet */
	{ "body_invalid", OUTCOME_REFUSED,
	  "The server did not accept what you typed. Please check it." },
	{ "accounting_reference_invalid", OUTCOME_REFUSED,
	  "This is not an accounting reference: 8 to 64 letters and digits, and never "
	  "a card number." },
	{ "request_conflict", OUTCOME_REFUSED,
	  "This request was sent before with other contents. Please order anew." },
	{ "request_unknown", OUTCOME_REFUSED,
	  "The server does not know this request. Please order anew." },
	{ "catalogue_empty", OUTCOME_REFUSED, "Nothing is offered at the moment." },
	{ "catalogue_changed", OUTCOME_REFUSED,
	  "The offer has changed in the meantime. Please choose again." },
	{ "too_many_requests", OUTCOME_REFUSED,
	  "There are too many requests of this phone. " LATER },
	{ "too_many_requests_number", OUTCOME_REFUSED,
	  "There are too many requests for this number. " LATER },
	{ "too_many_messages", OUTCOME_REFUSED,
	  "There were too many messages to this number. " LATER },
	{ "terms_unknown", OUTCOME_REFUSED, "There are no terms to answer." },
	{ "terms_mismatch", OUTCOME_REFUSED,
	  "The terms have changed. Please read them again." },
	{ "answer_final", OUTCOME_REFUSED, "The terms were answered before." },
	{ "wrong_state", OUTCOME_REFUSED, "The request has ended or gone on already." },
	{ "item_unknown", OUTCOME_REFUSED, "The request has no such item." },
	{ "result_final", OUTCOME_REFUSED, "The result was reported before." },
	{ "content_unknown", OUTCOME_REFUSED,
	  "The server does not give out this content." },

	/* how a request may end */
	{ "device_mismatch", OUTCOME_REFUSED,
	  "What this phone says about itself is not what the operator knows. " CARE },
	{ "user_mismatch", OUTCOME_REFUSED,
	  "Your name or postcode is not what the operator knows. Please check them and "
	  "try again." },
	{ "verification_refused", OUTCOME_REFUSED,
	  "Your details could not be confirmed. " CARE },
	{ "accounting_refused", OUTCOME_REFUSED,
	  "Your accounting reference was not accepted. " CARE },
	{ "verification_unavailable", OUTCOME_FAILED,
	  "Your details could not be checked. " LATER },
	{ "verification_expired", OUTCOME_EXPIRED,
	  "Your details could not be checked in time. " LATER },
	{ "no_item_available", OUTCOME_REFUSED,
	  "Nothing of what you chose can be provided." },
	{ "terms_declined", OUTCOME_DECLINED,
	  "You declined the terms. Nothing was changed." },
	{ "offer_expired", OUTCOME_EXPIRED,
	  "The terms were not answered in time. Please order anew." },
	{ "too_many_wrong_codes", OUTCOME_REFUSED,
	  "Too many answers had a wrong code. Please order anew." },
	{ "no_item_installed", OUTCOME_NOT_INSTALLED, "Nothing could be installed." },
	{ "request_ended", OUTCOME_FAILED, "The request ended before." },
	{ "operator_decision", OUTCOME_REFUSED,
	  "The operator ended the request. " CARE },
	{ "cancelled", OUTCOME_FAILED, "The request was cancelled." },
	{ "cancelled_by_device", OUTCOME_FAILED, "You cancelled the request." },
	{ "cancel_too_late", OUTCOME_REFUSED, "It is too late to cancel the request." },
	{ "cancelled_by_operator", OUTCOME_FAILED,
	  "Customer care cancelled the request." },

	/* how an item may end */
	{ "feature_unknown", OUTCOME_REFUSED, "It is no longer offered." },
	{ "content_unavailable", OUTCOME_REFUSED,
	  "The network cannot get it at the moment. " LATER },
	{ "model_unfit", OUTCOME_REFUSED, "It does not fit this phone." },
	{ "content_unavailable", OUTCOME_REFUSED,
	  "It cannot be had at the moment. " LATER },
	{ "conflict_requested", OUTCOME_REFUSED,
	  "It does not go together with something else that you chose." },
	{ "conflict_installed", OUTCOME_REFUSED,
	  "It does not go together with something that this phone has." },
	{ "install_failed", OUTCOME_NOT_INSTALLED, "It could not be installed." },
	{ "digest_mismatch", OUTCOME_NOT_INSTALLED,
	  "What arrived was not what was promised, so it was thrown away." },
	{ "self_test_failed", OUTCOME_NOT_INSTALLED,
	  "It failed its self-test and was not installed." },
	{ "storage_full", OUTCOME_NOT_INSTALLED,
	  "There is no room left on this phone." },
	{ "download_failed", OUTCOME_NOT_INSTALLED, "It could not be downloaded." },
	{ "retransmission_limit", OUTCOME_NOT_INSTALLED,
	  "It was sent too often already." },
};
#define ROWS_N (sizeof(rows) / sizeof(rows[0]))

static const struct {
	const char *state, *words;
} states[] = {
	{ "received", "The request has arrived." },
	{ "verifying", "Your request is being checked." },
	{ "offered", "The terms are on their way to you." },
	{ "accepted", "You accepted the terms." },
	{ "delivering", "It is being delivered." },
	{ "done", "Done." },
	{ "declined", "Declined." },
	{ "refused", "Refused." },
	{ "failed", "Failed." },
	{ "expired", "Too late." },
	{ "cancelled", "Cancelled." },
	{ "requested", "requested" },
	{ "ready", "ready" },
	{ "installed", "installed" },
	{ "unavailable", "not available" },
	{ "conflict", "in conflict" },
};

const char *outcome_name(enum outcome outcome)
{
	return outcomes[outcome].name;
}

int outcome_exit_status(enum outcome outcome)
{
	return outcomes[outcome].exit_status;
}

static const struct row *find(struct slice reason)
{
	for (size_t i = 0; i < ROWS_N; i++)
		if (slice_eq(reason, slice_of(rows[i].reason)))
			return &rows[i];
	return NULL;
}

bool words_know(struct slice reason)
{
	return find(reason) != NULL;
}

const char *words_sentence(struct slice reason)
{
	const struct row *row = find(reason);

	return row ? row->sentence : "It did not work. " CARE;
}

enum outcome words_outcome(struct slice reason)
{
	const struct row *row = find(reason);

	return row ? row->outcome : OUTCOME_FAILED;
}

const char *words_state(struct slice state)
{
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (slice_eq(state, slice_of(states[i].state)))
			return states[i].words;
	return "It is being processed.";
}
