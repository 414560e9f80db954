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
#include <string.h>
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

/** The top of the sources: above this file, as the compiler was told of it from where
 * the programs are made and run. */
static inline const char *test_source_dir(void)
{
	static char top[] = __FILE__;
	char *end = strstr(top, "test/unit/test.h");

	if (end)
		*end = '\0';
	return top[0] ? top : ".";
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
