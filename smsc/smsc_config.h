/*
 * Configuration of provbox-smsc: one table of keys, one struct. Knows what may stand
 * in the file, not what is done with it.
 */
#ifndef SMSC_SMSC_CONFIG_H
#define SMSC_SMSC_CONFIG_H

#include <stdio.h>

#include "base/supervisor.h"

/** A bearerbox block: one process of ours has the link to it. */
struct bearerbox_config {
	char *title; /* its name in the database, the metrics and the log */
	char *address;
};

struct smsc_config {
	struct supervisor_config daemon;
	struct config_array bearerboxes; /* of struct bearerbox_config */
	char *box_id;
	char *seal_key_file; /* NULL: no sealed texts */
	char *dsn;
	int64_t database_connections;
	int64_t database_timeout_ms;
	bool prepare;
	int64_t window;
	int64_t ack_timeout_ms;
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

#define SMSC_BEARERBOXES_MAX 64

/** How many bearerboxes a struct smsc_config has; struct supervisor_role's count. */
size_t smsc_config_n_bearerboxes(const void *config);
/** @param index  below their number; the process of the same index has its link */
const struct bearerbox_config *smsc_config_bearerbox(const struct smsc_config *config,
						     size_t index);

/** What no single key can tell: that the times fit each other. */
bool smsc_config_check(const void *config, FILE *errors);

#endif
