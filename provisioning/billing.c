#include "provisioning/billing.h"

#include "provisioning/effect_post.h"

static bool billing_load(const struct server_config *config, void **secrets)
{
	return service_load_any(&config->billing, "billing", secrets);
}

static void *billing_open(void *service, struct transfers *transfers)
{
	return poster_new(transfers,
			  &(struct post_settings){
				  .service = service,
				  .content_type = "application/cloudevents+json",
			  });
}

static int64_t billing_timeout_ms(const struct server_config *config)
{
	return config->billing.timeout_ms;
}

const struct effect_kind billing_kind = {
	.name = "billing",
	.in_hand = 16,
	.metrics = SERVER_BILLING_DONE,
	.load = billing_load,
	.open = billing_open,
	.timeout_ms = billing_timeout_ms,
	.begin = effect_post,
};
