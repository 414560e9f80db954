/*
 * Devices through a proxy. A `new` one opens a session, asks once and goes; a `kept`
 * one asks again and again. In mode `honest` both come at a steady rate whether or not
 * answers do, and a wait begins when its turn was, not when the load got to it. Each
 * line of standard input has it do that once more, with the devices that come next.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "contrib/bench/caller.h"
#include "contrib/bench/part.h"
#include "contrib/bench/pulse.h"
#include "contrib/bench/ticks.h"
#include "contrib/bench/waits.h"

#define SECOND_US   1000000
#define PATIENCE_MS 60000
#define GRACE_S     30 /* for answers after the last question */

struct load {
	const struct settings *settings;
	struct loop *loop;
	struct caller caller;
	struct devices devices;
	struct client *kept; /* of kept and honest */
	struct pulse *pulse; /* of honest */
	struct timer end;
	size_t next_device;
	uint64_t n_wanted, n_begun, n_over; /* of what this phase counts */
	int64_t begin_us;
	bool is_steady; /* the phase goes by the clock */
	struct waits waits_new, waits_kept, waits_late;
	uint64_t failures;
	char first_failure[64];
};

struct client {
	struct load *load;
	struct link *link;
	int64_t start_us; /* of the present wait */
	int64_t due_us;   /* kept, steady: of the next question */
	bool is_kept;
	bool is_answered; /* new: has got what it came for */
};

static void on_link(struct link *link, enum link_event event, struct exchange *exchange,
		    void *arg);

/* ---- One client ---- */

static void fail(struct load *load, const char *why)
{
	if (load->failures++ == 0)
		snprintf(load->first_failure, sizeof(load->first_failure), "%s", why);
}

static void client_connect(struct client *client)
{
	struct load *load = client->load;

	client->link =
		caller_connect(&load->caller, &load->devices.items[load->next_device],
			       on_link, client);
	load->next_device = (load->next_device + 1) % load->devices.n;
}

static void client_begin_new(struct load *load, int64_t start_us)
{
	struct client *client = calloc(1, sizeof(*client));

	BUG_ON(!client);
	*client = (struct client){ .load = load, .start_us = start_us };
	load->n_begun++;
	client_connect(client);
}

/* A phase by count goes on until all its answers are there. */
static void one_is_over(struct load *load)
{
	load->n_over++;
	if (load->is_steady)
		return;
	if (load->n_over == load->n_wanted)
		loop_stop(load->loop);
}

static void on_exchange(struct exchange *exchange, enum exchange_event event, void *arg)
{
	struct client *client = arg;
	struct load *load = client->load;
	char status[16];

	switch (event) {
	case EXCHANGE_HEAD:
		if (exchange_head(exchange)->status == 200)
			break;
		snprintf(status, sizeof(status), "status %u",
			 exchange_head(exchange)->status);
		fail(load, status);
		break;
	case EXCHANGE_BODY: caller_drain(exchange); break;
	case EXCHANGE_DONE:
		client->is_answered = true;
		waits_add(client->is_kept ? &load->waits_kept : &load->waits_new,
			  waits_now_us() - client->start_us);
		if (client->is_kept && !load->is_steady)
			one_is_over(load);
		break;
	case EXCHANGE_FAILED: /* LINK_CLOSED counts it */
	case EXCHANGE_END:
	case EXCHANGE_WRITABLE: break;
	}
}

static void client_ask(struct client *client)
{
	caller_ask(&client->load->caller, client->link, on_exchange, client);
}

/* Kept: ask when it is time; by the clock, or at once. */
static void client_ask_if_due(struct client *client, int64_t now_us)
{
	struct load *load = client->load;
	const struct settings *settings = load->settings;

	if (!client->link || !link_is_ready(client->link))
		return;
	if (!load->is_steady) {
		if (load->n_begun == load->n_wanted)
			return;
		load->n_begun++;
		client->start_us = now_us;
		client_ask(client);
	} else if (now_us >= client->due_us) {
		client->start_us = client->due_us;
		client->due_us += SECOND_US * (int64_t)settings->connections /
				  (int64_t)settings->asks;
		client_ask(client);
	}
}

static void on_closed(struct client *client)
{
	struct load *load = client->load;
	const bool is_lost = client->is_kept || !client->is_answered;

	if (is_lost)
		fail(load, link_reason(client->link));
	link_free(client->link);
	client->link = NULL;
	if (client->is_kept) {
		if (!load->is_steady)
			loop_stop(load->loop);
		return;
	}
	free(client);
	one_is_over(load);
	if (!load->is_steady && load->n_begun < load->n_wanted)
		client_begin_new(load, waits_now_us());
}

static void on_link(struct link *link, enum link_event event, struct exchange *exchange,
		    void *arg)
{
	struct client *client = arg;

	(void)exchange;
	switch (event) {
	case LINK_OPEN: client_ask(client); break;
	case LINK_IDLE:
		if (client->is_kept)
			client_ask_if_due(client, waits_now_us());
		else
			link_close(link);
		break;
	case LINK_CLOSED: on_closed(client); break;
	case LINK_REQUEST: break;
	}
}

/* ---- Phases ---- */

static void open_and_close(struct load *load, uint64_t n)
{
	load->n_wanted = n;
	load->n_begun = load->n_over = 0;
	for (uint64_t i = 0; i < load->settings->connections && i < n; i++)
		client_begin_new(load, waits_now_us());
	if (n > 0)
		loop_run(load->loop);
}

static void run_new(struct load *load)
{
	open_and_close(load, load->settings->count);
}

/* Open the kept sessions; each asks once. */
static void open_kept(struct load *load)
{
	const uint64_t n = load->settings->connections;

	load->kept = calloc(n, sizeof(*load->kept));
	BUG_ON(!load->kept);
	load->n_wanted = load->n_begun = n;
	load->n_over = 0;
	for (uint64_t i = 0; i < n; i++) {
		load->kept[i] = (struct client){ .load = load, .is_kept = true };
		client_connect(&load->kept[i]);
	}
	loop_run(load->loop);
}

static void run_kept(struct load *load)
{
	load->n_wanted = load->settings->count;
	load->n_begun = load->n_over = 0;
	for (uint64_t i = 0; i < load->settings->connections; i++)
		client_ask_if_due(&load->kept[i], waits_now_us());
	loop_run(load->loop);
}

static void on_tick(void *arg)
{
	struct load *load = arg;
	const struct settings *settings = load->settings;
	const int64_t now_us = waits_now_us();
	const uint64_t n_all = settings->rate * settings->seconds;
	int64_t due_us;

	for (;;) {
		due_us = load->begin_us +
			 (int64_t)load->n_begun * SECOND_US / (int64_t)settings->rate;
		if (due_us > now_us || load->n_begun == n_all)
			break;
		waits_add(&load->waits_late, now_us - due_us);
		client_begin_new(load, due_us);
	}
	for (uint64_t i = 0; i < settings->connections; i++)
		client_ask_if_due(&load->kept[i], now_us);
	pulse_tick(load->pulse, now_us);
	if (now_us - load->begin_us >= (int64_t)settings->seconds * SECOND_US &&
	    load->n_over == load->n_begun)
		loop_stop(load->loop);
}

static void on_end(void *arg)
{
	struct load *load = arg;

	fail(load, "no answer");
	loop_stop(load->loop);
}

static void run_honest(struct load *load)
{
	const struct settings *settings = load->settings;
	struct ticks *ticks;

	load->is_steady = true;
	load->n_begun = load->n_over = 0;
	load->begin_us = waits_now_us();
	for (uint64_t i = 0; i < settings->connections; i++)
		load->kept[i].due_us = load->begin_us +
				       (int64_t)i * SECOND_US / (int64_t)settings->asks;
	if (!load->pulse)
		load->pulse = pulse_new(load->loop, settings->echo);
	ticks = ticks_new(load->loop, on_tick, load);
	timer_start(&load->end, (int64_t)(settings->seconds + GRACE_S) * 1000);
	loop_run(load->loop);
	ticks_free(ticks);
	timer_cancel(&load->end);
}

static void forget_waits(struct load *load)
{
	load->waits_new.n = load->waits_kept.n = 0;
	load->failures = 0;
}

static void print_result(struct load *load, double seconds)
{
	printf("{");
	waits_print(&load->waits_new, "new");
	printf(", ");
	waits_print(&load->waits_kept, "kept");
	printf(", ");
	waits_print(&load->waits_late, "late");
	if (load->pulse) {
		printf(", ");
		waits_print(pulse_waits(load->pulse), "pulse");
	}
	printf(", \"failures\": %llu, \"first_failure\": \"%s\", \"seconds\": %.3f}\n",
	       (unsigned long long)load->failures, load->first_failure, seconds);
	fflush(stdout);
}

static const struct mode {
	const char *name;
	bool has_kept;
	void (*run)(struct load *load);
} modes[] = {
	{ "new", false, run_new },
	{ "kept", true, run_kept },
	{ "honest", true, run_honest },
};

static const struct mode *find_mode(const struct settings *settings)
{
	for (size_t i = 0; settings->mode && i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(modes[i].name, settings->mode))
			return &modes[i];
	return NULL;
}

int load_run(const struct settings *settings)
{
	static struct load
		load; /* what is still open at the end ends with the process */
	const struct mode *mode = find_mode(settings);
	int64_t begin_us;

	load.settings = settings;
	load.loop = loop_new();
	if (!mode || !devices_make(&load.devices, settings->devices, settings->issuer,
				   settings->issuer_key))
		return EXIT_FAILURE;
	load.caller = (struct caller){ .loop = load.loop,
				       .settings = settings,
				       .tls = part_tls(settings, TLS_CLIENT),
				       .patience_ms = PATIENCE_MS };
	load.caller.address_size = part_address(settings->port, &load.caller.address);
	timer_init(&load.end, load.loop, on_end, &load);
	open_and_close(&load, settings->warm);
	if (mode->has_kept)
		open_kept(&load);
	if (load.failures > 0) {
		fprintf(stderr, "bench: load: %s\n", load.first_failure);
		return EXIT_FAILURE;
	}
	for (bool goes_on = part_is_told_to_go(); goes_on;
	     goes_on = getchar() == '\n') {
		forget_waits(&load);
		begin_us = waits_now_us();
		mode->run(&load);
		print_result(&load, (double)(waits_now_us() - begin_us) / SECOND_US);
	}
	return EXIT_SUCCESS;
}
