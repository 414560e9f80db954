#include "gateway/target.h"

#include <netinet/in.h>

#include "test/unit/caught.h"
#include "test/unit/test.h"

#define NOW_MS 1000

static const char *const addresses[] = { "192.0.2.1:9443", "192.0.2.2:9443",
					 "[2001:db8::3]:9443" };

static struct targets targets;

static void open_all(void)
{
	targets_open(&targets, "prov.example.com:8443", addresses, 3);
}

static void expect(size_t i, int64_t now_ms)
{
	CU_ASSERT_PTR_EQUAL(targets_next(&targets, now_ms), &targets.items[i]);
}

static void takes_them_in_turn(void)
{
	open_all();
	for (size_t i = 0; i < 7; i++)
		expect(i % 3, NOW_MS);
	CU_ASSERT_EQUAL(targets.items[0].address.ss_family, AF_INET);
	CU_ASSERT_EQUAL(targets.items[2].address.ss_family, AF_INET6);
	CU_ASSERT_EQUAL(targets.items[2].size, sizeof(struct sockaddr_in6));
	CU_ASSERT_STRING_EQUAL(targets.items[2].text, addresses[2]);
	targets_close(&targets);
}

static void passes_over_one_that_failed(void)
{
	open_all();
	expect(0, NOW_MS);
	target_failed(&targets.items[1], NOW_MS, "refused");
	expect(2, NOW_MS);
	expect(0, NOW_MS + TARGET_RETRY_MS - 1);
	expect(2, NOW_MS + TARGET_RETRY_MS - 1);
	expect(0, NOW_MS + TARGET_RETRY_MS);
	expect(1, NOW_MS + TARGET_RETRY_MS);
	targets_close(&targets);
}

static void passes_over_one_that_keeps_waiting(void)
{
	open_all();
	targets.items[0].n_late = 1;
	expect(1, NOW_MS);
	expect(2, NOW_MS);
	expect(1, NOW_MS);
	targets.items[0].n_late = 0;
	expect(2, NOW_MS);
	expect(0, NOW_MS);
	targets_close(&targets);
}

static void has_none_when_all_are_unfit(void)
{
	open_all();
	target_failed(&targets.items[0], NOW_MS, "refused");
	target_failed(&targets.items[1], NOW_MS, "refused");
	CU_ASSERT(targets_have_one(&targets, NOW_MS));
	targets.items[2].n_late = 1;
	CU_ASSERT_FALSE(targets_have_one(&targets, NOW_MS));
	CU_ASSERT_PTR_NULL(targets_next(&targets, NOW_MS));
	target_opened(&targets.items[1]);
	CU_ASSERT(targets_have_one(&targets, NOW_MS));
	expect(1, NOW_MS);
	targets_close(&targets);
}

/* Nobody reads a line for each try. */
static void tells_once_that_one_went_and_came(void)
{
	struct caught caught;
	const char *text;

	open_all();
	caught = caught_begin(stderr);
	target_opened(&targets.items[0]);
	for (int i = 0; i < 3; i++)
		target_failed(&targets.items[0], NOW_MS, "refused");
	target_opened(&targets.items[0]);
	target_opened(&targets.items[0]);
	text = caught_end(caught);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "ev=landnet_down srv=prov.example.com:8443 "
					    "address=192.0.2.1:9443 reason=refused"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "ev=landnet_up srv=prov.example.com:8443 "
					    "address=192.0.2.1:9443"));
	CU_ASSERT_EQUAL(caught_count(text, "ev="), 2);
	targets_close(&targets);
}

TEST_MAIN("target", TEST(takes_them_in_turn), TEST(passes_over_one_that_failed),
	  TEST(passes_over_one_that_keeps_waiting), TEST(has_none_when_all_are_unfit),
	  TEST(tells_once_that_one_went_and_came))
