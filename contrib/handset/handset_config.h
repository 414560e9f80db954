/*
 * Settings of one handset: what the factory and the operator put into it before the
 * user ever holds it (handset.conf in its storage). Nothing of the user is here.
 */
#ifndef CONTRIB_HANDSET_HANDSET_CONFIG_H
#define CONTRIB_HANDSET_HANDSET_CONFIG_H

#include "auth/auth.h"
#include "base/config.h"

#define HANDSET_CONFIG_FILE "handset.conf"
#define HANDSET_KEY_FILE    "device.key"
#define HANDSET_CSR_FILE    "device.csr"
#define HANDSET_CHAIN_FILE  "device.crt"

struct handset_config {
	char *title;
	char *device; /* equipment identifier, canonical URN */
	char *number;
	char *model, *firmware, *language;
	char *gateway; /* ip:port */
	char *gateway_name;
	char *provisioning_uri;
	char *key_file, *chain_file;
	char *airnet_root;
	char *proof_root; /* empty: pins alone */
	struct config_list proof_pins;
	char *radio; /* path of the socket; empty: no narrow band */
	char *care_number, *care_uri;
	int64_t handshake_timeout_ms, response_timeout_ms, body_timeout_ms;
	int64_t wait_s; /* of Prefer */
	int64_t poll_delay_ms;
	int64_t retries, retry_delay_ms;
	int64_t part_timeout_ms, answer_repeat_ms;
	int64_t connect_limit_ms, server_limit_ms, terms_limit_ms, transfer_limit_ms;
	int64_t again_limit_ms;
	int64_t test_limit_ms;
};

extern const struct config_spec handset_config_spec;

/**
 * Read HANDSET_CONFIG_FILE of the folder that the process is in.
 * @return NULL after lines on stderr, which name the whole path; config_free()
 */
struct config *handset_config_read(void);

/** Whether a text is a telephone number: + and 3 to 15 digits. */
bool handset_config_is_number(const char *text);
/** Name and port of the provisioning server in srv form, from its URI. */
bool handset_config_srv(const char *uri, char out[AUTH_SRV_CHARS + 1]);

#endif
