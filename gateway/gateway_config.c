#include "gateway/gateway_config.h"

#include "base/network.h"
#include "base/seats.h"
#include "base/tls.h"

#define AT(member)           offsetof(struct gateway_config, member)
#define AT_ROUTE(member)     offsetof(struct route_config, member)
#define AT_AUTHORITY(member) offsetof(struct authority_config, member)

#define BODY_LIMIT_MAX 1073741824

static bool check_networks(const void *section, char *why, size_t why_size)
{
	const struct config_list *networks =
		&((const struct gateway_config *)section)->proxy_from;
	struct network network;

	for (size_t i = 0; i < networks->n; i++) {
		if (network_parse(networks->items[i], &network))
			continue;
		snprintf(why, why_size,
			 "has %s, which is no network; write like 192.0.2.0/24 or "
			 "2001:db8::/32, zero beyond the prefix",
			 networks->items[i]);
		return false;
	}
	return true;
}

static bool check_stale(const char *text, char *why, size_t why_size)
{
	bool unused;

	if (tls_stale_parse(text, &unused))
		return true;
	snprintf(why, why_size, "is neither refuse nor warn");
	return false;
}

static bool check_airnet_stale(const void *config, char *why, size_t why_size)
{
	return check_stale(((const struct gateway_config *)config)->airnet_crl_stale,
			   why, why_size);
}

static bool check_landnet_stale(const void *config, char *why, size_t why_size)
{
	return check_stale(((const struct gateway_config *)config)->landnet_crl_stale,
			   why, why_size);
}

static const struct config_key top_keys[] = {
	{ .name = "airnet_listen",
	  .type = CONFIG_ADDRESSES,
	  .offset = AT(airnet_listen),
	  .fallback = "{}",
	  .min = 0,
	  .max = GATEWAY_LISTEN_MAX,
	  .help = "Addresses for handsets, {\"ip:port\", \"[ip6]:port\", ...}." },
	{ .name = "proxy_listen",
	  .type = CONFIG_ADDRESSES,
	  .offset = AT(proxy_listen),
	  .fallback = "{}",
	  .min = 0,
	  .max = GATEWAY_LISTEN_MAX,
	  .help = "Addresses for handsets that come through a proxy, which begins "
		  "each connection with a PROXY header, version 2." },
	{ .name = "proxy_from",
	  .type = CONFIG_LIST,
	  .offset = AT(proxy_from),
	  .fallback = "{}",
	  .min = 0,
	  .max = 64,
	  .check = check_networks,
	  .help = "Networks of those proxies, {\"192.0.2.0/24\", ...}; nobody else "
		  "may connect to proxy_listen." },
	{ .name = "airnet_certificate",
	  .type = CONFIG_PATH,
	  .offset = AT(airnet_certificate),
	  .help = "PEM chain shown to handsets." },
	{ .name = "airnet_key",
	  .type = CONFIG_SECRET,
	  .offset = AT(airnet_key),
	  .help = "Its private key, readable by its owner alone." },
	{ .name = "airnet_trust",
	  .type = CONFIG_PATH,
	  .offset = AT(airnet_trust),
	  .help = "PEM anchors of device certificates." },
	{ .name = "airnet_crl",
	  .type = CONFIG_PATH,
	  .offset = AT(airnet_crl),
	  .help = "PEM revocation lists, one for every CA of airnet_trust." },
	{ .name = "airnet_crl_stale",
	  .offset = AT(airnet_crl_stale),
	  .fallback = "refuse",
	  .check = check_airnet_stale,
	  .help = "When one is past its end: refuse its devices, or warn and go on." },
	{ .name = "chains_remembered",
	  .type = CONFIG_NUMBER,
	  .offset = AT(chains_remembered),
	  .fallback = "10000",
	  .min = 0,
	  .max = 1000000,
	  .help = "Verified device chains that a worker remembers, 300 bytes each; 0: "
		  "none." },
	{ .name = "airnet_tls12",
	  .type = CONFIG_BOOL,
	  .offset = AT(airnet_tls12),
	  .fallback = "yes",
	  .help = "Also accept TLS 1.2 (with extended master secret) from handsets." },
	{ .name = "slim_sessions",
	  .type = CONFIG_BOOL,
	  .offset = AT(slim_sessions),
	  .fallback = "yes",
	  .help = "Let sessions forget what was needed for their handshake alone: they "
		  "take a third less memory. With OpenSSL 3.0 only." },
	{ .name = "landnet_certificate",
	  .type = CONFIG_PATH,
	  .offset = AT(landnet_certificate),
	  .help = "PEM chain shown to provisioning servers." },
	{ .name = "landnet_key",
	  .type = CONFIG_SECRET,
	  .offset = AT(landnet_key),
	  .help = "Its private key; never the key of the airnet leg." },
	{ .name = "landnet_trust",
	  .type = CONFIG_PATH,
	  .offset = AT(landnet_trust),
	  .help = "PEM anchors of provisioning servers." },
	{ .name = "landnet_crl",
	  .type = CONFIG_PATH,
	  .offset = AT(landnet_crl),
	  .help = "PEM revocation lists, one for every CA of landnet_trust." },
	{ .name = "landnet_crl_stale",
	  .offset = AT(landnet_crl_stale),
	  .fallback = "refuse",
	  .check = check_landnet_stale,
	  .help = "When one is past its end: refuse its servers, or warn and go on." },
	{ .name = "expiry_warning",
	  .type = CONFIG_DURATION,
	  .offset = AT(expiry_warning_ms),
	  .fallback = "14d",
	  .min = 0,
	  .max = 31622400000,
	  .help = "How long before its end a certificate or revocation list is told." },
	{ .name = "workers",
	  .type = CONFIG_NUMBER,
	  .offset = AT(workers),
	  .fallback = "1",
	  .min = 1,
	  .max = 64,
	  .help = "Worker processes; one for each core." },
	{ .name = "sessions",
	  .type = CONFIG_NUMBER,
	  .offset = AT(sessions),
	  .fallback = "10000",
	  .min = 1,
	  .max = 1000000,
	  .help = "Connections of handsets for each worker; more wait to be "
		  "accepted." },
	{ .name = "handshakes",
	  .type = CONFIG_NUMBER,
	  .offset = AT(handshakes),
	  .fallback = "2000",
	  .min = 1,
	  .max = 1000000,
	  .help = "Of those, how many may be in their handshake." },
	{ .name = "sessions_per_identity",
	  .type = CONFIG_NUMBER,
	  .offset = AT(sessions_per_identity),
	  .fallback = "16",
	  .min = 0,
	  .max = SEATS_MAX_LIMIT,
	  .help = "Sessions with one credential, over all workers; the oldest gives "
		  "way. 0: any number." },
	{ .name = "new_sessions_per_address",
	  .type = CONFIG_NUMBER,
	  .offset = AT(new_sessions_per_address),
	  .fallback = "0",
	  .min = 0,
	  .max = 1000000,
	  .help = "Connections of one IPv4 address or IPv6 /64 a second, over all "
		  "workers; more are closed. 0: any number; handsets may share one." },
	{ .name = "admission",
	  .type = CONFIG_NUMBER,
	  .offset = AT(admission),
	  .fallback = "2000",
	  .min = 0,
	  .max = 1000000,
	  .help = "New devices to authenticate a second, over all workers; more are "
		  "told to come later, 503 admission_limited. 0: any number." },
	{ .name = "retry_after",
	  .type = CONFIG_DURATION,
	  .offset = AT(retry_after_ms),
	  .fallback = "30s",
	  .min = 1000,
	  .max = 3600000,
	  .help = "Over how long devices that are answered 503 are spread: each is "
		  "told a "
		  "time within it, by chance." },
	{ .name = "pool_size",
	  .type = CONFIG_NUMBER,
	  .offset = AT(pool_size),
	  .fallback = "64",
	  .min = 1,
	  .max = 4096,
	  .help = "Landnet connections for each worker and route." },
	{ .name = "pool_queue",
	  .type = CONFIG_NUMBER,
	  .offset = AT(pool_queue),
	  .fallback = "10000",
	  .min = 1,
	  .max = 1000000,
	  .help = "Requests that may wait for one, short and long ones apart; as many "
		  "as "
		  "sessions, or some are told 503 landnet_busy when all ask at once." },
	{ .name = "pool_wait",
	  .type = CONFIG_DURATION,
	  .offset = AT(pool_wait_ms),
	  .fallback = "5s",
	  .min = 10,
	  .max = 60000,
	  .help = "How long a request may wait for one; then 503 landnet_busy." },
	{ .name = "body_limit",
	  .type = CONFIG_SIZE,
	  .offset = AT(body_limit),
	  .fallback = "256k",
	  .min = 1024,
	  .max = BODY_LIMIT_MAX,
	  .help = "Largest request body taken from a handset." },
	{ .name = "handshake_timeout",
	  .type = CONFIG_DURATION,
	  .offset = AT(handshake_timeout_ms),
	  .fallback = "10s",
	  .min = 10,
	  .max = 600000,
	  .help = "Connecting and TLS handshake, on either leg." },
	{ .name = "head_timeout",
	  .type = CONFIG_DURATION,
	  .offset = AT(head_timeout_ms),
	  .fallback = "10s",
	  .min = 10,
	  .max = 600000,
	  .help = "From the first byte of a head to its end." },
	{ .name = "body_timeout",
	  .type = CONFIG_DURATION,
	  .offset = AT(body_timeout_ms),
	  .fallback = "30s",
	  .min = 10,
	  .max = 600000,
	  .help = "A body without progress." },
	{ .name = "write_timeout",
	  .type = CONFIG_DURATION,
	  .offset = AT(write_timeout_ms),
	  .fallback = "30s",
	  .min = 10,
	  .max = 600000,
	  .help = "A peer that takes nothing of what is sent." },
	{ .name = "idle_timeout",
	  .type = CONFIG_DURATION,
	  .offset = AT(idle_timeout_ms),
	  .fallback = "5m",
	  .min = 10,
	  .max = 86400000,
	  .help = "A session between two requests." },
	{ .name = "authentication_timeout",
	  .type = CONFIG_DURATION,
	  .offset = AT(authentication_timeout_ms),
	  .fallback = "5s",
	  .min = 10,
	  .max = 60000,
	  .help = "The authentication request, waiting for a connection included." },
	{ .name = "demo",
	  .type = CONFIG_BOOL,
	  .offset = AT(is_demo),
	  .fallback = "no",
	  .help = "Accept trust anchors that are marked for demonstration." },
	SUPERVISOR_KEYS("unix:/run/provbox/gateway.sock", "provbox-gateway"),
};

static const struct config_key route_keys[] = {
	{ .name = "address",
	  .type = CONFIG_ADDRESSES,
	  .offset = AT_ROUTE(addresses),
	  .min = 1,
	  .max = 64,
	  .help = "Its provisioning servers, {\"ip:port\", ...}, used in turn." },
	{ .name = "care",
	  .type = CONFIG_LIST,
	  .offset = AT_ROUTE(care),
	  .fallback = "{\"/v1/device\"}",
	  .help = "Path prefixes that a limited device may use, too." },
	{ .name = "provision",
	  .type = CONFIG_LIST,
	  .offset = AT_ROUTE(provision),
	  .fallback = "{\"/v1/catalogue\", \"/v1/requests\", \"/v1/content\"}",
	  .help = "Path prefixes for devices in good standing; others are not "
		  "forwarded." },
	{ .name = "body_limit",
	  .type = CONFIG_SIZE,
	  .offset = AT_ROUTE(body_limit),
	  .fallback = "0",
	  .min = 0,
	  .max = BODY_LIMIT_MAX,
	  .help = "Largest request body for this server; 0: as at the top." },
	{ .name = "large",
	  .type = CONFIG_LIST,
	  .offset = AT_ROUTE(large),
	  .fallback = "{\"/v1/content\"}",
	  .help = "Path prefixes whose answers are large: they share half of the "
		  "connections." },
	{ .name = "proof_root",
	  .type = CONFIG_PATH,
	  .offset = AT_ROUTE(proof_root),
	  .fallback = "",
	  .help = "PEM root of the server's proofs." },
	{ .name = "proof_pins",
	  .type = CONFIG_LIST,
	  .offset = AT_ROUTE(proof_pins),
	  .fallback = "{}",
	  .min = 0,
	  .max = 2,
	  .help = "Or thumbprints (RFC 7638) of its proof keys, at most two." },
};

static const struct config_key authority_keys[] = {
	{ .name = "certificate",
	  .type = CONFIG_PATH,
	  .offset = AT_AUTHORITY(certificate),
	  .help = "PEM certificate of the CA, an anchor or an intermediate." },
	{ .name = "imei",
	  .type = CONFIG_LIST,
	  .offset = AT_AUTHORITY(imei),
	  .fallback = "{}",
	  .help = "IMEIs that it may assert, by their first digits (the type "
		  "allocation "
		  "code and on), or {\"all\"}." },
	{ .name = "meid",
	  .type = CONFIG_LIST,
	  .offset = AT_AUTHORITY(meid),
	  .fallback = "{}",
	  .help = "MEIDs that it may assert, by their first hex digits, or "
		  "{\"all\"}." },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct config_section sections[] = {
	{ .keys = top_keys,
	  .n_keys = COUNT(top_keys),
	  .size = sizeof(struct gateway_config) },
	{ .name = "route",
	  .help = "A provisioning server, by the host:port of its provisioning URI.",
	  .keys = route_keys,
	  .n_keys = COUNT(route_keys),
	  .size = sizeof(struct route_config),
	  .offset = AT(routes),
	  .min_count = 1 },
	{ .name = "authority",
	  .help = "What a CA of device certificates may assert. Without any section, "
		  "all; with one, every device needs a CA that has one.",
	  .keys = authority_keys,
	  .n_keys = COUNT(authority_keys),
	  .size = sizeof(struct authority_config),
	  .offset = AT(authorities) },
};

const struct config_spec gateway_config_spec = {
	.program = "provbox-gateway",
	.sections = sections,
	.n_sections = COUNT(sections),
};

size_t gateway_config_addresses(const struct gateway_config *config,
				const char **addresses, size_t cap)
{
	const struct config_list *lists[] = { &config->airnet_listen,
					      &config->proxy_listen };
	size_t n = 0;

	for (size_t i = 0; i < COUNT(lists); i++)
		for (size_t j = 0; j < lists[i]->n && n < cap; j++)
			addresses[n++] = lists[i]->items[j];
	return n;
}

bool gateway_config_covers(const char *prefix, struct slice path)
{
	struct slice start = slice_of(prefix);

	return slice_starts(path, start) &&
	       (path.n == start.n || path.p[start.n] == '/');
}

void gateway_config_expiring(const void *top, struct expiry_plan *plan)
{
	const struct gateway_config *config = top;
	const struct route_config *routes = config->routes.items;
	char key[EXPIRY_KEY_BYTES];

	plan->warning_ms = config->expiry_warning_ms;
	expiry_add(plan, "airnet_certificate", config->airnet_certificate);
	expiry_add(plan, "airnet_trust", config->airnet_trust);
	expiry_add(plan, "airnet_crl", config->airnet_crl);
	expiry_add(plan, "landnet_certificate", config->landnet_certificate);
	expiry_add(plan, "landnet_trust", config->landnet_trust);
	expiry_add(plan, "landnet_crl", config->landnet_crl);
	for (size_t i = 0; i < config->routes.n; i++) {
		snprintf(key, sizeof(key), "route %s proof_root", routes[i].title);
		expiry_add(plan, key, routes[i].proof_root);
	}
}
