/*
 * provbox-smsc: takes due notices from the database to Kannel's bearerbox, follows
 * delivery reports, and takes messages from handsets. See doc/smsc.md.
 */
#include "smsc/smsc_config.h"
#include "smsc/smsc_metrics.h"
#include "smsc/worker.h"

static const struct supervisor_role roles[] = {
	{ .name = "link",
	  .count = smsc_config_n_bearerboxes,
	  .load = smsc_worker_load,
	  .start = smsc_worker_start,
	  .take_over = smsc_worker_take_over,
	  .stop = smsc_worker_stop,
	  .cut = smsc_worker_cut,
	  .rights = SANDBOX_DATABASE },
};

static const struct supervisor_spec spec = {
	.program = "provbox-smsc",
	.summary = "Carry messages between the database and Kannel's bearerbox.",
	.default_config = PROVBOX_SYSCONFDIR "/smsc.conf",
	.config = &smsc_config_spec,
	.roles = roles,
	.n_roles = sizeof(roles) / sizeof(roles[0]),
	.metrics = smsc_metrics,
	.n_metrics = SMSC_N_METRICS,
	.check = smsc_config_check,
};

int main(int argc, char **argv)
{
	return supervisor_main(&spec, argc, argv);
}
