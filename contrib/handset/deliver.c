#include "contrib/handset/deliver.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "contrib/handset/again.h"
#include "contrib/handset/call.h"
#include "contrib/handset/provision.h"

#define TESTS_LIMIT 3
#define ARGUMENTS   3

enum expectation {
	EXPECT_SUCCESS, /* it ends with 0 */
	EXPECT_VERSION, /* and its output ends with the version of the item */
	EXPECT_ON,      /* and its output is "on" */
};

/*
 * How an item is tested: first what was staged, while the old version is in force,
 * then, once it is in force itself, what will be used.
 */
static const struct test {
	const char *option;
	bool is_in_force;
	enum expectation expectation;
} tests[INSTALL_N_KINDS][TESTS_LIMIT + 1] = {
	[INSTALL_MODULE] = { { "--self-test", false, EXPECT_SUCCESS },
			     { "--version", false, EXPECT_VERSION },
			     { "--version", true, EXPECT_VERSION },
			     { NULL, false, EXPECT_SUCCESS } },
	[INSTALL_ACTIVATION] = { { "--status", false, EXPECT_ON },
				 { "--status", true, EXPECT_ON },
				 { NULL, false, EXPECT_SUCCESS } },
};

static void fail_item(struct handset *handset, const char *reason)
{
	if (!handset_accepts(handset, EVENT_ITEM_FAILED))
		return;
	log_warn("item_failed", log_str("item", handset->item.what.id),
		 log_str("reason", reason));
	handset->item_reason = reason;
	install_discard(&handset->item.what);
	handset_move(handset, again_may_help(reason) ? STATE_ASKING : STATE_CONFIRMING);
}

/* ---- Fetch ---- */

/* The server knows some reasons of a device; what is the link's own, it does not. */
static const char *reason_of_download(const char *reason)
{
	static const char *const told[] = { "digest_mismatch", "storage_full" };

	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
		if (strcmp(reason, told[i]) == 0)
			return told[i];
	return "download_failed";
}

/* Without the network there is no confirmation either: the next power on goes on. */
static bool is_network_down(const char *reason)
{
	return words_outcome(slice_of(reason)) == OUTCOME_UNREACHABLE;
}

static void on_downloaded(void *arg, const char *reason)
{
	struct handset *handset = arg;

	download_free(handset->download);
	handset->download = NULL;
	if (reason && is_network_down(reason))
		handset_fail(handset, reason);
	else if (reason)
		fail_item(handset, reason_of_download(reason));
	else if (handset_accepts(handset, EVENT_FETCHED))
		handset_move(handset, STATE_INSTALLING);
}

void deliver_fetch(struct handset *handset)
{
	const struct request_item *item = request_next_item(&handset->request);

	BUG_ON(!item || handset->download);
	handset->item = *item;
	handset->item_reason = NULL;
	handset->test = 0;
	log_info("item", log_str("item", item->what.id),
		 log_str("version", item->what.version),
		 log_str("kind", install_kind_name(item->what.kind)));
	handset->download = download_begin(
		handset->loop, handset->session, item->what.sha256, item->size,
		handset->config->retries, on_downloaded, handset);
}

/* ---- Install ---- */

static bool is_resident(const char *id)
{
	char path[STORAGE_PATH_BYTES];

	return storage_path(path, DELIVER_RESIDENT_FORMAT, id) &&
	       access(path, X_OK) == 0;
}

static void on_install(void *arg)
{
	struct handset *handset = arg;
	const struct install_item *what = &handset->item.what;
	char path[STORAGE_PATH_BYTES];
	const char *reason;

	download_path(what->sha256, path);
	if (what->kind == INSTALL_ACTIVATION && !is_resident(what->id))
		reason = "install_failed";
	else
		reason = install_stage(what, path);
	if (reason)
		fail_item(handset, reason);
	else if (handset_accepts(handset, EVENT_STAGED))
		handset_move(handset, STATE_TESTING);
}

void deliver_init(struct handset *handset)
{
	timer_init(&handset->install, handset->loop, on_install, handset);
}

/* Not at once: the screen that says so comes first. */
void deliver_install(struct handset *handset)
{
	timer_start(&handset->install, 0);
}

/* ---- Test ---- */

static const struct test *current_test(const struct handset *handset)
{
	return &tests[handset->item.what.kind][handset->test];
}

static bool is_met(const struct handset *handset, const struct test *test,
		   const struct program_result *result)
{
	struct slice version = slice_of(handset->item.what.version);
	struct slice output = result->output;

	if (!result->has_ended || result->exit_status != 0)
		return false;
	switch (test->expectation) {
	case EXPECT_SUCCESS: return true;
	case EXPECT_ON: return slice_eq(output, SLICE("on"));
	case EXPECT_VERSION:
		return output.n > version.n &&
		       output.p[output.n - version.n - 1] == ' ' &&
		       slice_eq(slice_make(output.p + output.n - version.n, version.n),
				version);
	}
	return false;
}

static void on_tested(void *arg, const struct program_result *result)
{
	struct handset *handset = arg;
	const struct test *test = current_test(handset);
	bool ok = is_met(handset, test, result);

	handset->program = NULL;
	if (handset->state != STATE_TESTING)
		return;
	log_info("test", log_str("item", handset->item.what.id),
		 log_str("option", test->option),
		 log_num("in_force", test->is_in_force),
		 log_num("status", result->has_ended ? result->exit_status : -1),
		 log_slice("output", result->output),
		 log_str("result", ok ? "ok" : "bad"));
	if (!ok) {
		fail_item(handset, "self_test_failed");
		return;
	}
	handset->test++;
	deliver_test(handset);
}

static void run_test(struct handset *handset, const struct test *test)
{
	const struct install_item *what = &handset->item.what;
	char program[STORAGE_PATH_BYTES], file[STORAGE_PATH_BYTES];
	const char *arguments[ARGUMENTS + 1] = { program, test->option };
	bool ok = test->is_in_force ? install_current_path(what, file)
				    : install_staged_path(what, file);

	if (what->kind == INSTALL_ACTIVATION) {
		ok = ok && storage_path(program, DELIVER_RESIDENT_FORMAT, what->id);
		arguments[2] = file;
	} else {
		memcpy(program, file, sizeof(program));
	}
	if (ok)
		handset->program =
			program_run(handset->loop, arguments,
				    handset->config->test_limit_ms, on_tested, handset);
	if (!handset->program)
		fail_item(handset, "self_test_failed");
}

/* Run the next test; before the first on what is in force, put it in force. */
void deliver_test(struct handset *handset)
{
	const struct test *test = current_test(handset);
	const char *reason = NULL;

	if (test->option && test->is_in_force)
		reason = install_commit(&handset->item.what);
	if (reason)
		fail_item(handset, reason);
	else if (test->option)
		run_test(handset, test);
	else if (handset_accepts(handset, EVENT_TESTED))
		handset_move(handset, STATE_CONFIRMING);
}

/* ---- Confirm ---- */

static void on_confirmed(void *arg, const struct session_answer *answer)
{
	struct handset *handset = arg;
	const struct request_item *item;

	/* The server has a result already, or the request has ended meanwhile. */
	if (call_is_refused(answer)) {
		log_warn("result_refused", log_str("reason", answer->reason));
		if (handset_accepts(handset, EVENT_CONFIRMED))
			handset_move(handset, STATE_SETTLING);
		return;
	}
	if (!provision_take_request(handset, answer) ||
	    !handset_accepts(handset, EVENT_CONFIRMED))
		return;
	item = request_next_item(&handset->request);
	if (item && strcmp(item->what.id, handset->item.what.id) == 0)
		/* It took the result and did not: doing it again would not help. */
		handset_fail(handset, "answer_malformed");
	else
		provision_follow(handset);
}

void deliver_confirm(struct handset *handset)
{
	const struct install_item *what = &handset->item.what;
	const char *reason = handset->item_reason;
	char rest[CALL_TARGET_CHARS], target[CALL_TARGET_CHARS];
	json_t *json =
		reason ? json_pack("{s:s, s:s}", "result", "failed", "reason", reason)
		       : json_pack("{s:s, s:s}", "result", "installed", "version",
				   what->version);
	char *text = json_dumps(json, JSON_COMPACT);

	BUG_ON(!text);
	download_forget(what->sha256);
	log_info("result", log_str("item", what->id),
		 log_str("result", reason ? "failed" : "installed"),
		 log_str("reason", reason));
	snprintf(rest, sizeof(rest), "/items/%s/result", what->id);
	call_put(handset, call_target(handset, rest, target), slice_of(text),
		 on_confirmed);
	free(text);
	json_decref(json);
}
