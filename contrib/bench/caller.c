#include "contrib/bench/caller.h"

#include "base/log.h"

#define IDLE_MS 3600000 /* none is closed by us */

struct link *caller_connect(const struct caller *caller,
			    const struct device_certificate *device, link_fn *fn,
			    void *arg)
{
	const struct link_settings settings = {
		.conn = { .tls = caller->tls,
			  .server_name = caller->settings->name,
			  .handshake_timeout_ms = caller->patience_ms },
		.idle_timeout_ms = IDLE_MS,
		.head_timeout_ms = caller->patience_ms,
	};
	struct link *link =
		link_connect(caller->loop, (const struct sockaddr *)&caller->address,
			     caller->address_size, &settings, fn, arg);

	BUG_ON(!device_use(device, conn_ssl(link_conn(link))));
	return link;
}

void caller_ask(const struct caller *caller, struct link *link, exchange_fn *fn,
		void *arg)
{
	exchange_send_head(
		link_request(link, fn, arg),
		&(struct http_head){ .method = HTTP_GET,
				     .target = slice_of(caller->settings->target),
				     .host = slice_of(caller->settings->srv),
				     .keep_alive = true });
}

void caller_drain(struct exchange *exchange)
{
	struct evbuffer *body = exchange_body(exchange);

	evbuffer_drain(body, evbuffer_get_length(body));
	exchange_resume(exchange);
}
