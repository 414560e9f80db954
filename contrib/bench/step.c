/*
 * A gateway's side of the landnet leg without a gateway: some connections, one step of
 * the server at a time on each, the next device each time. A step is one call, so one
 * statement of the database.
 *
 * It never sleeps: it has a core of its own, and to wake it there, which no gateway on
 * another machine costs a server, is not to be of the server's CPU.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/auth.h"
#include "base/exchange.h"
#include "base/log.h"
#include "contrib/bench/part.h"
#include "contrib/bench/waits.h"

/* Far apart from each other, so that no device is asked of twice in a row. */
#define STRIDE       7919
#define FIRST_SERIAL 100000 /* as contrib/bench/cluster.py */
#define SERIALS      900000
#define FIRST_TAC    35209900
#define BODY_BYTES   1024
#define GRANT_CHARS  (BASE64URL_CHARS(AUTH_GRANT_BYTES) + 1)

enum call {
	CALL_AUTHENTICATION,
	CALL_DEVICE,
	CALL_REQUEST,
};

/* A device, and the grant that it was given last. */
struct known {
	char dev[AUTH_DEV_CHARS + 1];
	char grant[GRANT_CHARS];
};

struct session {
	struct step *step;
	struct link *link;
	enum call call; /* what is being answered, or was last */
	struct known *device;
	int64_t start_us;
};

struct step {
	const struct settings *settings;
	struct loop *loop;
	struct tls_context *tls;
	struct session *sessions;
	struct known *known;   /* of each device, or of each session */
	const char *catalogue; /* version, in the body of a request */
	uint64_t n_ready;      /* sessions that are connected */
	uint64_t n_wanted, n_begun, n_over, n_devices;
	bool is_over;               /* of what is wanted, or of the connecting */
	bool is_running;            /* connected */
	bool is_device, is_request; /* what comes after an authentication */
	struct waits waits[3];
};

static void quit(const char *what, unsigned status)
{
	fprintf(stderr, "bench: step: %s %u\n", what, status);
	exit(EXIT_FAILURE);
}

/* The next device, in an order that knows no neighbours. */
static void choose_device(struct session *session)
{
	struct step *step = session->step;
	uint64_t n = step->n_devices++ * STRIDE % step->settings->devices;
	size_t own = (size_t)(session - step->sessions);

	session->device = &step->known[step->is_device ? n : own];
	snprintf(session->device->dev, sizeof(session->device->dev),
		 "urn:gsma:imei:%08" PRIu64 "-%06" PRIu64 "-0", FIRST_TAC + n / SERIALS,
		 FIRST_SERIAL + n % SERIALS);
}

/* ---- Calls ---- */

static void write_body(const struct session *session, char out[BODY_BYTES])
{
	snprintf(out, BODY_BYTES,
		 "{\"user\": {\"given_name\": \"Ada\", \"family_name\": \"Lovelace\", "
		 "\"postcode\": \"SW1A 1AA\", \"language\": \"en\"}, "
		 "\"accounting\": {\"reference\": \"acct-0123456789\"}, "
		 "\"device\": {\"dev\": \"%s\", \"model\": \"Example One\", "
		 "\"firmware\": \"7.1\"}, \"catalogue\": %s, "
		 "\"items\": [\"compass\"]}",
		 session->device->dev, session->step->catalogue);
}

static void on_exchange(struct exchange *exchange, enum exchange_event event,
			void *arg);

static void ask(struct session *session, enum http_method method, const char *target,
		struct slice body)
{
	struct exchange *exchange = link_request(session->link, on_exchange, session);
	struct evbuffer *data = evbuffer_new();
	char number[24];
	struct http_field fields[3] = {
		{ SLICE("Provbox-Exchange"), { 0 } },
		{ SLICE("Content-Type"), SLICE("application/json") },
		{ SLICE("Provbox-Grant"), slice_of(session->device->grant) },
	};

	snprintf(number, sizeof(number), "%" PRIu64, link_count(session->link));
	fields[0].value = slice_of(number);
	session->start_us = waits_now_us();
	exchange_send_head(
		exchange,
		&(struct http_head){
			.method = method,
			.target = slice_of(target),
			.host = slice_of(session->step->settings->srv),
			.fields = fields,
			.n_fields = session->call == CALL_AUTHENTICATION ? 2 : 3,
			.framing = body.n > 0 ? HTTP_LENGTH : HTTP_NO_BODY,
			.content_length = body.n,
			.keep_alive = true });
	if (body.n > 0) {
		BUG_ON(!data || evbuffer_add(data, body.p, body.n) != 0);
		exchange_send_body(exchange, data);
	}
	exchange_send_end(exchange);
	evbuffer_free(data);
}

static void ask_authentication(struct session *session)
{
	struct arena *arena = arena_new(4096);
	struct auth_claims claims = { 0 };

	memcpy(claims.dev, session->device->dev, sizeof(claims.dev));
	memset(claims.cred, 0x5a, sizeof(claims.cred));
	random_bytes(claims.sid, sizeof(claims.sid));
	random_bytes(claims.nonce, sizeof(claims.nonce));
	random_bytes(claims.binding, sizeof(claims.binding));
	session->call = CALL_AUTHENTICATION;
	ask(session, HTTP_POST, "/v1/authentication",
	    slice_of(auth_request_encode(&claims, false, arena)));
	arena_free(arena);
}

static void ask_request(struct session *session)
{
	char target[64] = "/v1/requests/", body[BODY_BYTES];

	uuid_make(target + strlen(target));
	write_body(session, body);
	session->call = CALL_REQUEST;
	ask(session, HTTP_PUT, target, slice_of(body));
}

static void ask_device(struct session *session)
{
	session->call = CALL_DEVICE;
	ask(session, HTTP_GET, "/v1/device", SLICE(""));
}

/* ---- One after the other ---- */

static void begin_step(struct session *session)
{
	struct step *step = session->step;

	if (step->n_begun == step->n_wanted)
		return;
	step->n_begun++;
	choose_device(session);
	if (step->is_device && session->device->grant[0] != '\0')
		ask_device(session);
	else
		ask_authentication(session);
}

static void end_step(struct session *session)
{
	struct step *step = session->step;

	step->is_over = ++step->n_over == step->n_wanted;
	begin_step(session);
}

static void take_grant(struct session *session, struct exchange *exchange)
{
	struct evbuffer *body = exchange_body(exchange);
	struct auth_information information;
	char why[128];

	if (!auth_information_decode(
		    slice_make(evbuffer_pullup(body, -1), evbuffer_get_length(body)),
		    exchange_arena(exchange), &information, why, sizeof(why)) ||
	    information.grant.n == 0)
		quit("no grant", 200);
	base64url_encode(information.grant, session->device->grant);
}

static void on_exchange(struct exchange *exchange, enum exchange_event event, void *arg)
{
	struct session *session = arg;
	const bool is_put = session->call == CALL_REQUEST;
	struct evbuffer *body = exchange_body(exchange);

	switch (event) {
	case EXCHANGE_HEAD:
		if (exchange_head(exchange)->status != (is_put ? 201 : 200))
			quit("status", exchange_head(exchange)->status);
		break;
	case EXCHANGE_END:
		if (session->call == CALL_AUTHENTICATION)
			take_grant(session, exchange);
		evbuffer_drain(body, evbuffer_get_length(body));
		break;
	case EXCHANGE_DONE:
		waits_add(&session->step->waits[session->call],
			  waits_now_us() - session->start_us);
		break;
	case EXCHANGE_FAILED: quit("connection lost", 0); break;
	case EXCHANGE_BODY:
	case EXCHANGE_WRITABLE: break;
	}
}

static void on_link(struct link *link, enum link_event event, struct exchange *exchange,
		    void *arg)
{
	struct session *session = arg;
	struct step *step = session->step;

	(void)exchange;
	if (event == LINK_CLOSED)
		quit(link_reason(link), 0);
	if (event != LINK_OPEN && event != LINK_IDLE)
		return;
	if (!step->is_running)
		step->is_over = ++step->n_ready == step->settings->connections;
	else if (step->is_request && session->call == CALL_AUTHENTICATION)
		ask_request(session);
	else
		end_step(session);
}

/* Until it is over; without a moment of sleep. */
static void run_loop(struct step *step)
{
	for (step->is_over = false; !step->is_over;)
		event_base_loop(loop_base(step->loop), EVLOOP_NONBLOCK);
}

static void connect_all(struct step *step)
{
	const struct link_settings links = {
		.conn = { .tls = step->tls, .server_name = step->settings->name },
		.head_timeout_ms = 60000,
		.idle_timeout_ms = 600000,
	};
	struct sockaddr_storage address;
	socklen_t size = part_address(step->settings->port, &address);

	step->sessions = calloc(step->settings->connections, sizeof(*step->sessions));
	BUG_ON(!step->sessions);
	for (uint64_t i = 0; i < step->settings->connections; i++) {
		step->sessions[i].step = step;
		step->sessions[i].link =
			link_connect(step->loop, (struct sockaddr *)&address, size,
				     &links, on_link, &step->sessions[i]);
	}
	run_loop(step);
	step->is_running = true;
}

/* So many steps; the seconds that they took. */
static double run_steps(struct step *step, uint64_t count)
{
	const int64_t begin_us = waits_now_us();

	for (size_t i = 0; i < sizeof(step->waits) / sizeof(step->waits[0]); i++)
		step->waits[i].n = 0;
	step->n_begun = step->n_over = 0;
	step->n_wanted = count;
	for (uint64_t i = 0; i < step->settings->connections; i++)
		begin_step(&step->sessions[i]);
	if (count > 0)
		run_loop(step);
	return (double)(waits_now_us() - begin_us) / 1e6;
}

int step_run(const struct settings *settings)
{
	static struct step step; /* what is open ends with the process */

	if (!settings->mode || !settings->devices || !settings->connections)
		return EXIT_FAILURE;
	step.settings = settings;
	step.loop = loop_new();
	step.tls = part_tls(settings, TLS_CLIENT);
	step.catalogue = settings->target;
	step.is_device = !strcmp(settings->mode, "device");
	step.is_request = !strcmp(settings->mode, "request");
	step.known = calloc(step.is_device ? settings->devices : settings->connections,
			    sizeof(*step.known));
	BUG_ON(!step.known);
	connect_all(&step);
	if (step.is_device)
		run_steps(&step, settings->devices); /* each is authenticated */
	run_steps(&step, settings->warm);
	if (!part_is_told_to_go())
		return EXIT_FAILURE;
	printf("{\"seconds\": %.4f, ", run_steps(&step, settings->count));
	waits_print(&step.waits[CALL_AUTHENTICATION], "authentication");
	printf(", ");
	waits_print(&step.waits[CALL_DEVICE], "device");
	printf(", ");
	waits_print(&step.waits[CALL_REQUEST], "request");
	puts("}");
	fflush(stdout);
	return EXIT_SUCCESS;
}
