/*
 * The daemon that testd.h starts: this program, started again. Its workers ask an
 * oracle, which alone has a secret; how they behave is a word of its configuration.
 */
#ifndef TEST_UNIT_TESTD_DAEMON_H
#define TEST_UNIT_TESTD_DAEMON_H

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/child.h"
#include "base/listener.h"
#include "base/supervisor.h"
#include "test/unit/test.h"

struct settings {
	struct supervisor_config daemon;
	struct config_list listen;
	char *extra_listen;
	int64_t workers;
	char *key;
	char *behaviour;
	bool has_keeper;
};

#define AT(member) .offset = offsetof(struct settings, member)
static const struct config_key keys[] = {
	{ .name = "listen", .type = CONFIG_LIST, AT(listen), .help = "Where." },
	{ .name = "extra_listen", AT(extra_listen), .fallback = "", .help = "Too." },
	{ .name = "workers",
	  .type = CONFIG_NUMBER,
	  AT(workers),
	  .fallback = "2",
	  .help = "How many." },
	{ .name = "key", .type = CONFIG_SECRET, AT(key), .help = "The secret." },
	{ .name = "behaviour", AT(behaviour), .fallback = "good", .help = "How." },
	{ .name = "keeper",
	  .type = CONFIG_BOOL,
	  AT(has_keeper),
	  .fallback = "no",
	  .help = "Whether there is one." },
	SUPERVISOR_KEYS("", "nobody"),
};
static const struct config_section sections[] = {
	{ .keys = keys,
	  .n_keys = sizeof(keys) / sizeof(keys[0]),
	  .size = sizeof(struct settings) },
};
static const struct config_spec config_spec = { "testd", sections, 1 };

static bool behaves(const void *config, const char *how)
{
	return strcmp(((const struct settings *)config)->behaviour, how) == 0;
}

static bool check_settings(const void *config, FILE *errors)
{
	if (!behaves(config, "unchecked"))
		return true;
	fputs("behaviour: is unchecked\nlisten: is bad, too\n", errors);
	return false;
}

static size_t count_workers(const void *config)
{
	return (size_t)((const struct settings *)config)->workers;
}

static size_t list_addresses(const void *config, const char **addresses, size_t cap)
{
	const struct settings *settings = config;
	size_t n = 0;

	for (; n < settings->listen.n && n < cap; n++)
		addresses[n] = settings->listen.items[n];
	if (settings->extra_listen[0] && n < cap)
		addresses[n++] = settings->extra_listen;
	return n;
}

static size_t count_descriptors(void)
{
	size_t n = 0;

	for (int fd = 0; fd < 4096; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* The oracle alone has the secret; told "fds" it counts its descriptors. */
static ssize_t oracle_answer(void *arg, struct slice question, uint8_t *answer,
			     size_t cap)
{
	if (slice_eq(question, SLICE("fds")))
		return snprintf((char *)answer, cap, "%zu", count_descriptors());
	return snprintf((char *)answer, cap, "%s", (const char *)arg);
}

static bool oracle_load(const void *config, void **secrets)
{
	static char secret[64];
	FILE *file = fopen(((const struct settings *)config)->key, "r");

	if (behaves(config, "unloadable") || !file ||
	    !fgets(secret, sizeof(secret), file))
		return false;
	fclose(file);
	*secrets = secret;
	return true;
}

static bool oracle_start(struct worker *worker)
{
	return worker_answer(worker, oracle_answer);
}

enum {
	ASKED,
	HELD,
	N_METRICS
};
static const struct metric metrics[N_METRICS] = {
	{ "testd_asked_total", NULL, METRIC_COUNTER, "Questions." },
	{ "testd_held", NULL, METRIC_GAUGE, "Clients that are held." },
};

static struct child_caller *caller;
static struct listener *listeners[8];
static size_t n_listeners, n_held;
static bool is_stopping;

struct client {
	int fd;
	struct worker *worker;
};

static void answer_client(const struct client *client, struct slice answer)
{
	dprintf(client->fd, "%.*s pid=%d uid=%d secret=%d\n", (int)answer.n,
		answer.n > 0 ? answer.p : "", (int)getpid(), (int)getuid(),
		client->worker->secrets != NULL);
	close(client->fd);
}

static void on_answer(void *arg, bool ok, struct slice answer)
{
	(void)ok; /* refused or too late: the answer is empty */
	answer_client(arg, answer);
	free(arg);
}

static void ask_oracle(const struct client *client, struct slice question)
{
	struct client *asking = malloc(sizeof(*asking));

	*asking = *client;
	if (child_ask(caller, question, 5000, on_answer, asking) == 0)
		on_answer(asking, false, SLICE(""));
}

/* A held client is answered when it says one more thing. */
struct held {
	struct client client;
	struct event readable;
};

static void on_held(evutil_socket_t fd, short what, void *arg)
{
	struct held *held = arg;

	(void)fd;
	(void)what;
	answer_client(&held->client, SLICE("held"));
	event_del(&held->readable);
	metrics_add(HELD, -1);
	if (--n_held == 0 && is_stopping)
		loop_stop(held->client.worker->loop);
	free(held);
}

static void hold(const struct client *client)
{
	struct held *held = malloc(sizeof(*held));

	held->client = *client;
	event_assign(&held->readable, loop_base(client->worker->loop), client->fd,
		     EV_READ, on_held, held);
	event_add(&held->readable, NULL);
	metrics_add(HELD, 1);
	n_held++;
}

/* One letter is the request; the answer is a line. */
static void on_client(struct listener *listener, int fd, void *arg)
{
	const struct client client = { fd, arg };
	char letter = '\0';

	(void)listener;
	fcntl(fd, F_SETFL, 0);
	(void)!read(fd, &letter, 1);
	switch (letter) {
	case 'a':
		metrics_add(ASKED, 1);
		ask_oracle(&client, SLICE("ask"));
		return;
	case 'f':
		metrics_add(ASKED, 1);
		ask_oracle(&client, SLICE("fds"));
		return;
	case 'h': hold(&client); return;
	case 'n': worker_set_ready(client.worker, false); break;
	case 'r': worker_set_ready(client.worker, true); break;
	case 'x': exit(7);
	case 'o': (void)!open("/dev/null", O_RDONLY); break;
	case 'b': BUG_ON(letter == 'b');
	}
	answer_client(&client, SLICE(""));
}

static bool worker_start(struct worker *worker)
{
	if (behaves(worker->config, "hopeless"))
		return false;
	if (behaves(worker->config, "crashing") && worker->index == 0)
		raise(SIGKILL);
	log_info("begins", log_num("slot", (int64_t)worker->slot));
	caller = child_caller_new(worker->loop, worker->channels[0]);
	n_listeners = worker->n_listeners;
	for (size_t i = 0; i < n_listeners; i++)
		listeners[i] = listener_new(worker->loop, worker->listeners[i],
					    on_client, worker);
	worker_set_ready(worker, !behaves(worker->config, "unready"));
	return true;
}

static void worker_stop(struct worker *worker)
{
	while (behaves(worker->config, "stuck"))
		usleep(1000);
	for (size_t i = 0; i < n_listeners; i++)
		listener_finish(listeners[i]);
	log_info("takes_no_more");
	is_stopping = true;
	if (n_held == 0)
		loop_stop(worker->loop);
}

static size_t worker_cut(struct worker *worker)
{
	(void)worker;
	return n_held;
}

/* ---- What only one generation at a time may do ---- */

static struct timer leaving;

static void on_left(void *arg)
{
	log_info("keeper_left", log_num("keeper", getpid()));
	loop_stop(arg);
}

static size_t count_keepers(const void *config)
{
	return ((const struct settings *)config)->has_keeper ? 1 : 0;
}

static bool keeper_start(struct worker *worker)
{
	timer_init(&leaving, worker->loop, on_left, worker->loop);
	worker_set_ready(worker, true);
	return true;
}

static void keeper_take_over(struct worker *worker)
{
	(void)worker;
	log_info("keeper_acts", log_num("keeper", getpid()));
}

static void keeper_stop(struct worker *worker)
{
	(void)worker;
	timer_start(&leaving, 100);
}

/* In the supervisor. */
static void worker_bury(size_t slot)
{
	log_info("buried", log_num("slot", (int64_t)slot));
}

static const struct supervisor_role roles[] = {
	{ .name = "echo",
	  .count = count_workers,
	  .listeners = list_addresses,
	  .start = worker_start,
	  .stop = worker_stop,
	  .cut = worker_cut,
	  .bury = worker_bury,
	  .rights = SANDBOX_ACCEPT,
	  .asks = (const char *const[]){ "oracle", NULL } },
	{ .name = "keeper",
	  .count = count_keepers,
	  .start = keeper_start,
	  .take_over = keeper_take_over,
	  .stop = keeper_stop },
	{ .name = "oracle",
	  .load = oracle_load,
	  .start = oracle_start,
	  .is_blocking = true,
	  .is_answerer = true },
};

static const struct supervisor_spec spec = {
	.program = "testd",
	.summary = "Be a daemon for tests.",
	.default_config = "/nonexistent/testd.conf",
	.config = &config_spec,
	.roles = roles,
	.n_roles = sizeof(roles) / sizeof(roles[0]),
	.metrics = metrics,
	.n_metrics = N_METRICS,
	.check = check_settings,
};

#endif
