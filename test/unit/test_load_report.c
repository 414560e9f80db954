#include "contrib/handset/load_report.h"

#include <jansson.h>
#include <stdlib.h>

#include "test/unit/test.h"

#define MS INT64_C(1000)

static char *printed(struct load_report *report, int64_t ms, bool is_json)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	CU_ASSERT_PTR_NOT_NULL_FATAL(out);
	load_report_print(report, ms, is_json, out);
	fclose(out);
	return text;
}

/* A device whose parts each took that long, up to the nth. */
static void count(struct load_report *report, const char *reason, int64_t ms, size_t n)
{
	int64_t us[LOAD_N_PARTS];

	for (size_t i = 0; i < LOAD_N_PARTS; i++)
		us[i] = i < n ? ms * MS : -1;
	load_report_count(report, reason, us);
}

static void percentiles_are_of_the_nearest_rank(void)
{
	struct load_report *report = load_report_new(200);

	/* Out of order: 200, 199, ... 1 ms. */
	for (int64_t ms = 200; ms > 0; ms--)
		count(report, NULL, ms, LOAD_N_PARTS);
	char *text = printed(report, 50000, true);
	json_t *json = json_loads(text, 0, NULL);
	double p50, p90, p99, max, whole, rate;
	CU_ASSERT_EQUAL(json_unpack(json, "{s:f, s:{s:{s:f, s:f, s:f, s:f}, s:{s:f}}}",
				    "per_second", &rate, "milliseconds", "session",
				    "p50", &p50, "p90", &p90, "p99", &p99, "max", &max,
				    "whole", "max", &whole),
			0);
	CU_ASSERT_EQUAL(p50, 100);
	CU_ASSERT_EQUAL(p90, 180);
	CU_ASSERT_EQUAL(p99, 198);
	CU_ASSERT_EQUAL(max, 200);
	CU_ASSERT_EQUAL(whole, 200 * LOAD_N_PARTS);
	CU_ASSERT_EQUAL(rate, 4);
	json_decref(json);
	free(text);
	load_report_free(report);
}

static void parts_that_were_not_reached_are_not_counted(void)
{
	struct load_report *report = load_report_new(3);

	count(report, NULL, 4, LOAD_N_PARTS);
	count(report, "user_mismatch", 2, 2);
	count(report, "device_blocked", 1, 0);
	CU_ASSERT_EQUAL(load_report_done(report), 1);
	CU_ASSERT_EQUAL(load_report_failed(report), 2);
	char *text = printed(report, 2000, false);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(text, "1 provisioned, 2 not, in 2.0 s: 0.5 a second\n"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(text, "\nsession              2       2.0       4.0       4.0"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(text, "\noffer                1       4.0       4.0       4.0"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(text, "\nwhole                1      24.0      24.0      24.0"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(text, "\nuser_mismatch                        1  "));
	free(text);
	load_report_free(report);
}

static void an_empty_report_has_no_figures(void)
{
	struct load_report *report = load_report_new(1);
	char *text = printed(report, 0, false);

	CU_ASSERT_PTR_NOT_NULL(strstr(text, "0 provisioned, 0 not"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\nwhole                0\n"));
	CU_ASSERT_PTR_NULL(strstr(text, "reason"));
	free(text);
	load_report_free(report);
}

static void more_reasons_than_places_are_counted_together(void)
{
	struct load_report *report = load_report_new(100);
	char reason[32];

	for (int i = 0; i < 100; i++) {
		snprintf(reason, sizeof(reason), "reason_%d", i);
		count(report, reason, 1, 1);
	}
	char *text = printed(report, 1000, true);
	json_t *json = json_loads(text, 0, NULL);
	json_t *reasons = json_object_get(json, "reasons"), *n;
	const char *name;
	json_int_t sum = 0;
	json_object_foreach (reasons, name, n)
		sum += json_integer_value(n);
	CU_ASSERT_EQUAL(sum, 100);
	CU_ASSERT_EQUAL(json_object_size(reasons), 64);
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(reasons, "other")), 37);
	json_decref(json);
	free(text);
	load_report_free(report);
}

static void what_did_not_go_as_asked_is_told(void)
{
	struct load_report *report = load_report_new(5);
	json_int_t not_begun, late;

	count(report, NULL, 1, LOAD_N_PARTS);
	char *text = printed(report, 1000, false);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n4 were not begun\n"));
	CU_ASSERT_PTR_NULL(strstr(text, "turn"));
	free(text);
	for (int i = 0; i < 4; i++)
		count(report, "interrupted", 1, 1);
	load_report_count_late(report);
	load_report_count_late(report);
	text = printed(report, 1000, false);
	CU_ASSERT_PTR_NULL(strstr(text, "not begun"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n2 began after their turn"));
	free(text);
	text = printed(report, 1000, true);
	json_t *json = json_loads(text, 0, NULL);
	CU_ASSERT_EQUAL(
		json_unpack(json, "{s:I, s:I}", "not_begun", &not_begun, "late", &late),
		0);
	CU_ASSERT_EQUAL(not_begun, 0);
	CU_ASSERT_EQUAL(late, 2);
	json_decref(json);
	free(text);
	load_report_free(report);
}

TEST_MAIN("load_report", TEST(percentiles_are_of_the_nearest_rank),
	  TEST(parts_that_were_not_reached_are_not_counted),
	  TEST(an_empty_report_has_no_figures),
	  TEST(more_reasons_than_places_are_counted_together),
	  TEST(what_did_not_go_as_asked_is_told))
