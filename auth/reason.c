#include "auth/auth.h"

#include "base/log.h"

static const char *const names[REASON_N] = {
	[REASON_NONE] = "none",
	[REASON_IDENTIFIER_MISSING] = "identifier_missing",
	[REASON_IDENTIFIER_AMBIGUOUS] = "identifier_ambiguous",
	[REASON_IDENTIFIER_MALFORMED] = "identifier_malformed",
	[REASON_IDENTIFIER_NOT_ALLOWED] = "identifier_not_allowed",
	[REASON_CHANNEL_BINDING] = "channel_binding",
	[REASON_ROUTE_UNKNOWN] = "route_unknown",
	[REASON_LANDNET_UNREACHABLE] = "landnet_unreachable",
	[REASON_LANDNET_UNTRUSTED] = "landnet_untrusted",
	[REASON_LANDNET_BUSY] = "landnet_busy",
	[REASON_LANDNET_DESYNC] = "landnet_desync",
	[REASON_LANDNET_FAILED] = "landnet_failed",
	[REASON_AUTHENTICATION_TIMEOUT] = "authentication_timeout",
	[REASON_AUTHENTICATION_REFUSED] = "authentication_refused",
	[REASON_AUTHENTICATION_UNAVAILABLE] = "authentication_unavailable",
	[REASON_AUTHENTICATION_MALFORMED] = "authentication_malformed",
	[REASON_AUTHENTICATION_MISMATCH] = "authentication_mismatch",
	[REASON_PROOF_MISSING] = "proof_missing",
	[REASON_PROOF_MALFORMED] = "proof_malformed",
	[REASON_PROOF_UNTRUSTED] = "proof_untrusted",
	[REASON_PROOF_SIGNATURE] = "proof_signature",
	[REASON_PROOF_MISMATCH] = "proof_mismatch",
	[REASON_PROOF_GRANT_MISMATCH] = "proof_grant_mismatch",
	[REASON_GRANT_MISSING] = "grant_missing",
	[REASON_GRANT_INVALID] = "grant_invalid",
	[REASON_GRANT_EXPIRED] = "grant_expired",
	[REASON_GRANT_EPOCH] = "grant_epoch",
	[REASON_DEVICE_UNKNOWN] = "device_unknown",
	[REASON_DEVICE_BLOCKED] = "device_blocked",
	[REASON_STANDING_LIMITED] = "standing_limited",
	[REASON_CLIENT_CLOSED] = "client_closed",
	[REASON_CLIENT_FAILED] = "client_failed",
	[REASON_IDLE_TIMEOUT] = "idle_timeout",
	[REASON_HEAD_TIMEOUT] = "head_timeout",
	[REASON_BODY_TIMEOUT] = "body_timeout",
	[REASON_WRITE_TIMEOUT] = "write_timeout",
	[REASON_BODY_TOO_LARGE] = "body_too_large",
	[REASON_ADMISSION_LIMITED] = "admission_limited",
	[REASON_SUPERSEDED] = "superseded",
	[REASON_DRAINED] = "drained",
};

const char *auth_reason_name(enum auth_reason reason)
{
	BUG_ON(reason >= REASON_N);
	return names[reason];
}

bool auth_reason_parse(struct slice name, enum auth_reason *out)
{
	for (size_t i = 0; i < REASON_N; i++) {
		if (!slice_eq(name, slice_of(names[i])))
			continue;
		*out = (enum auth_reason)i;
		return true;
	}
	return false;
}
