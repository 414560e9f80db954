#include "base/metrics.h"

#include <stdlib.h>
#include <sys/wait.h>

#include "test/unit/test.h"

enum {
	SESSIONS,
	OPEN,
	FAILED_BUSY,
	FAILED_GONE,
	TAKEN,
	SERVED = TAKEN + METRICS_HISTOGRAM,
	N_METRICS
};

static const struct metric table[N_METRICS] = {
	[SESSIONS] = { "test_sessions_total", NULL, METRIC_COUNTER, "Sessions." },
	[OPEN] = { "test_open", NULL, METRIC_GAUGE, "Sessions now." },
	[FAILED_BUSY] = { "test_failed_total", "reason=\"busy\"", METRIC_COUNTER,
			  "Failures." },
	[FAILED_GONE] = { "test_failed_total", "reason=\"gone\"", METRIC_COUNTER,
			  "Failures." },
	[TAKEN] = { "test_taken_seconds", NULL, METRIC_HISTOGRAM, "Taken." },
	[SERVED] = { "test_served", NULL, METRIC_GAUGE_EACH, "Served now." },
};

static void nothing_counts_before_the_opening(void)
{
	metrics_add(SESSIONS, 1);
	metrics_use_slot(3);
	CU_ASSERT_EQUAL(metrics_sum(SESSIONS), 0);
	metrics_open(table, N_METRICS, 4);
	CU_ASSERT_EQUAL(metrics_sum(SESSIONS), 0);
}

static bool runs_in_child(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		fn();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void count_in_slot_1(void)
{
	metrics_use_slot(1);
	for (int i = 0; i < 1000; i++)
		metrics_add(SESSIONS, 2);
	metrics_add(OPEN, 7);
	metrics_add(OPEN, -2);
	metrics_add(FAILED_GONE, 1);
	metrics_observe(TAKEN, 500);
	metrics_observe(TAKEN, 1001);
	metrics_observe(TAKEN, 10000001);
}

static void use_slot_1_again(void)
{
	metrics_use_slot(1);
	metrics_add(SESSIONS, 1);
	metrics_observe(TAKEN, 500);
}

static void processes_add_up(void)
{
	metrics_use_slot(0);
	metrics_add(SESSIONS, 5);
	metrics_add(OPEN, 1);
	CU_ASSERT_TRUE(runs_in_child(count_in_slot_1));
	CU_ASSERT_EQUAL(metrics_sum(SESSIONS), 2005);
	CU_ASSERT_EQUAL(metrics_sum(OPEN), 6);
}

static void a_successor_keeps_counters_and_zeroes_gauges(void)
{
	CU_ASSERT_TRUE(runs_in_child(use_slot_1_again));
	CU_ASSERT_EQUAL(metrics_sum(SESSIONS), 2006);
	CU_ASSERT_EQUAL(metrics_sum(OPEN), 1);
}

static void renders_the_text_format(void)
{
	struct evbuffer *out = evbuffer_new();

	metrics_render(out);
	evbuffer_add(out, "", 1);
	CU_ASSERT_STRING_EQUAL((char *)evbuffer_pullup(out, -1),
			       "# HELP test_sessions_total Sessions.\n"
			       "# TYPE test_sessions_total counter\n"
			       "test_sessions_total 2006\n"
			       "# HELP test_open Sessions now.\n"
			       "# TYPE test_open gauge\n"
			       "test_open 1\n"
			       "# HELP test_failed_total Failures.\n"
			       "# TYPE test_failed_total counter\n"
			       "test_failed_total{reason=\"busy\"} 0\n"
			       "test_failed_total{reason=\"gone\"} 1\n"
			       "# HELP test_taken_seconds Taken.\n"
			       "# TYPE test_taken_seconds histogram\n"
			       "test_taken_seconds_bucket{le=\"0.001\"} 2\n"
			       "test_taken_seconds_bucket{le=\"0.0025\"} 3\n"
			       "test_taken_seconds_bucket{le=\"0.005\"} 3\n"
			       "test_taken_seconds_bucket{le=\"0.01\"} 3\n"
			       "test_taken_seconds_bucket{le=\"0.025\"} 3\n"
			       "test_taken_seconds_bucket{le=\"0.05\"} 3\n"
			       "test_taken_seconds_bucket{le=\"0.1\"} 3\n"
			       "test_taken_seconds_bucket{le=\"0.25\"} 3\n"
			       "test_taken_seconds_bucket{le=\"0.5\"} 3\n"
			       "test_taken_seconds_bucket{le=\"1\"} 3\n"
			       "test_taken_seconds_bucket{le=\"2.5\"} 3\n"
			       "test_taken_seconds_bucket{le=\"5\"} 3\n"
			       "test_taken_seconds_bucket{le=\"10\"} 3\n"
			       "test_taken_seconds_bucket{le=\"+Inf\"} 4\n"
			       "test_taken_seconds_sum 10.002002\n"
			       "test_taken_seconds_count 4\n"
			       "# HELP test_served Served now.\n"
			       "# TYPE test_served gauge\n");
	evbuffer_free(out);
}

static void serve(size_t slot, const char *label, int64_t n)
{
	metrics_use_slot(slot);
	metrics_name_slot(label);
	metrics_add(SERVED, n);
}

static bool is_rendered(const char *rows)
{
	struct evbuffer *out = evbuffer_new();

	metrics_render(out);
	evbuffer_add(out, "", 1);
	const char *text =
		strstr((char *)evbuffer_pullup(out, -1), "gauge\ntest_served");
	bool is_same = text ? strcmp(text + 6, rows) == 0 : rows[0] == '\0';
	evbuffer_free(out);
	return is_same;
}

/* Two processes of one name are two generations of one thing. */
static void a_name_has_a_row(void)
{
	serve(1, "x=\"a\"", 1);
	serve(2, "x=\"b\"", 5);
	serve(3, "x=\"a\"", 2);
	CU_ASSERT(is_rendered("test_served{x=\"a\"} 3\ntest_served{x=\"b\"} 5\n"));
	CU_ASSERT_EQUAL(metrics_sum(SERVED), 8);
	metrics_add(SERVED, -1);
	metrics_retire_slot(2);
	CU_ASSERT(is_rendered("test_served{x=\"a\"} 2\n"));
	metrics_use_slot(1);
	metrics_use_slot(3);
	CU_ASSERT(is_rendered(""));
}

static void lower_a_counter(void)
{
	fclose(stderr);
	close(STDERR_FILENO);
	metrics_add(SESSIONS, -1);
}

static void a_counter_never_falls(void)
{
	CU_ASSERT_FALSE(runs_in_child(lower_a_counter));
	CU_ASSERT_EQUAL(metrics_sum(SESSIONS), 2006);
}

TEST_MAIN("metrics", TEST(nothing_counts_before_the_opening), TEST(processes_add_up),
	  TEST(a_successor_keeps_counters_and_zeroes_gauges),
	  TEST(renders_the_text_format), TEST(a_name_has_a_row),
	  TEST(a_counter_never_falls))
