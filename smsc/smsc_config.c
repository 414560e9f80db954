#include "smsc/smsc_config.h"

#include "base/dsn.h"
#include "base/log.h"
#include "smsc/text.h"

#define AT(member) offsetof(struct smsc_config, member)

static bool is_dsn(const void *section, char *why, size_t why_size)
{
	const struct smsc_config *config = section;
	return dsn_check(config->dsn, why, why_size);
}

/* bearerbox names files and queues after the box. */
static bool is_box_id(const void *section, char *why, size_t why_size)
{
	const struct smsc_config *config = section;
	struct slice id = slice_of(config->box_id);
	bool is_valid = id.n >= 1 && id.n <= 32;
	for (size_t i = 0; i < id.n; i++)
		is_valid = is_valid && ((id.p[i] >= 'a' && id.p[i] <= 'z') ||
					(id.p[i] >= 'A' && id.p[i] <= 'Z') ||
					(id.p[i] >= '0' && id.p[i] <= '9') ||
					id.p[i] == '-' || id.p[i] == '_');
	if (!is_valid)
		snprintf(why, why_size,
			 "is not 1 to 32 letters, digits, hyphens or underscores");
	return is_valid;
}

static const struct config_key top_keys[] = {
	{ .name = "bearerbox",
	  .type = CONFIG_ADDRESS,
	  .offset = AT(bearerbox),
	  .fallback = "127.0.0.1:13001",
	  .help = "smsbox-port of Kannel's bearerbox." },
	{ .name = "box_id",
	  .type = CONFIG_STRING,
	  .offset = AT(box_id),
	  .fallback = "provbox",
	  .check = is_box_id,
	  .help = "Name of this box: one link of this name at a time; keep it over "
		  "restarts." },
	{ .name = "dsn",
	  .type = CONFIG_STRING,
	  .offset = AT(dsn),
	  .check = is_dsn,
	  .help = "libpq conninfo of the database, as role provbox_smsc; a password "
		  "by passfile." },
	{ .name = "database_connections",
	  .type = CONFIG_NUMBER,
	  .offset = AT(database_connections),
	  .fallback = "2",
	  .min = 1,
	  .max = 64,
	  .help = "Connections to the database." },
	{ .name = "database_timeout",
	  .type = CONFIG_DURATION,
	  .offset = AT(database_timeout_ms),
	  .fallback = "5s",
	  .min = 10,
	  .max = 60000,
	  .help = "One statement, waiting for a connection included." },
	{ .name = "prepare",
	  .type = CONFIG_BOOL,
	  .offset = AT(prepare),
	  .fallback = "yes",
	  .help = "Prepared statements; no behind PgBouncer in transaction mode." },
	{ .name = "window",
	  .type = CONFIG_NUMBER,
	  .offset = AT(window),
	  .fallback = "1000",
	  .min = TEXT_MAX_PARTS,
	  .max = 100000,
	  .help = "Message parts at bearerbox of which the SMSC has reported "
		  "nothing." },
	{ .name = "ack_timeout",
	  .type = CONFIG_DURATION,
	  .offset = AT(ack_timeout_ms),
	  .fallback = "10s",
	  .min = 10,
	  .max = 600000,
	  .help = "A part that bearerbox does not acknowledge; then the link is made "
		  "anew." },
	{ .name = "validity",
	  .type = CONFIG_DURATION,
	  .offset = AT(validity_ms),
	  .fallback = "1h",
	  .min = 60000,
	  .max = 604800000,
	  .help = "Validity of a message; the setting part_validity should be the "
		  "same." },
	{ .name = "lease",
	  .type = CONFIG_DURATION,
	  .offset = AT(lease_ms),
	  .fallback = "1m",
	  .min = 1000,
	  .max = 3600000,
	  .help = "After this a notice that nobody acknowledged is sent again." },
	{ .name = "poll_min",
	  .type = CONFIG_DURATION,
	  .offset = AT(poll_min_ms),
	  .fallback = "50ms",
	  .min = 1,
	  .max = 60000,
	  .help = "Pause between two looks for due notices after there was work." },
	{ .name = "poll_max",
	  .type = CONFIG_DURATION,
	  .offset = AT(poll_max_ms),
	  .fallback = "1s",
	  .min = 1,
	  .max = 60000,
	  .help = "The longest pause; doubled up to here while there is no work." },
	{ .name = "heartbeat",
	  .type = CONFIG_DURATION,
	  .offset = AT(heartbeat_ms),
	  .fallback = "30s",
	  .min = 1000,
	  .max = 600000,
	  .help = "Pause between two heartbeats to bearerbox." },
	{ .name = "connect_timeout",
	  .type = CONFIG_DURATION,
	  .offset = AT(connect_timeout_ms),
	  .fallback = "5s",
	  .min = 10,
	  .max = 60000,
	  .help = "Connecting to bearerbox; also how long it may take nothing." },
	{ .name = "reconnect_max",
	  .type = CONFIG_DURATION,
	  .offset = AT(reconnect_max_ms),
	  .fallback = "5s",
	  .min = 100,
	  .max = 600000,
	  .help = "Longest pause before connecting again; begins at 100 ms, doubles." },
	{ .name = "give_up",
	  .type = CONFIG_DURATION,
	  .offset = AT(give_up_ms),
	  .fallback = "10s",
	  .min = 100,
	  .max = 600000,
	  .help = "How long something is tried that the database is there for, and "
		  "fails." },
	{ .name = "redeliver",
	  .type = CONFIG_DURATION,
	  .offset = AT(redeliver_ms),
	  .fallback = "5m",
	  .min = 100,
	  .max = 86400000,
	  .help = "After this bearerbox shall bring again what was given up: by a new "
		  "connection." },
	SUPERVISOR_KEYS("unix:/run/provbox/smsc.sock"),
};

static const struct config_section sections[] = {
	{ .keys = top_keys,
	  .n_keys = sizeof(top_keys) / sizeof(top_keys[0]),
	  .size = sizeof(struct smsc_config) },
};

const struct config_spec smsc_config_spec = {
	.program = "provbox-smsc",
	.sections = sections,
	.n_sections = sizeof(sections) / sizeof(sections[0]),
};

bool smsc_config_check(const void *top, FILE *errors)
{
	const struct smsc_config *config = top;
	/* A lease that ends while an acknowledgement may still come sends twice. */
	bool is_lease_long = config->ack_timeout_ms <= config->lease_ms / 2;
	bool is_poll_ordered = config->poll_min_ms <= config->poll_max_ms;
	if (!is_lease_long)
		fprintf(errors,
			"ack_timeout: is more than half of lease; make lease longer\n");
	if (!is_poll_ordered)
		fprintf(errors, "poll_min: is more than poll_max; make it shorter\n");
	return is_lease_long && is_poll_ordered;
}
