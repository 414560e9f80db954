#include "contrib/smscsim/centre.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/time.h"
#include "contrib/smscsim/mailbox.h"
#include "contrib/smscsim/radio.h"

#define SUBMISSIONS_MAX 10000
#define DELIVERIES_MAX  100000 /* those that wait for their time apart */
#define SECOND_MS       1000

/* A submit_sm whose answer waits for the latency. */
struct submission {
	TAILQ_ENTRY(submission) link;
	struct timer timer;
	struct centre *centre;
	uint64_t session;
	uint32_t sequence;
	uint32_t status;
	struct message *message; /* NULL when refused */
};

/* A receipt that waits for its time. */
struct late_receipt {
	TAILQ_ENTRY(late_receipt) link;
	struct timer timer;
	struct centre *centre;
	struct delivery *delivery;
};

struct member {
	TAILQ_ENTRY(member) link;
	struct session *session;
};

struct centre {
	struct loop *loop;
	struct centre_settings settings;
	struct centre_counts counts;
	struct radio *radio;
	TAILQ_HEAD(, member) members;
	TAILQ_HEAD(, submission) submissions;
	size_t n_submissions;
	TAILQ_HEAD(, late_receipt) late_receipts;
	size_t n_late_receipts;
	struct delivery_queue deliveries; /* for the next link with room */
	size_t n_deliveries;
	struct mailboxes *mailboxes;
	uint64_t last_id;
	int64_t n_seen, n_receipts;
	int64_t throttle_since_ms, throttle_n;
};

struct centre *centre_new(struct loop *loop, const struct centre_settings *settings)
{
	struct centre *centre = calloc(1, sizeof(*centre));
	BUG_ON(!centre);
	centre->loop = loop;
	centre->settings = *settings;
	TAILQ_INIT(&centre->members);
	TAILQ_INIT(&centre->submissions);
	TAILQ_INIT(&centre->late_receipts);
	if (settings->hex_ids)
		centre->last_id = 9; /* below 10 hex is decimal */
	TAILQ_INIT(&centre->deliveries);
	centre->mailboxes = mailboxes_new();
	return centre;
}

void centre_free(struct centre *centre)
{
	struct member *member;
	while ((member = TAILQ_FIRST(&centre->members))) {
		TAILQ_REMOVE(&centre->members, member, link);
		session_free(member->session);
		free(member);
	}
	struct submission *submission;
	while ((submission = TAILQ_FIRST(&centre->submissions))) {
		TAILQ_REMOVE(&centre->submissions, submission, link);
		timer_cancel(&submission->timer);
		free(submission->message);
		free(submission);
	}
	struct late_receipt *late;
	while ((late = TAILQ_FIRST(&centre->late_receipts))) {
		TAILQ_REMOVE(&centre->late_receipts, late, link);
		timer_cancel(&late->timer);
		free(late->delivery);
		free(late);
	}
	struct delivery *delivery;
	while ((delivery = TAILQ_FIRST(&centre->deliveries))) {
		TAILQ_REMOVE(&centre->deliveries, delivery, link);
		free(delivery);
	}
	mailboxes_free(centre->mailboxes);
	free(centre);
}

const struct centre_counts *centre_counts(const struct centre *centre)
{
	return &centre->counts;
}

void centre_set_radio(struct centre *centre, struct radio *radio)
{
	centre->radio = radio;
}

/* ---- links ---- */

void centre_accept(struct centre *centre, int fd)
{
	struct member *member = calloc(1, sizeof(*member));
	BUG_ON(!member);
	member->session = session_new(centre, centre->loop, fd);
	if (!member->session) {
		free(member);
		return;
	}
	TAILQ_INSERT_TAIL(&centre->members, member, link);
}

static bool has_receiver(const struct centre *centre)
{
	const struct member *member;
	TAILQ_FOREACH (member, &centre->members, link)
		if (session_is_receiver(member->session))
			return true;
	return false;
}

/* Messages of handsets that waited for room in a window; receipts wait on. */
static void give_up_originated(struct centre *centre)
{
	struct delivery *delivery = TAILQ_FIRST(&centre->deliveries), *next;
	for (; delivery; delivery = next) {
		next = TAILQ_NEXT(delivery, link);
		if (delivery->is_receipt)
			continue;
		TAILQ_REMOVE(&centre->deliveries, delivery, link);
		centre->n_deliveries--;
		radio_not_sent(centre->radio, delivery->handset, "no_answer");
		free(delivery);
	}
}

void centre_session_ended(struct centre *centre, struct session *session)
{
	struct member *member;
	TAILQ_FOREACH (member, &centre->members, link)
		if (member->session == session)
			break;
	BUG_ON(!member);
	TAILQ_REMOVE(&centre->members, member, link);
	free(member);
	if (!has_receiver(centre))
		give_up_originated(centre);
}

static struct session *find_session(struct centre *centre, uint64_t number)
{
	struct member *member;
	TAILQ_FOREACH (member, &centre->members, link)
		if (session_number(member->session) == number)
			return member->session;
	return NULL;
}

static struct session *find_receiver(struct centre *centre)
{
	struct member *member;
	TAILQ_FOREACH (member, &centre->members, link)
		if (session_can_take(member->session))
			return member->session;
	return NULL;
}

void centre_protocol_error(struct centre *centre, const char *peer, const char *what,
			   const struct pdu_header *header)
{
	centre->counts.protocol_errors++;
	log_error("protocol_error", log_str("peer", peer), log_str("what", what),
		  log_num("command_id", header->command_id),
		  log_num("sequence", header->sequence_number),
		  log_num("status", header->command_status));
}

uint32_t centre_check_bind(struct centre *centre, const bind_transceiver_t *bind)
{
	struct slice id = slice_of((const char *)bind->system_id);
	struct slice password = slice_of((const char *)bind->password);
	if (!slice_eq(id, slice_of(centre->settings.system_id)))
		return ESME_RINVSYSID;
	if (!slice_eq_secret(password, slice_of(centre->settings.password)))
		return ESME_RINVPASWD;
	return ESME_ROK;
}

/* ---- to the client ---- */

void centre_pump(struct centre *centre)
{
	struct session *receiver;
	struct delivery *delivery;
	while ((delivery = TAILQ_FIRST(&centre->deliveries)) &&
	       (receiver = find_receiver(centre))) {
		TAILQ_REMOVE(&centre->deliveries, delivery, link);
		centre->n_deliveries--;
		session_deliver(receiver, delivery);
	}
}

static void push_delivery(struct centre *centre, struct delivery *delivery)
{
	if (centre->n_deliveries >= DELIVERIES_MAX) {
		log_warn("delivery_dropped", log_num("queued", DELIVERIES_MAX));
		if (delivery->handset)
			radio_not_sent(centre->radio, delivery->handset, "no_client");
		free(delivery);
		return;
	}
	TAILQ_INSERT_TAIL(&centre->deliveries, delivery, link);
	centre->n_deliveries++;
	centre_pump(centre);
}

void centre_delivered(struct centre *centre, struct delivery *delivery, uint32_t status)
{
	log_debug("deliver_answered", log_num("id", (int64_t)delivery->id),
		  log_num("status", status));
	if (delivery->is_receipt) {
		centre->counts.receipts++;
	} else if (status == ESME_ROK) {
		centre->counts.originated++;
		radio_sent(centre->radio, delivery->handset, delivery->id);
	} else {
		radio_not_sent(centre->radio, delivery->handset, "rejected");
	}
	free(delivery);
}

void centre_undelivered(struct centre *centre, struct delivery *delivery)
{
	if (delivery->is_receipt) {
		TAILQ_INSERT_HEAD(&centre->deliveries, delivery, link);
		centre->n_deliveries++;
		return;
	}
	radio_not_sent(centre->radio, delivery->handset, "no_answer");
	free(delivery);
}

void centre_originate(struct centre *centre, uint64_t handset, const struct sms *sms)
{
	if (!has_receiver(centre)) {
		radio_not_sent(centre->radio, handset, "no_client");
		return;
	}
	struct delivery *delivery = calloc(1, sizeof(*delivery));
	BUG_ON(!delivery);
	delivery->handset = handset;
	delivery->id = ++centre->last_id;
	delivery->sms = *sms;
	log_info("originate", log_num("id", (int64_t)delivery->id),
		 log_masked("from", slice_of(sms->from)), log_str("to", sms->to));
	push_delivery(centre, delivery);
}

/* ---- receipts ---- */

static void on_receipt_time(void *arg)
{
	struct late_receipt *late = arg;
	TAILQ_REMOVE(&late->centre->late_receipts, late, link);
	late->centre->n_late_receipts--;
	push_delivery(late->centre, late->delivery);
	free(late);
}

static void push_later(struct centre *centre, struct delivery *delivery)
{
	if (centre->n_late_receipts >= DELIVERIES_MAX) {
		log_warn("receipt_dropped", log_num("queued", DELIVERIES_MAX));
		free(delivery);
		return;
	}
	struct late_receipt *late = calloc(1, sizeof(*late));
	BUG_ON(!late);
	late->centre = centre;
	late->delivery = delivery;
	TAILQ_INSERT_TAIL(&centre->late_receipts, late, link);
	centre->n_late_receipts++;
	timer_init(&late->timer, centre->loop, on_receipt_time, late);
	timer_start(&late->timer, centre->settings.late_receipt_ms);
}

#define ID_SIZE 24

enum {
	HEX_IN_ANSWERS = 1,
	HEX_IN_RECEIPTS = 2,
};

static void format_id(const struct centre *centre, int64_t where, uint64_t id,
		      char out[ID_SIZE])
{
	snprintf(out, ID_SIZE,
		 centre->settings.hex_ids & where ? "%" PRIx64 : "%" PRIu64, id);
}

static void send_once(struct centre *centre, const struct message *message,
		      bool is_delivered)
{
	struct delivery *delivery = calloc(1, sizeof(*delivery));
	char id[ID_SIZE];
	BUG_ON(!delivery);
	delivery->is_receipt = true;
	delivery->id = message->id;
	format_id(centre, HEX_IN_RECEIPTS, message->id, id);
	message_write_receipt(message, id, is_delivered, &delivery->sms);
	if (centre->settings.late_receipt_ms > 0)
		push_later(centre, delivery);
	else
		push_delivery(centre, delivery);
}

static void send_receipt(struct centre *centre, const struct message *message,
			 bool is_delivered)
{
	const struct centre_settings *settings = &centre->settings;
	if (!message_wants_receipt(message, is_delivered))
		return;
	centre->n_receipts++;
	if (settings->drop_receipt_every > 0 &&
	    centre->n_receipts % settings->drop_receipt_every == 0)
		return;
	send_once(centre, message, is_delivered);
	if (settings->repeat_receipt_every > 0 &&
	    centre->n_receipts % settings->repeat_receipt_every == 0)
		send_once(centre, message, is_delivered);
}

/* ---- from the client to the handset ---- */

/* Bring it to the handset, keep it, or fail it. @p message is taken. */
static void route(struct centre *centre, struct message *message)
{
	if (radio_deliver(centre->radio, &message->sms) ||
	    centre->settings.deliver_all) {
		centre->counts.delivered++;
		send_receipt(centre, message, true);
		free(message);
	} else if (!mailboxes_put(centre->mailboxes, message)) {
		log_warn("mailbox_full", log_masked("to", slice_of(message->sms.to)));
		send_receipt(centre, message, false);
		free(message);
	}
}

void centre_reachable(struct centre *centre, const char *number)
{
	struct message *message;
	while (radio_can_deliver(centre->radio, number) &&
	       (message = mailboxes_take(centre->mailboxes, number)))
		route(centre, message);
}

static void finish_submission(struct centre *centre, struct session *session,
			      uint32_t sequence, uint32_t status,
			      struct message *message)
{
	char id[ID_SIZE] = "";
	if (message)
		format_id(centre, HEX_IN_ANSWERS, message->id, id);
	session_answer_submit(session, sequence, status, id);
	if (status == ESME_ROK)
		centre->counts.submitted++;
	else
		centre->counts.refused++;
	if (message)
		route(centre, message);
}

static void on_latency(void *arg)
{
	struct submission *submission = arg;
	struct centre *centre = submission->centre;
	struct session *session = find_session(centre, submission->session);
	TAILQ_REMOVE(&centre->submissions, submission, link);
	centre->n_submissions--;
	/* Without an answer the client has not handed the message over. */
	if (session)
		finish_submission(centre, session, submission->sequence,
				  submission->status, submission->message);
	else
		free(submission->message);
	free(submission);
}

static bool is_throttled(struct centre *centre)
{
	if (centre->settings.throttle_per_s == 0)
		return false;
	int64_t now = loop_now_ms(centre->loop);
	if (now - centre->throttle_since_ms >= SECOND_MS) {
		centre->throttle_since_ms = now;
		centre->throttle_n = 0;
	}
	return ++centre->throttle_n > centre->settings.throttle_per_s;
}

/* The fault that this submit_sm meets: of a full centre, or one that was told to be. */
static uint32_t fault(struct centre *centre)
{
	centre->n_seen++;
	if (centre->n_submissions >= SUBMISSIONS_MAX)
		return ESME_RMSGQFUL;
	if (is_throttled(centre))
		return ESME_RTHROTTLED;
	if (centre->settings.error_every > 0 &&
	    centre->n_seen % centre->settings.error_every == 0)
		return (uint32_t)centre->settings.error_status;
	return ESME_ROK;
}

void centre_submit(struct centre *centre, struct session *session, const union pdu *pdu)
{
	const char *what = NULL;
	struct message *message = calloc(1, sizeof(*message));
	BUG_ON(!message);
	uint32_t status = message_read(pdu, message, &what);
	if (status != ESME_ROK)
		centre_protocol_error(centre, session_peer(session), what,
				      &pdu->header);
	else
		status = fault(centre);
	if (status == ESME_ROK) {
		message->id = ++centre->last_id;
		message->submitted = time_now_ms() / 1000;
	} else {
		free(message);
		message = NULL;
	}
	log_debug("submit", log_num("status", status),
		  log_num("id", message ? (int64_t)message->id : 0),
		  log_str("validity", (const char *)pdu->submit.validity_period));

	if (centre->settings.latency_ms == 0 ||
	    centre->n_submissions >= SUBMISSIONS_MAX) {
		finish_submission(centre, session, pdu->header.sequence_number, status,
				  message);
		return;
	}
	struct submission *submission = calloc(1, sizeof(*submission));
	BUG_ON(!submission);
	submission->centre = centre;
	submission->session = session_number(session);
	submission->sequence = pdu->header.sequence_number;
	submission->status = status;
	submission->message = message;
	TAILQ_INSERT_TAIL(&centre->submissions, submission, link);
	centre->n_submissions++;
	timer_init(&submission->timer, centre->loop, on_latency, submission);
	timer_start(&submission->timer, centre->settings.latency_ms);
}
