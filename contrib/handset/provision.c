#include "contrib/handset/provision.h"

#include "base/log.h"
#include "base/time.h"
#include "contrib/handset/call.h"
#include "contrib/handset/terms.h"

/* ---- Up to the menu ---- */

static void on_opened(void *arg, const struct session_answer *answer)
{
	struct handset *handset = arg;

	if (answer->failure)
		handset_fail(handset, answer->failure);
	else if (handset_accepts(handset, EVENT_PROVEN))
		handset_move(handset, STATE_DEVICE);
}

void provision_connect(struct handset *handset)
{
	session_open(handset->session, on_opened, handset);
}

static void on_device(void *arg, const struct session_answer *answer)
{
	struct handset *handset = arg;

	if (answer->failure || answer->status != CALL_OK) {
		call_fail(handset, answer);
	} else if (!device_answer_parse(answer->body, &handset->device)) {
		handset_fail(handset, "answer_malformed");
	} else if (handset_accepts(handset, EVENT_DEVICE_READ)) {
		log_info("device", log_str("standing", handset->device.standing));
		/* A request that a power cut interrupted goes on. */
		handset_move(handset, journal_read(&handset->journal)
					      ? STATE_REQUESTING
					      : STATE_CATALOGUE);
	}
}

void provision_read_device(struct handset *handset)
{
	call_get(handset, "/v1/device", on_device);
}

static void on_catalogue(void *arg, const struct session_answer *answer)
{
	struct handset *handset = arg;

	if (answer->failure || answer->status != CALL_OK)
		call_fail(handset, answer);
	else if (!catalogue_parse(answer->body, session_srv(handset->session),
				  &handset->catalogue))
		handset_fail(handset, "answer_malformed");
	else if (handset_accepts(handset, EVENT_CATALOGUE_READ))
		handset_move(handset, STATE_CHOOSING);
}

void provision_read_catalogue(struct handset *handset)
{
	call_get(handset, "/v1/catalogue", on_catalogue);
}

/* ---- The request ---- */

void provision_order(struct handset *handset)
{
	const struct handset_config *config = handset->config;
	const char *items[REQUEST_ITEMS_LIMIT];
	struct order order = { .form = &handset->form,
			       .language = config->language,
			       .dev = config->device,
			       .model = config->model,
			       .firmware = config->firmware,
			       .catalogue = handset->catalogue.version,
			       .items = items };

	if (!handset_accepts(handset, EVENT_ORDERED))
		return;
	for (size_t i = 0; i < handset->catalogue.n; i++)
		if (handset->is_ticked[i])
			items[order.n_items++] = handset->catalogue.features[i].id;
	handset->journal = (struct journal){ .body = order_write(&order),
					     .made_ms = time_now_ms() };
	uuid_make(handset->journal.id);
	if (!handset->journal.body || !journal_write(&handset->journal))
		handset_fail(handset, "storage_failed");
	else
		handset_move(handset, STATE_REQUESTING);
}

bool provision_take_request(struct handset *handset,
			    const struct session_answer *answer)
{
	struct request request;
	const char *why;

	if (answer->failure ||
	    (answer->status != CALL_OK && answer->status != CALL_CREATED)) {
		call_fail(handset, answer);
		return false;
	}
	if (!request_parse(answer->body, &request, &why) ||
	    strcmp(request.id, handset->journal.id) != 0) {
		log_warn("request_malformed", log_str("why", why ? why : "other id"));
		handset_fail(handset, "answer_malformed");
		return false;
	}
	if (request.state != handset->request.state || handset->request.id[0] == '\0')
		log_info("request", log_str("rid", request.id),
			 log_str("state", request_state_name(request.state)),
			 log_str("reason", request.reason));
	handset->request = request;
	return true;
}

/* The server will not have this request: it is over, and not kept. */
static void on_request_refused(struct handset *handset,
			       const struct session_answer *answer)
{
	bool is_about_device = answer->status == 401 || answer->status == 403;

	journal_clear();
	if (handset_accepts(handset, EVENT_REQUEST_READ))
		handset_end(handset, is_about_device ? STATE_FAILED : STATE_REFUSED,
			    answer->reason ? answer->reason : "status_unexpected");
}

static void on_requested(void *arg, const struct session_answer *answer)
{
	struct handset *handset = arg;

	if (call_is_refused(answer))
		on_request_refused(handset, answer);
	else if (provision_take_request(handset, answer) &&
		 handset_accepts(handset, EVENT_REQUEST_READ))
		provision_follow(handset);
}

void provision_request(struct handset *handset)
{
	char target[CALL_TARGET_CHARS];

	call_put(handset, call_target(handset, "", target),
		 slice_of(handset->journal.body), on_requested);
}

/* ---- Following the request ---- */

/* Where each state of the request leads. */
static const enum state leads_to[REQUEST_N_STATES] = {
	[REQUEST_RECEIVED] = STATE_WAITING,    [REQUEST_VERIFYING] = STATE_WAITING,
	[REQUEST_OFFERED] = STATE_OFFERED,     [REQUEST_ACCEPTED] = STATE_FETCHING,
	[REQUEST_DELIVERING] = STATE_FETCHING, [REQUEST_DONE] = STATE_DONE,
	[REQUEST_DECLINED] = STATE_DECLINED,   [REQUEST_REFUSED] = STATE_REFUSED,
	[REQUEST_FAILED] = STATE_FAILED,       [REQUEST_EXPIRED] = STATE_FAILED,
	[REQUEST_CANCELLED] = STATE_FAILED,
};

static const char *reason_of_end(const struct request *request)
{
	if (request->reason[0])
		return request->reason;
	return request->state == REQUEST_EXPIRED     ? "offer_expired"
	       : request->state == REQUEST_CANCELLED ? "cancelled"
						     : NULL;
}

/* Does the present state go on while the request is still where it was? */
static bool is_waiting_in(enum state state, enum request_state request)
{
	switch (state) {
	case STATE_WAITING:
		return request == REQUEST_RECEIVED || request == REQUEST_VERIFYING;
	case STATE_OFFERED:
	case STATE_DECIDING:
	case STATE_ANSWERED: return request == REQUEST_OFFERED;
	case STATE_SETTLING: return !request_state_is_final(request);
	default: return false;
	}
}

static void poll_later(struct handset *handset, int64_t ms)
{
	if (!handset->is_polling && !state_is_final(handset->state))
		timer_start(&handset->poll, ms);
}

/* The item whose result the server would not have is not begun again. */
static bool has_more_to_fetch(const struct handset *handset)
{
	const struct request_item *next = request_next_item(&handset->request);

	return next && !(handset->state == STATE_SETTLING &&
			 strcmp(next->what.id, handset->item.what.id) == 0);
}

void provision_follow(struct handset *handset)
{
	const struct request *request = &handset->request;
	enum state to = leads_to[request->state];

	if (to == STATE_FETCHING && !has_more_to_fetch(handset))
		to = STATE_SETTLING;
	if (to != STATE_FETCHING && is_waiting_in(handset->state, request->state)) {
		poll_later(handset, 0);
		screens_refresh(handset);
	} else if (state_is_final(to)) {
		journal_clear();
		handset_end(handset, to, reason_of_end(request));
	} else if (state_may_move(handset->state, to)) {
		handset_move(handset, to);
	} else {
		log_warn("request_astray", log_str("state", state_name(handset->state)),
			 log_str("request", request_state_name(request->state)));
		handset_fail(handset, "answer_malformed");
	}
}

static void keep_etag(struct handset *handset, const struct http_head *head)
{
	const struct http_field *etag = http_field(head, "ETag");
	bool fits = etag && etag->value.n <= HANDSET_ETAG_CHARS;

	snprintf(handset->etag, sizeof(handset->etag), "%.*s",
		 fits ? (int)etag->value.n : 0, fits ? etag->value.p : "");
}

/*
 * While it is the user's turn the connection is kept free for what the user does, and
 * the server is asked now and then; otherwise it is asked to wait for news.
 */
static bool is_users_turn(enum state state)
{
	return state == STATE_OFFERED || state == STATE_DECIDING;
}

static void on_polled(void *arg, const struct session_answer *answer)
{
	struct handset *handset = arg;
	const struct handset_config *config = handset->config;

	handset->is_polling = false;
	if (state_is_final(handset->state))
		return;
	if (answer->failure || answer->status != CALL_NOT_CHANGED) {
		if (!provision_take_request(handset, answer))
			return;
		keep_etag(handset, answer->head);
		if (handset_accepts(handset, EVENT_REQUEST_READ))
			provision_follow(handset);
	} else if (is_users_turn(handset->state)) {
		poll_later(handset, config->wait_s * 1000);
	} else {
		/* A server that did not wait is not asked again at once. */
		poll_later(handset, http_field(answer->head, "Preference-Applied")
					    ? 0
					    : config->poll_delay_ms);
	}
}

static void poll_now(void *arg)
{
	struct handset *handset = arg;
	char target[CALL_TARGET_CHARS], prefer[32];
	struct http_field fields[2];
	struct session_call call = { .method = HTTP_GET,
				     .target = call_target(handset, "", target),
				     .fields = fields,
				     .on_answer = on_polled,
				     .arg = handset };

	if (handset->is_polling)
		return;
	snprintf(prefer, sizeof(prefer), "wait=%lld",
		 (long long)handset->config->wait_s);
	if (!is_users_turn(handset->state))
		fields[call.n_fields++] =
			(struct http_field){ SLICE("Prefer"), slice_of(prefer) };
	if (handset->etag[0])
		fields[call.n_fields++] =
			(struct http_field){ SLICE("If-None-Match"),
					     slice_of(handset->etag) };
	handset->is_polling = true;
	session_call(handset->session, &call);
}

void provision_init(struct handset *handset)
{
	timer_init(&handset->poll, handset->loop, poll_now, handset);
}

void provision_await(struct handset *handset)
{
	poll_later(handset, 0);
}

void provision_await_terms(struct handset *handset)
{
	poll_later(handset, 0);
	terms_find(handset);
}
