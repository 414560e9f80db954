#include "gateway/landnet.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"

void landnet_exchange_number(struct exchange *exchange, char out[LANDNET_NUMBER_CHARS])
{
	snprintf(out, LANDNET_NUMBER_CHARS, "%" PRIu64,
		 link_count(exchange_link(exchange)));
}

bool landnet_check_exchange(struct exchange *exchange)
{
	const struct http_field *field =
		http_field(exchange_head(exchange), "provbox-exchange");
	char expected[LANDNET_NUMBER_CHARS];

	landnet_exchange_number(exchange, expected);
	return field && slice_eq(field->value, slice_of(expected));
}

bool landnet_is_stale(struct exchange *exchange, uint64_t rx_start)
{
	struct link *link = exchange_link(exchange);

	return link_count(link) > 0 && conn_rx_total(link_conn(link)) == rx_start;
}

enum auth_reason landnet_failure(struct exchange *exchange, const struct route *route)
{
	log_warn("landnet_exchange", log_str("srv", route->srv),
		 log_str("reason", exchange_reason(exchange)));
	return conn_is_distrust(link_conn(exchange_link(exchange)))
		       ? REASON_LANDNET_UNTRUSTED
		       : REASON_LANDNET_FAILED;
}

void landnet_send_request(struct exchange *exchange, const struct route *route,
			  struct slice path, struct slice json)
{
	struct evbuffer *body = evbuffer_new();
	char number[LANDNET_NUMBER_CHARS];
	struct http_field fields[2] = {
		{ SLICE("Content-Type"), SLICE("application/json") },
		{ SLICE("Provbox-Exchange"), { NULL, 0 } },
	};

	BUG_ON(!body || evbuffer_add(body, json.p, json.n));
	landnet_exchange_number(exchange, number);
	fields[1].value = slice_of(number);
	exchange_send_head(exchange, &(struct http_head){
					     .method = HTTP_POST,
					     .target = path,
					     .host = slice_of(route->srv),
					     .fields = fields,
					     .n_fields = 2,
					     .framing = HTTP_LENGTH,
					     .content_length = json.n,
					     .keep_alive = true,
				     });
	exchange_send_body(exchange, body);
	exchange_send_end(exchange);
	evbuffer_free(body);
}

void landnet_ignore(struct exchange *exchange, enum exchange_event event, void *arg)
{
	struct evbuffer *body;

	(void)arg;
	if (event != EXCHANGE_BODY)
		return;
	body = exchange_body(exchange);
	evbuffer_drain(body, evbuffer_get_length(body));
	exchange_resume(exchange);
}
