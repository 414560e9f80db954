#include "contrib/handset/load_device.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "contrib/handset/call.h"
#include "contrib/handset/load_fleet.h"
#include "contrib/handset/load_inbox.h"

#define NO_BODY ((struct slice){ NULL, 0 })

struct load_device {
	const struct load_plan *plan;
	struct load_identity identity;
	struct handset_config config;
	struct session *session;
	struct load_inbox *inbox; /* NULL: online */

	enum load_part part; /* LOAD_N_PARTS: done */
	int64_t since_us;    /* when it began */
	int64_t us[LOAD_N_PARTS];
	char reason[REQUEST_WORD_CHARS + 1]; /* empty: none */
	bool is_ended;
	struct timer limit, poll, closing;

	struct catalogue catalogue;
	char rid[UUID_CHARS + 1];
	struct request request;
	char etag[HANDSET_ETAG_CHARS + 1];
	struct request_item item; /* the one that is fetched */
	EVP_MD_CTX *digest;
	int64_t received_bytes;
};

const char *load_part_name(enum load_part part)
{
	static const char *const names[] = {
		[LOAD_SESSION] = "session", [LOAD_CATALOGUE] = "catalogue",
		[LOAD_OFFER] = "offer",     [LOAD_TERMS] = "terms",
		[LOAD_ANSWER] = "answer",   [LOAD_CONTENT] = "content",
	};

	return names[part];
}

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

/* ---- Ends ---- */

static void on_closed(void *arg)
{
	struct load_device *device = arg;

	device->plan->on_end(device->plan->arg, device);
}

/* In a turn of its own: until the answer is through, the connection could only be cut.
 */
static void close_session(void *arg)
{
	struct load_device *device = arg;

	session_close(device->session, on_closed, device);
}

static void end(struct load_device *device, const char *reason)
{
	if (device->is_ended)
		return;
	device->is_ended = true;
	snprintf(device->reason, sizeof(device->reason), "%s", reason ? reason : "");
	timer_cancel(&device->limit);
	timer_cancel(&device->poll);
	timer_start(&device->closing, 0);
}

static void on_limit(void *arg)
{
	end(arg, "state_limit");
}

/* The part is through; time runs for the next. */
static void finish_part(struct load_device *device)
{
	int64_t now = now_us();

	device->us[device->part] = now - device->since_us;
	device->since_us = now;
	device->part++;
}

/* ---- Calls ---- */

static const char *target(const struct load_device *device, const char *rest,
			  char out[CALL_TARGET_CHARS])
{
	snprintf(out, CALL_TARGET_CHARS, "/v1/requests/%s%s", device->rid, rest);
	return out;
}

static void call(struct load_device *device, enum http_method method,
		 const char *target, struct slice json, session_answer_fn *on_answer)
{
	call_json(device->session, method, target, json, on_answer, device);
}

/* Whether the answer is what was asked for; if not, it ends the device. */
static bool is_good(struct load_device *device, const struct session_answer *answer)
{
	if (device->is_ended)
		return false;
	if (answer->failure)
		end(device, answer->failure);
	else if (answer->status != CALL_OK && answer->status != CALL_CREATED)
		end(device, answer->reason ? answer->reason : "status_unexpected");
	return !device->is_ended;
}

static void follow(struct load_device *device);

static void take_request(struct load_device *device,
			 const struct session_answer *answer)
{
	const struct http_field *etag = http_field(answer->head, "ETag");
	const char *why;

	if (etag && etag->value.n <= HANDSET_ETAG_CHARS)
		snprintf(device->etag, sizeof(device->etag), "%.*s", (int)etag->value.n,
			 etag->value.p);
	if (!request_parse(answer->body, &device->request, &why) ||
	    strcmp(device->request.id, device->rid) != 0)
		end(device, "answer_malformed");
	else
		follow(device);
}

static void on_request(void *arg, const struct session_answer *answer)
{
	struct load_device *device = arg;

	if (is_good(device, answer))
		take_request(device, answer);
}

/* ---- Waiting for the server ---- */

static void on_polled(void *arg, const struct session_answer *answer)
{
	struct load_device *device = arg;

	if (!device->is_ended && !answer->failure &&
	    answer->status == CALL_NOT_CHANGED) {
		bool has_waited = http_field(answer->head, "Preference-Applied");
		timer_start(&device->poll,
			    has_waited ? 0 : device->config.poll_delay_ms);
		return;
	}
	if (is_good(device, answer))
		take_request(device, answer);
}

static void poll_now(void *arg)
{
	struct load_device *device = arg;
	char path[CALL_TARGET_CHARS], prefer[32];
	struct http_field fields[2] = { { SLICE("Prefer"), { NULL, 0 } } };
	struct session_call poll = { .method = HTTP_GET,
				     .target = target(device, "", path),
				     .fields = fields,
				     .n_fields = 1,
				     .on_answer = on_polled,
				     .arg = device };

	snprintf(prefer, sizeof(prefer), "wait=%lld", (long long)device->config.wait_s);
	fields[0].value = slice_of(prefer);
	if (device->etag[0])
		fields[poll.n_fields++] = (struct http_field){ SLICE("If-None-Match"),
							       slice_of(device->etag) };
	session_call(device->session, &poll);
}

static void wait_for_news(struct load_device *device)
{
	if (!timer_is_pending(&device->poll))
		timer_start(&device->poll, 0);
}

/* ---- Content ---- */

static bool on_content(void *arg, const struct http_head *head, struct evbuffer *body)
{
	struct load_device *device = arg;
	size_t n = evbuffer_get_length(body);

	(void)head;
	device->received_bytes += (int64_t)n;
	EVP_DigestUpdate(device->digest, evbuffer_pullup(body, -1), n);
	evbuffer_drain(body, n);
	return device->received_bytes <= device->item.size;
}

static void confirm(struct load_device *device)
{
	char rest[INSTALL_ID_CHARS + 16], path[CALL_TARGET_CHARS], body[160];

	snprintf(rest, sizeof(rest), "/items/%s/result", device->item.what.id);
	snprintf(body, sizeof(body), "{\"result\":\"installed\",\"version\":\"%s\"}",
		 device->item.what.version);
	call(device, HTTP_PUT, target(device, rest, path), slice_of(body), on_request);
}

static void on_fetched(void *arg, const struct session_answer *answer)
{
	struct load_device *device = arg;
	uint8_t digest[SHA256_BYTES];

	if (!is_good(device, answer))
		return;
	EVP_DigestFinal_ex(device->digest, digest, NULL);
	if (memcmp(digest, device->item.what.sha256, SHA256_BYTES) == 0)
		confirm(device);
	else
		end(device, "digest_mismatch");
}

static void fetch(struct load_device *device, const struct request_item *item)
{
	char digest[2 * SHA256_BYTES + 1], path[128];
	struct session_call get = { .method = HTTP_GET,
				    .target = path,
				    .on_body = on_content,
				    .on_answer = on_fetched,
				    .arg = device };

	device->item = *item;
	device->received_bytes = 0;
	EVP_DigestInit_ex(device->digest, EVP_sha256(), NULL);
	hex_encode(slice_make(item->what.sha256, SHA256_BYTES), digest);
	snprintf(path, sizeof(path), "/v1/content/%s", digest);
	session_call(device->session, &get);
}

/* ---- Terms ---- */

static void answer_online(struct load_device *device)
{
	char path[CALL_TARGET_CHARS], digest[2 * SHA256_BYTES + 1], body[160];

	hex_encode(slice_make(device->request.terms_sha256, SHA256_BYTES), digest);
	snprintf(body, sizeof(body), "{\"answer\":\"accept\",\"sha256\":\"%s\"}",
		 digest);
	call(device, HTTP_PUT, target(device, "/answer", path), slice_of(body),
	     on_request);
}

static void on_terms(void *arg, const struct session_answer *answer)
{
	struct load_device *device = arg;
	char *text;

	if (!is_good(device, answer))
		return;
	text = terms_parse(answer->body, device->request.terms_sha256);
	free(text);
	if (!text) {
		end(device, "terms_mismatch");
		return;
	}
	finish_part(device);
	answer_online(device);
}

/* Their answer goes where they came from. */
static void look_for_terms(struct load_device *device)
{
	struct messages_terms terms;

	if (!load_inbox_find(device->inbox, &device->request, &terms))
		return;
	finish_part(device);
	if (load_inbox_accept(device->inbox, &terms))
		wait_for_news(device);
	else
		end(device, "radio_failed");
	messages_terms_free(&terms);
}

static void read_terms(struct load_device *device)
{
	char path[CALL_TARGET_CHARS];

	if (device->inbox)
		look_for_terms(device);
	else
		call(device, HTTP_GET, target(device, "/terms", path), NO_BODY,
		     on_terms);
}

static void on_inbox(void *arg, enum load_inbox_event event)
{
	struct load_device *device = arg;

	if (event == LOAD_INBOX_FAILED)
		end(device, "radio_failed");
	else if (device->part == LOAD_TERMS && !device->is_ended)
		look_for_terms(device);
}

/* ---- The request ---- */

static bool is_accepted(enum request_state state)
{
	return state == REQUEST_ACCEPTED || state == REQUEST_DELIVERING ||
	       state == REQUEST_DONE;
}

static void end_as(struct load_device *device)
{
	const struct request *request = &device->request;

	if (request->state == REQUEST_DONE) {
		finish_part(device);
		end(device, NULL);
	} else {
		end(device, request->reason[0] ? request->reason
					       : request_state_name(request->state));
	}
}

/* The server has said where the request is: do what is next. */
static void follow(struct load_device *device)
{
	const struct request *request = &device->request;
	const struct request_item *item = request_next_item(request);

	while (is_accepted(request->state) && device->part < LOAD_CONTENT)
		finish_part(device);
	if (request_state_is_final(request->state)) {
		end_as(device);
	} else if (device->part == LOAD_CONTENT && item) {
		fetch(device, item);
	} else if (device->part == LOAD_OFFER && request->has_terms) {
		finish_part(device);
		read_terms(device);
	} else if (device->part != LOAD_TERMS) {
		wait_for_news(device);
	}
}

static size_t choose(const struct load_device *device,
		     const char *items[REQUEST_ITEMS_LIMIT])
{
	const struct load_plan *plan = device->plan;
	size_t n = 0;

	while (plan->items[n] && n < REQUEST_ITEMS_LIMIT) {
		items[n] = plan->items[n];
		n++;
	}
	if (n == 0 && device->catalogue.n > 0)
		items[n++] = device->catalogue.features[0].id;
	return n;
}

static void on_catalogue(void *arg, const struct session_answer *answer)
{
	static const struct form form = { .values = {
						  LOAD_FLEET_GIVEN_NAME,
						  LOAD_FLEET_FAMILY_NAME,
						  LOAD_FLEET_POSTCODE,
						  LOAD_FLEET_REFERENCE,
					  } };
	struct load_device *device = arg;
	const char *items[REQUEST_ITEMS_LIMIT];
	char path[CALL_TARGET_CHARS];
	struct order order = { .form = &form,
			       .language = device->config.language,
			       .dev = device->config.device,
			       .model = device->config.model,
			       .firmware = device->config.firmware,
			       .items = items };
	char *body;

	if (!is_good(device, answer))
		return;
	if (!catalogue_parse(answer->body, session_srv(device->session),
			     &device->catalogue)) {
		end(device, "answer_malformed");
		return;
	}
	finish_part(device);
	order.catalogue = device->catalogue.version;
	order.n_items = choose(device, items);
	body = order_write(&order);
	BUG_ON(!body); /* all of it is ours, and UTF-8 */
	call(device, HTTP_PUT, target(device, "", path), slice_of(body), on_request);
	free(body);
}

static void on_device(void *arg, const struct session_answer *answer)
{
	struct load_device *device = arg;

	if (is_good(device, answer))
		call(device, HTTP_GET, "/v1/catalogue", NO_BODY, on_catalogue);
}

static void on_opened(void *arg, const struct session_answer *answer)
{
	struct load_device *device = arg;

	if (answer->failure) {
		end(device, answer->failure);
		return;
	}
	finish_part(device);
	call(device, HTTP_GET, "/v1/device", NO_BODY, on_device);
}

/* ---- Life ---- */

static void on_progress(void *arg, enum session_progress progress)
{
	(void)arg;
	(void)progress;
}

struct load_device *load_device_new(const struct load_plan *plan, unsigned serial,
				    char *why, size_t why_size)
{
	struct load_device *device = calloc(1, sizeof(*device));

	BUG_ON(!device);
	device->plan = plan;
	load_fleet_identity(serial, &device->identity);
	device->config = *plan->config;
	device->config.device = device->identity.dev;
	device->config.number = device->identity.number;
	device->config.key_file = device->identity.key_file;
	device->config.chain_file = device->identity.chain_file;
	device->since_us = now_us();
	for (size_t i = 0; i < LOAD_N_PARTS; i++)
		device->us[i] = -1;
	uuid_make(device->rid);
	device->digest = EVP_MD_CTX_new();
	BUG_ON(!device->digest);
	timer_init(&device->limit, plan->loop, on_limit, device);
	timer_init(&device->poll, plan->loop, poll_now, device);
	timer_init(&device->closing, plan->loop, close_session, device);
	device->session = session_new(plan->loop, &device->config, on_progress, device,
				      why, why_size);
	if (!device->session) {
		load_device_free(device);
		return NULL;
	}
	if (!plan->is_online)
		device->inbox =
			load_inbox_new(plan->loop, &device->config, on_inbox, device);
	timer_start(&device->limit, device->config.server_limit_ms);
	session_open(device->session, on_opened, device);
	return device;
}

void load_device_free(struct load_device *device)
{
	if (!device)
		return;
	timer_cancel(&device->limit);
	timer_cancel(&device->poll);
	timer_cancel(&device->closing);
	session_free(device->session);
	load_inbox_free(device->inbox);
	EVP_MD_CTX_free(device->digest);
	free(device);
}

const char *load_device_reason(const struct load_device *device)
{
	if (device->part == LOAD_N_PARTS)
		return NULL;
	return device->is_ended ? device->reason : "interrupted";
}

int64_t load_device_us(const struct load_device *device, enum load_part part)
{
	return device->us[part];
}
