#include "provctl/doctor.h"

#include "test/unit/operator.h"

/* ---- Values of a configuration ---- */

static bool has_values(const char *text, const char *key, const char *expected)
{
	struct slice rest = slice_of(text), value;
	char all[256] = "";

	while (doctor_next_value(&rest, key, &value)) {
		size_t n = strlen(all);
		snprintf(all + n, sizeof(all) - n, "%.*s;", (int)value.n, value.p);
	}
	return strcmp(all, expected) == 0;
}

static void finds_values(void)
{
	CU_ASSERT_TRUE(has_values("a = 1\nb = \"two words\"\n", "a", "1;"));
	CU_ASSERT_TRUE(has_values("a = 1\nb = \"two words\"\n", "b", "two words;"));
	CU_ASSERT_TRUE(has_values("x \"y\" {\n\ta = 1\n}\na = 2", "a", "1;2;"));
	CU_ASSERT_TRUE(has_values("a=1\n a =\t2 ", "a", "1;2;"));
	CU_ASSERT_TRUE(has_values("a = \"\"", "a", ";"));
	CU_ASSERT_TRUE(has_values("a = \"b=c\"", "a", "b=c;"));
}

static void finds_no_other_values(void)
{
	CU_ASSERT_TRUE(has_values("", "a", ""));
	CU_ASSERT_TRUE(has_values("# a = 1\naa = 2\n-a = 3\na\n", "a", ""));
	CU_ASSERT_TRUE(has_values("b = \"a = 1\"\n", "a", ""));
}

/* ---- Who listens; lines as Linux 6.1 writes them ---- */

#define HEAD                                                                          \
	"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt" \
	"   uid  timeout inode\n"
#define REST " 00000000:00000000 00:00000000 00000000     0        0 1 1 0 10 0\n"

static bool is_exposed(const char *table, unsigned port)
{
	return doctor_is_exposed(slice_of(table), port);
}

static void tells_loopback_from_the_rest(void)
{
	/* 127.0.0.1:13001, 0.0.0.0:13002, 192.0.2.2:13003, 127.0.0.53:13004 */
	static const char table[] = HEAD "   0: 0100007F:32C9 00000000:0000 0A" REST
					 "   1: 00000000:32CA 00000000:0000 0A" REST
					 "   2: 020200C0:32CB 00000000:0000 0A" REST
					 "  10: 3500007F:32CC 00000000:0000 0A" REST;

	CU_ASSERT_FALSE(is_exposed(table, 13001));
	CU_ASSERT_TRUE(is_exposed(table, 13002));
	CU_ASSERT_TRUE(is_exposed(table, 13003));
	CU_ASSERT_FALSE(is_exposed(table, 13004));
	CU_ASSERT_FALSE(is_exposed(table, 13005));
	CU_ASSERT_FALSE(is_exposed(HEAD, 13001));
	CU_ASSERT_FALSE(is_exposed("", 13001));
}

static void reads_addresses_of_IPv6(void)
{
	/* [::1]:13001, [::]:13002, [::ffff:127.0.0.1]:13003, [::ffff:192.0.2.2]:13004
	 */
	static const char table[] =
		HEAD "   0: 00000000000000000000000001000000:32C9 "
		     "00000000000000000000000000000000:0000 0A" REST
		     "   1: 00000000000000000000000000000000:32CA "
		     "00000000000000000000000000000000:0000 0A" REST
		     "   2: 0000000000000000FFFF00000100007F:32CB "
		     "00000000000000000000000000000000:0000 0A" REST
		     "   3: 0000000000000000FFFF0000020200C0:32CC "
		     "00000000000000000000000000000000:0000 0A" REST;

	CU_ASSERT_FALSE(is_exposed(table, 13001));
	CU_ASSERT_TRUE(is_exposed(table, 13002));
	CU_ASSERT_FALSE(is_exposed(table, 13003));
	CU_ASSERT_TRUE(is_exposed(table, 13004));
}

/* A connection from that port is no listener. */
static void passes_over_connections(void)
{
	CU_ASSERT_FALSE(
		is_exposed(HEAD "   0: 020200C0:32C9 020200C0:01BB 01" REST, 13001));
	CU_ASSERT_FALSE(
		is_exposed(HEAD "   0: 020200C0:01BB 020200C0:32C9 0A" REST, 13001));
}

TEST_MAIN("doctor", TEST(finds_values), TEST(finds_no_other_values),
	  TEST(tells_loopback_from_the_rest), TEST(reads_addresses_of_IPv6),
	  TEST(passes_over_connections))
