#include "auth/proof.h"

#include "auth/field.h"
#include "base/json.h"

#define NAME_CHARS 40 /* of a standing or a method */

struct members {
	int64_t v, iat;
	struct json_bytes gw, sid, nonce, cred, binding, gh;
	struct slice srv, dev, method, standing;
};

#define AT(field) offsetof(struct members, field)

static const struct json_member table[] = {
	{ "v", JSON_INT, AT(v), 1, 1 },
	{ "gw", JSON_BYTES, AT(gw), 0, SHA256_BYTES },
	{ "srv", JSON_TEXT, AT(srv), 1, AUTH_SRV_CHARS },
	{ "sid", JSON_BYTES, AT(sid), 0, AUTH_SID_BYTES },
	{ "nG", JSON_BYTES, AT(nonce), 0, AUTH_NONCE_BYTES },
	{ "dev", JSON_TEXT, AT(dev), 1, AUTH_DEV_CHARS },
	{ "method", JSON_TEXT, AT(method), 1, NAME_CHARS },
	{ "cred", JSON_BYTES, AT(cred), 0, SHA256_BYTES },
	{ "cbA", JSON_BYTES, AT(binding), 0, SHA256_BYTES },
	{ "standing", JSON_TEXT, AT(standing), 1, NAME_CHARS },
	{ "gh", JSON_BYTES, AT(gh), 0, SHA256_BYTES },
	{ "iat", JSON_INT, AT(iat), 0, INT64_MAX },
};

/* No text of these needs escaping: identifiers, names of ours, base64url. */
char *proof_claims_encode(const struct proof_claims *claims, struct arena *arena)
{
	const struct auth_claims *c = &claims->claims;

	return arena_printf(arena,
			    "{\"v\":1,\"gw\":\"%s\",\"srv\":\"%s\",\"sid\":\"%s\","
			    "\"nG\":\"%s\",\"dev\":\"%s\",\"method\":\"%s\","
			    "\"cred\":\"%s\",\"cbA\":\"%s\",\"standing\":\"%s\","
			    "\"gh\":\"%s\",\"iat\":%lld}",
			    FIELD_TEXT(c->gw), c->srv, FIELD_TEXT(c->sid),
			    FIELD_TEXT(c->nonce), c->dev, AUTH_METHOD,
			    FIELD_TEXT(c->cred), FIELD_TEXT(c->binding),
			    standing_name(claims->standing), FIELD_TEXT(claims->gh),
			    (long long)claims->issued_s);
}

static bool take(const struct members *m, struct proof_claims *out)
{
	struct auth_claims *c = &out->claims;

	memcpy(c->gw, m->gw.p, sizeof(c->gw));
	memcpy(c->sid, m->sid.p, sizeof(c->sid));
	memcpy(c->nonce, m->nonce.p, sizeof(c->nonce));
	memcpy(c->cred, m->cred.p, sizeof(c->cred));
	memcpy(c->binding, m->binding.p, sizeof(c->binding));
	memcpy(out->gh, m->gh.p, sizeof(out->gh));
	out->issued_s = m->iat;
	out->is_other_method = !slice_eq(m->method, SLICE(AUTH_METHOD));
	return field_srv(m->srv, c->srv) && field_dev(m->dev, c->dev) &&
	       standing_parse(m->standing, &out->standing);
}

bool proof_claims_decode(struct slice json, struct proof_claims *out)
{
	struct members members;
	char why[64];
	json_t *object = json_parse(json, why, sizeof(why));
	bool ok = object &&
		  json_read(object, table, sizeof(table) / sizeof(table[0]), &members,
			    why, sizeof(why)) &&
		  take(&members, out);

	json_decref(object);
	return ok;
}
