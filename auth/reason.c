#include "auth/auth.h"

#include "base/log.h"

/* clang-format off */
static const struct {
	const char *name;
	const char *help;
} reasons[REASON_N] = {
	[REASON_NONE] = { "none",
		"Nothing is wrong." },
	[REASON_IDENTIFIER_MISSING] = { "identifier_missing",
		"The device certificate names no equipment identifier as a URI in its"
		" subject alternative name; issue it anew with one." },
	[REASON_IDENTIFIER_AMBIGUOUS] = { "identifier_ambiguous",
		"The device certificate names more than one equipment identifier; "
		"issue it anew with exactly one." },
	[REASON_IDENTIFIER_MALFORMED] = { "identifier_malformed",
		"The equipment identifier of the device certificate is no valid IMEI "
		"or MEID URN; issue it anew." },
	[REASON_CHANNEL_BINDING] = { "channel_binding",
		"The channel binding of the connection could not be read; the device "
		"must use TLS 1.3, or 1.2 with extended master secret." },
	[REASON_ROUTE_UNKNOWN] = { "route_unknown",
		"The device asked for a host that has no route; compare its "
		"provisioning URI with the routes of the gateway." },
	[REASON_LANDNET_UNREACHABLE] = { "landnet_unreachable",
		"No address of the server could be connected to; see whether it runs." },
	[REASON_LANDNET_UNTRUSTED] = { "landnet_untrusted",
		"The server's certificate, or the gateway's at the server, did not "
		"verify; compare trust, CRL, names and dates of both." },
	[REASON_LANDNET_BUSY] = { "landnet_busy",
		"No connection to the server became free in time; add servers or "
		"enlarge the pool." },
	[REASON_LANDNET_DESYNC] = { "landnet_desync",
		"An answer of the server did not belong to its request, so the "
		"connection was closed; look for an older error of the server." },
	[REASON_LANDNET_FAILED] = { "landnet_failed",
		"The connection to the server broke in mid-exchange; see the log of "
		"the server." },
	[REASON_AUTHENTICATION_TIMEOUT] = { "authentication_timeout",
		"The server did not answer the authentication request in time; see "
		"its load and its database." },
	[REASON_AUTHENTICATION_REFUSED] = { "authentication_refused",
		"The server does not serve this gateway or method; see its list of "
		"gateways." },
	[REASON_AUTHENTICATION_UNAVAILABLE] = { "authentication_unavailable",
		"The server cannot authenticate now; see whether its database and "
		"zone run." },
	[REASON_AUTHENTICATION_MALFORMED] = { "authentication_malformed",
		"The answer to the authentication request was not as documented; "
		"compare the versions of gateway and server." },
	[REASON_AUTHENTICATION_MISMATCH] = { "authentication_mismatch",
		"The authentication information belongs to another session or nonce; "
		"treat it as an attack or an error of the server." },
	[REASON_PROOF_MISSING] = { "proof_missing",
		"The server sent no proof though one was asked for; see whether its "
		"zone runs." },
	[REASON_PROOF_MALFORMED] = { "proof_malformed",
		"The proof is not in the documented form; compare the versions of the"
		" two sides." },
	[REASON_PROOF_UNTRUSTED] = { "proof_untrusted",
		"The proof key is not pinned and has no certificate of the proof root"
		" for this server; compare the zone's key with the pins." },
	[REASON_PROOF_SIGNATURE] = { "proof_signature",
		"The proof's signature does not verify; treat it as an attack." },
	[REASON_PROOF_MISMATCH] = { "proof_mismatch",
		"The proof speaks of another server, session, device or channel; "
		"treat it as an attack." },
	[REASON_PROOF_GRANT_MISMATCH] = { "proof_grant_mismatch",
		"The proof covers another grant than the one that came with it; treat"
		" it as an attack." },
	[REASON_GRANT_MISSING] = { "grant_missing",
		"A request or an answer that needs a grant came without one; compare "
		"the versions of gateway and server." },
	[REASON_GRANT_INVALID] = { "grant_invalid",
		"The grant does not verify; compare the grant keys of the servers of "
		"one name, else treat it as an attack." },
	[REASON_GRANT_EXPIRED] = { "grant_expired",
		"The grant is too old; the gateway authenticates again by itself." },
	[REASON_GRANT_EPOCH] = { "grant_epoch",
		"The device's standing changed after the grant was made; the gateway "
		"authenticates again by itself." },
	[REASON_DEVICE_UNKNOWN] = { "device_unknown",
		"The device has not been imported; import it, or change the policy." },
	[REASON_DEVICE_BLOCKED] = { "device_blocked",
		"The device is blocked; an operator decides." },
	[REASON_CREDENTIAL_MISMATCH] = { "credential_mismatch",
		"The device showed another credential than the pinned one; find out "
		"whether it was cloned or its certificate renewed." },
	[REASON_STANDING_LIMITED] = { "standing_limited",
		"The device may reach customer care only; its standing must change "
		"first." },
	[REASON_METHOD_NOT_PERMITTED] = { "method_not_permitted",
		"The device may not authenticate by this method; see its record." },
	[REASON_GATEWAY_UNKNOWN] = { "gateway_unknown",
		"The peer's key is not that of a listed gateway; add its hash to the "
		"server's configuration." },
	[REASON_CLIENT_CLOSED] = { "client_closed",
		"The device ended the session; nothing to do." },
	[REASON_CLIENT_FAILED] = { "client_failed",
		"The device sent what is not allowed, or was too slow; see the error "
		"before it." },
	[REASON_BODY_TOO_LARGE] = { "body_too_large",
		"The body of a request was over the limit; see the limit in the "
		"configuration." },
	[REASON_DRAINED] = { "drained",
		"The session ended because the program was told to end; nothing to "
		"do." },
};
/* clang-format on */

const char *auth_reason_name(enum auth_reason reason)
{
	BUG_ON(reason >= REASON_N);
	return reasons[reason].name;
}

bool auth_reason_parse(struct slice name, enum auth_reason *out)
{
	for (size_t i = 0; i < REASON_N; i++) {
		if (!slice_eq(name, slice_of(reasons[i].name)))
			continue;
		*out = (enum auth_reason)i;
		return true;
	}
	return false;
}

const char *auth_reason_help(enum auth_reason reason)
{
	BUG_ON(reason >= REASON_N);
	return reasons[reason].help;
}
