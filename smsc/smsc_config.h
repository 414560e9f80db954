/*
 * Configuration of provbox-smsc: one table of keys, one struct. Knows what may stand
 * in the file, not what is done with it.
 */
#ifndef SMSC_SMSC_CONFIG_H
#define SMSC_SMSC_CONFIG_H

#include <stdio.h>

#include "base/supervisor.h"

struct smsc_config {
	struct supervisor_config daemon;
	char *bearerbox;
	char *box_id;
	char *dsn;
	int64_t database_connections;
	int64_t database_timeout_ms;
	bool prepare;
	int64_t window;
	int64_t ack_timeout_ms;
	int64_t validity_ms;
	int64_t lease_ms;
	int64_t poll_min_ms;
	int64_t poll_max_ms;
	int64_t heartbeat_ms;
	int64_t connect_timeout_ms;
	int64_t reconnect_max_ms;
	int64_t give_up_ms;
	int64_t redeliver_ms;
};

extern const struct config_spec smsc_config_spec;

/** What no single key can tell: that the times fit each other. */
bool smsc_config_check(const void *config, FILE *errors);

#endif
