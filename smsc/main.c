/*
 * provbox-smsc: takes due notices from the database to Kannel's bearerbox, follows
 * delivery reports, and takes messages from handsets. See doc/smsc.md.
 */
#include "smsc/smsc_config.h"
#include "smsc/smsc_metrics.h"
#include "smsc/worker.h"

/* A lease that ends while an acknowledgement may still come sends a part twice. */
static bool check(const void *arg, FILE *errors)
{
	const struct smsc_config *config = arg;
	if (config->ack_timeout_ms <= config->lease_ms / 2 &&
	    config->poll_min_ms <= config->poll_max_ms)
		return true;
	fprintf(errors,
		"ack_timeout must be at most half of lease, and poll_min at most "
		"poll_max\n");
	return false;
}

static const struct supervisor_role roles[] = {
	{ .name = "link", .start = smsc_worker_start, .stop = smsc_worker_stop },
};

static const struct supervisor_spec spec = {
	.program = "provbox-smsc",
	.summary = "carries messages between the database and Kannel's bearerbox",
	.default_config = PROVBOX_SYSCONFDIR "/smsc.conf",
	.config = &smsc_config_spec,
	.roles = roles,
	.n_roles = sizeof(roles) / sizeof(roles[0]),
	.metrics = smsc_metrics,
	.n_metrics = SMSC_N_METRICS,
	.check = check,
};

int main(int argc, char **argv)
{
	return supervisor_main(&spec, argc, argv);
}
