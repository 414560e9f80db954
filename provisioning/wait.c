#include "provisioning/wait.h"

#include "provisioning/device_api.h"
#include "provisioning/header.h"

#define POLL_FIRST_MS 50
#define POLL_CAP_MS   250

struct wait {
	struct slice tag; /* that the device has; empty: none */
	unsigned seconds;
	int64_t until_ms;
	int64_t poll_ms;
};

bool wait_fill(struct api_call *call, struct db_param *params, size_t *n)
{
	struct wait *wait = call->own;
	if (!wait) {
		wait = call->own = api_alloc(call, sizeof(*wait));
		wait->tag = header_entity_tag(api_field(call, "If-None-Match"));
		if (wait->tag.n > 0)
			wait->seconds = header_prefer_wait(api_field(call, "Prefer"),
							   WAIT_MAX_S);
		wait->until_ms = call->started_ms + 1000 * (int64_t)wait->seconds;
		wait->poll_ms = POLL_FIRST_MS;
	}
	params[(*n)++] = db_slice(call->match.request_id);
	params[(*n)++] = wait->tag.n > 0 ? db_slice(wait->tag) : db_null();
	return true;
}

void wait_answer(struct api_call *call, const PGresult *result)
{
	struct wait *wait = call->own;
	struct api_row row;
	if (!api_row_read(call, result, &row))
		return;
	int64_t left_ms = wait->until_ms - loop_now_ms(call->peer->landnet->loop);
	if (row.status == 304 && left_ms > 0) {
		call->on_timer = api_ask;
		timer_start(&call->timer,
			    wait->poll_ms < left_ms ? wait->poll_ms : left_ms);
		wait->poll_ms = wait->poll_ms * 2 < POLL_CAP_MS ? wait->poll_ms * 2
								: POLL_CAP_MS;
		return;
	}
	struct http_field applied = {
		SLICE("Preference-Applied"),
		slice_of(arena_printf(api_arena(call), "wait=%u", wait->seconds)),
	};
	device_api_reply(call, &row, wait->seconds > 0 ? &applied : NULL);
}
