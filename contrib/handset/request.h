/*
 * What handset and provisioning server say to each other about devices, catalogues and
 * requests, as JSON (doc/openapi.yaml), in structs with limits. Members that are not
 * known are passed over, so that a newer server can say more; those that are needed
 * are checked. Knows no connection.
 */
#ifndef CONTRIB_HANDSET_REQUEST_H
#define CONTRIB_HANDSET_REQUEST_H

#include "contrib/handset/install.h"

#define REQUEST_ITEMS_LIMIT 32
#define REQUEST_WORD_CHARS  47 /* of a state or reason */
#define REQUEST_HINT_CHARS  4
#define REQUEST_NAME_CHARS  100 /* characters in a field of the user */
#define REQUEST_NAME_BYTES  (4 * REQUEST_NAME_CHARS)

/** What the user types; UTF-8. */
enum form_field {
	FORM_GIVEN_NAME,
	FORM_FAMILY_NAME,
	FORM_POSTCODE,
	FORM_REFERENCE, /* a token of the accounting, never a card number */
	FORM_N,
};
struct form {
	char values[FORM_N][REQUEST_NAME_BYTES + 1];
};
bool form_field_parse(struct slice name, enum form_field *out);
/** Words beside the field: "Given name". */
const char *form_field_label(enum form_field field);
/** NULL when the value may be sent, or one sentence that says what is wrong. */
const char *form_check(const struct form *form, enum form_field field);

/** Answer of GET /v1/device, as far as it is shown. */
struct device_answer {
	char standing[REQUEST_WORD_CHARS + 1];
	char number[REQUEST_WORD_CHARS + 1]; /* masked by the server */
};
bool device_answer_parse(struct slice json, struct device_answer *out);

struct feature {
	char id[INSTALL_ID_CHARS + 1];
	char name[4 * 40 + 1];
	char description[512]; /* cut if longer */
	char version[INSTALL_VERSION_CHARS + 1];
	enum install_kind kind;
	bool is_here; /* its URI names the server that we hold the URI of */
};
struct catalogue {
	int64_t version;
	struct feature features[REQUEST_ITEMS_LIMIT];
	size_t n;
	size_t packages, services; /* how many of these are offered */
};
/** @param srv  name and port of the server asked */
bool catalogue_parse(struct slice json, const char *srv, struct catalogue *out);
/** The feature of that id, or NULL. */
const struct feature *catalogue_find(const struct catalogue *catalogue, const char *id);

enum item_state {
	ITEM_REQUESTED,
	ITEM_READY,
	ITEM_DELIVERING,
	ITEM_INSTALLED,
	ITEM_UNAVAILABLE,
	ITEM_CONFLICT,
	ITEM_FAILED,
	ITEM_N_STATES,
};
const char *item_state_name(enum item_state state);

struct request_item {
	struct install_item what; /* digest all zero while the server has not said */
	enum item_state state;
	char reason[REQUEST_WORD_CHARS + 1];
	int64_t size; /* bytes */
	int64_t retransmissions;
};

enum request_state {
	REQUEST_RECEIVED,
	REQUEST_VERIFYING,
	REQUEST_OFFERED,
	REQUEST_ACCEPTED,
	REQUEST_DELIVERING,
	REQUEST_DONE,
	REQUEST_DECLINED,
	REQUEST_REFUSED,
	REQUEST_FAILED,
	REQUEST_EXPIRED,
	REQUEST_CANCELLED,
	REQUEST_N_STATES,
};
const char *request_state_name(enum request_state state);
/** Whether nothing comes after it. */
bool request_state_is_final(enum request_state state);

/** The server's view of a request. */
struct request {
	char id[UUID_CHARS + 1];
	enum request_state state;
	char reason[REQUEST_WORD_CHARS + 1];
	bool has_terms;
	uint8_t terms_sha256[SHA256_BYTES];
	char terms_version[INSTALL_VERSION_CHARS + 1];
	char code_hint[REQUEST_HINT_CHARS + 1]; /* empty: any */
	struct request_item items[REQUEST_ITEMS_LIMIT];
	size_t n;
};
/** @param why  on failure what is wrong, for the log */
bool request_parse(struct slice json, struct request *out, const char **why);
/** The first item that is to be delivered, or NULL. */
const struct request_item *request_next_item(const struct request *request);

/** Is there an item whose content the server does not have yet? */
bool request_awaits_content(const struct request *request);

/** The text of GET .../terms, malloc'd; NULL unless it has this digest. */
char *terms_parse(struct slice json, const uint8_t sha256[SHA256_BYTES]);
/** `reason` of a problem document (RFC 9457) into @p out; false when there is none. */
bool problem_parse(struct slice json, char out[REQUEST_WORD_CHARS + 1]);

/** What goes into the body of a request besides the form. All borrowed. */
struct order {
	const struct form *form;
	const char *language, *dev, *model, *firmware;
	int64_t catalogue;
	const char *const *items;
	size_t n_items;
};
/** JSON text of PUT /v1/requests/{id}; malloc'd; NULL when a value is no UTF-8. */
char *order_write(const struct order *order);

#endif
