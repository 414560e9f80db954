#include "contrib/smscsim/session.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>

#include "base/log.h"
#include "contrib/smscsim/centre.h"
#include "contrib/smscsim/pdu.h"

#define WINDOW_PDUS       100
#define ANSWER_TIMEOUT_MS 5000
#define WRITE_TIMEOUT_MS  10000
#define RX_LIMIT          65536

enum session_state {
	SESSION_OPEN,
	SESSION_BOUND_TX,
	SESSION_BOUND_RX,
	SESSION_BOUND_TRX,
	SESSION_ENDING, /* the last answer is being sent */
};

#define IN(state) (1u << (state))
#define IN_ANY_BOUND \
	(IN(SESSION_BOUND_TX) | IN(SESSION_BOUND_RX) | IN(SESSION_BOUND_TRX))
#define IN_SENDING   (IN(SESSION_BOUND_TX) | IN(SESSION_BOUND_TRX))
#define IN_RECEIVING (IN(SESSION_BOUND_RX) | IN(SESSION_BOUND_TRX))

struct session {
	struct centre *centre;
	struct loop *loop;
	struct conn *conn;
	int fd; /* the connection's, for TCP_QUICKACK */
	uint64_t number;
	enum session_state state;
	uint32_t rx_sequence; /* of the client's last request */
	uint32_t tx_sequence; /* of our last request */
	struct delivery_queue in_flight;
	size_t n_in_flight;
	struct timer answer_timer;
};

static const char *state_name(enum session_state state)
{
	static const char *const names[] = {
		[SESSION_OPEN] = "open",         [SESSION_BOUND_TX] = "bound_tx",
		[SESSION_BOUND_RX] = "bound_rx", [SESSION_BOUND_TRX] = "bound_trx",
		[SESSION_ENDING] = "ending",
	};
	return names[state];
}

static void set_state(struct session *session, enum session_state state)
{
	log_info("smpp_state", log_str("peer", conn_peer(session->conn)),
		 log_str("from", state_name(session->state)),
		 log_str("to", state_name(state)));
	session->state = state;
}

static void send_pdu(struct session *session, union pdu *pdu)
{
	pdu_write(pdu, conn_tx(session->conn));
	conn_flush(session->conn);
}

/* An answer that is a header alone, or has empty fields. */
static void answer(struct session *session, const struct pdu_header *request,
		   uint32_t status)
{
	union pdu pdu;
	memset(&pdu, 0, sizeof(pdu));
	pdu.header.command_id = request->command_id | GENERIC_NACK;
	pdu.header.command_status = status;
	pdu.header.sequence_number = request->sequence_number;
	send_pdu(session, &pdu);
}

/* Take the oldest deliveries out of the window and hand them back. */
static void return_in_flight(struct session *session)
{
	struct delivery *delivery;
	while ((delivery = TAILQ_LAST(&session->in_flight, delivery_queue))) {
		TAILQ_REMOVE(&session->in_flight, delivery, link);
		session->n_in_flight--;
		centre_undelivered(session->centre, delivery);
	}
}

/* The link ended; the centre learns it after the session has left its list. */
static void end(struct session *session)
{
	centre_session_ended(session->centre, session);
	return_in_flight(session);
	session_free(session);
}

static void protocol_error(struct session *session, const char *what,
			   const struct pdu_header *header)
{
	centre_protocol_error(session->centre, conn_peer(session->conn), what, header);
}

/* ---- requests of the client ---- */

static void on_bind(struct session *session, union pdu *pdu)
{
	static const struct {
		uint32_t command_id;
		enum session_state state;
	} binds[] = {
		{ BIND_TRANSMITTER, SESSION_BOUND_TX },
		{ BIND_RECEIVER, SESSION_BOUND_RX },
		{ BIND_TRANSCEIVER, SESSION_BOUND_TRX },
	};
	uint32_t status = centre_check_bind(session->centre, &pdu->bind);
	union pdu resp;
	memset(&resp, 0, sizeof(resp));
	resp.header.command_id = pdu->header.command_id | GENERIC_NACK;
	resp.header.command_status = status;
	resp.header.sequence_number = pdu->header.sequence_number;
	pdu_set(resp.bind_resp.system_id, sizeof(resp.bind_resp.system_id), "smscsim");
	send_pdu(session, &resp);
	if (status != ESME_ROK) {
		log_warn("bind_refused", log_str("peer", conn_peer(session->conn)),
			 log_num("status", status));
		return;
	}
	for (size_t i = 0; i < sizeof(binds) / sizeof(binds[0]); i++)
		if (binds[i].command_id == pdu->header.command_id)
			set_state(session, binds[i].state);
	centre_pump(session->centre);
}

static void on_submit(struct session *session, union pdu *pdu)
{
	centre_submit(session->centre, session, pdu);
}

static void on_enquire_link(struct session *session, union pdu *pdu)
{
	answer(session, &pdu->header, ESME_ROK);
}

static void on_unbind(struct session *session, union pdu *pdu)
{
	answer(session, &pdu->header, ESME_ROK);
	set_state(session, SESSION_ENDING);
}

/* ---- answers of the client ---- */

static void watch_oldest(struct session *session)
{
	struct delivery *oldest = TAILQ_FIRST(&session->in_flight);
	timer_cancel(&session->answer_timer);
	if (oldest)
		timer_start(&session->answer_timer,
			    oldest->deadline_ms - loop_now_ms(session->loop));
}

static void on_deliver_resp(struct session *session, union pdu *pdu)
{
	struct delivery *delivery;
	TAILQ_FOREACH (delivery, &session->in_flight, link)
		if (delivery->sequence == pdu->header.sequence_number)
			break;
	if (!delivery) {
		protocol_error(session, "answer_without_request", &pdu->header);
		return;
	}
	TAILQ_REMOVE(&session->in_flight, delivery, link);
	session->n_in_flight--;
	watch_oldest(session);
	centre_delivered(session->centre, delivery, pdu->header.command_status);
	centre_pump(session->centre);
}

static void on_nack(struct session *session, union pdu *pdu)
{
	protocol_error(session, "generic_nack", &pdu->header);
}

/* What a client may send, and when (SMPP 3.4, 2.3). */
static const struct command {
	uint32_t id;
	unsigned int states;
	void (*handle)(struct session *session, union pdu *pdu);
} commands[] = {
	{ BIND_TRANSMITTER, IN(SESSION_OPEN), on_bind },
	{ BIND_RECEIVER, IN(SESSION_OPEN), on_bind },
	{ BIND_TRANSCEIVER, IN(SESSION_OPEN), on_bind },
	{ SUBMIT_SM, IN_SENDING, on_submit },
	{ DELIVER_SM_RESP, IN_RECEIVING, on_deliver_resp },
	{ ENQUIRE_LINK, IN_ANY_BOUND | IN(SESSION_OPEN), on_enquire_link },
	{ UNBIND, IN_ANY_BOUND, on_unbind },
	{ GENERIC_NACK, IN_ANY_BOUND | IN(SESSION_OPEN), on_nack },
};

static const struct command *find_command(uint32_t id)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (commands[i].id == id)
			return &commands[i];
	return NULL;
}

/* Requests count up from 1; after the highest number they begin again. */
static bool is_sequence_next(struct session *session, uint32_t sequence)
{
	uint32_t last = session->rx_sequence;
	session->rx_sequence = sequence;
	return sequence > last || last == PDU_SEQUENCE_MAX;
}

static bool is_request(uint32_t command_id)
{
	return (command_id & GENERIC_NACK) == 0;
}

static void nack(struct session *session, const struct pdu_header *header,
		 uint32_t status)
{
	struct pdu_header none = { .command_id = GENERIC_NACK,
				   .sequence_number = header->sequence_number };
	answer(session, &none, status);
}

static void handle_pdu(struct session *session, struct slice bytes)
{
	struct pdu_header header = pdu_header(bytes);
	const struct command *command = find_command(header.command_id);
	union pdu pdu;

	if (is_request(header.command_id) &&
	    !is_sequence_next(session, header.sequence_number))
		protocol_error(session, "sequence_not_increasing", &header);
	if (!command) {
		protocol_error(session, "command_unknown", &header);
		nack(session, &header, ESME_RINVCMDID);
		return;
	}
	if ((command->states & IN(session->state)) == 0) {
		protocol_error(session, "bind_state", &header);
		if (is_request(header.command_id))
			answer(session, &header,
			       session->state == SESSION_OPEN ? ESME_RINVBNDSTS
							      : ESME_RALYBND);
		return;
	}
	if (!pdu_read(bytes, &pdu)) {
		protocol_error(session, "malformed", &header);
		nack(session, &header, ESME_RINVMSGLEN);
		return;
	}
	command->handle(session, &pdu);
	pdu_clear(&pdu);
}

/* What makes the rest of the stream, or an answer, impossible. */
static const char *header_problem(const struct pdu_header *header)
{
	if (header->command_length < PDU_HEADER_BYTES ||
	    header->command_length > PDU_LIMIT)
		return "length";
	if (header->sequence_number < 1 || header->sequence_number > PDU_SEQUENCE_MAX)
		return "sequence_range";
	return NULL;
}

/* Handle every whole PDU. Returns false when the session was ended. */
static bool handle_received(struct session *session)
{
	struct evbuffer *rx = conn_rx(session->conn);
	while (session->state != SESSION_ENDING &&
	       evbuffer_get_length(rx) >= PDU_HEADER_BYTES) {
		struct slice head = slice_make(evbuffer_pullup(rx, PDU_HEADER_BYTES),
					       PDU_HEADER_BYTES);
		struct pdu_header header = pdu_header(head);
		const char *problem = header_problem(&header);
		if (problem) {
			protocol_error(session, problem, &header);
			end(session);
			return false;
		}
		uint32_t n = header.command_length;
		if (evbuffer_get_length(rx) < n)
			break;
		handle_pdu(session, slice_make(evbuffer_pullup(rx, n), n));
		evbuffer_drain(rx, n);
	}
	return true;
}

/* A delayed acknowledgement would hold a client with Nagle on to its window each
 * 40 ms; the kernel forgets this option, so it is set at every read. */
static void acknowledge_at_once(const struct session *session)
{
	int on = 1;
	(void)setsockopt(session->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

static void on_conn(struct conn *conn, enum conn_event event, void *arg)
{
	struct session *session = arg;
	switch (event) {
	case CONN_OPEN:
	case CONN_WRITABLE: break;
	case CONN_READABLE:
		acknowledge_at_once(session);
		if (!handle_received(session))
			break;
		if (session->state == SESSION_ENDING) {
			conn_close(session->conn);
			session->conn = NULL;
			end(session);
			break;
		}
		conn_resume(conn);
		break;
	case CONN_EOF:
	case CONN_FAILED:
		log_info("smpp_closed", log_str("peer", conn_peer(conn)),
			 log_str("reason", event == CONN_EOF
						   ? "closed"
						   : conn_failure_name(conn)));
		end(session);
		break;
	}
}

static void on_answer_late(void *arg)
{
	struct session *session = arg;
	log_warn("deliver_unanswered", log_str("peer", conn_peer(session->conn)),
		 log_num("ms", ANSWER_TIMEOUT_MS));
	end(session);
}

struct session *session_new(struct centre *centre, struct loop *loop, int fd)
{
	static uint64_t last_number;
	static const struct conn_settings settings = {
		.write_timeout_ms = WRITE_TIMEOUT_MS,
		.rx_limit = RX_LIMIT,
	};
	struct session *session = calloc(1, sizeof(*session));
	BUG_ON(!session);
	session->conn = conn_accept(loop, fd, &settings, on_conn, session);
	if (!session->conn) {
		free(session);
		return NULL;
	}
	session->centre = centre;
	session->loop = loop;
	session->fd = fd;
	session->number = ++last_number;
	session->state = SESSION_OPEN;
	TAILQ_INIT(&session->in_flight);
	timer_init(&session->answer_timer, loop, on_answer_late, session);
	acknowledge_at_once(session);
	log_info("smpp_open", log_str("peer", conn_peer(session->conn)));
	return session;
}

void session_free(struct session *session)
{
	struct delivery *delivery;
	while ((delivery = TAILQ_FIRST(&session->in_flight))) {
		TAILQ_REMOVE(&session->in_flight, delivery, link);
		free(delivery);
	}
	timer_cancel(&session->answer_timer);
	if (session->conn)
		conn_free(session->conn);
	free(session);
}

uint64_t session_number(const struct session *session)
{
	return session->number;
}

const char *session_peer(const struct session *session)
{
	return conn_peer(session->conn);
}

bool session_is_receiver(const struct session *session)
{
	return (IN(session->state) & IN_RECEIVING) != 0;
}

bool session_can_take(const struct session *session)
{
	return session_is_receiver(session) && session->n_in_flight < WINDOW_PDUS;
}

/* Types and plans of numbers, SMPP 3.4, 5.2.5 and 5.2.6. */
static const char *address_parts(const char *address, uint8_t *ton, uint8_t *npi)
{
	bool is_international = address[0] == '+';
	*ton = is_international ? TON_International : TON_Unknown;
	*npi = NPI_ISDN_E163_E164;
	return is_international ? address + 1 : address;
}

void session_deliver(struct session *session, struct delivery *delivery)
{
	const struct sms *sms = &delivery->sms;
	union pdu pdu;
	memset(&pdu, 0, sizeof(pdu));
	deliver_sm_t *deliver = &pdu.deliver;
	deliver->command_id = DELIVER_SM;
	session->tx_sequence =
		session->tx_sequence == PDU_SEQUENCE_MAX ? 1 : session->tx_sequence + 1;
	deliver->sequence_number = session->tx_sequence;
	pdu_set(deliver->source_addr, sizeof(deliver->source_addr),
		address_parts(sms->from, &deliver->source_addr_ton,
			      &deliver->source_addr_npi));
	pdu_set(deliver->destination_addr, sizeof(deliver->destination_addr),
		address_parts(sms->to, &deliver->dest_addr_ton,
			      &deliver->dest_addr_npi));
	if (delivery->is_receipt)
		deliver->esm_class |= SMPP34_DELIVERY_RECEIPT;
	if (sms->udh_n > 0)
		deliver->esm_class |= SMPP34_UDHI_IND;
	deliver->data_coding = sms->dcs;
	deliver->sm_length = sms->n;
	memcpy(deliver->short_message, sms->bytes, sms->n);

	delivery->sequence = session->tx_sequence;
	delivery->deadline_ms = loop_now_ms(session->loop) + ANSWER_TIMEOUT_MS;
	TAILQ_INSERT_TAIL(&session->in_flight, delivery, link);
	session->n_in_flight++;
	if (session->n_in_flight == 1)
		watch_oldest(session);
	send_pdu(session, &pdu);
}

void session_answer_submit(struct session *session, uint32_t sequence, uint32_t status,
			   const char *id)
{
	union pdu pdu;
	memset(&pdu, 0, sizeof(pdu));
	pdu.header.command_id = SUBMIT_SM_RESP;
	pdu.header.command_status = status;
	pdu.header.sequence_number = sequence;
	if (status == ESME_ROK)
		pdu_set(pdu.submit_resp.message_id, sizeof(pdu.submit_resp.message_id),
			id);
	send_pdu(session, &pdu);
}
