#include "gateway/target.h"

#include <stdlib.h>

#include "base/address.h"
#include "base/conn.h"
#include "base/log.h"
#include "gateway/gateway_metrics.h"

void targets_open(struct targets *targets, const char *srv,
		  const char *const *addresses, size_t n)
{
	*targets = (struct targets){ .srv = srv, .n = n };
	targets->items = calloc(n, sizeof(*targets->items));
	BUG_ON(!targets->items);
	for (size_t i = 0; i < n; i++) {
		struct target *target = &targets->items[i];

		target->all = targets;
		target->text = addresses[i];
		BUG_ON(!address_parse(target->text, &target->address, &target->size));
	}
}

void targets_close(struct targets *targets)
{
	free(targets->items);
}

static bool target_is_fit(const struct target *target, int64_t now_ms)
{
	return target->retry_ms <= now_ms && !target->n_late;
}

struct target *targets_next(struct targets *targets, int64_t now_ms)
{
	for (size_t i = 0; i < targets->n; i++) {
		struct target *target = &targets->items[targets->next++ % targets->n];

		if (target_is_fit(target, now_ms))
			return target;
	}
	return NULL;
}

bool targets_have_one(const struct targets *targets, int64_t now_ms)
{
	for (size_t i = 0; i < targets->n; i++) {
		if (target_is_fit(&targets->items[i], now_ms))
			return true;
	}
	return false;
}

void target_failed(struct target *target, int64_t now_ms, const char *reason)
{
	const struct targets *all = target->all;

	target->retry_ms = now_ms + TARGET_RETRY_MS;
	if (!target->is_down) {
		log_warn("landnet_down", log_str("srv", all->srv),
			 log_str("address", target->text), log_str("reason", reason));
		metrics_add(GATEWAY_LANDNET_DOWN, 1);
	}
	target->is_down = true;
}

void target_opened(struct target *target)
{
	if (target->is_down) {
		log_info("landnet_up", log_str("srv", target->all->srv),
			 log_str("address", target->text));
		metrics_add(GATEWAY_LANDNET_DOWN, -1);
	}
	target->is_down = false;
	target->retry_ms = 0;
}
