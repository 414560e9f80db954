#include "base/address.h"

#include <arpa/inet.h>

#include "base/conn.h"
#include "test/unit/test.h"

static void reads_addresses_without_look_up(void)
{
	static const char *const good[] = { "127.0.0.1:8443", "[::1]:8443",
					    "[::ffff:192.0.2.1]:1", "0.0.0.0:0",
					    "unix:/run/x" };
	static const char *const bad[] = {
		"",
		"8443",
		"127.0.0.1",
		"127.0.0.1:",
		"a.b:1",
		"127.0.0.1:65536",
		"127.1:80",
		"::1:80",
		"[::1]",
		"[::1:80",
		"[1.2.3.4]:1",
		"127.0.0.1:+1",
		"unix:",
		"unix:x",
		":80",
		"127.0.0.1:80 ",
		"[]:80",
	};
	struct sockaddr_storage address;
	socklen_t size;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CU_ASSERT(address_parse(good[i], &address, &size));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_FALSE(address_parse(bad[i], &address, &size));
	CU_ASSERT(address_parse("[2001:db8::1]:4711", &address, &size));
	CU_ASSERT_EQUAL(((struct sockaddr_in6 *)&address)->sin6_port, htons(4711));
}

TEST_MAIN("address", TEST(reads_addresses_without_look_up))
