/*
 * One life of the SMSC link, from its start to its end: when it is ready, when it
 * leaves bearerbox, and when it may go. Link, store, notices and database are played
 * here; the window is real. Each test goes on where the last one stopped.
 */
#include "smsc/worker.h"

#include <string.h>

#include "base/db.h"
#include "smsc/incoming.h"
#include "smsc/smsc_config.h"
#include "smsc/smsc_metrics.h"
#include "test/unit/test.h"

#define PATIENCE_MS 10000
#define UUID        SLICE("01234567-89ab-4def-8123-456789abcdef")

static struct bearerbox_config bearerbox = { .title = (char[]){ "east" } };
static struct smsc_config config = {
	.window = 10,
	.ack_timeout_ms = 300,
	.lease_ms = 4000,
	.bearerboxes = { &bearerbox, 1 },
	.box_id = (char[]){ "box" },
	.redeliver_ms = 100,
};
static struct worker worker;
static int dummy;

static const struct boxlink_callbacks *callbacks;
static struct window *window; /* that the worker made */
static bool is_db_ready, is_up, is_ready, is_idle = true, is_held, is_stopped;
static size_t n_stored;
static int64_t kept_ms;
static unsigned n_resets, n_link_up, n_link_down, n_advanced, n_messages, n_released;
static char why[32];
static void (*on_ready)(void *arg, bool is_ready);
static loop_fn *on_progress;

/* ---- Played ---- */

void worker_set_ready(struct worker *its_worker, bool its_ready)
{
	CU_ASSERT_PTR_EQUAL(its_worker, &worker);
	is_ready = its_ready;
}

struct db *db_open(struct loop *loop, const struct db_settings *settings, char *its_why,
		   size_t why_size)
{
	(void)loop, (void)settings, (void)its_why, (void)why_size;
	return (struct db *)&dummy;
}

void db_on_ready(struct db *db, void (*fn)(void *arg, bool is_ready), void *arg)
{
	(void)db, (void)arg;
	on_ready = fn;
}

bool db_is_ready(const struct db *db)
{
	(void)db;
	return is_db_ready;
}

const struct bearerbox_config *smsc_config_bearerbox(
	const struct smsc_config *its_config, size_t index)
{
	return (const struct bearerbox_config *)its_config->bearerboxes.items + index;
}

struct boxlink *boxlink_new(struct loop *loop, const struct boxlink_settings *settings,
			    const struct boxlink_callbacks *its_callbacks)
{
	(void)loop, (void)settings;
	callbacks = its_callbacks;
	return (struct boxlink *)&dummy;
}

bool boxlink_is_up(const struct boxlink *link)
{
	(void)link;
	return is_up;
}

void boxlink_reset(struct boxlink *link, const char *its_why)
{
	(void)link;
	n_resets++;
	snprintf(why, sizeof(why), "%s", its_why);
	is_up = false;
	callbacks->on_down(callbacks->arg);
}

void boxlink_hold(struct boxlink *link)
{
	(void)link;
	is_held = true;
}

void boxlink_release(struct boxlink *link)
{
	(void)link;
	n_released++;
}

struct store *store_new(struct loop *loop, struct db *db, int64_t give_up_ms)
{
	(void)loop, (void)db, (void)give_up_ms;
	return (struct store *)&dummy;
}

size_t store_count(const struct store *store)
{
	(void)store;
	return n_stored;
}

void store_on_progress(struct store *store, loop_fn *fn, void *arg)
{
	(void)store, (void)arg;
	on_progress = fn;
}

struct notices *notices_new(struct loop *loop, const struct notices_parts *parts)
{
	(void)loop;
	CU_ASSERT_STRING_EQUAL(parts->name, "box/east");
	window = parts->window;
	return (struct notices *)&dummy;
}

void notices_link_up(struct notices *notices)
{
	(void)notices;
	n_link_up++;
}

void notices_link_down(struct notices *notices)
{
	(void)notices;
	n_link_down++;
}

void notices_advance(struct notices *notices)
{
	(void)notices;
	n_advanced++;
}

void notices_stop(struct notices *notices)
{
	(void)notices;
	is_stopped = true;
}

bool notices_are_idle(const struct notices *notices)
{
	(void)notices;
	return is_idle;
}

struct incoming *incoming_new(struct loop *loop, const struct incoming_parts *parts)
{
	(void)loop, (void)parts;
	return (struct incoming *)&dummy;
}

void incoming_message(struct incoming *incoming, const struct box_message *message)
{
	(void)incoming, (void)message;
	n_messages++;
}

int64_t incoming_kept_ms(const struct incoming *incoming)
{
	(void)incoming;
	return kept_ms;
}

/* ---- What happens ---- */

static void link_up(void)
{
	is_up = true;
	callbacks->on_up(callbacks->arg);
}

static void set_database(bool ready)
{
	is_db_ready = ready;
	on_ready(NULL, ready);
}

static bool is_reset_by(unsigned n)
{
	int64_t last = loop_now_ms(worker.loop) + PATIENCE_MS;

	while (n_resets < n && loop_now_ms(worker.loop) < last)
		event_base_loop(loop_base(worker.loop), EVLOOP_ONCE);
	return n_resets == n;
}

static void pass_ms(int64_t ms)
{
	int64_t last = loop_now_ms(worker.loop) + ms;

	while (loop_now_ms(worker.loop) < last)
		event_base_loop(loop_base(worker.loop), EVLOOP_ONCE);
}

/* Time for two sweeps and more. */
static void pass(void)
{
	pass_ms(700);
}

/* ---- Tests ---- */

static void waits_for_its_predecessor_with_the_database_alone(void)
{
	worker.loop = loop_new();
	worker.config = &config;
	CU_ASSERT_TRUE_FATAL(smsc_worker_start(&worker));
	CU_ASSERT_PTR_NULL(callbacks); /* bearerbox knows boxes by their name */
	CU_ASSERT_FALSE(is_ready);
	CU_ASSERT_EQUAL(smsc_worker_cut(&worker), 0);
	set_database(true);
	CU_ASSERT_TRUE(is_ready);
	smsc_worker_take_over(&worker);
	CU_ASSERT_PTR_NOT_NULL_FATAL(callbacks);
}

static void is_ready_with_link_and_database(void)
{
	link_up();
	CU_ASSERT(is_ready && n_link_up == 1);
	set_database(false);
	CU_ASSERT_FALSE(is_ready);
	set_database(true);
	CU_ASSERT_TRUE(is_ready);
	CU_ASSERT_EQUAL(metrics_sum(SMSC_LINK_UP), 1);
	CU_ASSERT_EQUAL(metrics_sum(SMSC_DATABASE_UP), 1);
}

/* Another bearerbox serves what this one does not; without any nothing is served. */
static void is_ready_while_another_has_a_link(void)
{
	pass_ms(2100);
	is_up = false;
	callbacks->on_down(callbacks->arg);
	CU_ASSERT_FALSE(is_ready);
	metrics_add(SMSC_LINK_UP, 1); /* as its process does */
	pass();
	CU_ASSERT_TRUE(is_ready);
	metrics_add(SMSC_LINK_UP, -1);
	pass();
	CU_ASSERT_FALSE(is_ready);
	link_up();
	n_link_up = n_link_down = 0;
}

static void leaves_a_bearerbox_that_acknowledges_nothing(void)
{
	window_add(window, UUID, loop_now_ms(worker.loop) - 200, INT64_MAX);
	CU_ASSERT_EQUAL(n_resets, 0);
	CU_ASSERT_TRUE(is_reset_by(1));
	CU_ASSERT_STRING_EQUAL(why, "ack_timeout");
	/* What was not acknowledged is nobody's now. */
	CU_ASSERT_EQUAL(window_count(window), 0);
	CU_ASSERT_EQUAL(n_link_down, 1);
	CU_ASSERT_EQUAL(metrics_sum(SMSC_RECONNECTS), 2);
	CU_ASSERT_EQUAL(metrics_sum(SMSC_LINK_UP), 0);
}

static void has_more_patience_each_time(void)
{
	const struct box_message ack = { .type = BOX_ACK };

	for (unsigned n = 2; n <= 3; n++) {
		int64_t begin_ms = loop_now_ms(worker.loop);

		link_up();
		window_add(window, UUID, begin_ms, INT64_MAX);
		CU_ASSERT_TRUE(is_reset_by(n));
		CU_ASSERT(loop_now_ms(worker.loop) - begin_ms >=
			  (config.ack_timeout_ms << (n - 1)));
	}
	link_up();
	callbacks->on_message(callbacks->arg, &ack);
	CU_ASSERT(n_messages == 1 && n_advanced > 0);
}

static void counts_parts_whose_report_never_came(void)
{
	int64_t now_ms = loop_now_ms(worker.loop);
	window_add(window, UUID, now_ms - 1000, now_ms - 1);
	window_acked(window, UUID);
	pass();
	CU_ASSERT_EQUAL(window_count(window), 0);
	CU_ASSERT_EQUAL(metrics_sum(SMSC_PARTS_UNREPORTED), 1);
	CU_ASSERT_EQUAL(metrics_sum(SMSC_UNREPORTED), 0);
	CU_ASSERT_EQUAL(n_resets, 3);
}

static void lets_bearerbox_end_when_nothing_is_under_way(void)
{
	const struct box_message other = { .type = BOX_ADMIN,
					   .admin.command = BOX_IDENTIFY };
	const struct box_message shutdown = { .type = BOX_ADMIN,
					      .admin.command = BOX_SHUTDOWN };

	callbacks->on_message(callbacks->arg, &other);
	pass();
	CU_ASSERT_EQUAL(n_resets, 3);
	n_link_down = 0;
	is_idle = false;
	callbacks->on_message(callbacks->arg, &shutdown);
	CU_ASSERT_EQUAL(n_link_down, 1);
	pass();
	CU_ASSERT_EQUAL(n_resets, 3); /* a notice is on its way */
	is_idle = true;
	CU_ASSERT_TRUE(is_reset_by(4));
	CU_ASSERT_STRING_EQUAL(why, "bearerbox_ends");
	link_up();
	pass();
	CU_ASSERT_EQUAL(n_resets, 4); /* the new one ends not */
}

static void has_messages_that_failed_brought_again(void)
{
	n_stored = 1;
	kept_ms = loop_now_ms(worker.loop);
	pass();
	CU_ASSERT_EQUAL(n_resets, 4); /* not while a fact is on its way */
	n_stored = 0;
	CU_ASSERT_TRUE(is_reset_by(5));
	CU_ASSERT_STRING_EQUAL(why, "redeliver");
	kept_ms = 0;
	link_up();
}

static void reads_on_when_the_store_has_room(void)
{
	n_stored = STORE_HIGH;
	on_progress(NULL);
	CU_ASSERT_EQUAL(n_released, 0);
	n_stored = 0;
	on_progress(NULL);
	CU_ASSERT_EQUAL(n_released, 1);
}

static void goes_when_nothing_is_under_way(void)
{
	n_stored = 1;
	smsc_worker_stop(&worker);
	CU_ASSERT_TRUE(is_stopped);
	CU_ASSERT_EQUAL(smsc_worker_cut(&worker), 1);
	pass();
	CU_ASSERT_TRUE(is_held); /* what comes now is for whoever is next */
	CU_ASSERT_FALSE(event_base_got_break(loop_base(worker.loop)));
	n_stored = 0;
	CU_ASSERT_EQUAL(smsc_worker_cut(&worker), 0);
	loop_run(worker.loop); /* ends by itself */
	window_free(window);
	loop_free(worker.loop);
}

int main(void)
{
	const struct test_case cases[] = {
		TEST(waits_for_its_predecessor_with_the_database_alone),
		TEST(is_ready_with_link_and_database),
		TEST(is_ready_while_another_has_a_link),
		TEST(leaves_a_bearerbox_that_acknowledges_nothing),
		TEST(has_more_patience_each_time),
		TEST(counts_parts_whose_report_never_came),
		TEST(lets_bearerbox_end_when_nothing_is_under_way),
		TEST(has_messages_that_failed_brought_again),
		TEST(reads_on_when_the_store_has_room),
		TEST(goes_when_nothing_is_under_way),
	};

	log_open("test_smsc_worker", LOG_LEVEL_ERROR);
	metrics_open(smsc_metrics, SMSC_N_METRICS, 2);
	metrics_use_slot(1);
	return test_main("smsc_worker", cases, sizeof(cases) / sizeof(cases[0]));
}
