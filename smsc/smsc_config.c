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

static bool is_name(struct slice name)
{
	bool is_valid = name.n >= 1 && name.n <= 32;
	for (size_t i = 0; i < name.n; i++)
		is_valid = is_valid && ((name.p[i] >= 'a' && name.p[i] <= 'z') ||
					(name.p[i] >= 'A' && name.p[i] <= 'Z') ||
					(name.p[i] >= '0' && name.p[i] <= '9') ||
					name.p[i] == '-' || name.p[i] == '_');
	return is_valid;
}

#define WHAT_NAMES_ARE "is not 1 to 32 letters, digits, hyphens or underscores"

/* bearerbox names files and queues after the box. */
static bool is_box_id(const void *section, char *why, size_t why_size)
{
	const struct smsc_config *config = section;
	bool is_valid = is_name(slice_of(config->box_id));
	if (!is_valid)
		snprintf(why, why_size, "%s", WHAT_NAMES_ARE);
	return is_valid;
}

static const struct config_key bearerbox_keys[] = {
	{ .name = "address",
	  .type = CONFIG_ADDRESS,
	  .offset = offsetof(struct bearerbox_config, address),
	  .help = "Its smsbox-port." },
};

static const struct config_key top_keys[] = {
	{ .name = "box_id",
	  .type = CONFIG_STRING,
	  .offset = AT(box_id),
	  .fallback = "provbox",
	  .check = is_box_id,
	  .help = "Name of this box: one link of this name at a time; keep it over "
		  "restarts." },
	{ .name = "seal_key_file",
	  .type = CONFIG_SECRET,
	  .offset = AT(seal_key_file),
	  .fallback = "",
	  .help = "Keys that open texts with secrets, one or two lines `KID KEY`; the "
		  "same file as provctl's." },
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
	SUPERVISOR_KEYS("unix:/run/provbox/smsc.sock", "provbox-smsc"),
};

static const struct config_section sections[] = {
	{ .keys = top_keys,
	  .n_keys = sizeof(top_keys) / sizeof(top_keys[0]),
	  .size = sizeof(struct smsc_config) },
	{ .name = "bearerbox",
	  .help = "A bearerbox of Kannel. Numbers are divided among those that are "
		  "there; see doc/smsc.md.",
	  .keys = bearerbox_keys,
	  .n_keys = sizeof(bearerbox_keys) / sizeof(bearerbox_keys[0]),
	  .size = sizeof(struct bearerbox_config),
	  .offset = AT(bearerboxes),
	  .min_count = 1 },
};

const struct config_spec smsc_config_spec = {
	.program = "provbox-smsc",
	.sections = sections,
	.n_sections = sizeof(sections) / sizeof(sections[0]),
};

size_t smsc_config_n_bearerboxes(const void *top)
{
	return ((const struct smsc_config *)top)->bearerboxes.n;
}

const struct bearerbox_config *smsc_config_bearerbox(const struct smsc_config *config,
						     size_t index)
{
	BUG_ON(index >= config->bearerboxes.n);
	return (const struct bearerbox_config *)config->bearerboxes.items + index;
}

/* Two links of one name at one bearerbox would take each other's messages. */
static bool check_bearerboxes(const struct smsc_config *config, FILE *errors)
{
	bool is_good = true;
	for (size_t i = 0; i < config->bearerboxes.n; i++) {
		const struct bearerbox_config *box = smsc_config_bearerbox(config, i);
		if (!is_name(slice_of(box->title))) {
			fprintf(errors, "bearerbox \"%s\": %s\n", box->title,
				WHAT_NAMES_ARE);
			is_good = false;
		}
		for (size_t j = 0; j < i; j++) {
			if (strcmp(smsc_config_bearerbox(config, j)->address,
				   box->address) != 0)
				continue;
			fprintf(errors,
				"bearerbox \"%s\": address: is that of \"%s\"\n",
				box->title, smsc_config_bearerbox(config, j)->title);
			is_good = false;
		}
	}
	if (config->bearerboxes.n > SMSC_BEARERBOXES_MAX) {
		fprintf(errors, "bearerbox: more than %d\n", SMSC_BEARERBOXES_MAX);
		is_good = false;
	}
	return is_good;
}

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
	return check_bearerboxes(config, errors) && is_lease_long && is_poll_ordered;
}
