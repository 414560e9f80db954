#include "auth/auth.h"

#include "auth/field.h"
#include "base/json.h"
#include "base/log.h"

#define NAME_CHARS 40 /* of a standing, method or reason */

/* The members of all messages; each message has a table of those that it holds. */
struct members {
	int64_t v;
	struct json_bytes sid, nonce, gw, cred, binding;
	struct slice dev, method, standing, grant, proof, reason;
	bool wants_proof;
};

#define AT(field)    offsetof(struct members, field)
#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define GRANT_CHARS  BASE64URL_CHARS(AUTH_GRANT_BYTES)

/* doc/landnet.md, Authentication */
static const struct json_member request_members[] = {
	{ "v", JSON_INT, AT(v), AUTH_VERSION, AUTH_VERSION },
	{ "sid", JSON_BYTES, AT(sid), 0, AUTH_SID_BYTES },
	{ "nG", JSON_BYTES, AT(nonce), 0, AUTH_NONCE_BYTES },
	{ "dev", JSON_TEXT, AT(dev), 1, AUTH_DEV_CHARS },
	{ "method", JSON_TEXT, AT(method), 1, NAME_CHARS },
	{ "cred", JSON_BYTES, AT(cred), 0, SHA256_BYTES },
	{ "cbA", JSON_BYTES, AT(binding), 0, SHA256_BYTES },
	{ "want_proof", JSON_FLAG, AT(wants_proof), 0, 0 },
};

static const struct json_member information_members[] = {
	{ "v", JSON_INT, AT(v), AUTH_VERSION, AUTH_VERSION },
	{ "sid", JSON_BYTES, AT(sid), 0, AUTH_SID_BYTES },
	{ "nG", JSON_BYTES, AT(nonce), 0, AUTH_NONCE_BYTES },
	{ "standing", JSON_TEXT, AT(standing), 1, NAME_CHARS },
	{ "grant", JSON_TEXT_OPTIONAL, AT(grant), 1, GRANT_CHARS },
	{ "proof", JSON_TEXT_OPTIONAL, AT(proof), 1, AUTH_PROOF_BYTES },
};

static const struct json_member session_members[] = {
	{ "v", JSON_INT, AT(v), AUTH_VERSION, AUTH_VERSION },
	{ "sid", JSON_BYTES, AT(sid), 0, AUTH_SID_BYTES },
	{ "gw", JSON_BYTES, AT(gw), 0, SHA256_BYTES },
	{ "nG", JSON_BYTES, AT(nonce), 0, AUTH_NONCE_BYTES },
	{ "standing", JSON_TEXT, AT(standing), 1, NAME_CHARS },
	{ "proof", JSON_TEXT, AT(proof), 1, AUTH_PROOF_BYTES },
};

static const struct json_member end_members[] = {
	{ "v", JSON_INT, AT(v), AUTH_VERSION, AUTH_VERSION },
	{ "sid", JSON_BYTES, AT(sid), 0, AUTH_SID_BYTES },
	{ "dev", JSON_TEXT, AT(dev), 1, AUTH_DEV_CHARS },
	{ "method", JSON_TEXT, AT(method), 1, NAME_CHARS },
	{ "cred", JSON_BYTES, AT(cred), 0, SHA256_BYTES },
	{ "reason", JSON_TEXT, AT(reason), 1, NAME_CHARS },
};

/* ---- Reading ---- */

/* What else is in a message of a later version cannot be known. */
static enum auth_fault fault_of_form(const json_t *object)
{
	const json_t *v = json_object_get(object, "v");

	return json_is_integer(v) && json_integer_value(v) > AUTH_VERSION
		       ? AUTH_FAULT_VERSION
		       : AUTH_FAULT_FORM;
}

/* One reading of one message: fails once, with one text. */
struct reading {
	json_t *object; /* the texts of @c members borrow from it */
	struct members members;
	char *why;
	size_t why_size;
};

static bool reading_open(struct reading *reading, struct slice json,
			 const struct json_member *table, size_t n_rows, char *why,
			 size_t why_size)
{
	*reading = (struct reading){ .why = why, .why_size = why_size };
	reading->object = json_parse(json, why, why_size);
	return reading->object && json_read(reading->object, table, n_rows,
					    &reading->members, why, why_size);
}

static void reading_close(struct reading *reading)
{
	json_decref(reading->object);
}

static bool reading_fail(struct reading *reading, const char *member, const char *what)
{
	snprintf(reading->why, reading->why_size, "member `%s`: %s", member, what);
	return false;
}

static bool take_dev(struct reading *reading, char out[AUTH_DEV_CHARS + 1])
{
	if (field_dev(reading->members.dev, out))
		return true;
	return reading_fail(reading, "dev", "no canonical identifier");
}

static bool take_method(struct reading *reading)
{
	if (slice_eq(reading->members.method, SLICE(AUTH_METHOD)))
		return true;
	return reading_fail(reading, "method", "unknown");
}

static bool take_standing(struct reading *reading, enum standing *out)
{
	if (standing_parse(reading->members.standing, out))
		return true;
	return reading_fail(reading, "standing", "unknown");
}

static bool take_reason(struct reading *reading, enum auth_reason *out)
{
	if (auth_reason_parse(reading->members.reason, out) && *out != REASON_NONE)
		return true;
	return reading_fail(reading, "reason", "unknown");
}

static bool take_grant(struct reading *reading, struct arena *arena, struct slice *out)
{
	struct slice text = reading->members.grant;
	uint8_t *bytes = arena_alloc(arena, AUTH_GRANT_BYTES);
	ssize_t n = bytes ? base64url_decode(text, bytes, AUTH_GRANT_BYTES) : -1;

	if (n < 0)
		return reading_fail(reading, "grant", "not base64url");
	*out = slice_make(bytes, (size_t)n);
	return true;
}

/* The alphabet of the compact form (RFC 7515, 7.1). What is inside, proof_verify()
 * judges; but nothing else is handed on. */
static bool is_compact(struct slice text)
{
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		      (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.'))
			return false;
	}
	return true;
}

static bool take_proof(struct reading *reading, struct arena *arena, struct slice *out)
{
	if (!is_compact(reading->members.proof))
		return reading_fail(reading, "proof", "no compact JWS");
	*out = arena_copy(arena, reading->members.proof);
	return out->p || reading_fail(reading, "proof", "too long");
}

/* What another version of the protocol may call its methods: a lower_snake_case word.
 */
static bool is_method_name(struct slice text)
{
	for (size_t i = 0; i < text.n; i++)
		if (!(text.p[i] >= 'a' && text.p[i] <= 'z') && text.p[i] != '_')
			return false;
	return true;
}

enum auth_fault auth_request_decode(struct slice json, struct auth_claims *out,
				    bool *wants_proof, char *why, size_t why_size)
{
	struct reading reading;
	const struct members *m = &reading.members;
	enum auth_fault fault;

	*out = (struct auth_claims){ 0 };
	if (!reading_open(&reading, json, request_members, COUNT(request_members), why,
			  why_size) ||
	    !take_dev(&reading, out->dev)) {
		fault = fault_of_form(reading.object);
	} else if (!take_method(&reading)) {
		fault = is_method_name(m->method) ? AUTH_FAULT_METHOD : AUTH_FAULT_FORM;
	} else {
		fault = AUTH_FAULT_NONE;
		memcpy(out->sid, m->sid.p, sizeof(out->sid));
		memcpy(out->nonce, m->nonce.p, sizeof(out->nonce));
		memcpy(out->cred, m->cred.p, sizeof(out->cred));
		memcpy(out->binding, m->binding.p, sizeof(out->binding));
		*wants_proof = m->wants_proof;
	}
	reading_close(&reading);
	return fault;
}

bool auth_information_decode(struct slice json, struct arena *arena,
			     struct auth_information *out, char *why, size_t why_size)
{
	struct reading reading;
	const struct members *m = &reading.members;

	*out = (struct auth_information){ .standing = STANDING_UNKNOWN };
	bool ok = reading_open(&reading, json, information_members,
			       COUNT(information_members), why, why_size) &&
		  take_standing(&reading, &out->standing) &&
		  (!m->grant.p || take_grant(&reading, arena, &out->grant)) &&
		  (!m->proof.p || take_proof(&reading, arena, &out->proof));
	if (ok) {
		memcpy(out->sid, m->sid.p, sizeof(out->sid));
		memcpy(out->nonce, m->nonce.p, sizeof(out->nonce));
	}
	reading_close(&reading);
	return ok;
}

bool auth_session_decode(struct slice json, struct arena *arena,
			 struct auth_claims *out, enum standing *standing,
			 struct slice *proof, char *why, size_t why_size)
{
	struct reading reading;
	const struct members *m = &reading.members;

	*out = (struct auth_claims){ 0 };
	bool ok = reading_open(&reading, json, session_members, COUNT(session_members),
			       why, why_size) &&
		  take_standing(&reading, standing) &&
		  take_proof(&reading, arena, proof);
	if (ok) {
		memcpy(out->sid, m->sid.p, sizeof(out->sid));
		memcpy(out->gw, m->gw.p, sizeof(out->gw));
		memcpy(out->nonce, m->nonce.p, sizeof(out->nonce));
	}
	reading_close(&reading);
	return ok;
}

enum auth_fault auth_end_decode(struct slice json, struct auth_claims *out,
				enum auth_reason *reason, char *why, size_t why_size)
{
	struct reading reading;
	const struct members *m = &reading.members;

	*out = (struct auth_claims){ 0 };
	bool ok = reading_open(&reading, json, end_members, COUNT(end_members), why,
			       why_size) &&
		  take_dev(&reading, out->dev) && take_method(&reading) &&
		  take_reason(&reading, reason);
	enum auth_fault fault = ok ? AUTH_FAULT_NONE : fault_of_form(reading.object);
	if (ok) {
		memcpy(out->sid, m->sid.p, sizeof(out->sid));
		memcpy(out->cred, m->cred.p, sizeof(out->cred));
	}
	reading_close(&reading);
	return fault;
}

/* ---- Writing ---- */

/* Every text that is written is an identifier, a name of ours, or base64url: none
 * needs escaping in JSON. */

char *auth_request_encode(const struct auth_claims *claims, bool wants_proof,
			  struct arena *arena)
{
	return arena_printf(arena,
			    "{\"v\":1,\"sid\":\"%s\",\"nG\":\"%s\",\"dev\":\"%s\","
			    "\"method\":\"%s\",\"cred\":\"%s\",\"cbA\":\"%s\","
			    "\"want_proof\":%s}",
			    FIELD_TEXT(claims->sid), FIELD_TEXT(claims->nonce),
			    claims->dev, AUTH_METHOD, FIELD_TEXT(claims->cred),
			    FIELD_TEXT(claims->binding),
			    wants_proof ? "true" : "false");
}

/* `,"name":"text"`, or nothing when there is no text. */
static const char *optional_member(struct arena *arena, const char *name,
				   struct slice text)
{
	if (!text.n)
		return "";
	return arena_printf(arena, ",\"%s\":\"%.*s\"", name, (int)text.n, text.p);
}

char *auth_information_encode(const struct auth_information *information,
			      struct arena *arena)
{
	char grant[GRANT_CHARS + 1] = "";

	BUG_ON(information->grant.n > AUTH_GRANT_BYTES);
	BUG_ON(!is_compact(information->proof));
	if (information->grant.n)
		base64url_encode(information->grant, grant);
	const char *grant_member = optional_member(arena, "grant", slice_of(grant));
	const char *proof_member = optional_member(arena, "proof", information->proof);
	if (!grant_member || !proof_member)
		return NULL;
	return arena_printf(
		arena, "{\"v\":1,\"sid\":\"%s\",\"nG\":\"%s\",\"standing\":\"%s\"%s%s}",
		FIELD_TEXT(information->sid), FIELD_TEXT(information->nonce),
		standing_name(information->standing), grant_member, proof_member);
}

char *auth_session_encode(const struct auth_claims *claims, enum standing standing,
			  struct slice proof, struct arena *arena)
{
	BUG_ON(!proof.n || !is_compact(proof));
	return arena_printf(arena,
			    "{\"v\":1,\"sid\":\"%s\",\"gw\":\"%s\",\"nG\":\"%s\","
			    "\"standing\":\"%s\",\"proof\":\"%.*s\"}",
			    FIELD_TEXT(claims->sid), FIELD_TEXT(claims->gw),
			    FIELD_TEXT(claims->nonce), standing_name(standing),
			    (int)proof.n, proof.p);
}

char *auth_end_encode(const struct auth_claims *claims, enum auth_reason reason,
		      struct arena *arena)
{
	return arena_printf(arena,
			    "{\"v\":1,\"sid\":\"%s\",\"dev\":\"%s\",\"method\":\"%s\","
			    "\"cred\":\"%s\",\"reason\":\"%s\"}",
			    FIELD_TEXT(claims->sid), claims->dev, AUTH_METHOD,
			    FIELD_TEXT(claims->cred), auth_reason_name(reason));
}
