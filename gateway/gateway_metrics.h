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

/** How a connection ends, but for what TLS finds wrong, before it is known whose it is.
 */
enum stranger_end {
	STRANGER_HANDSHAKE_TIMEOUT,
	STRANGER_RESET,
	STRANGER_TRUNCATED,
	STRANGER_CLOSED,          /* by us: the worker ends */
	STRANGER_SYSTEM,          /* ours: descriptors, memory */
	STRANGER_DISPLACED,       /* too slow while others waited for its place */
	STRANGER_ADDRESS_LIMITED, /* too many of its address */
	STRANGER_N_ENDS,
};

/** How a control stream comes to its end. */
enum control_loss {
	CONTROL_LOSS_UNREACHABLE, /* no connection, or it broke */
	CONTROL_LOSS_REFUSED,     /* answered, but not by a stream */
	CONTROL_LOSS_MALFORMED,   /* a line that the protocol does not have */
	CONTROL_LOSS_SILENT,      /* no heartbeat */
	CONTROL_LOSS_ENDED,       /* by the server */
	CONTROL_N_LOSSES,
};

enum gateway_metric {
	GATEWAY_SESSIONS,
	GATEWAY_SESSIONS_OPEN,
	GATEWAY_SESSIONS_UNCOUNTED,
	GATEWAY_HELD,
	GATEWAY_REQUESTS,
	GATEWAY_AUTHENTICATIONS,
	GATEWAY_AUTHENTICATION_SECONDS, /* a histogram */
	GATEWAY_PROOFS = GATEWAY_AUTHENTICATION_SECONDS + METRICS_HISTOGRAM,
	GATEWAY_FORWARDED,
	GATEWAY_ANSWER_SECONDS, /* a histogram */
	GATEWAY_FORWARDED_BYTES = GATEWAY_ANSWER_SECONDS + METRICS_HISTOGRAM,
	GATEWAY_RETURNED_BYTES,
	GATEWAY_LANDNET_OPEN,
	GATEWAY_LANDNET_CONNECTS,
	GATEWAY_LANDNET_DOWN,
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
	GATEWAY_CONTROL_STREAMS,
	GATEWAY_CONTROL_CHANGES,
	GATEWAY_CONTROL_LOSSES, /* + enum control_loss */
	GATEWAY_CHAINS =
		GATEWAY_CONTROL_LOSSES + CONTROL_N_LOSSES, /* + tls_memory_metric */
	GATEWAY_SESSION_ENDS =
		GATEWAY_CHAINS + TLS_MEMORY_N_METRICS, /* + enum auth_reason */
	GATEWAY_HANDSHAKE_FAILURES =
		GATEWAY_SESSION_ENDS + REASON_N, /* + tls_failure */
	GATEWAY_STRANGER_ENDS =
		GATEWAY_HANDSHAKE_FAILURES + TLS_N_FAILURES, /* + enum stranger_end */
	GATEWAY_N_METRICS = GATEWAY_STRANGER_ENDS + STRANGER_N_ENDS,
};

/** The word of the log, as link_reason() has it where that knows it. */
const char *stranger_end_name(enum stranger_end end);
const char *control_loss_name(enum control_loss loss);
/** The table for metrics_open(); built once, then const. */
const struct metric *gateway_metrics(void);

#endif
