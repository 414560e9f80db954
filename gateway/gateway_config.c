#include "gateway/gateway_config.h"

#include "auth/auth.h"
#include "base/conn.h"
#include "base/http.h"
#include "base/network.h"
#include "base/seats.h"
#include "base/tls.h"
#include "gateway/authorities.h"

#define AT(member)           offsetof(struct gateway_config, member)
#define AT_ROUTE(member)     offsetof(struct route_config, member)
#define AT_AUTHORITY(member) offsetof(struct authority_config, member)
#define LISTEN_MAX           32 /* addresses of each kind */

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
	  .max = LISTEN_MAX,
	  .help = "Addresses for handsets, {\"ip:port\", \"[ip6]:port\", ...}." },
	{ .name = "proxy_listen",
	  .type = CONFIG_ADDRESSES,
	  .offset = AT(proxy_listen),
	  .fallback = "{}",
	  .min = 0,
	  .max = LISTEN_MAX,
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
	  .fallback = "4096",
	  .min = 1,
	  .max = 65536,
	  .help = "Requests that may wait for one, short and long ones apart." },
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
	SUPERVISOR_KEYS("unix:/run/provbox/gateway.sock"),
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

static bool read_key_hash(const char *key, const char *certificate,
			  uint8_t out[SHA256_BYTES], FILE *errors)
{
	if (tls_spki_hash_of_file(certificate, out))
		return true;
	fprintf(errors, "%s: %s holds no PEM certificate\n", key, certificate);
	return false;
}

/* A294: the legs never share a key. */
static bool check_legs(const struct gateway_config *config, FILE *errors)
{
	uint8_t airnet[SHA256_BYTES], landnet[SHA256_BYTES];
	bool is_read = read_key_hash("airnet_certificate", config->airnet_certificate,
				     airnet, errors);

	is_read &= read_key_hash("landnet_certificate", config->landnet_certificate,
				 landnet, errors);

	if (!is_read || memcmp(airnet, landnet, sizeof(airnet)) != 0)
		return is_read;
	fprintf(errors, "landnet_key: is the key of the airnet leg, too; "
			"make a key of its own for each leg\n");
	return false;
}

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

static bool is_same_address(const char *a, const char *b)
{
	struct sockaddr_storage one, other;
	socklen_t size;

	BUG_ON(!conn_address(a, &one, &size) || !conn_address(b, &other, &size));
	return memcmp(&one, &other, sizeof(one)) == 0;
}

/* Whether connections to an address begin with a header is never a question. */
static bool check_each_once(const struct gateway_config *config, FILE *errors)
{
	const char *addresses[2 * LISTEN_MAX];
	size_t n = gateway_config_addresses(config, addresses, COUNT(addresses));
	bool is_good = true;

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < i; j++) {
			if (!is_same_address(addresses[i], addresses[j]))
				continue;
			fprintf(errors,
				"airnet_listen, proxy_listen: %s is listed twice\n",
				addresses[i]);
			is_good = false;
		}
	return is_good;
}

static bool check_listeners(const struct gateway_config *config, FILE *errors)
{
	bool is_good = check_each_once(config, errors);

	if (config->airnet_listen.n == 0 && config->proxy_listen.n == 0) {
		fprintf(errors, "airnet_listen: is empty, and so is proxy_listen; "
				"handsets need an address\n");
		is_good = false;
	}
	if (config->proxy_listen.n > 0 && config->proxy_from.n == 0) {
		fprintf(errors, "proxy_from: is empty; give the networks of the "
				"proxies that connect to proxy_listen\n");
		is_good = false;
	}
	if (config->proxy_listen.n == 0 && config->proxy_from.n > 0) {
		fprintf(errors, "proxy_listen: is empty; give the addresses to which "
				"the proxies of proxy_from connect\n");
		is_good = false;
	}
	return is_good;
}

/* F20: whom nobody can revoke is not believed. */
static bool check_revocation(const char *key, const char *trust, const char *crl,
			     FILE *errors)
{
	char why[512];

	if (tls_check_trust(trust, crl, why, sizeof(why)))
		return true;
	fprintf(errors, "%s: %s\n", key, why);
	return false;
}

static bool check_anchors(const char *key, const char *path, FILE *errors)
{
	if (!keys_are_demo(path))
		return true;
	fprintf(errors,
		"%s: %s is marked for demonstration; use anchors of your own or set "
		"demo = yes\n",
		key, path);
	return false;
}

/* F62: anchors that were made for a demonstration open nothing else. */
static bool check_demo(const struct gateway_config *config, FILE *errors)
{
	const struct route_config *routes = config->routes.items;
	bool is_good;

	if (config->is_demo)
		return true;
	is_good = check_anchors("airnet_trust", config->airnet_trust, errors);
	is_good &= check_anchors("landnet_trust", config->landnet_trust, errors);
	for (size_t i = 0; i < config->routes.n; i++) {
		char key[AUTH_SRV_CHARS + 32];

		snprintf(key, sizeof(key), "route \"%s\": proof_root", routes[i].title);
		if (routes[i].proof_root)
			is_good &= check_anchors(key, routes[i].proof_root, errors);
	}
	return is_good;
}

bool gateway_config_covers(const char *prefix, struct slice path)
{
	struct slice start = slice_of(prefix);

	return slice_starts(path, start) &&
	       (path.n == start.n || path.p[start.n] == '/');
}

/* What the gateway itself says to a server: no prefix may let a handset say it. */
static const char *own_path_below(const char *prefix)
{
	static const char *const paths[] = { "/v1/authentication", "/v1/sessions",
					     "/v1/control" };

	for (size_t i = 0; i < COUNT(paths); i++) {
		if (gateway_config_covers(prefix, slice_of(paths[i])) ||
		    gateway_config_covers(paths[i], slice_of(prefix)))
			return paths[i];
	}
	return NULL;
}

static bool check_prefixes(const struct route_config *route, const char *key,
			   const struct config_list *prefixes, FILE *errors)
{
	bool is_good = true;

	for (size_t i = 0; i < prefixes->n; i++) {
		const char *prefix = prefixes->items[i];
		const char *own = own_path_below(prefix);

		if (own)
			fprintf(errors,
				"route \"%s\": %s: the prefix %s would let handsets "
				"use %s, which is the gateway's own\n",
				route->title, key, prefix, own);
		else if (!http_target_is_canonical(slice_of(prefix)))
			fprintf(errors,
				"route \"%s\": %s: %s is no path prefix; write like "
				"/v1/device\n",
				route->title, key, prefix);
		else
			continue;
		is_good = false;
	}
	return is_good;
}

static bool check_route(const struct route_config *route, FILE *errors)
{
	char srv[AUTH_SRV_CHARS + 1];
	bool is_good = true;

	if (!identity_srv(slice_of(route->title), 443, srv) ||
	    strcmp(srv, route->title)) {
		fprintf(errors,
			"route \"%s\": is not a lower-case host:port with its port\n",
			route->title);
		is_good = false;
	}
	if (!route->proof_root && !route->proof_pins.n) {
		fprintf(errors, "route \"%s\": needs proof_root or proof_pins\n",
			route->title);
		is_good = false;
	}
	is_good &= check_prefixes(route, "care", &route->care, errors);
	is_good &= check_prefixes(route, "provision", &route->provision, errors);
	is_good &= check_prefixes(route, "large", &route->large, errors);
	return is_good;
}

bool gateway_config_check(const void *top, FILE *errors)
{
	const struct gateway_config *config = top;
	const struct route_config *routes = config->routes.items;
	bool is_good = check_listeners(config, errors);

	is_good &= check_legs(config, errors);
	is_good &= check_demo(config, errors);
	is_good &= authorities_check(config, errors);
	is_good &= check_revocation("airnet_crl", config->airnet_trust,
				    config->airnet_crl, errors);
	is_good &= check_revocation("landnet_crl", config->landnet_trust,
				    config->landnet_crl, errors);
	for (size_t i = 0; i < config->routes.n; i++)
		is_good &= check_route(&routes[i], errors);
	return is_good;
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
