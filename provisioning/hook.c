#include "provisioning/hook.h"

#include "provisioning/effect_post.h"

static bool hook_load(const struct server_config *config, void **secrets)
{
	return service_load_any(&config->hook, "hook", secrets);
}

static void *hook_open(void *service, struct transfers *transfers)
{
	return poster_new(transfers, &(struct post_settings){
					     .service = service,
					     .content_type = "application/json",
				     });
}

static int64_t hook_timeout_ms(const struct server_config *config)
{
	return config->hook.timeout_ms;
}

const struct effect_kind hook_kind = {
	.name = "hook",
	.in_hand = 16,
	.metrics = SERVER_HOOK_DONE,
	.load = hook_load,
	.open = hook_open,
	.timeout_ms = hook_timeout_ms,
	.begin = effect_post,
};
