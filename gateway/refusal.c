#include "gateway/refusal.h"

#include "base/codec.h"

#define AWAY_SPREAD_S 5

enum told {
	TOLD_ALIKE,
	TOLD_AWAY,
	TOLD_OWN
};

struct refusal {
	enum auth_reason reason;
	enum told told; /* as all others, as server away, or by its own name */
	unsigned status;
	bool is_final;
	bool is_reported;
};

static const struct refusal refusals[] = {
	{ REASON_IDENTIFIER_MISSING, TOLD_ALIKE, 403, true, false },
	{ REASON_IDENTIFIER_AMBIGUOUS, TOLD_ALIKE, 403, true, false },
	{ REASON_IDENTIFIER_MALFORMED, TOLD_ALIKE, 403, true, false },
	{ REASON_IDENTIFIER_NOT_ALLOWED, TOLD_ALIKE, 403, true, false },
	{ REASON_CHANNEL_BINDING, TOLD_ALIKE, 403, true, false },
	{ REASON_ROUTE_UNKNOWN, TOLD_ALIKE, 403, true, false },
	{ REASON_LANDNET_UNREACHABLE, TOLD_AWAY, 503, true, false },
	{ REASON_LANDNET_UNTRUSTED, TOLD_ALIKE, 403, true, false },
	{ REASON_LANDNET_BUSY, TOLD_OWN, 503, false, false },
	{ REASON_LANDNET_DESYNC, TOLD_AWAY, 503, true, false },
	{ REASON_LANDNET_FAILED, TOLD_AWAY, 503, true, false },
	{ REASON_AUTHENTICATION_TIMEOUT, TOLD_AWAY, 503, true, false },
	{ REASON_AUTHENTICATION_REFUSED, TOLD_ALIKE, 403, true, false },
	{ REASON_AUTHENTICATION_UNAVAILABLE, TOLD_AWAY, 503, true, false },
	{ REASON_AUTHENTICATION_MALFORMED, TOLD_ALIKE, 403, true, false },
	{ REASON_AUTHENTICATION_MISMATCH, TOLD_ALIKE, 403, true, false },
	{ REASON_PROOF_MISSING, TOLD_ALIKE, 403, true, false },
	{ REASON_PROOF_MALFORMED, TOLD_ALIKE, 403, true, false },
	{ REASON_PROOF_UNTRUSTED, TOLD_ALIKE, 403, true, false },
	{ REASON_PROOF_SIGNATURE, TOLD_ALIKE, 403, true, false },
	{ REASON_PROOF_MISMATCH, TOLD_ALIKE, 403, true, false },
	{ REASON_PROOF_GRANT_MISMATCH, TOLD_ALIKE, 403, true, false },
	{ REASON_GRANT_MISSING, TOLD_ALIKE, 403, true, false },
	{ REASON_GRANT_INVALID, TOLD_ALIKE, 403, true, true },
	{ REASON_GRANT_EXPIRED, TOLD_AWAY, 503, true, true },
	{ REASON_GRANT_EPOCH, TOLD_AWAY, 503, true, true },
	{ REASON_DEVICE_UNKNOWN, TOLD_OWN, 403, true, true },
	{ REASON_DEVICE_BLOCKED, TOLD_OWN, 403, true, true },
	{ REASON_STANDING_LIMITED, TOLD_OWN, 403, false, false },
	{ REASON_BODY_TOO_LARGE, TOLD_OWN, 413, true, true },
	{ REASON_CLIENT_FAILED, TOLD_OWN, 400, true, true },
	{ REASON_HEAD_TIMEOUT, TOLD_OWN, 408, true, true },
	{ REASON_BODY_TIMEOUT, TOLD_OWN, 408, true, true },
	{ REASON_WRITE_TIMEOUT, TOLD_OWN, 408, true, true },
	/* The session stays: another handshake would cost more than it. */
	{ REASON_ADMISSION_LIMITED, TOLD_OWN, 503, false, false },
};

static const struct refusal *refusal_find(enum auth_reason reason)
{
	static const struct refusal other = { REASON_NONE, TOLD_ALIKE, 403, true,
					      false };

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		if (refusals[i].reason == reason)
			return &refusals[i];
	}
	return &other;
}

/* Whoever was refused together must not come back together. A server that is away for a
 * moment is waited for less long than a storm takes to pass. */
static unsigned retry_after_s(enum auth_reason reason, int64_t spread_s)
{
	uint32_t random;

	if (reason != REASON_ADMISSION_LIMITED && spread_s > AWAY_SPREAD_S)
		spread_s = AWAY_SPREAD_S;
	if (spread_s <= 1)
		return 1;
	random_bytes(&random, sizeof(random));
	return 1 + (unsigned)(random % (uint64_t)spread_s);
}

unsigned refusal_answer(struct exchange *exchange, enum auth_reason reason,
			int64_t spread_s)
{
	static const char *const told[] = {
		[TOLD_ALIKE] = "authentication_failed",
		[TOLD_AWAY] = "server_unavailable",
	};
	const struct refusal *refusal = refusal_find(reason);
	char seconds[16];
	const int n = snprintf(seconds, sizeof(seconds), "%u",
			       retry_after_s(reason, spread_s));
	const struct http_field retry_after = { SLICE("Retry-After"),
						slice_make(seconds, (size_t)n) };

	exchange_problem(exchange, refusal->status,
			 refusal->told == TOLD_OWN ? auth_reason_name(reason)
						   : told[refusal->told],
			 NULL, refusal->status == 503 ? &retry_after : NULL);
	return refusal->status;
}

bool refusal_is_final(enum auth_reason reason)
{
	return refusal_find(reason)->is_final;
}

bool refusal_is_reported(enum auth_reason reason)
{
	return refusal_find(reason)->is_reported;
}
