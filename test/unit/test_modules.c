#include "test/unit/test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* The sample programs themselves, as they are delivered; run in the build directory. */
#define CALLSCREEN   "contrib/modules/callscreen"
#define CALLSCREEN_2 "contrib/modules/callscreen-2"
#define VOICEMAIL    "contrib/modules/voicemail"

static char output[256];
static char activation[512];

static int run(const char *program, const char *a, const char *b, const char *c)
{
	int fds[2], status;
	ssize_t n;
	pid_t pid;

	CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		execl(program, program, a, b, c, (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	n = read(fds[0], output, sizeof(output) - 1);
	output[n > 0 ? n : 0] = '\0';
	close(fds[0]);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void callscreen_tests_itself(void)
{
	CU_ASSERT_EQUAL(run(CALLSCREEN, "--version", NULL, NULL), 0);
	CU_ASSERT_STRING_EQUAL(output, "callscreen 1.0.0\n");
	CU_ASSERT_EQUAL(run(CALLSCREEN, "--self-test", NULL, NULL), 0);
	CU_ASSERT_EQUAL(run(CALLSCREEN_2, "--version", NULL, NULL), 0);
	CU_ASSERT_STRING_EQUAL(output, "callscreen 2.0.0\n");
	CU_ASSERT_EQUAL(run(CALLSCREEN_2, "--self-test", NULL, NULL), 0);
}

static void callscreen_screens_calls(void)
{
	CU_ASSERT_EQUAL(run(CALLSCREEN, "+447700900001", "reject", "+4477"), 1);
	CU_ASSERT_EQUAL(run(CALLSCREEN, "+447700900001", "reject", "+4478"), 0);
	CU_ASSERT_EQUAL(run(CALLSCREEN, "anonymous", NULL, NULL), 2);
}

static void write_activation(const char *text, size_t n)
{
	FILE *file = fopen("test_modules.json", "wb");

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	CU_ASSERT_EQUAL(fwrite(text, 1, n, file), n);
	fclose(file);
}

static void voicemail_is_off_without_activation(void)
{
	CU_ASSERT_EQUAL(run(VOICEMAIL, "--version", NULL, NULL), 0);
	CU_ASSERT_STRING_EQUAL(output, "voicemail 1.0.0\n");
	CU_ASSERT_EQUAL(run(VOICEMAIL, "--status", NULL, NULL), 0);
	CU_ASSERT_STRING_EQUAL(output, "off\n");
	CU_ASSERT_EQUAL(run(VOICEMAIL, "--status", "/nonexistent", NULL), 0);
	CU_ASSERT_STRING_EQUAL(output, "off\n");
	CU_ASSERT_EQUAL(run(VOICEMAIL, "--greet", "/nonexistent", "Ada"), 1);
}

static void voicemail_is_on_with_activation(void)
{
	const char *top = getenv("srcdir");
	char path[512];
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "%s/contrib/modules/voicemail.json",
		 top ? top : ".");
	CU_ASSERT_EQUAL(run(VOICEMAIL, "--status", path, NULL), 0);
	CU_ASSERT_STRING_EQUAL(output, "on\n");
	CU_ASSERT_EQUAL(run(VOICEMAIL, "--greet", path, "Ada"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "Ada"));
	file = fopen(path, "rb");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	n = fread(activation, 1, sizeof(activation) - 1, file);
	fclose(file);
	CU_ASSERT(n > 60);
}

/* Any one byte of name and token makes the difference. */
static void voicemail_is_off_with_a_changed_activation(void)
{
	size_t n = strcspn(activation, "\n");

	for (size_t i = 1; i + 1 < n; i += 3) {
		char before = activation[i];

		activation[i] ^= 1;
		write_activation(activation, n);
		CU_ASSERT_EQUAL(run(VOICEMAIL, "--status", "test_modules.json", NULL),
				0);
		CU_ASSERT_STRING_EQUAL(output, "off\n");
		activation[i] = before;
	}
	write_activation("on\n", 3);
	CU_ASSERT_EQUAL(run(VOICEMAIL, "--status", "test_modules.json", NULL), 0);
	CU_ASSERT_STRING_EQUAL(output, "off\n");
	remove("test_modules.json");
}

TEST_MAIN("modules", TEST(callscreen_tests_itself), TEST(callscreen_screens_calls),
	  TEST(voicemail_is_off_without_activation),
	  TEST(voicemail_is_on_with_activation),
	  TEST(voicemail_is_off_with_a_changed_activation))
