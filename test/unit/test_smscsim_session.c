#include "contrib/smscsim/session.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "contrib/smscsim/centre.h"
#include "contrib/smscsim/pdu.h"
#include "test/unit/test.h"

/* The centre of this test: it notes what a session tells it. */
static struct {
	char errors[256]; /* words, each with a space behind it */
	uint32_t bind_status;
	size_t submitted, pumped, ended;
	size_t delivered, undelivered;
	uint32_t delivered_status;
} told;

uint32_t centre_check_bind(struct centre *centre, const bind_transceiver_t *bind)
{
	(void)centre;
	CU_ASSERT_STRING_EQUAL((const char *)bind->system_id, "client");
	return told.bind_status;
}

void centre_pump(struct centre *centre)
{
	(void)centre;
	told.pumped++;
}

void centre_submit(struct centre *centre, struct session *session, const union pdu *pdu)
{
	(void)centre;
	told.submitted++;
	session_answer_submit(session, pdu->header.sequence_number, ESME_ROK, "77");
}

void centre_delivered(struct centre *centre, struct delivery *delivery, uint32_t status)
{
	(void)centre;
	told.delivered++;
	told.delivered_status = status;
	free(delivery);
}

void centre_undelivered(struct centre *centre, struct delivery *delivery)
{
	(void)centre;
	told.undelivered++;
	free(delivery);
}

void centre_session_ended(struct centre *centre, struct session *session)
{
	(void)centre, (void)session;
	told.ended++;
}

void centre_protocol_error(struct centre *centre, const char *peer, const char *what,
			   const struct pdu_header *header)
{
	size_t n = strlen(told.errors);

	(void)centre, (void)peer, (void)header;
	snprintf(told.errors + n, sizeof(told.errors) - n, "%s ", what);
}

/* ---- The link ---- */

static struct loop *loop;
static struct session *session;
static struct evbuffer *received;
static int client;
static uint32_t last_sequence;

static void start(void)
{
	int fds[2];

	memset(&told, 0, sizeof(told));
	last_sequence = 0;
	CU_ASSERT_EQUAL_FATAL(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
		0);
	client = fds[0];
	loop = loop_new();
	session = session_new(NULL, loop, fds[1]);
	CU_ASSERT_PTR_NOT_NULL_FATAL(session);
	received = evbuffer_new();
}

static void stop(void)
{
	if (told.ended == 0)
		session_free(session);
	close(client);
	event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
	loop_free(loop);
	evbuffer_free(received);
}

static void turn(void)
{
	for (int i = 0; i < 5; i++)
		event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
	while (evbuffer_read(received, client, 4096) > 0)
		;
}

static void send_bytes(const void *bytes, size_t n)
{
	CU_ASSERT_EQUAL(write(client, bytes, n), (ssize_t)n);
	turn();
}

/* A request of the client, or its answer with a sequence number of ours. */
static void send_command(uint32_t id, uint32_t sequence)
{
	struct evbuffer *out = evbuffer_new();
	union pdu pdu;

	memset(&pdu, 0, sizeof(pdu));
	pdu.header.command_id = id;
	pdu.header.sequence_number = sequence;
	if (id == BIND_RECEIVER || id == BIND_TRANSMITTER || id == BIND_TRANSCEIVER) {
		pdu_set(pdu.bind.system_id, sizeof(pdu.bind.system_id), "client");
		pdu.bind.interface_version = 0x34;
	}
	pdu_write(&pdu, out);
	size_t n = evbuffer_get_length(out);
	send_bytes(evbuffer_pullup(out, -1), n);
	evbuffer_free(out);
}

static void request(uint32_t id)
{
	send_command(id, ++last_sequence);
}

/* The oldest PDU that came and was not looked at; all zero: none. */
static struct pdu_header answer(void)
{
	struct pdu_header header = { 0 };

	if (evbuffer_get_length(received) < PDU_HEADER_BYTES)
		return header;
	header = pdu_header(slice_make(evbuffer_pullup(received, PDU_HEADER_BYTES),
				       PDU_HEADER_BYTES));
	evbuffer_drain(received, header.command_length);
	return header;
}

#define EXPECT_ANSWER(id, status)                                    \
	do {                                                         \
		struct pdu_header got = answer();                    \
		CU_ASSERT_EQUAL(got.command_id, (id));               \
		CU_ASSERT_EQUAL(got.command_status, (status));       \
		CU_ASSERT_EQUAL(got.sequence_number, last_sequence); \
	} while (0)

static void bind_as(uint32_t id)
{
	request(id);
	EXPECT_ANSWER(id | GENERIC_NACK, ESME_ROK);
}

static struct delivery *delivery_new(void)
{
	struct delivery *delivery = calloc(1, sizeof(*delivery));

	CU_ASSERT_PTR_NOT_NULL_FATAL(delivery);
	strcpy(delivery->sms.from, "+447700900123");
	strcpy(delivery->sms.to, "1234");
	delivery->sms.n = 1;
	delivery->sms.bytes[0] = 'x';
	return delivery;
}

/* ---- What a client may do, and when ---- */

enum seat {
	OPEN,
	AS_TX,
	AS_RX,
	AS_TRX,
	SEAT_N,
};
static const uint32_t binds[SEAT_N] = {
	[AS_TX] = BIND_TRANSMITTER, [AS_RX] = BIND_RECEIVER, [AS_TRX] = BIND_TRANSCEIVER
};
#define ALL ((1u << SEAT_N) - 1)

/* SMPP 3.4, 2.3: which command where. */
static const struct {
	uint32_t id;
	unsigned int seats;
} allowed[] = {
	{ BIND_TRANSMITTER, 1u << OPEN },
	{ BIND_RECEIVER, 1u << OPEN },
	{ BIND_TRANSCEIVER, 1u << OPEN },
	{ SUBMIT_SM, 1u << AS_TX | 1u << AS_TRX },
	{ ENQUIRE_LINK, ALL },
	{ UNBIND, ALL & ~(1u << OPEN) },
};

static void every_command_has_its_states(void)
{
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		for (unsigned int seat = 0; seat < SEAT_N; seat++) {
			start();
			if (seat != OPEN)
				bind_as(binds[seat]);
			request(allowed[i].id);
			bool is_allowed = allowed[i].seats >> seat & 1;
			EXPECT_ANSWER(allowed[i].id | GENERIC_NACK,
				      is_allowed     ? ESME_ROK
				      : seat == OPEN ? ESME_RINVBNDSTS
						     : ESME_RALYBND);
			CU_ASSERT_STRING_EQUAL(told.errors,
					       is_allowed ? "" : "bind_state ");
			CU_ASSERT_EQUAL(told.submitted,
					is_allowed && allowed[i].id == SUBMIT_SM);
			CU_ASSERT_EQUAL(told.ended,
					is_allowed && allowed[i].id == UNBIND);
			stop();
		}
}

static void takes_deliveries_only_when_bound_to(void)
{
	for (unsigned int seat = 0; seat < SEAT_N; seat++) {
		start();
		CU_ASSERT_FALSE(session_can_take(session));
		if (seat != OPEN)
			bind_as(binds[seat]);
		CU_ASSERT_EQUAL(session_can_take(session),
				seat == AS_RX || seat == AS_TRX);
		CU_ASSERT_EQUAL(told.pumped, seat != OPEN);
		stop();
	}
}

static void a_refused_bind_leaves_it_open(void)
{
	start();
	told.bind_status = ESME_RINVPASWD;
	request(BIND_TRANSCEIVER);
	EXPECT_ANSWER(BIND_TRANSCEIVER_RESP, ESME_RINVPASWD);
	CU_ASSERT_FALSE(session_can_take(session));
	told.bind_status = ESME_ROK;
	bind_as(BIND_TRANSCEIVER);
	CU_ASSERT_TRUE(session_can_take(session));
	CU_ASSERT_STRING_EQUAL(told.errors, "");
	stop();
}

/* ---- Deliveries ---- */

static void a_delivery_ends_with_its_answer(void)
{
	start();
	bind_as(BIND_RECEIVER);
	session_deliver(session, delivery_new());
	session_deliver(session, delivery_new());
	turn();
	CU_ASSERT_EQUAL(answer().sequence_number, 1);
	struct pdu_header second = answer();
	CU_ASSERT_EQUAL(second.command_id, DELIVER_SM);
	CU_ASSERT_EQUAL(second.sequence_number, 2);
	send_command(DELIVER_SM_RESP, 2); /* in any order */
	CU_ASSERT_EQUAL(told.delivered, 1);
	CU_ASSERT_EQUAL(told.delivered_status, ESME_ROK);
	send_command(DELIVER_SM_RESP, 2);
	CU_ASSERT_STRING_EQUAL(told.errors, "answer_without_request ");
	CU_ASSERT_EQUAL(told.delivered, 1);
	/* The link ends: what was not answered comes back. */
	shutdown(client, SHUT_WR);
	turn();
	CU_ASSERT_EQUAL(told.ended, 1);
	CU_ASSERT_EQUAL(told.undelivered, 1);
	stop();
}

static void its_window_has_an_end(void)
{
	size_t n = 0;

	start();
	bind_as(BIND_TRANSCEIVER);
	for (; session_can_take(session) && n < 1000; n++)
		session_deliver(session, delivery_new());
	CU_ASSERT_EQUAL(n, 100);
	turn();
	send_command(DELIVER_SM_RESP, 50);
	CU_ASSERT_TRUE(session_can_take(session));
	stop();
}

/* ---- Framing and sequence numbers ---- */

static void a_pdu_may_come_in_pieces(void)
{
	static const uint8_t enquire[] = { 0, 0, 0, 16, 0, 0, 0, 0x15,
					   0, 0, 0, 0,  0, 0, 0, 1 };

	start();
	for (size_t i = 0; i < sizeof(enquire); i++) {
		CU_ASSERT_EQUAL(answer().command_id, 0);
		send_bytes(enquire + i, 1);
	}
	last_sequence = 1;
	EXPECT_ANSWER(ENQUIRE_LINK_RESP, ESME_ROK);
	CU_ASSERT_STRING_EQUAL(told.errors, "");
	stop();
}

static const struct {
	uint8_t bytes[PDU_HEADER_BYTES];
	const char *error;
	bool ends;
} wrong[] = {
	{ { 0, 0, 0, 15, 0, 0, 0, 0x15, 0, 0, 0, 0, 0, 0, 0, 1 }, "length ", true },
	{ { 0, 0, 0x10, 1, 0, 0, 0, 0x15, 0, 0, 0, 0, 0, 0, 0, 1 }, "length ", true },
	{ { 0, 0, 0, 16, 0, 0, 0, 0x15, 0, 0, 0, 0, 0, 0, 0, 0 },
	  "sequence_range ",
	  true },
	{ { 0, 0, 0, 16, 0, 0, 0, 0x15, 0, 0, 0, 0, 0x80, 0, 0, 0 },
	  "sequence_range ",
	  true },
	{ { 0, 0, 0, 16, 0, 0, 0, 0x99, 0, 0, 0, 0, 0, 0, 0, 1 },
	  "command_unknown ",
	  false },
	{ { 0, 0, 0, 16, 0, 0, 0, 0x02, 0, 0, 0, 0, 0, 0, 0, 1 }, "malformed ", false },
	{ { 0, 0, 0, 16, 0x80, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 1 },
	  "generic_nack ",
	  false },
};

static void says_what_is_wrong_with_a_header(void)
{
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		start();
		send_bytes(wrong[i].bytes, sizeof(wrong[i].bytes));
		CU_ASSERT_STRING_EQUAL(told.errors, wrong[i].error);
		CU_ASSERT_EQUAL(told.ended, wrong[i].ends);
		stop();
	}
}

static void sequence_numbers_increase_and_begin_again(void)
{
	start();
	send_command(ENQUIRE_LINK, 5);
	send_command(ENQUIRE_LINK, 5);
	CU_ASSERT_STRING_EQUAL(told.errors, "sequence_not_increasing ");
	send_command(ENQUIRE_LINK, PDU_SEQUENCE_MAX);
	send_command(ENQUIRE_LINK, 1);
	CU_ASSERT_STRING_EQUAL(told.errors, "sequence_not_increasing ");
	send_command(ENQUIRE_LINK, 1);
	CU_ASSERT_STRING_EQUAL(told.errors,
			       "sequence_not_increasing sequence_not_increasing ");
	stop();
}

TEST_MAIN("smscsim_session", TEST(every_command_has_its_states),
	  TEST(takes_deliveries_only_when_bound_to),
	  TEST(a_refused_bind_leaves_it_open), TEST(a_delivery_ends_with_its_answer),
	  TEST(its_window_has_an_end), TEST(a_pdu_may_come_in_pieces),
	  TEST(says_what_is_wrong_with_a_header),
	  TEST(sequence_numbers_increase_and_begin_again))
