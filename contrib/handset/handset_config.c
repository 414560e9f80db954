#include "contrib/handset/handset_config.h"

#include <stdio.h>
#include <stdlib.h>

#define FIELD(member) offsetof(struct handset_config, member)
#define HTTPS_PORT    443

bool handset_config_srv(const char *uri, char out[AUTH_SRV_CHARS + 1])
{
	static const struct slice scheme = { "https://", 8 };
	struct slice rest = slice_of(uri), host;

	if (!slice_starts(rest, scheme))
		return false;
	rest = slice_make(rest.p + scheme.n, rest.n - scheme.n);
	return slice_next(&rest, '/', &host) && identity_srv(host, HTTPS_PORT, out);
}

static bool check_device(const void *section, char *why, size_t why_size)
{
	const struct handset_config *config = section;
	char canonical[AUTH_DEV_CHARS + 1];

	if (identity_canonical(slice_of(config->device), canonical) &&
	    strcmp(canonical, config->device) == 0)
		return true;
	snprintf(why, why_size,
		 "is no canonical identifier such as "
		 "urn:gsma:imei:35209900-176148-0");
	return false;
}

bool handset_config_is_number(const char *text)
{
	size_t digits = text[0] == '+' ? strspn(text + 1, "0123456789") : 0;

	return digits >= 3 && digits <= 15 && text[1 + digits] == '\0';
}

static bool check_number(const void *section, char *why, size_t why_size)
{
	if (handset_config_is_number(((const struct handset_config *)section)->number))
		return true;
	snprintf(why, why_size, "is not + and 3 to 15 digits");
	return false;
}

static bool check_uri(const void *section, char *why, size_t why_size)
{
	char srv[AUTH_SRV_CHARS + 1];

	if (handset_config_srv(
		    ((const struct handset_config *)section)->provisioning_uri, srv))
		return true;
	snprintf(why, why_size, "is not https://host[:port]/");
	return false;
}

static const struct config_key keys[] = {
	{ "device", CONFIG_STRING, FIELD(device), NULL,
	  "Equipment identifier, a URN; the device certificate must name the same.", 0,
	  0, check_device },
	{ "number", CONFIG_STRING, FIELD(number), NULL,
	  "Telephone number under which short messages arrive.", 0, 0, check_number },
	{ "model", CONFIG_STRING, FIELD(model), "Handset",
	  "Model, as the operator's record has it.", 0, 0, NULL },
	{ "firmware", CONFIG_STRING, FIELD(firmware), "1.0", "Firmware version.", 0, 0,
	  NULL },
	{ "language", CONFIG_STRING, FIELD(language), "en",
	  "Language in which terms are wanted, a BCP 47 tag.", 0, 0, NULL },
	{ "gateway", CONFIG_ADDRESS, FIELD(gateway), NULL,
	  "Address of the gateway on the airnet.", 0, 0, NULL },
	{ "gateway_name", CONFIG_STRING, FIELD(gateway_name), NULL,
	  "Name that the gateway's certificate must have.", 0, 0, NULL },
	{ "provisioning_uri", CONFIG_STRING, FIELD(provisioning_uri), NULL,
	  "Pre-stored URI of the provisioning server.", 0, 0, check_uri },
	{ "key_file", CONFIG_STRING, FIELD(key_file), HANDSET_KEY_FILE,
	  "Key of the device, in its storage; read by its owner alone.", 0, 0, NULL },
	{ "chain_file", CONFIG_STRING, FIELD(chain_file), HANDSET_CHAIN_FILE,
	  "Certificate of the device, in its storage, and those between it and its "
	  "root.",
	  0, 0, NULL },
	{ "airnet_root", CONFIG_PATH, FIELD(airnet_root), NULL,
	  "Trust anchors of the gateway's certificate, PEM.", 0, 0, NULL },
	{ "proof_root", CONFIG_STRING, FIELD(proof_root), "",
	  "Trust anchors of the server's proofs, PEM; empty: the pins alone.", 0, 0,
	  NULL },
	{ "proof_pins", CONFIG_LIST, FIELD(proof_pins), "{}",
	  "Thumbprints (RFC 7638) of proof keys that are believed, at most two.", 0, 0,
	  NULL },
	{ "radio", CONFIG_STRING, FIELD(radio), "",
	  "Socket of the radio for short messages; empty: none.", 0, 0, NULL },
	{ "care_number", CONFIG_STRING, FIELD(care_number), "",
	  "Number of customer care, shown when something fails.", 0, 0, NULL },
	{ "care_uri", CONFIG_STRING, FIELD(care_uri), "",
	  "Page of customer care, shown when something fails.", 0, 0, NULL },
	{ "handshake_timeout", CONFIG_DURATION, FIELD(handshake_timeout_ms), "10s",
	  "Connecting and TLS handshake together.", 1, 600000, NULL },
	{ "response_timeout", CONFIG_DURATION, FIELD(response_timeout_ms), "30s",
	  "From a request to the head of its response.", 1, 600000, NULL },
	{ "body_timeout", CONFIG_DURATION, FIELD(body_timeout_ms), "30s",
	  "Without progress of a body.", 1, 600000, NULL },
	{ "wait", CONFIG_NUMBER, FIELD(wait_s), "5",
	  "Seconds that the server is asked to wait for news (Prefer: wait).", 0, 60,
	  NULL },
	{ "poll_delay", CONFIG_DURATION, FIELD(poll_delay_ms), "500ms",
	  "Pause before asking again when the server did not wait.", 1, 600000, NULL },
	{ "retries", CONFIG_NUMBER, FIELD(retries), "5",
	  "Attempts after the first at something that a broken link interrupted.", 0,
	  100, NULL },
	{ "retry_delay", CONFIG_DURATION, FIELD(retry_delay_ms), "500ms",
	  "Pause before the second attempt; doubles with each, up to 10 s.", 1, 10000,
	  NULL },
	{ "part_timeout", CONFIG_DURATION, FIELD(part_timeout_ms), "10m",
	  "How long the other parts of a short message are waited for.", 1, 86400000,
	  NULL },
	{ "answer_repeat", CONFIG_DURATION, FIELD(answer_repeat_ms), "5s",
	  "Pause before an answer by short message is sent again.", 1, 86400000, NULL },
	{ "connect_limit", CONFIG_DURATION, FIELD(connect_limit_ms), "1m",
	  "Limit of each step up to the menu.", 1, 86400000, NULL },
	{ "server_limit", CONFIG_DURATION, FIELD(server_limit_ms), "10m",
	  "Limit of each decision of the server.", 1, 86400000, NULL },
	{ "terms_limit", CONFIG_DURATION, FIELD(terms_limit_ms), "7d",
	  "How long terms are waited for, and left to the user.", 1, 2678400000, NULL },
	{ "transfer_limit", CONFIG_DURATION, FIELD(transfer_limit_ms), "1h",
	  "Limit of one download, and of waiting for what is not ready yet.", 1,
	  86400000, NULL },
	{ "again_limit", CONFIG_DURATION, FIELD(again_limit_ms), "1m",
	  "How long the user is asked whether to have a failed item sent again.", 1,
	  86400000, NULL },
	{ "test_limit", CONFIG_DURATION, FIELD(test_limit_ms), "10s",
	  "Limit of a self-test.", 1, 600000, NULL },
};

static const struct config_section sections[] = {
	{ .help = "The handset.",
	  .keys = keys,
	  .n_keys = sizeof(keys) / sizeof(keys[0]),
	  .size = sizeof(struct handset_config) },
};

const struct config_spec handset_config_spec = {
	.program = "handset",
	.sections = sections,
	.n_sections = 1,
};

struct config *handset_config_read(void)
{
	char *path = realpath(HANDSET_CONFIG_FILE, NULL);
	struct config *config = config_read(&handset_config_spec,
					    path ? path : HANDSET_CONFIG_FILE, stderr);

	free(path);
	return config;
}
