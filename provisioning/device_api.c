#include "provisioning/device_api.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* 100 characters of UTF-8; the database counts characters. */
#define LINE_BYTES 400

bool device_api_fill(struct api_call *call, struct db_param *params, size_t *n)
{
	(void)call, (void)params, (void)n;
	return true;
}

bool device_api_fill_id(struct api_call *call, struct db_param *params, size_t *n)
{
	params[(*n)++] = db_slice(call->match.request_id);
	return true;
}

/* ---- PUT /v1/requests/{uuid} ---- */

struct request_body {
	json_t *user, *accounting, *device, *items;
	int64_t catalogue;
	struct slice given_name, family_name, postcode, language;
	struct slice reference;
	struct slice dev, model, firmware;
};

#define AT(member) offsetof(struct request_body, member)
static const struct json_member request_members[] = {
	{ "user", JSON_OBJECT_OF, AT(user), 0, 0 },
	{ "accounting", JSON_OBJECT_OF, AT(accounting), 0, 0 },
	{ "device", JSON_OBJECT_OF, AT(device), 0, 0 },
	{ "catalogue", JSON_INT, AT(catalogue), 1, 999999999 },
	{ "items", JSON_LIST_OF, AT(items), 1, 32 },
};
static const struct json_member user_members[] = {
	{ "given_name", JSON_TEXT, AT(given_name), 1, LINE_BYTES },
	{ "family_name", JSON_TEXT, AT(family_name), 1, LINE_BYTES },
	{ "postcode", JSON_TEXT, AT(postcode), 1, LINE_BYTES },
	{ "language", JSON_TEXT, AT(language), 2, 40 },
};
static const struct json_member accounting_members[] = {
	{ "reference", JSON_TEXT, AT(reference), 1, 64 },
};
static const struct json_member device_members[] = {
	{ "dev", JSON_TEXT, AT(dev), 1, AUTH_DEV_CHARS },
	{ "model", JSON_TEXT, AT(model), 1, LINE_BYTES },
	{ "firmware", JSON_TEXT_OPTIONAL, AT(firmware), 1, LINE_BYTES },
};
#undef AT

static bool is_identifier(struct slice dev)
{
	char canonical[AUTH_DEV_CHARS + 1];
	return identity_canonical(dev, canonical) && slice_eq(dev, slice_of(canonical));
}

/* The parts of the body, each with the table of its members. */
static bool read_request_body(struct api_call *call, struct request_body *body)
{
	char why[128];
	if (!api_read_json(call, request_members, COUNT(request_members), body))
		return false;
	const struct {
		const json_t *object;
		const struct json_member *members;
		size_t n;
	} parts[] = {
		{ body->user, user_members, COUNT(user_members) },
		{ body->accounting, accounting_members, COUNT(accounting_members) },
		{ body->device, device_members, COUNT(device_members) },
	};
	for (size_t i = 0; i < COUNT(parts); i++)
		if (!json_read(parts[i].object, parts[i].members, parts[i].n, body, why,
			       sizeof(why))) {
			api_refuse(call, API_BODY_INVALID, why);
			return false;
		}
	if (is_identifier(body->dev))
		return true;
	api_refuse(call, API_BODY_INVALID,
		   "member `dev`: not a canonical equipment identifier");
	return false;
}

/* The same bytes are the same request: the database keeps their hash. */
bool device_api_fill_request(struct api_call *call, struct db_param *params, size_t *n)
{
	struct request_body body;
	if (!read_request_body(call, &body))
		return false;
	uint8_t *hash = api_alloc(call, SHA256_BYTES);
	sha256(call->body, hash);
	params[(*n)++] = db_slice(call->match.request_id);
	params[(*n)++] = db_bytes(hash, SHA256_BYTES);
	params[(*n)++] = db_slice(call->body);
	return true;
}

/* ---- PUT .../answer ---- */

struct answer_body {
	struct slice answer, sha256;
};

static const struct json_member answer_members[] = {
	{ "answer", JSON_TEXT, offsetof(struct answer_body, answer), 1, 16 },
	{ "sha256", JSON_TEXT, offsetof(struct answer_body, sha256), 64, 64 },
};

bool device_api_fill_answer(struct api_call *call, struct db_param *params, size_t *n)
{
	struct answer_body body;
	if (!api_read_json(call, answer_members, COUNT(answer_members), &body))
		return false;
	uint8_t *hash = api_alloc(call, SHA256_BYTES);
	if (!hex_decode(body.sha256, hash, SHA256_BYTES)) {
		api_refuse(call, API_BODY_INVALID, "member `sha256`: not hexadecimal");
		return false;
	}
	char *session = api_alloc(call, BASE64URL_CHARS(AUTH_SID_BYTES) + 1);
	base64url_encode(slice_make(call->claims.sid, AUTH_SID_BYTES), session);
	params[(*n)++] = db_slice(call->match.request_id);
	params[(*n)++] = db_slice(body.answer);
	params[(*n)++] = db_bytes(hash, SHA256_BYTES);
	params[(*n)++] = db_text(session);
	params[(*n)++] = db_bytes(call->claims.gw, SHA256_BYTES);
	params[(*n)++] = db_bytes(call->claims.cred, SHA256_BYTES);
	return true;
}

/* ---- PUT .../items/{item}/result ---- */

struct result_body {
	struct slice result, version, reason;
};

static const struct json_member result_members[] = {
	{ "result", JSON_TEXT, offsetof(struct result_body, result), 1, 16 },
	{ "version", JSON_TEXT_OPTIONAL, offsetof(struct result_body, version), 1,
	  100 },
	{ "reason", JSON_TEXT_OPTIONAL, offsetof(struct result_body, reason), 1, 200 },
};

static struct db_param optional(struct slice text)
{
	return text.p ? db_slice(text) : db_null();
}

bool device_api_fill_result(struct api_call *call, struct db_param *params, size_t *n)
{
	struct result_body body;
	if (!api_read_json(call, result_members, COUNT(result_members), &body))
		return false;
	params[(*n)++] = db_slice(call->match.request_id);
	params[(*n)++] = db_slice(call->match.args[1]);
	params[(*n)++] = db_slice(body.result);
	params[(*n)++] = optional(body.version);
	params[(*n)++] = optional(body.reason);
	return true;
}

/* ---- POST .../retransmission ---- */

struct retransmission_body {
	struct slice item, reason;
	int64_t attempt;
};

#define AT(member) offsetof(struct retransmission_body, member)
static const struct json_member retransmission_members[] = {
	{ "item", JSON_TEXT, AT(item), 1, 64 },
	{ "attempt", JSON_INT, AT(attempt), 1, 1000000 },
	{ "reason", JSON_TEXT, AT(reason), 1, 200 },
};
#undef AT

bool device_api_fill_retransmission(struct api_call *call, struct db_param *params,
				    size_t *n)
{
	struct retransmission_body body;
	if (!api_read_json(call, retransmission_members, COUNT(retransmission_members),
			   &body))
		return false;
	params[(*n)++] = db_slice(call->match.request_id);
	params[(*n)++] = db_slice(body.item);
	params[(*n)++] =
		db_text(arena_printf(api_arena(call), "%lld", (long long)body.attempt));
	params[(*n)++] = db_slice(body.reason);
	return true;
}

/* ---- Answers ---- */

void device_api_reply(struct api_call *call, const struct api_row *row,
		      const struct http_field *field)
{
	if (row->status >= 400) {
		api_problem(call, row->status, row->reason, NULL);
		return;
	}
	struct http_field fields[3];
	size_t n = 0;
	if (row->body.n > 0)
		fields[n++] = (struct http_field){ SLICE("Content-Type"),
						   SLICE("application/json") };
	if (row->etag.n > 0)
		fields[n++] = (struct http_field){ SLICE("ETag"), row->etag };
	if (field)
		fields[n++] = *field;
	api_reply(call, row->status, fields, n, row->body);
}

void device_api_answer(struct api_call *call, const PGresult *result)
{
	struct api_row row;
	if (api_row_read(call, result, &row))
		device_api_reply(call, &row, NULL);
}
