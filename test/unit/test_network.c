#include "base/network.h"

#include "base/address.h"
#include "base/conn.h"
#include "test/unit/test.h"

static bool has(const char *network, const char *address)
{
	struct network parsed;
	struct sockaddr_storage where;
	socklen_t size;

	CU_ASSERT_FATAL(network_parse(network, &parsed));
	CU_ASSERT_FATAL(address_parse(address, &where, &size));
	return network_has(&parsed, (struct sockaddr *)&where);
}

static void has_what_shares_its_prefix(void)
{
	CU_ASSERT_TRUE(has("192.0.2.0/24", "192.0.2.0:1"));
	CU_ASSERT_TRUE(has("192.0.2.0/24", "192.0.2.255:1"));
	CU_ASSERT_FALSE(has("192.0.2.0/24", "192.0.3.0:1"));
	CU_ASSERT_FALSE(has("192.0.2.0/24", "192.0.1.255:1"));
	CU_ASSERT_TRUE(has("192.0.2.16/28", "192.0.2.31:1"));
	CU_ASSERT_FALSE(has("192.0.2.16/28", "192.0.2.32:1"));
	CU_ASSERT_FALSE(has("192.0.2.16/28", "192.0.2.15:1"));
	CU_ASSERT_TRUE(has("192.0.2.7/32", "192.0.2.7:1"));
	CU_ASSERT_FALSE(has("192.0.2.7/32", "192.0.2.6:1"));
	CU_ASSERT_TRUE(has("2001:db8::/33", "[2001:db8:7fff::1]:1"));
	CU_ASSERT_FALSE(has("2001:db8::/33", "[2001:db8:8000::]:1"));
	CU_ASSERT_TRUE(has("::1/128", "[::1]:1"));
	CU_ASSERT_FALSE(has("::1/128", "[::2]:1"));
}

static void everything_is_of_one_family(void)
{
	CU_ASSERT_TRUE(has("0.0.0.0/0", "203.0.113.1:1"));
	CU_ASSERT_TRUE(has("::/0", "[2001:db8::1]:1"));
	CU_ASSERT_FALSE(has("0.0.0.0/0", "[2001:db8::1]:1"));
	CU_ASSERT_FALSE(has("0.0.0.0/0", "[::ffff:192.0.2.1]:1"));
	CU_ASSERT_FALSE(has("::/0", "192.0.2.1:1"));
	CU_ASSERT_FALSE(has("0.0.0.0/0", "unix:/run/x"));
}

static void refuses_what_is_no_network(void)
{
	static const char *const bad[] = {
		"",
		"/",
		"/8",
		"10.0.0.0",
		"10.0.0.0/",
		"10.0.0.0/33",
		"10.0.0.0/-1",
		"10.0.0.0/+8",
		"10.0.0.0/8 ",
		" 10.0.0.0/8",
		"10.0.0.0/8/8",
		"10.0.0.1/8",
		"10.0.0.0/255.0.0.0",
		"10/8",
		"2001:db8::1/32",
		"2001:db8::/129",
		"[2001:db8::]/32",
		"::1%lo/128",
		"localhost/32",
		"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000/0",
	};
	struct network network;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_FALSE(network_parse(bad[i], &network));
}

TEST_MAIN("network", TEST(has_what_shares_its_prefix),
	  TEST(everything_is_of_one_family), TEST(refuses_what_is_no_network))
