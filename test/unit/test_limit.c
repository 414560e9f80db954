#include "gateway/limit.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "test/unit/test.h"

#define NOW_MS 5000000

static struct sockaddr_storage ip(const char *text)
{
	struct sockaddr_storage address = { 0 };
	struct sockaddr_in *four = (struct sockaddr_in *)&address;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)&address;

	if (inet_pton(AF_INET, text, &four->sin_addr) == 1)
		address.ss_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &six->sin6_addr) == 1)
		address.ss_family = AF_INET6;
	return address;
}

static bool admits(const struct gateway_config *config, const char *text,
		   int64_t now_ms)
{
	struct sockaddr_storage address = ip(text);

	return limit_admits_address(config, (struct sockaddr *)&address, now_ms);
}

static void nothing_is_limited_before_the_opening(void)
{
	const struct gateway_config config = { .new_sessions_per_address = 1,
					       .admission = 1,
					       .sessions_per_identity = 1 };
	const uint8_t cred[SHA256_BYTES] = { 1 };

	for (int i = 0; i < 10; i++) {
		CU_ASSERT_TRUE(admits(&config, "192.0.2.1", NOW_MS));
		CU_ASSERT_TRUE(limit_admits_device(&config, false, NOW_MS));
		CU_ASSERT_FALSE(limit_is_called(limit_enter(&config, cred, NOW_MS)));
	}
	limit_leave(SEATS_NONE);
	limit_bury(1);
	CU_ASSERT_EQUAL(limit_calls(), 0);
	limit_open();
}

static void an_address_has_its_rate(void)
{
	const struct gateway_config config = { .new_sessions_per_address = 2 };

	for (int i = 0; i < 2; i++)
		CU_ASSERT_TRUE(admits(&config, "192.0.2.2", NOW_MS));
	CU_ASSERT_FALSE(admits(&config, "192.0.2.2", NOW_MS));
	CU_ASSERT_TRUE(admits(&config, "192.0.2.3", NOW_MS));
	CU_ASSERT_TRUE(admits(&config, "192.0.2.2", NOW_MS + 500));
}

/* A subscriber has a /64, and all addresses in it. */
static void an_ipv6_network_is_one_address(void)
{
	const struct gateway_config config = { .new_sessions_per_address = 2 };

	CU_ASSERT_TRUE(admits(&config, "2001:db8:0:1::1", NOW_MS));
	CU_ASSERT_TRUE(admits(&config, "2001:db8:0:1:ffff::2", NOW_MS));
	CU_ASSERT_FALSE(admits(&config, "2001:db8:0:1::3", NOW_MS));
	CU_ASSERT_TRUE(admits(&config, "2001:db8:0:2::1", NOW_MS));
}

static void other_addresses_and_no_limit_pass(void)
{
	const struct gateway_config limited = { .new_sessions_per_address = 1 };
	const struct gateway_config unlimited = { .new_sessions_per_address = 0 };

	for (int i = 0; i < 10; i++) {
		CU_ASSERT_TRUE(admits(&limited, "no address", NOW_MS));
		CU_ASSERT_TRUE(admits(&unlimited, "192.0.2.4", NOW_MS));
	}
}

static void new_devices_have_a_rate_and_known_ones_go_first(void)
{
	const struct gateway_config config = { .admission = 4 };

	for (int i = 0; i < 4; i++)
		CU_ASSERT_TRUE(limit_admits_device(&config, false, NOW_MS));
	CU_ASSERT_FALSE(limit_admits_device(&config, false, NOW_MS));
	CU_ASSERT_TRUE(limit_admits_device(&config, true, NOW_MS));
	/* Its turn was taken by the one that was known. */
	CU_ASSERT_FALSE(limit_admits_device(&config, false, NOW_MS + 250));
	CU_ASSERT_TRUE(limit_admits_device(&config, false, NOW_MS + 500));
}

/* Ten seconds of debt, at most, are worth nothing under another rate; a worker of the
 * same changes nothing. */
static void another_rate_begins_without_the_past(void)
{
	const struct gateway_config slow = { .admission = 1 },
				    fast = { .admission = 100 };
	const int64_t now_ms = NOW_MS + 100000;

	limit_use_slot(1, &slow);
	for (int i = 0; i < 20; i++)
		CU_ASSERT_TRUE(limit_admits_device(&slow, true, now_ms));
	CU_ASSERT_FALSE(limit_admits_device(&slow, false, now_ms + 5000));
	limit_use_slot(2, &slow);
	CU_ASSERT_FALSE(limit_admits_device(&slow, false, now_ms + 5000));
	limit_use_slot(3, &fast);
	for (int i = 0; i < 100; i++)
		CU_ASSERT_TRUE(limit_admits_device(&fast, false, now_ms + 5000));
	CU_ASSERT_FALSE(limit_admits_device(&fast, false, now_ms + 5000));
	limit_use_slot(4, &fast);
	CU_ASSERT_FALSE(limit_admits_device(&fast, false, now_ms + 5000));
}

static void the_oldest_session_of_a_credential_is_called(void)
{
	const struct gateway_config config = { .sessions_per_identity = 2 };
	const uint8_t cred[SHA256_BYTES] = { 7 }, other[SHA256_BYTES] = { 8 };
	uint64_t calls = limit_calls();
	size_t first = limit_enter(&config, cred, NOW_MS);
	size_t foreign = limit_enter(&config, other, NOW_MS);
	size_t second = limit_enter(&config, cred, NOW_MS + 1);

	CU_ASSERT_EQUAL(limit_calls(), calls);
	size_t third = limit_enter(&config, cred, NOW_MS + 2);
	CU_ASSERT_NOT_EQUAL(limit_calls(), calls);
	CU_ASSERT_TRUE(limit_is_called(first));
	CU_ASSERT_FALSE(limit_is_called(second));
	CU_ASSERT_FALSE(limit_is_called(third));
	CU_ASSERT_FALSE(limit_is_called(foreign));
	limit_leave(second);
	CU_ASSERT_FALSE(limit_is_called(limit_enter(&config, cred, NOW_MS + 3)));
	CU_ASSERT_FALSE(limit_is_called(third));
}

/* What a worker that was killed held is nobody's. */
static void the_dead_hold_nothing(void)
{
	const struct gateway_config config = { .sessions_per_identity = 2 };
	const uint8_t cred[SHA256_BYTES] = { 9 };
	size_t survivor;

	limit_use_slot(5, &config);
	limit_enter(&config, cred, NOW_MS + 1);
	limit_use_slot(6, &config);
	survivor = limit_enter(&config, cred, NOW_MS);
	limit_bury(5);
	limit_enter(&config, cred, NOW_MS + 2);
	CU_ASSERT_FALSE(limit_is_called(survivor));
}

TEST_MAIN("limit", TEST(nothing_is_limited_before_the_opening),
	  TEST(an_address_has_its_rate), TEST(an_ipv6_network_is_one_address),
	  TEST(other_addresses_and_no_limit_pass),
	  TEST(new_devices_have_a_rate_and_known_ones_go_first),
	  TEST(another_rate_begins_without_the_past),
	  TEST(the_oldest_session_of_a_credential_is_called),
	  TEST(the_dead_hold_nothing))
