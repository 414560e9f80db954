/*
 * What every exchange on the landnet leg has in common: the exchange number that
 * is sent and must come back, and requests of the gateway's own.
 */
#ifndef GATEWAY_LANDNET_H
#define GATEWAY_LANDNET_H

#include "gateway/route.h"

/** Decimal digits of a u64 and a NUL. */
#define LANDNET_NUMBER_CHARS 21

/** Value of Provbox-Exchange for an exchange that has just begun. */
void landnet_exchange_number(struct exchange *exchange, char out[LANDNET_NUMBER_CHARS]);
/** Whether the answer's head carries exactly our number. False: cancel the exchange. */
bool landnet_check_exchange(struct exchange *exchange);
/** Whether the exchange that just failed may go again, on another link: a server may
 * close a kept link just when it is used, and then nothing has come back. Each such
 * try uses up a kept link; on a new one the answer is no.
 * @param rx_start  conn_rx_total() of its link when it began */
bool landnet_is_stale(struct exchange *exchange, uint64_t rx_start);
/** Log why an exchange failed. @return REASON_LANDNET_UNTRUSTED when the server does
 * not accept our certificate, which TLS 1.3 tells only now, else _FAILED */
enum auth_reason landnet_failure(struct exchange *exchange, const struct route *route);
/** Send a whole POST with a JSON body of the gateway's own. */
void landnet_send_request(struct exchange *exchange, const struct route *route,
			  struct slice path, struct slice json);
/** An exchange_fn for exchanges whose rest does not matter; takes bytes, does nothing.
 */
void landnet_ignore(struct exchange *exchange, enum exchange_event event, void *arg);

#endif
