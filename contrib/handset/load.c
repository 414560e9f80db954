#include "contrib/handset/load.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/log.h"
#include "base/progress.h"
#include "contrib/handset/complain.h"
#include "contrib/handset/device_certificate.h"
#include "contrib/handset/load_fleet.h"
#include "contrib/handset/load_report.h"
#include "contrib/handset/words.h"

#define TICK_MS         10  /* between starts at a given rate */
#define LATE_MS         250 /* after its turn: a device that could not begin in time */
#define FDS_OF_A_DEVICE 2   /* gateway and radio */
#define FDS_BESIDE      64

struct load {
	const struct options *options;
	const struct handset_config *config;
	struct loop *loop;
	struct load_plan plan;
	struct load_report *report;
	struct progress progress;
	struct timer tick;
	struct load_device **live; /* by slot; NULL: free */
	size_t n_live, n_started;
	int64_t begun_ms;
	bool is_stopping; /* by a signal: nothing new is started */
	bool has_failed;  /* a device cannot be made at all */
};

static bool is_over(const struct load *load)
{
	return load->n_live == 0 &&
	       (load->is_stopping || load->n_started == load->options->count);
}

/* How many may have been started by now. */
static size_t due(const struct load *load)
{
	int64_t elapsed_ms = loop_now_ms(load->loop) - load->begun_ms;
	uint64_t rate = load->options->rate;

	if (load->is_stopping)
		return load->n_started;
	if (rate == 0)
		return load->options->count;
	uint64_t n = 1 + (uint64_t)elapsed_ms * rate / 1000;
	return n < load->options->count ? n : load->options->count;
}

/* At a given rate each has its turn; too few at once, or we are too slow, to keep it.
 */
static bool is_late(const struct load *load)
{
	int64_t elapsed_ms = loop_now_ms(load->loop) - load->begun_ms;
	uint64_t rate = load->options->rate;

	return rate > 0 &&
	       elapsed_ms > (int64_t)(load->n_started * 1000 / rate) + LATE_MS;
}

static size_t find_slot(const struct load *load, const struct load_device *device)
{
	size_t slot = 0;

	while (load->live[slot] != device)
		slot++;
	return slot;
}

static void start_devices(struct load *load)
{
	char why[256];

	while (load->n_live < load->options->at_once && load->n_started < due(load)) {
		size_t slot = find_slot(load, NULL);
		unsigned serial = (unsigned)(load->options->first + load->n_started);
		load->live[slot] =
			load_device_new(&load->plan, serial, why, sizeof(why));
		if (!load->live[slot]) {
			load->has_failed = !complain("device", why);
			load->is_stopping = true;
			return;
		}
		if (is_late(load))
			load_report_count_late(load->report);
		load->n_live++;
		load->n_started++;
	}
}

static void on_tick(void *arg)
{
	struct load *load = arg;

	start_devices(load);
	if (is_over(load))
		loop_stop(load->loop);
	else
		timer_start(&load->tick, TICK_MS);
}

static void on_end(void *arg, struct load_device *device)
{
	struct load *load = arg;

	load_report_add(load->report, device);
	load->live[find_slot(load, device)] = NULL;
	load->n_live--;
	load_device_free(device);
	progress_tell(&load->progress, load_report_done(load->report) +
					       load_report_failed(load->report));
	timer_start(&load->tick, 0);
}

/* Those under way are let through; a second signal ends them, too. */
static void on_signal(void *arg)
{
	struct load *load = arg;

	if (load->is_stopping)
		loop_stop(load->loop);
	load->is_stopping = true;
}

static bool raise_limit(size_t at_once)
{
	rlim_t wanted = at_once * FDS_OF_A_DEVICE + FDS_BESIDE;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max >= wanted) {
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
			return true;
	}
	return complain("--at-once", "this process may not have so many files open; "
				     "see ulimit -Hn");
}

static void provision(struct load *load)
{
	const struct options *options = load->options;

	load->plan = (struct load_plan){
		.loop = load->loop,
		.config = load->config,
		.is_online = options->is_online || !load->config->radio[0],
		.items = (const char *const *)options->items,
		.on_end = on_end,
		.arg = load,
	};
	load->begun_ms = loop_now_ms(load->loop);
	timer_init(&load->tick, load->loop, on_tick, load);
	timer_start(&load->tick, 0);
	loop_on_signal(load->loop, SIGTERM, on_signal, load);
	loop_on_signal(load->loop, SIGINT, on_signal, load);
	progress_begin(&load->progress, "devices through", options->count);
	loop_run(load->loop);
	timer_cancel(&load->tick);
}

/* Of a second signal: those that were under way have not ended by themselves. */
static void count_interrupted(struct load *load)
{
	for (size_t i = 0; i < load->options->at_once; i++)
		if (load->live[i])
			load_report_add(load->report, load->live[i]);
}

static int run(const struct options *options, const struct handset_config *config)
{
	struct load load = {
		.options = options,
		.config = config,
		.loop = loop_new(),
		.report = load_report_new(options->count),
		.live = calloc(options->at_once, sizeof(struct load_device *)),
	};
	bool ok = raise_limit(options->at_once);

	BUG_ON(!load.live);
	if (ok) {
		provision(&load);
		count_interrupted(&load);
		load_report_print(load.report, loop_now_ms(load.loop) - load.begun_ms,
				  options->is_json, stdout);
		ok = !load.has_failed &&
		     load_report_done(load.report) == options->count;
	}
	for (size_t i = 0; i < options->at_once; i++)
		load_device_free(load.live[i]);
	free(load.live);
	load_report_free(load.report);
	loop_free(load.loop);
	return ok ? 0 : outcome_exit_status(OUTCOME_FAILED);
}

int load_run(const struct options *options)
{
	char why[256];
	struct config *config;
	int status;

	if (options->first + options->count - 1 > DEVICE_SERIAL_MAX) {
		complain("--first and --count", "there are no serials over 999999");
		return outcome_exit_status(OUTCOME_USAGE);
	}
	if (!storage_open(options->dir, why, sizeof(why))) {
		complain(options->dir, why);
		return outcome_exit_status(OUTCOME_FAILED);
	}
	config = handset_config_read();
	if (!config)
		return outcome_exit_status(OUTCOME_CONFIG);
	status = run(options, config_get(config));
	config_free(config);
	return status;
}
