#include "gateway/gateway_metrics.h"

#include <stdio.h>

#define PROXY_ROW(result)                                                              \
	{                                                                              \
		"provbox_gateway_proxy_connections_total", result, METRIC_COUNTER,     \
			"Connections to proxy_listen, by what became of their header." \
	}

static struct metric table[GATEWAY_N_METRICS] = {
	[GATEWAY_SESSIONS] = { "provbox_gateway_sessions_total", NULL, METRIC_COUNTER,
			       "Airnet sessions whose device was verified." },
	[GATEWAY_SESSIONS_OPEN] = { "provbox_gateway_sessions", NULL, METRIC_GAUGE,
				    "Airnet connections open now." },
	[GATEWAY_SESSIONS_UNCOUNTED] = { "provbox_gateway_sessions_uncounted_total",
					 NULL, METRIC_COUNTER,
					 "Sessions for which the table of "
					 "sessions_per_identity had no room." },
	[GATEWAY_HELD] = { "provbox_gateway_accept_held_total", NULL, METRIC_COUNTER,
			   "Times that a worker had its limit of sessions or "
			   "handshakes." },
	[GATEWAY_REQUESTS] = { "provbox_gateway_requests_total", NULL, METRIC_COUNTER,
			       "Requests received from handsets." },
	[GATEWAY_AUTHENTICATIONS] = { "provbox_gateway_authentications_total", NULL,
				      METRIC_COUNTER, "Authentication requests sent." },
	[GATEWAY_AUTHENTICATION_SECONDS] = { "provbox_gateway_authentication_seconds",
					     NULL, METRIC_HISTOGRAM,
					     "From an authentication request to its "
					     "answer." },
	[GATEWAY_PROOFS] = { "provbox_gateway_proofs_total", NULL, METRIC_COUNTER,
			     "Proofs of servers verified." },
	[GATEWAY_FORWARDED] = { "provbox_gateway_forwarded_total", NULL, METRIC_COUNTER,
				"Requests forwarded to provisioning servers." },
	[GATEWAY_ANSWER_SECONDS] = { "provbox_gateway_answer_seconds", NULL,
				     METRIC_HISTOGRAM,
				     "From a forwarded request to the head of its "
				     "answer; "
				     "without those that may wait (Prefer) or are "
				     "large." },
	[GATEWAY_FORWARDED_BYTES] = { "provbox_gateway_forwarded_bytes_total", NULL,
				      METRIC_COUNTER,
				      "Bytes of forwarded requests, heads included." },
	[GATEWAY_RETURNED_BYTES] = { "provbox_gateway_returned_bytes_total", NULL,
				     METRIC_COUNTER,
				     "Bytes of answers to forwarded requests." },
	[GATEWAY_LANDNET_OPEN] = { "provbox_gateway_landnet_connections", NULL,
				   METRIC_GAUGE, "Landnet connections now." },
	[GATEWAY_LANDNET_CONNECTS] = { "provbox_gateway_landnet_connects_total", NULL,
				       METRIC_COUNTER, "Landnet connections begun." },
	[GATEWAY_LANDNET_DOWN] = { "provbox_gateway_landnet_down", NULL, METRIC_GAUGE,
				   "Addresses of servers that could not be connected "
				   "to, in each worker." },
	[GATEWAY_LANDNET_LONG] = { "provbox_gateway_landnet_long", NULL, METRIC_GAUGE,
				   "Landnet connections that large bodies and waits "
				   "hold." },
	[GATEWAY_LANDNET_WAITING + POOL_SHORT] = { "provbox_gateway_landnet_waiting",
						   "queue=\"short\"", METRIC_GAUGE,
						   "Exchanges that wait for a landnet "
						   "connection." },
	[GATEWAY_LANDNET_WAITING + POOL_LONG] = { "provbox_gateway_landnet_waiting",
						  "queue=\"long\"", METRIC_GAUGE,
						  "Exchanges that wait for a landnet "
						  "connection." },
	[GATEWAY_LANDNET_BUSY + POOL_SHORT] = { "provbox_gateway_landnet_busy_total",
						"queue=\"short\"", METRIC_COUNTER,
						"Exchanges that got no landnet "
						"connection in time." },
	[GATEWAY_LANDNET_BUSY + POOL_LONG] = { "provbox_gateway_landnet_busy_total",
					       "queue=\"long\"", METRIC_COUNTER,
					       "Exchanges that got no landnet "
					       "connection in time." },
	[GATEWAY_LANDNET_PUT_BACK] = { "provbox_gateway_landnet_put_back_total", NULL,
				       METRIC_COUNTER,
				       "Landnet connections given up because an answer "
				       "was large without its path being so." },
	[GATEWAY_ENDS_SENT] = { "provbox_gateway_session_end_messages_total", NULL,
				METRIC_COUNTER, "Session ends told to servers." },
	[GATEWAY_ENDS_DROPPED] = { "provbox_gateway_session_end_dropped_total", NULL,
				   METRIC_COUNTER,
				   "Session ends given up while a server was away." },
	[GATEWAY_PROXY_PASSED] = PROXY_ROW("result=\"passed_on\""),
	[GATEWAY_PROXY_LOCAL] = PROXY_ROW("result=\"local\""),
	[GATEWAY_PROXY_FORBIDDEN] = PROXY_ROW("result=\"proxy_forbidden\""),
	[GATEWAY_PROXY_MALFORMED] = PROXY_ROW("result=\"proxy_malformed\""),
	[GATEWAY_PROXY_TIMEOUT] = PROXY_ROW("result=\"proxy_timeout\""),
	[GATEWAY_CONTROL_STREAMS] = { "provbox_gateway_control_streams", NULL,
				      METRIC_GAUGE,
				      "Control streams that are heard now." },
	[GATEWAY_CONTROL_CHANGES] = { "provbox_gateway_control_changes_total", NULL,
				      METRIC_COUNTER,
				      "Changes of devices that servers told." },
	[GATEWAY_CHAINS + TLS_MEMORY_HITS] = { "provbox_gateway_chain_hits_total", NULL,
					       METRIC_COUNTER,
					       "Device chains that were remembered." },
	[GATEWAY_CHAINS + TLS_MEMORY_MISSES] = { "provbox_gateway_chain_misses_total",
						 NULL, METRIC_COUNTER,
						 "Device chains that were not." },
	[GATEWAY_CHAINS + TLS_MEMORY_ENTRIES] = { "provbox_gateway_chains", NULL,
						  METRIC_GAUGE,
						  "Device chains remembered now." },
	[GATEWAY_CHAINS +
		TLS_MEMORY_EVICTIONS] = { "provbox_gateway_chain_evictions_total", NULL,
					  METRIC_COUNTER,
					  "Device chains forgotten for want of room." },
};

static const char *const stranger_ends[STRANGER_N_ENDS] = {
	[STRANGER_HANDSHAKE_TIMEOUT] = "handshake_timeout",
	[STRANGER_RESET] = "reset",
	[STRANGER_TRUNCATED] = "truncated",
	[STRANGER_CLOSED] = "closed",
	[STRANGER_SYSTEM] = "system",
	[STRANGER_DISPLACED] = "displaced",
	[STRANGER_ADDRESS_LIMITED] = "address_limited",
};

const char *stranger_end_name(enum stranger_end end)
{
	return stranger_ends[end];
}

static const char *const control_losses[CONTROL_N_LOSSES] = {
	[CONTROL_LOSS_UNREACHABLE] = "unreachable",
	[CONTROL_LOSS_REFUSED] = "refused",
	[CONTROL_LOSS_MALFORMED] = "malformed",
	[CONTROL_LOSS_SILENT] = "silent",
	[CONTROL_LOSS_ENDED] = "ended",
};

const char *control_loss_name(enum control_loss loss)
{
	return control_losses[loss];
}

const struct metric *gateway_metrics(void)
{
	static char losses[CONTROL_N_LOSSES][64];
	static char labels[REASON_N][64];
	static char failures[TLS_N_FAILURES][64];
	static char ends[STRANGER_N_ENDS][64];

	for (size_t i = 0; i < REASON_N; i++) {
		snprintf(labels[i], sizeof(labels[i]), "reason=\"%s\"",
			 auth_reason_name(i));
		table[GATEWAY_SESSION_ENDS + i] =
			(struct metric){ "provbox_gateway_session_ends_total",
					 labels[i], METRIC_COUNTER,
					 "Sessions ended, by reason." };
	}
	for (size_t i = 0; i < TLS_N_FAILURES; i++) {
		snprintf(failures[i], sizeof(failures[i]), "reason=\"%s\"",
			 tls_failure_name(i));
		table[GATEWAY_HANDSHAKE_FAILURES + i] =
			(struct metric){ "provbox_gateway_handshake_failures_total",
					 failures[i], METRIC_COUNTER,
					 "Airnet handshakes that failed, by reason." };
	}
	for (size_t i = 0; i < STRANGER_N_ENDS; i++) {
		snprintf(ends[i], sizeof(ends[i]), "reason=\"%s\"", stranger_ends[i]);
		table[GATEWAY_STRANGER_ENDS + i] =
			(struct metric){ "provbox_gateway_handshake_failures_total",
					 ends[i], METRIC_COUNTER,
					 "Airnet handshakes that failed, by reason." };
	}
	for (size_t i = 0; i < CONTROL_N_LOSSES; i++) {
		snprintf(losses[i], sizeof(losses[i]), "reason=\"%s\"",
			 control_losses[i]);
		table[GATEWAY_CONTROL_LOSSES + i] =
			(struct metric){ "provbox_gateway_control_losses_total",
					 losses[i], METRIC_COUNTER,
					 "Control streams lost or not opened, by "
					 "reason." };
	}
	return table;
}
