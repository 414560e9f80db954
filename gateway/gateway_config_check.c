#include "gateway/gateway_config_check.h"

#include "auth/auth.h"
#include "base/address.h"
#include "base/conn.h"
#include "base/http.h"
#include "base/pem.h"
#include "base/tls.h"
#include "gateway/authorities.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool read_key_hash(const char *key, const char *certificate,
			  uint8_t out[SHA256_BYTES], FILE *errors)
{
	if (tls_spki_hash_of_file(certificate, out))
		return true;
	fprintf(errors, "%s: %s holds no PEM certificate%s\n", key, certificate,
		pem_mistake(certificate, PEM_CERTIFICATE));
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

static bool check_use(const char *key, const char *certificate, enum tls_role role,
		      FILE *errors)
{
	uint8_t unused[SHA256_BYTES];

	if (tls_file_serves(certificate, role) ||
	    !tls_spki_hash_of_file(certificate, unused)) /* check_legs() says so */
		return true;
	fprintf(errors, "%s: %s is not issued for %s (extended key usage)\n", key,
		certificate, role == TLS_SERVER ? "serverAuth" : "clientAuth");
	return false;
}

/* Every peer would refuse what is for the other side. */
static bool check_uses(const struct gateway_config *config, FILE *errors)
{
	bool is_good = check_use("airnet_certificate", config->airnet_certificate,
				 TLS_SERVER, errors);

	return check_use("landnet_certificate", config->landnet_certificate, TLS_CLIENT,
			 errors) &&
	       is_good;
}

static bool is_same_address(const char *a, const char *b)
{
	struct sockaddr_storage one, other;
	socklen_t size;

	BUG_ON(!address_parse(a, &one, &size) || !address_parse(b, &other, &size));
	return memcmp(&one, &other, sizeof(one)) == 0;
}

/* Whether connections to an address begin with a header is never a question. */
static bool check_each_once(const struct gateway_config *config, FILE *errors)
{
	const char *addresses[2 * GATEWAY_LISTEN_MAX];
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
static bool check_revocation(const char *leg, const char *trust, const char *crl,
			     FILE *errors)
{
	char why[512];
	bool is_crl;

	if (tls_check_trust(trust, crl, &is_crl, why, sizeof(why)))
		return true;
	fprintf(errors, "%s_%s: %s\n", leg, is_crl ? "crl" : "trust", why);
	return false;
}

/* F62: anchors that were made for a demonstration open nothing else. */
static bool check_demo(const struct gateway_config *config, FILE *errors)
{
	const struct route_config *routes = config->routes.items;
	bool is_good;

	if (config->is_demo)
		return true;
	is_good = keys_check_demo("airnet_trust", config->airnet_trust, errors);
	is_good &= keys_check_demo("landnet_trust", config->landnet_trust, errors);
	for (size_t i = 0; i < config->routes.n; i++) {
		char key[AUTH_SRV_CHARS + 32];

		snprintf(key, sizeof(key), "route \"%s\": proof_root", routes[i].title);
		if (routes[i].proof_root)
			is_good &= keys_check_demo(key, routes[i].proof_root, errors);
	}
	return is_good;
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

static bool check_pins(const struct route_config *route, FILE *errors)
{
	uint8_t hash[SHA256_BYTES];
	bool is_good = true;

	for (size_t i = 0; i < route->proof_pins.n; i++) {
		struct slice pin = slice_of(route->proof_pins.items[i]);

		if (base64url_decode(pin, hash, sizeof(hash)) == SHA256_BYTES)
			continue;
		fprintf(errors,
			"route \"%s\": proof_pins: pin %zu is no thumbprint: 43 "
			"characters of base64url\n",
			route->title, i + 1);
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
			"route \"%s\": is not a lower-case host:port with its port; "
			"write it as prov.example.com:8443, of the server's "
			"provisioning_uri\n",
			route->title);
		is_good = false;
	}
	if (!route->proof_root && !route->proof_pins.n) {
		fprintf(errors, "route \"%s\": needs proof_root or proof_pins\n",
			route->title);
		is_good = false;
	}
	is_good &= check_pins(route, errors);
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
	is_good &= check_uses(config, errors);
	is_good &= check_demo(config, errors);
	is_good &= authorities_check(config, errors);
	is_good &= check_revocation("airnet", config->airnet_trust, config->airnet_crl,
				    errors);
	is_good &= check_revocation("landnet", config->landnet_trust,
				    config->landnet_crl, errors);
	for (size_t i = 0; i < config->routes.n; i++)
		is_good &= check_route(&routes[i], errors);
	return is_good;
}
