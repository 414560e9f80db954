#include "base/dsn.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test/unit/test.h"

static void accepts_what_needs_no_look_up(void)
{
	static const char *const cases[] = {
		"",
		"dbname=provbox",
		"host=/run/postgresql dbname=provbox user=provbox_server",
		"host=192.0.2.1,2001:db8::1 port=5432,5433 "
		"target_session_attrs=read-write",
		"host=db.example.com hostaddr=192.0.2.1 sslmode=verify-full",
		"postgresql://192.0.2.1:5432/provbox",
	};
	char why[256];
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CU_ASSERT_TRUE(dsn_check(cases[i], why, sizeof(why)));
}

static void refuses_names_passwords_and_junk(void)
{
	static const struct {
		const char *dsn, *why;
	} cases[] = {
		{ "host=db.example.com", "neither a numeric address" },
		{ "host=localhost", "neither a numeric address" },
		{ "host=192.0.2.1,db.example.com", "neither a numeric address" },
		{ "postgresql://db.example.com/provbox", "neither a numeric address" },
		{ "host=127.0.0.1 password=secret", "holds a password" },
		{ "postgresql://user:secret@127.0.0.1/x", "holds a password" },
		{ "service=provbox", "service file" },
		{ "host=127.0.0.1 colour=red", "cannot be parsed" },
		{ "host", "cannot be parsed" },
	};
	char why[256];
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CU_ASSERT_FALSE(dsn_check(cases[i].dsn, why, sizeof(why)));
		CU_ASSERT_PTR_NOT_NULL(strstr(why, cases[i].why));
		CU_ASSERT_PTR_NULL(strstr(why, "secret"));
	}
}

static void a_passfile_is_there_and_its_owners_alone(void)
{
	char path[] = "/tmp/test_dsn.XXXXXX", dsn[64], why[256];
	int fd = mkstemp(path);

	CU_ASSERT_FATAL(fd >= 0);
	snprintf(dsn, sizeof(dsn), "host=127.0.0.1 passfile=%s", path);
	CU_ASSERT_TRUE(dsn_check(dsn, why, sizeof(why)));
	CU_ASSERT_EQUAL(fchmod(fd, 0640), 0);
	CU_ASSERT_FALSE(dsn_check(dsn, why, sizeof(why)));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "others may read; chmod 600"));
	CU_ASSERT_EQUAL(fchmod(fd, 0604), 0);
	CU_ASSERT_FALSE(dsn_check(dsn, why, sizeof(why)));
	close(fd);
	unlink(path);
	CU_ASSERT_FALSE(dsn_check(dsn, why, sizeof(why)));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "is not there"));
}

TEST_MAIN("dsn", TEST(a_passfile_is_there_and_its_owners_alone),
	  TEST(accepts_what_needs_no_look_up), TEST(refuses_names_passwords_and_junk))
