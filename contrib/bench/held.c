/*
 * Sessions that are held, each of a device of its own. Opened once; then, for each line
 * of standard input, they ask: `steady`, one after the other at a rate that does not
 * wait for answers, or `burst`, all at once, `count` times. A wait begins when its turn
 * was, not when the load got to it, and ends with a whole answer of status 200.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "contrib/bench/caller.h"
#include "contrib/bench/part.h"
#include "contrib/bench/ticks.h"
#include "contrib/bench/waits.h"

#define SECOND_US 1000000
#define GRACE_MS  60000 /* for the last answers of a phase */
#define PHASE_MAX 32

struct holder {
	struct held *held;
	struct link *link; /* NULL: lost */
	int64_t due_us;    /* of the present question */
	bool is_owed;      /* the question waits for the answer to the last one */
	bool is_asking;
};

struct held {
	const struct settings *settings;
	struct loop *loop;
	struct caller caller;
	struct devices devices;
	struct holder *holders; /* one for each device */
	size_t n_connected;
	/* of the present phase */
	uint64_t n_wanted, n_asked, n_over;
	int64_t begin_us;
	bool is_opening;
	struct ticks *ticks;
	struct timer end;
	struct waits waits, waits_late;
	uint64_t failures;
	char first_failure[64];
};

static void connect_next(struct held *held);

static void fail(struct held *held, const char *why)
{
	if (held->failures++ == 0)
		snprintf(held->first_failure, sizeof(held->first_failure), "%s", why);
}

/* ---- One session ---- */

static void one_is_over(struct holder *holder)
{
	struct held *held = holder->held;

	holder->is_asking = false;
	held->n_over++;
	if (held->is_opening)
		connect_next(held);
	if (held->n_over == held->n_wanted)
		loop_stop(held->loop);
}

static void on_exchange(struct exchange *exchange, enum exchange_event event, void *arg)
{
	struct holder *holder = arg;
	const unsigned status = exchange_head(exchange)->status;
	char why[16];

	switch (event) {
	case EXCHANGE_BODY: caller_drain(exchange); break;
	case EXCHANGE_DONE:
		snprintf(why, sizeof(why), "status %u", status);
		if (status == 200)
			waits_add(&holder->held->waits,
				  waits_now_us() - holder->due_us);
		else
			fail(holder->held, why);
		one_is_over(holder);
		break;
	case EXCHANGE_HEAD:
	case EXCHANGE_FAILED: /* LINK_CLOSED counts it */
	case EXCHANGE_END:
	case EXCHANGE_WRITABLE: break;
	}
}

static void holder_send(struct holder *holder)
{
	holder->is_owed = false;
	caller_ask(&holder->held->caller, holder->link, on_exchange, holder);
}

/* Ask, as soon as the last answer is here. */
static void holder_ask(struct holder *holder, int64_t due_us)
{
	struct held *held = holder->held;

	held->n_asked++;
	if (!holder->link || holder->is_asking) {
		fail(held, holder->link ? "no answer by the next turn" : "lost before");
		held->n_over++;
		return;
	}
	holder->is_asking = true;
	holder->due_us = due_us;
	if (link_is_ready(holder->link))
		holder_send(holder);
	else
		holder->is_owed = true;
}

static void on_closed(struct holder *holder)
{
	struct held *held = holder->held;

	fail(held, link_reason(holder->link));
	link_free(holder->link);
	holder->link = NULL;
	if (holder->is_asking)
		one_is_over(holder);
}

static void on_link(struct link *link, enum link_event event, struct exchange *exchange,
		    void *arg)
{
	struct holder *holder = arg;

	(void)link;
	(void)exchange;
	switch (event) {
	case LINK_OPEN:
	case LINK_IDLE:
		if (holder->is_owed)
			holder_send(holder);
		break;
	case LINK_CLOSED: on_closed(holder); break;
	case LINK_REQUEST: break;
	}
}

/* ---- Phases ---- */

static void phase_begin(struct held *held, uint64_t n_wanted)
{
	held->n_wanted = n_wanted;
	held->n_asked = held->n_over = 0;
	held->begin_us = waits_now_us();
}

static void phase_run(struct held *held, int64_t limit_ms)
{
	timer_start(&held->end, limit_ms);
	if (held->n_over < held->n_wanted)
		loop_run(held->loop);
	timer_cancel(&held->end);
}

static void connect_next(struct held *held)
{
	struct holder *holder = &held->holders[held->n_connected];

	if (held->n_connected == held->devices.n)
		return;
	*holder = (struct holder){ .held = held };
	holder->link =
		caller_connect(&held->caller, &held->devices.items[held->n_connected++],
			       on_link, holder);
	holder_ask(holder, waits_now_us());
}

/* `connections` of them at a time are in their handshake or their first question. */
static void open_all(struct held *held)
{
	held->is_opening = true;
	phase_begin(held, held->devices.n);
	for (uint64_t i = 0; i < held->settings->connections; i++)
		connect_next(held);
	if (held->n_over < held->n_wanted)
		loop_run(held->loop);
	held->is_opening = false;
}

static void on_tick(void *arg)
{
	struct held *held = arg;
	const int64_t now_us = waits_now_us();

	while (held->n_asked < held->n_wanted) {
		const int64_t due_us =
			held->begin_us + (int64_t)held->n_asked * SECOND_US /
						 (int64_t)held->settings->asks;
		if (due_us > now_us)
			return;
		waits_add(&held->waits_late, now_us - due_us);
		holder_ask(&held->holders[held->n_asked % held->devices.n], due_us);
	}
	if (held->n_over == held->n_wanted)
		loop_stop(held->loop);
}

static void run_steady(struct held *held)
{
	const struct settings *settings = held->settings;

	phase_begin(held, settings->asks * settings->seconds);
	held->ticks = ticks_new(held->loop, on_tick, held);
	phase_run(held, (int64_t)settings->seconds * 1000 + GRACE_MS);
	ticks_free(held->ticks);
}

static void run_burst(struct held *held)
{
	for (uint64_t n = 0; n < held->settings->count; n++) {
		phase_begin(held, held->devices.n);
		for (size_t i = 0; i < held->devices.n; i++)
			holder_ask(&held->holders[i], held->begin_us);
		phase_run(held, GRACE_MS);
	}
}

static void on_end(void *arg)
{
	struct held *held = arg;

	fail(held, "no answer");
	loop_stop(held->loop);
}

static const struct phase {
	const char *name;
	void (*run)(struct held *held);
} phases[] = {
	{ "steady\n", run_steady },
	{ "burst\n", run_burst },
};

static const struct phase *find_phase(const char *line)
{
	for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++)
		if (!strcmp(phases[i].name, line))
			return &phases[i];
	return NULL;
}

static void print_result(struct held *held)
{
	printf("{");
	waits_print(&held->waits, "wait");
	printf(", ");
	waits_print(&held->waits_late, "late");
	printf(", \"failures\": %llu, \"first_failure\": \"%s\"}\n",
	       (unsigned long long)held->failures, held->first_failure);
	fflush(stdout);
}

static void forget(struct held *held)
{
	held->waits.n = held->waits_late.n = 0;
	held->failures = 0;
	held->first_failure[0] = '\0';
}

int held_run(const struct settings *settings)
{
	static struct held held; /* what is open ends with the process */
	const struct phase *phase;
	char line[PHASE_MAX];

	held.settings = settings;
	held.loop = loop_new();
	if (!devices_make(&held.devices, settings->devices, settings->issuer,
			  settings->issuer_key))
		return EXIT_FAILURE;
	held.caller = (struct caller){ .loop = held.loop,
				       .settings = settings,
				       .tls = part_tls(settings, TLS_CLIENT),
				       .patience_ms = GRACE_MS };
	held.caller.address_size = part_address(settings->port, &held.caller.address);
	held.holders = calloc(held.devices.n + 1, sizeof(*held.holders));
	BUG_ON(!held.holders);
	timer_init(&held.end, held.loop, on_end, &held);
	open_all(&held);
	printf("ready\n");
	print_result(&held);
	while (fgets(line, sizeof(line), stdin)) {
		phase = find_phase(line);
		if (!phase)
			return EXIT_FAILURE;
		forget(&held);
		phase->run(&held);
		print_result(&held);
	}
	return EXIT_SUCCESS;
}
