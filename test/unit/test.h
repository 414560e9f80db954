/*
 * One CUnit binary per module.
 *
 * A test file has its test functions and, last, TEST_MAIN. The process exits with 1
 * when an assertion failed, and is killed by its own alarm when it hangs; its last
 * line gives the counts.
 *
 *	static void joins_two_slices(void) { CU_ASSERT_EQUAL(...); }
 *	TEST_MAIN("slice", TEST(joins_two_slices), TEST(refuses_overflow))
 */
#ifndef TEST_UNIT_TEST_H
#define TEST_UNIT_TEST_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <CUnit/Basic.h>

/** A unit test that runs longer than this, in seconds, hangs. */
#define TEST_TIMEOUT_S 120

struct test_case {
	const char *name;
	void (*run)(void);
};

/* clang-format off */
#define TEST(function) { #function, function }
/* clang-format on */

#define TEST_MAIN(suite, ...)                                                     \
	int main(void)                                                            \
	{                                                                         \
		static const struct test_case cases[] = { __VA_ARGS__ };          \
		return test_main(suite, cases, sizeof(cases) / sizeof(cases[0])); \
	}

/** The top of the sources: what make check says, or above the working directory. */
static inline const char *test_source_dir(void)
{
	static const char *const places[] = { ".", "..", "../..", "../../.." };
	const char *said = getenv("srcdir");
	char file[64];

	for (size_t i = 0; !said && i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(file, sizeof(file), "%s/configure.ac", places[i]);
		if (access(file, R_OK) == 0)
			said = places[i];
	}
	return said ? said : ".";
}

/**
 * Run all cases as one suite and print what failed.
 *
 * @param suite  borrowed; name of the module
 * @param cases  borrowed; run in this order
 * @param count  number of cases, at least 1
 * @return exit status of the process: 0 when every assertion held and every case ran
 */
static inline int test_main(const char *suite, const struct test_case *cases,
			    size_t count)
{
	alarm(TEST_TIMEOUT_S);
	if (CU_initialize_registry() != CUE_SUCCESS)
		return 1;
	CU_pSuite s = CU_add_suite(suite, NULL, NULL);
	for (size_t i = 0; s && i < count; i++)
		if (!CU_add_test(s, cases[i].name, cases[i].run))
			return 1;
	CU_basic_set_mode(CU_BRM_NORMAL);
	CU_ErrorCode error = CU_basic_run_tests();
	unsigned int failed = CU_get_number_of_tests_failed();
	unsigned int run = CU_get_number_of_tests_run();
	unsigned int assertions_failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	printf("\n%s: %u passed, %u failed\n", suite, run - failed, failed);
	return error != CUE_SUCCESS || run != count || assertions_failed > 0;
}

#endif
