#include "base/sandbox.h"

#include "test/unit/test.h"

static void is_strict_unless_it_reads_files(void)
{
	CU_ASSERT_TRUE(sandbox_is_strict(0));
	CU_ASSERT_TRUE(sandbox_is_strict(SANDBOX_ACCEPT | SANDBOX_DIAL_IP));
	CU_ASSERT_FALSE(sandbox_is_strict(SANDBOX_DATABASE));
	CU_ASSERT_FALSE(sandbox_is_strict(SANDBOX_SUPERVISE));
}

TEST_MAIN("sandbox", TEST(is_strict_unless_it_reads_files))
