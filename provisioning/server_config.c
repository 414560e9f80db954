#include "provisioning/server_config.h"

#include "base/dsn.h"
#include "base/pem.h"
#include "base/tls.h"
#include "provisioning/mail_text.h"

#define COUNT(array)       (sizeof(array) / sizeof((array)[0]))
#define AT(member)         offsetof(struct server_config, member)
#define AT_GATEWAY(member) offsetof(struct gateway_section, member)
#define AS(section)        ((const struct server_config *)(section))

static bool is_provisioning_uri(const void *section, char *why, size_t why_size)
{
	char srv[AUTH_SRV_CHARS + 1];
	if (server_config_srv(section, srv))
		return true;
	snprintf(why, why_size, "is not https://host[:port]/");
	return false;
}

static bool is_crl_stale(const void *section, char *why, size_t why_size)
{
	bool unused;
	if (tls_stale_parse(AS(section)->crl_stale, &unused))
		return true;
	snprintf(why, why_size, "is neither refuse nor warn");
	return false;
}

static bool is_dsn(const void *section, char *why, size_t why_size)
{
	return dsn_check(AS(section)->dsn, why, why_size);
}

static bool is_service_url(const struct service_config *service, char *why,
			   size_t why_size)
{
	struct slice url = slice_of(service->url);
	if (url.n == 0 || (slice_starts(url, SLICE("https://")) && url.n > 8))
		return true;
	snprintf(why, why_size, "is not an https:// URL");
	return false;
}

static bool is_billing_url(const void *section, char *why, size_t why_size)
{
	return is_service_url(&AS(section)->billing, why, why_size);
}

static bool is_billing_folder(const void *section, char *why, size_t why_size)
{
	const char *folder = AS(section)->billing_folder;
	if (!*folder || *folder == '/')
		return true;
	snprintf(why, why_size, "is no absolute path");
	return false;
}

static bool is_hook_url(const void *section, char *why, size_t why_size)
{
	return is_service_url(&AS(section)->hook, why, why_size);
}

static bool is_mail_url(const void *section, char *why, size_t why_size)
{
	static const char host[] = "abcdefghijklmnopqrstuvwxyz0123456789.-:[]";
	const char *url = AS(section)->mail.server.url;
	const char *rest = strstr(url, "://");
	bool is_ours = slice_starts(slice_of(url), SLICE("smtp://")) ||
		       slice_starts(slice_of(url), SLICE("smtps://"));
	if (!*url || (is_ours && rest[3] && !rest[3 + strspn(rest + 3, host)]))
		return true;
	snprintf(why, why_size, "is not smtp://host[:port] or smtps://host[:port]");
	return false;
}

static bool is_mail_from(const void *section, char *why, size_t why_size)
{
	const char *from = AS(section)->mail.from;
	if (!*from || mail_text_is_address(slice_of(from)))
		return true;
	snprintf(why, why_size, "is no address");
	return false;
}

static bool is_verification_url(const void *section, char *why, size_t why_size)
{
	return is_service_url(&AS(section)->verification, why, why_size);
}

/* clang-format off */
#define DURATION(key, member, value, least, most, text) \
	{ .name = key, .type = CONFIG_DURATION, .offset = AT(member), \
	  .fallback = value, .min = least, .max = most, .help = text }

/* The keys of a server of others, by the head of their names and the member. */
#define SERVER_OF(head, member, check_url, use, call) \
	{ .name = head "_url", .type = CONFIG_STRING, .offset = AT(member.url), \
	  .fallback = "", .check = check_url, .help = use }, \
	{ .name = head "_trust", .type = CONFIG_PATH, .offset = AT(member.trust), \
	  .fallback = "", .help = "PEM anchors of that server; needed with its URL." }, \
	{ .name = head "_certificate", .type = CONFIG_PATH, \
	  .offset = AT(member.certificate), .fallback = "", \
	  .help = "PEM chain shown to it; empty: none." }, \
	{ .name = head "_key", .type = CONFIG_SECRET, .offset = AT(member.key), \
	  .fallback = "", .help = "Its private key." }, \
	DURATION(head "_timeout", member.timeout_ms, "10s", 50, 300000, call)

/* Of one that speaks HTTPS; head is the name of the member, too. */
#define SERVICE(head, check_url, use, call) \
	SERVER_OF(#head, head, check_url, use, call), \
	{ .name = #head "_token_file", .type = CONFIG_SECRET, \
	  .offset = AT(head.token_file), .fallback = "", \
	  .help = "The bearer token that it asks for, on a line; empty: none." }

static const struct config_key top_keys[] = {
	{ .name = "listen", .type = CONFIG_ADDRESSES, .offset = AT(listen),
	  .min = 1, .max = 64,
	  .help = "Landnet addresses for gateways, {\"ip:port\", ...}." },
	{ .name = "certificate", .type = CONFIG_PATH, .offset = AT(certificate),
	  .help = "PEM chain shown to gateways; its name is the host of provisioning_uri." },
	{ .name = "key", .type = CONFIG_SECRET, .offset = AT(key),
	  .help = "Its private key, readable by its owner alone." },
	{ .name = "trust", .type = CONFIG_PATH, .offset = AT(trust),
	  .help = "PEM anchors of gateway certificates." },
	{ .name = "crl", .type = CONFIG_PATH, .offset = AT(crl),
	  .help = "PEM revocation lists, one for every CA of trust." },
	{ .name = "crl_stale", .type = CONFIG_STRING, .offset = AT(crl_stale),
	  .fallback = "refuse", .check = is_crl_stale,
	  .help = "When one is past its end: refuse its gateways, or warn and go on." },
	DURATION("expiry_warning", expiry_warning_ms, "14d", 0, 31622400000,
		 "How long before its end a certificate or revocation list is told."),
	{ .name = "provisioning_uri", .type = CONFIG_STRING,
	  .offset = AT(provisioning_uri), .check = is_provisioning_uri,
	  .help = "What devices know this server by, https://host[:port]/." },
	{ .name = "grant_key_file", .type = CONFIG_SECRET, .offset = AT(grant_key_file),
	  .help = "Keys of the grants, one line `kid hex` each, at most two; the same "
		  "on all servers of one provisioning_uri." },
	{ .name = "proof_certificate", .type = CONFIG_PATH,
	  .offset = AT(proof_certificate),
	  .help = "PEM chain of the proof key; its only name is the URI "
		  "https://host:port/." },
	{ .name = "proof_key", .type = CONFIG_SECRET, .offset = AT(proof_key),
	  .help = "The proof key, loaded by the zone process alone." },
	{ .name = "dsn", .type = CONFIG_STRING, .offset = AT(dsn), .check = is_dsn,
	  .help = "libpq connection string without password; hosts are addresses." },
	{ .name = "prepare", .type = CONFIG_BOOL, .offset = AT(is_prepare),
	  .fallback = "yes",
	  .help = "Prepared statements; no for PgBouncer in transaction mode." },
	{ .name = "database_connections", .type = CONFIG_NUMBER,
	  .offset = AT(database_connections), .fallback = "4", .min = 1, .max = 64,
	  .help = "Database connections of each worker." },
	DURATION("database_timeout", database_timeout_ms, "5s", 50, 60000,
		 "A database call, waiting for a connection included; then 503."),
	SERVICE(billing, is_billing_url,
		"Where billing events are posted; empty: they wait in the outbox.",
		"One attempt at a billing event."),
	{ .name = "billing_folder", .type = CONFIG_STRING,
	  .offset = AT(billing_folder), .fallback = "", .check = is_billing_folder,
	  .help = "Folder, writable by the user, that files of billing events go to; "
		  "empty: they wait in the outbox." },
	{ .name = "fetch_trust", .type = CONFIG_PATH, .offset = AT(fetch_trust),
	  .fallback = "",
	  .help = "PEM anchors of the servers that content is fetched from; empty: it "
		  "waits in the outbox." },
	DURATION("fetch_timeout", fetch_timeout_ms, "30s", 1000, 300000,
		 "Such a server until it begins, and for each 256 KiB."),
	DURATION("fetch_limit", fetch_limit_ms, "1h", 1000, 86400000,
		 "One attempt at one content."),
	SERVER_OF("mail", mail.server, is_mail_url,
		"Where mail is brought, smtp://host[:port] (STARTTLS is demanded) or "
		"smtps://host[:port]; empty: it waits in the outbox.",
		"One attempt at a mail."),
	{ .name = "mail_from", .type = CONFIG_STRING, .offset = AT(mail.from),
	  .fallback = "", .check = is_mail_from,
	  .help = "The address that mail is from; needed with mail_url." },
	{ .name = "mail_credentials", .type = CONFIG_SECRET,
	  .offset = AT(mail.credentials), .fallback = "",
	  .help = "user:password for it, on a line; empty: it asks for none." },
	SERVICE(hook, is_hook_url,
		"Where documents for fax are posted; empty: they wait in the outbox.",
		"One attempt at a document."),
	SERVICE(verification, is_verification_url,
		"Where the verification service is asked; empty: questions wait in the outbox.",
		"One attempt at asking the verification service."),
	{ .name = "workers", .type = CONFIG_NUMBER, .offset = AT(workers),
	  .fallback = "1", .min = 1, .max = 64,
	  .help = "Landnet worker processes; one for each core." },
	{ .name = "control_streams", .type = CONFIG_NUMBER,
	  .offset = AT(control_streams), .fallback = "256", .min = 1, .max = 10000,
	  .help = "Control streams of one gateway at each worker." },
	{ .name = "connections", .type = CONFIG_NUMBER, .offset = AT(connections),
	  .fallback = "10000", .min = 1, .max = 1000000,
	  .help = "Connections of gateways to each worker; more wait to be accepted." },
	{ .name = "handshakes", .type = CONFIG_NUMBER, .offset = AT(handshakes),
	  .fallback = "500", .min = 1, .max = 1000000,
	  .help = "Of those, how many may be of nobody that is known yet." },
	DURATION("handshake_timeout", handshake_timeout_ms, "10s", 10, 600000,
		 "A TLS handshake."),
	DURATION("head_timeout", head_timeout_ms, "10s", 10, 600000,
		 "From the first byte of a request head to its end."),
	DURATION("body_timeout", body_timeout_ms, "30s", 10, 600000,
		 "A request body without progress."),
	DURATION("write_timeout", write_timeout_ms, "30s", 10, 600000,
		 "A gateway that takes nothing of what is sent."),
	DURATION("idle_timeout", idle_timeout_ms, "5m", 10, 86400000,
		 "A connection between two requests; longer than the gateway's."),
	DURATION("authentication_timeout", authentication_timeout_ms, "5s", 10, 60000,
		 "How long the zone may take for a proof."),
	{ .name = "demo", .type = CONFIG_BOOL, .offset = AT(is_demo), .fallback = "no",
	  .help = "Accept trust anchors that are marked for demonstration." },
	SUPERVISOR_KEYS("unix:/run/provbox/server.sock", "provbox-server"),
};

static const struct config_key gateway_keys[] = {
	{ .name = "certificate", .type = CONFIG_PATH,
	  .offset = AT_GATEWAY(certificate), .fallback = "",
	  .help = "PEM of its landnet certificate; its key is what counts." },
	{ .name = "pin", .type = CONFIG_STRING, .offset = AT_GATEWAY(pin),
	  .fallback = "",
	  .help = "Or base64url of the SHA-256 of its SubjectPublicKeyInfo." },
	{ .name = "imei", .type = CONFIG_LIST, .offset = AT_GATEWAY(imei),
	  .fallback = "{\"all\"}",
	  .help = "IMEIs of the devices that it may speak for, by their first digits." },
	{ .name = "meid", .type = CONFIG_LIST, .offset = AT_GATEWAY(meid),
	  .fallback = "{\"all\"}",
	  .help = "The same for MEIDs, by their first hex digits." },
};
/* clang-format on */

static const struct config_section sections[] = {
	{ .keys = top_keys,
	  .n_keys = COUNT(top_keys),
	  .size = sizeof(struct server_config) },
	{ .name = "gateway",
	  .help = "A gateway that may use this server.",
	  .keys = gateway_keys,
	  .n_keys = COUNT(gateway_keys),
	  .size = sizeof(struct gateway_section),
	  .offset = AT(gateways),
	  .min_count = 1 },
};

const struct config_spec server_config_spec = {
	.program = "provbox-server",
	.sections = sections,
	.n_sections = COUNT(sections),
};

bool server_config_srv(const struct server_config *config, char out[AUTH_SRV_CHARS + 1])
{
	struct slice uri = slice_of(config->provisioning_uri);
	if (!slice_starts(uri, SLICE("https://")))
		return false;
	struct slice host = slice_make(uri.p + 8, uri.n - 8);
	if (host.n > 0 && host.p[host.n - 1] == '/')
		host.n--;
	return identity_srv(host, 443, out);
}

bool server_config_gateway(const struct gateway_section *gateway,
			   uint8_t out[SHA256_BYTES])
{
	if (!gateway->certificate)
		return base64url_decode(slice_of(gateway->pin), out, SHA256_BYTES) ==
		       SHA256_BYTES;
	return tls_spki_hash_of_file(gateway->certificate, out);
}

void server_config_devices(const struct gateway_section *gateway,
			   struct authority_prefixes out[AUTHORITY_N_KINDS])
{
	const struct config_list *lists[] = {
		[AUTHORITY_IMEI] = &gateway->imei,
		[AUTHORITY_MEID] = &gateway->meid,
	};
	for (size_t k = 0; k < AUTHORITY_N_KINDS; k++)
		out[k] = (struct authority_prefixes){
			(const char *const *)lists[k]->items, lists[k]->n
		};
}

static bool check_devices(const struct gateway_section *gateway, FILE *errors)
{
	struct authority_prefixes may[AUTHORITY_N_KINDS];
	char block[512];
	snprintf(block, sizeof(block), "gateway \"%s\"", gateway->title);
	server_config_devices(gateway, may);
	return authority_check_prefixes(block, may, errors);
}

static bool check_gateways(const struct server_config *config, FILE *errors)
{
	bool is_good = true;
	const struct gateway_section *gateways = config->gateways.items;
	for (size_t i = 0; i < config->gateways.n; i++) {
		const struct gateway_section *g = &gateways[i];
		uint8_t hash[SHA256_BYTES];
		const char *problem = NULL;
		const char *mistake = "";
		if (!g->certificate == !*g->pin)
			problem = "give either certificate or pin";
		else if (!server_config_gateway(g, hash))
			problem = *g->pin ? "pin is not base64url of 32 bytes"
					  : "certificate is no PEM certificate";
		if (problem && !*g->pin && g->certificate)
			mistake = pem_mistake(g->certificate, PEM_CERTIFICATE);
		if (problem)
			fprintf(errors, "gateway \"%s\": %s%s\n", g->title, problem,
				mistake);
		is_good &= !problem && check_devices(g, errors);
	}
	return is_good;
}

/* F03: the proof key signs proofs and nothing else. */
static bool check_proof_key(const struct server_config *config, FILE *errors)
{
	uint8_t landnet[SHA256_BYTES], proof[SHA256_BYTES];
	if (!tls_spki_hash_of_file(config->certificate, landnet) ||
	    !tls_spki_hash_of_file(config->proof_certificate, proof) ||
	    memcmp(landnet, proof, SHA256_BYTES) != 0)
		return true; /* what cannot be read is told when it is loaded */
	fprintf(errors, "proof_key: is the key of the landnet leg, too; make a key of "
			"its own for proofs\n");
	return false;
}

/* Every gateway would refuse it. */
static bool check_name(const struct server_config *config, FILE *errors)
{
	char srv[AUTH_SRV_CHARS + 1], host[AUTH_SRV_CHARS + 1];
	uint8_t unused[SHA256_BYTES];
	BUG_ON(!server_config_srv(config, srv));
	identity_srv_host(srv, host);
	if (!tls_spki_hash_of_file(config->certificate, unused))
		return true; /* what cannot be read is told when it is loaded */
	bool serves = tls_file_serves(config->certificate, TLS_SERVER);
	if (!serves)
		fprintf(errors, "certificate: is not issued for serverAuth (extended "
				"key usage); every gateway would refuse it\n");
	if (tls_file_is_for(config->certificate, host))
		return serves;
	fprintf(errors,
		"certificate: is not for %s, the host of provisioning_uri; make one "
		"that "
		"has it in its subjectAltName\n",
		host);
	return false;
}

/* The servers of others, by the head of their keys. */
static const struct {
	const char *name;
	size_t offset;
} services[] = {
	{ "billing", AT(billing) },
	{ "mail", AT(mail.server) },
	{ "hook", AT(hook) },
	{ "verification", AT(verification) },
};

static const struct service_config *service_at(const struct server_config *config,
					       size_t i)
{
	return (const void *)((const char *)config + services[i].offset);
}

static bool check_mail(const struct server_config *config, FILE *errors)
{
	if (!*config->mail.server.url || *config->mail.from)
		return true;
	fprintf(errors, "mail_from: is missing; name the address that mail is from\n");
	return false;
}

/* F20: whom nobody can revoke is not believed. */
static bool check_revocation(const struct server_config *config, FILE *errors)
{
	char why[512];
	bool is_crl;
	if (tls_check_trust(config->trust, config->crl, &is_crl, why, sizeof(why)))
		return true;
	fprintf(errors, "%s: %s\n", is_crl ? "crl" : "trust", why);
	return false;
}

bool server_config_check(const void *top, FILE *errors)
{
	const struct server_config *config = top;
	bool is_good = check_gateways(config, errors);
	is_good &= check_name(config, errors);
	is_good &= check_proof_key(config, errors);
	is_good &= check_revocation(config, errors);
	is_good &= check_mail(config, errors);
	is_good &= config->is_demo || keys_check_demo("trust", config->trust, errors);
	is_good &= config->is_demo ||
		   keys_check_demo("fetch_trust", config->fetch_trust, errors);
	for (size_t i = 0; i < COUNT(services); i++) {
		const struct service_config *service = service_at(config, i);
		char key[64];
		snprintf(key, sizeof(key), "%s_trust", services[i].name);
		is_good &= service_check(service, services[i].name, errors);
		is_good &=
			config->is_demo || keys_check_demo(key, service->trust, errors);
	}
	return is_good;
}

void server_config_expiring(const void *top, struct expiry_plan *plan)
{
	const struct server_config *config = top;
	plan->warning_ms = config->expiry_warning_ms;
	expiry_add(plan, "certificate", config->certificate);
	expiry_add(plan, "trust", config->trust);
	expiry_add(plan, "crl", config->crl);
	expiry_add(plan, "proof_certificate", config->proof_certificate);
	expiry_add(plan, "fetch_trust", config->fetch_trust);
	for (size_t i = 0; i < COUNT(services); i++) {
		const struct service_config *service = service_at(config, i);
		char key[EXPIRY_KEY_BYTES];
		snprintf(key, sizeof(key), "%s_trust", services[i].name);
		expiry_add(plan, key, service->trust);
		snprintf(key, sizeof(key), "%s_certificate", services[i].name);
		expiry_add(plan, key, service->certificate);
	}
}
