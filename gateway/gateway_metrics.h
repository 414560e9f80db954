/*
 * What provbox-gateway counts. Rows by reason follow the fixed ones, one for each
 * reason code of auth/ and each way a handshake can fail.
 */
#ifndef GATEWAY_METRICS_H
#define GATEWAY_METRICS_H

#include "auth/auth.h"
#include "base/metrics.h"
#include "base/tls.h"
#include "gateway/pool.h"

enum gateway_metric {
	GATEWAY_SESSIONS,
	GATEWAY_SESSIONS_OPEN,
	GATEWAY_REQUESTS,
	GATEWAY_AUTHENTICATIONS,
	GATEWAY_PROOFS,
	GATEWAY_FORWARDED,
	GATEWAY_FORWARDED_BYTES,
	GATEWAY_RETURNED_BYTES,
	GATEWAY_LANDNET_OPEN,
	GATEWAY_LANDNET_CONNECTS,
	GATEWAY_LANDNET_LONG,
	GATEWAY_LANDNET_WAITING, /* + enum pool_loan */
	GATEWAY_LANDNET_BUSY = GATEWAY_LANDNET_WAITING + POOL_N_LOANS, /* + pool_loan */
	GATEWAY_LANDNET_PUT_BACK = GATEWAY_LANDNET_BUSY + POOL_N_LOANS,
	GATEWAY_ENDS_SENT,
	GATEWAY_ENDS_DROPPED,
	GATEWAY_PROXY_PASSED,
	GATEWAY_PROXY_LOCAL,
	GATEWAY_PROXY_FORBIDDEN,
	GATEWAY_PROXY_MALFORMED,
	GATEWAY_PROXY_TIMEOUT,
	GATEWAY_CHAINS, /* + enum tls_memory_metric */
	GATEWAY_SESSION_ENDS =
		GATEWAY_CHAINS + TLS_MEMORY_N_METRICS, /* + enum auth_reason */
	GATEWAY_HANDSHAKE_FAILURES =
		GATEWAY_SESSION_ENDS + REASON_N, /* + tls_failure */
	GATEWAY_N_METRICS = GATEWAY_HANDSHAKE_FAILURES + TLS_N_FAILURES,
};

/** The table for metrics_open(); built once, then const. */
const struct metric *gateway_metrics(void);

#endif
