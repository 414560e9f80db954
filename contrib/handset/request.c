#include "contrib/handset/request.h"

#include <stdio.h>

#include "base/json.h"
#include "contrib/handset/handset_config.h"

static const char *const item_states[ITEM_N_STATES] = {
	[ITEM_REQUESTED] = "requested",     [ITEM_READY] = "ready",
	[ITEM_DELIVERING] = "delivering",   [ITEM_INSTALLED] = "installed",
	[ITEM_UNAVAILABLE] = "unavailable", [ITEM_CONFLICT] = "conflict",
	[ITEM_FAILED] = "failed",
};

static const struct {
	const char *name;
	bool is_final;
} request_states[REQUEST_N_STATES] = {
	[REQUEST_RECEIVED] = { "received", false },
	[REQUEST_VERIFYING] = { "verifying", false },
	[REQUEST_OFFERED] = { "offered", false },
	[REQUEST_ACCEPTED] = { "accepted", false },
	[REQUEST_DELIVERING] = { "delivering", false },
	[REQUEST_DONE] = { "done", true },
	[REQUEST_DECLINED] = { "declined", true },
	[REQUEST_REFUSED] = { "refused", true },
	[REQUEST_FAILED] = { "failed", true },
	[REQUEST_EXPIRED] = { "expired", true },
	[REQUEST_CANCELLED] = { "cancelled", true },
};

const char *item_state_name(enum item_state state)
{
	return item_states[state];
}

const char *request_state_name(enum request_state state)
{
	return request_states[state].name;
}

bool request_state_is_final(enum request_state state)
{
	return request_states[state].is_final;
}

/* A text member of at most size - 1 bytes; false when it is not there or longer. */
static bool get_text(const json_t *object, const char *name, char *out, size_t size)
{
	const json_t *value = json_object_get(object, name);
	size_t n = json_string_length(value);

	if (!json_is_string(value) || n >= size)
		return false;
	memcpy(out, json_string_value(value), n + 1);
	return true;
}

/* As get_text(), but absent is empty and too long is cut; for what is only shown. */
static void get_shown(const json_t *object, const char *name, char *out, size_t size)
{
	const char *value = json_string_value(json_object_get(object, name));

	snprintf(out, size, "%s", value ? value : "");
}

static bool get_digest(const json_t *object, uint8_t out[SHA256_BYTES])
{
	const char *text = json_string_value(json_object_get(object, "sha256"));

	return hex_decode(slice_of(text), out, SHA256_BYTES);
}

static json_t *parse(struct slice text)
{
	char why[128];

	return json_parse(text, why, sizeof(why));
}

bool problem_parse(struct slice text, char out[REQUEST_WORD_CHARS + 1])
{
	json_t *json = parse(text);
	bool ok = get_text(json, "reason", out, REQUEST_WORD_CHARS + 1) && out[0];

	json_decref(json);
	return ok;
}

bool device_answer_parse(struct slice text, struct device_answer *out)
{
	json_t *json = parse(text);
	bool ok = get_text(json, "standing", out->standing, sizeof(out->standing));

	get_shown(json, "number", out->number, sizeof(out->number));
	json_decref(json);
	return ok;
}

/* A feature's URI names the server that provisions it: this one where it is a path
 * (RFC 3986, 4.2), or where its host is the one we talk to. */
static bool is_here(const char *uri, const char *srv)
{
	char there[AUTH_SRV_CHARS + 1];

	if (uri[0] == '/' && uri[1] != '/')
		return true;
	return handset_config_srv(uri, there) && strcmp(there, srv) == 0;
}

static bool read_feature(const json_t *json, const char *srv, struct feature *out)
{
	const char *uri = json_string_value(json_object_get(json, "uri"));
	const char *kind = json_string_value(json_object_get(json, "kind"));

	get_shown(json, "description", out->description, sizeof(out->description));
	out->is_here = uri && is_here(uri, srv);
	return get_text(json, "id", out->id, sizeof(out->id)) &&
	       install_id_is_valid(slice_of(out->id)) &&
	       get_text(json, "name", out->name, sizeof(out->name)) &&
	       get_text(json, "version", out->version, sizeof(out->version)) &&
	       install_kind_parse(slice_of(kind), &out->kind);
}

bool catalogue_parse(struct slice text, const char *srv, struct catalogue *out)
{
	json_t *json = parse(text);
	const json_t *features = json_object_get(json, "features");
	const json_t *version = json_object_get(json, "version");
	bool ok = json_is_array(features) && json_is_integer(version) &&
		  json_array_size(features) <= REQUEST_ITEMS_LIMIT;

	*out = (struct catalogue){
		.version = json_integer_value(version),
		.packages = json_array_size(json_object_get(json, "packages")),
		.services = json_array_size(json_object_get(json, "services")),
	};
	for (size_t i = 0; ok && i < json_array_size(features); i++)
		ok = read_feature(json_array_get(features, i), srv,
				  &out->features[out->n++]);
	json_decref(json);
	return ok;
}

const struct feature *catalogue_find(const struct catalogue *catalogue, const char *id)
{
	for (size_t i = 0; i < catalogue->n; i++)
		if (strcmp(catalogue->features[i].id, id) == 0)
			return &catalogue->features[i];
	return NULL;
}

static bool read_item_state(const json_t *json, enum item_state *out)
{
	struct slice name = slice_of(json_string_value(json_object_get(json, "state")));

	for (int i = 0; i < ITEM_N_STATES; i++)
		if (slice_eq(name, slice_of(item_states[i]))) {
			*out = (enum item_state)i;
			return true;
		}
	return false;
}

static bool is_open(enum item_state state)
{
	return state == ITEM_READY || state == ITEM_DELIVERING;
}

/* Kind, version and content are needed once the item is to be delivered. */
static bool read_item(const json_t *json, struct request_item *out)
{
	const json_t *content = json_object_get(json, "content");
	const json_t *size = json_object_get(content, "size");
	const char *kind = json_string_value(json_object_get(json, "kind"));
	bool is_whole;

	if (!get_text(json, "id", out->what.id, sizeof(out->what.id)) ||
	    !install_id_is_valid(slice_of(out->what.id)) ||
	    !read_item_state(json, &out->state))
		return false;
	get_shown(json, "reason", out->reason, sizeof(out->reason));
	is_whole = get_text(json, "version", out->what.version,
			    sizeof(out->what.version)) &&
		   install_kind_parse(slice_of(kind), &out->what.kind) &&
		   get_digest(content, out->what.sha256) && json_is_integer(size);
	out->size = json_integer_value(size);
	out->retransmissions =
		json_integer_value(json_object_get(json, "retransmissions"));
	return is_whole ? out->size >= 0 : !is_open(out->state);
}

static bool read_request_state(const json_t *json, enum request_state *out)
{
	struct slice name = slice_of(json_string_value(json_object_get(json, "state")));

	for (int i = 0; i < REQUEST_N_STATES; i++)
		if (slice_eq(name, slice_of(request_states[i].name))) {
			*out = (enum request_state)i;
			return true;
		}
	return false;
}

static bool read_offer(const json_t *json, struct request *out)
{
	const json_t *offer = json_object_get(json, "offer");
	const json_t *terms = json_object_get(offer, "terms");

	out->has_terms = terms != NULL;
	if (!terms)
		return out->state != REQUEST_OFFERED;
	get_shown(terms, "version", out->terms_version, sizeof(out->terms_version));
	get_shown(offer, "code_hint", out->code_hint, sizeof(out->code_hint));
	return get_digest(terms, out->terms_sha256);
}

static bool read_items(const json_t *json, struct request *out)
{
	const json_t *items = json_object_get(json, "items");

	if (!json_is_array(items) || json_array_size(items) > REQUEST_ITEMS_LIMIT)
		return false;
	for (size_t i = 0; i < json_array_size(items); i++)
		if (!read_item(json_array_get(items, i), &out->items[out->n++]))
			return false;
	return true;
}

bool request_parse(struct slice text, struct request *out, const char **why)
{
	json_t *json = parse(text);

	*out = (struct request){ 0 };
	*why = NULL;
	if (!json)
		*why = "no JSON object";
	else if (!get_text(json, "id", out->id, sizeof(out->id)) ||
		 !uuid_is_valid(slice_of(out->id)))
		*why = "member id";
	else if (!read_request_state(json, &out->state))
		*why = "member state";
	else if (!read_offer(json, out))
		*why = "member offer";
	else if (!read_items(json, out))
		*why = "member items";
	get_shown(json, "reason", out->reason, sizeof(out->reason));
	json_decref(json);
	return *why == NULL;
}

const struct request_item *request_next_item(const struct request *request)
{
	for (size_t i = 0; i < request->n; i++)
		if (is_open(request->items[i].state))
			return &request->items[i];
	return NULL;
}

bool request_awaits_content(const struct request *request)
{
	for (size_t i = 0; i < request->n; i++)
		if (request->items[i].state == ITEM_REQUESTED)
			return true;
	return false;
}

char *terms_parse(struct slice text, const uint8_t sha256_wanted[SHA256_BYTES])
{
	json_t *json = parse(text);
	const json_t *terms = json_object_get(json, "text");
	struct slice value =
		slice_make(json_string_value(terms), json_string_length(terms));
	uint8_t digest[SHA256_BYTES];
	char *copy = NULL;

	if (value.p) {
		sha256(value, digest);
		if (memcmp(digest, sha256_wanted, SHA256_BYTES) == 0)
			copy = strndup(value.p, value.n);
	}
	json_decref(json);
	return copy;
}

char *order_write(const struct order *order)
{
	const struct form *form = order->form;
	json_t *items = json_array();
	json_t *json;
	char *text;

	for (size_t i = 0; i < order->n_items; i++)
		json_array_append_new(items, json_string(order->items[i]));
	json = json_pack(
		"{s:{s:s, s:s, s:s, s:s}, s:{s:s}, s:{s:s, s:s, s:s}, s:I, s:o}",
		"user", "given_name", form->values[FORM_GIVEN_NAME], "family_name",
		form->values[FORM_FAMILY_NAME], "postcode", form->values[FORM_POSTCODE],
		"language", order->language, "accounting", "reference",
		form->values[FORM_REFERENCE], "device", "dev", order->dev, "model",
		order->model, "firmware", order->firmware, "catalogue",
		(json_int_t)order->catalogue, "items", items);
	text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	return text;
}
