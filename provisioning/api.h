/*
 * One call of the API on its way through a landnet worker: grant and route are checked
 * while only its head is there, then its body is gathered, one statement is asked, and
 * its rows become the answer. The route's two functions stand at both ends of that
 * statement; everything else is the same for all calls.
 */
#ifndef PROVISIONING_API_H
#define PROVISIONING_API_H

#include "auth/auth.h"
#include "base/exchange.h"
#include "base/json.h"
#include "provisioning/landnet.h"
#include "provisioning/route.h"

/** Whatever we refuse ourselves; status, reason and metric stand in one table. */
enum api_refusal {
	API_GATEWAY_UNKNOWN,
	API_GRANT_INVALID,
	API_GRANT_EXPIRED,
	API_GRANT_UNEXPECTED,
	API_EXCHANGE_MISMATCH,
	API_PATH_UNKNOWN,
	API_METHOD_NOT_ALLOWED,
	API_METHOD_NOT_PERMITTED, /* of authentication */
	API_GATEWAY_NOT_FOR_DEVICE,
	API_VERSION_UNSUPPORTED, /* the refusal says which are not */
	API_MEDIA_TYPE,
	API_BODY_UNEXPECTED,
	API_BODY_TOO_LARGE,
	API_BODY_INVALID,
	API_RANGE,
	API_DATABASE_UNAVAILABLE,
	API_ZONE_UNAVAILABLE,
	API_BUSY,
	API_INTERNAL,
	API_N_REFUSALS,
};

typedef void api_result_fn(struct api_call *call, const PGresult *result);

struct api_call {
	struct peer *peer;
	struct exchange *exchange;
	struct route_match match;
	struct auth_claims claims; /* of the grant, or of what the gateway says */
	int64_t epoch;             /* of the grant */
	struct evbuffer *rx;       /* the body so far; NULL when there is none */
	struct slice body;         /* whole, once the route's fill() is called */
	json_t *json;              /* the body, once it is parsed */
	struct db_call *query;
	api_result_fn *on_result;
	struct timer timer; /* of the route */
	void (*on_timer)(struct api_call *call);
	void (*on_writable)(struct api_call *call);
	/* The call ends now: take back what would still touch it. */
	void (*on_end)(struct api_call *call);
	void *own; /* of the route, in the arena of the exchange */
	unsigned status;
	struct slice reason;
	struct slice retry_after; /* seconds, as the database says; empty: the usual */
	int64_t started_ms;
};

/** Begin with a request head that has just arrived. Answers by itself. */
void api_begin(struct peer *peer, struct exchange *exchange);
/** The connection is gone without an event: end the call unheard. */
void api_drop(struct api_call *call);

/** Memory of the call, gone with it. Has room for what answers need beside the longest
 * head. */
struct arena *api_arena(struct api_call *call);
/** @p n zeroed bytes of it; never NULL, and so never more than a caller of ours names.
 */
void *api_alloc(struct api_call *call, size_t n);
/** Value of a request field that occurs once; empty otherwise. */
struct slice api_field(const struct api_call *call, const char *name);
/** Parse the body and read it by a table; false after refusing it. The object lives as
 * long as the call. */
bool api_read_json(struct api_call *call, const struct json_member *members,
		   size_t n_members, void *out);

/** Ask the route's statement (again). */
void api_ask(struct api_call *call);
/** Ask any statement; @p fn is called with its rows, failures are answered here. */
void api_query(struct api_call *call, enum statement statement,
	       const struct db_param *params, size_t n_params, api_result_fn *fn);

/** The columns of a function that takes an epoch. */
struct api_row {
	unsigned status;
	struct slice reason, etag, body;
};
/** Take the row over into the arena; false after answering 500 for any other shape. */
bool api_row_read(struct api_call *call, const PGresult *result, struct api_row *out);

/** Send a head with our own fields added; body and end follow. */
void api_send_head(struct api_call *call, unsigned status,
		   const struct http_field *fields, size_t n_fields, uint64_t length);
/** The same for a body whose length is not known. */
void api_send_head_chunked(struct api_call *call, unsigned status,
			   const struct http_field *fields, size_t n_fields);
/** Answer with a whole body; @p fields at most API_FIELDS_MAX. */
void api_reply(struct api_call *call, unsigned status, const struct http_field *fields,
	       size_t n_fields, struct slice body);
/** Answer with a problem document (RFC 9457). @p detail may be NULL. */
void api_problem(struct api_call *call, unsigned status, struct slice reason,
		 const char *detail);
void api_refuse(struct api_call *call, enum api_refusal refusal, const char *detail);
/** With one more field, which the status demands. */
void api_refuse_with(struct api_call *call, enum api_refusal refusal,
		     const char *detail, const struct http_field *field);
#define API_FIELDS_MAX 8
/** In the middle of an answer: it cannot be taken back, so the connection goes. Frees
 * the call. */
void api_abort(struct api_call *call, const char *reason);

#endif
