#include "auth/auth.h"
#include "gateway/airnet.h"
#include "gateway/gateway_config.h"
#include "gateway/gateway_config_check.h"
#include "gateway/gateway_metrics.h"
#include "gateway/limit.h"

#define OPTIONS(config) ((const struct gateway_config *)(config))

/* ---- worker: bridges sessions ---- */

static size_t count_workers(const void *config)
{
	return (size_t)OPTIONS(config)->workers;
}

static size_t list_addresses(const void *config, const char **addresses, size_t cap)
{
	return gateway_config_addresses(OPTIONS(config), addresses, cap);
}

/* ---- keys: holds the keys of both legs, has no socket at all ---- */

static bool load_keys(const void *config, void **secrets)
{
	const struct keyring_key keys[] = {
		{ OPTIONS(config)->airnet_certificate, OPTIONS(config)->airnet_key,
		  TLS_SERVER, OPTIONS(config)->airnet_tls12, "airnet_key" },
		{ OPTIONS(config)->landnet_certificate, OPTIONS(config)->landnet_key,
		  TLS_CLIENT, false, "landnet_key" },
	};
	const char *name;
	char why[512];

	*secrets = keyring_load(keys, sizeof(keys) / sizeof(keys[0]), &name, why,
				sizeof(why));
	if (!*secrets)
		config_log_error(name, why);
	return *secrets != NULL;
}

static bool start_keys(struct worker *worker)
{
	return worker_answer(worker, keyring_answer);
}

static const struct supervisor_role roles[] = {
	{ .name = "worker",
	  .count = count_workers,
	  .listeners = list_addresses,
	  .load = airnet_load,
	  .start = airnet_start,
	  .stop = airnet_stop,
	  .cut = airnet_cut,
	  .bury = limit_bury,
	  .rights = SANDBOX_ACCEPT | SANDBOX_DIAL_IP,
	  .asks = (const char *const[]){ "keys", NULL } },
	{ .name = "keys",
	  .load = load_keys,
	  .start = start_keys,
	  .is_blocking = true,
	  .is_answerer = true,
	  .is_at_hatch = true },
};

int main(int argc, char **argv)
{
	const struct supervisor_spec spec = {
		.program = "provbox-gateway",
		.summary =
			"Bridge handsets to provisioning servers, each authenticated "
			"to the other.",
		.default_config = PROVBOX_SYSCONFDIR "/gateway.conf",
		.config = &gateway_config_spec,
		.roles = roles,
		.n_roles = sizeof(roles) / sizeof(roles[0]),
		.metrics = gateway_metrics(),
		.n_metrics = GATEWAY_N_METRICS,
		.check = gateway_config_check,
		.expiring = gateway_config_expiring,
	};

	limit_open();
	return supervisor_main(&spec, argc, argv);
}
