#include "base/log.h"
#include "provisioning/courier.h"
#include "provisioning/landnet.h"
#include "provisioning/server_config.h"
#include "provisioning/server_metrics.h"

static const struct server_config *settings(const void *config)
{
	return config;
}

/* ---- landnet: answers gateways ---- */

static size_t count_workers(const void *config)
{
	return (size_t)settings(config)->workers;
}

static size_t list_addresses(const void *config, const char **addresses, size_t cap)
{
	const struct config_list *list = &settings(config)->listen;
	size_t n = 0;
	for (; n < list->n && n < cap; n++)
		addresses[n] = list->items[n];
	return n;
}

/* ---- zone: holds the proof key, has no socket and no database ---- */

static bool load_zone(const void *config, void **secrets)
{
	char why[256];
	*secrets = zone_load(settings(config)->proof_certificate,
			     settings(config)->proof_key, why, sizeof(why));
	if (!*secrets)
		config_log_error("proof_key", why);
	return *secrets != NULL;
}

static bool start_zone(struct worker *worker)
{
	return worker_answer(worker, zone_answer);
}

/* ---- keys: holds the TLS key, has no socket and no database ---- */

static bool load_keys(const void *config, void **secrets)
{
	const struct keyring_key key = { settings(config)->certificate,
					 settings(config)->key, TLS_SERVER, false,
					 "key" };
	const char *name;
	char why[512];
	*secrets = keyring_load(&key, 1, &name, why, sizeof(why));
	if (!*secrets)
		config_log_error(name, why);
	return *secrets != NULL;
}

static bool start_keys(struct worker *worker)
{
	return worker_answer(worker, keyring_answer);
}

/* ---- files: a courier of files, where there is a folder for them ---- */

static size_t count_files(const void *config)
{
	return *settings(config)->billing_folder ? 1 : 0;
}

static const struct supervisor_role roles[] = {
	{ .name = "landnet",
	  .count = count_workers,
	  .listeners = list_addresses,
	  .load = landnet_load,
	  .start = landnet_start,
	  .stop = landnet_stop,
	  .cut = landnet_cut,
	  .rights = SANDBOX_ACCEPT | SANDBOX_DATABASE,
	  .asks = (const char *const[]){ "zone", "keys", NULL } },
	{ .name = "courier",
	  .load = courier_load,
	  .start = courier_start,
	  .stop = courier_stop,
	  .cut = courier_cut,
	  .rights = SANDBOX_DATABASE | SANDBOX_RESOLVE },
	{ .name = "files",
	  .count = count_files,
	  .load = courier_load_files,
	  .start = courier_start,
	  .stop = courier_stop,
	  .cut = courier_cut,
	  .rights = SANDBOX_DATABASE | SANDBOX_MAKE_FILES },
	{ .name = "zone",
	  .load = load_zone,
	  .start = start_zone,
	  .is_blocking = true,
	  .is_answerer = true },
	{ .name = "keys",
	  .load = load_keys,
	  .start = start_keys,
	  .is_blocking = true,
	  .is_answerer = true,
	  .is_at_hatch = true },
};

int main(int argc, char **argv)
{
	static const struct supervisor_spec spec = {
		.program = "provbox-server",
		.summary = "Provision devices that gateways have authenticated.",
		.default_config = PROVBOX_SYSCONFDIR "/server.conf",
		.config = &server_config_spec,
		.roles = roles,
		.n_roles = sizeof(roles) / sizeof(roles[0]),
		.metrics = server_metrics,
		.n_metrics = SERVER_N_METRICS,
		.check = server_config_check,
		.expiring = server_config_expiring,
	};
	return supervisor_main(&spec, argc, argv);
}
