/*
 * Content on its way into storage, cut and continued, true and false; the session is
 * played by handset_stage.h.
 */
#include "test/unit/handset_stage.h"

#define CONTENT "0123456789"
#define HEX     "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882"
#define RIGHT   "sha-256=:hNiYd/DUBB77a/kaFvAkjy/Vc+avBcGflr7bn4gveII=:"

static struct download *download;
static int n_ended;
static char ended[64]; /* the reason; empty: none */
static uint8_t digest[SHA256_BYTES];
static char path[STORAGE_PATH_BYTES];

static void on_downloaded(void *arg, const char *reason)
{
	(void)arg;
	n_ended++;
	snprintf(ended, sizeof(ended), "%s", reason ? reason : "");
}

static void begin(void)
{
	stage_begin(false);
	sha256(SLICE(CONTENT), digest);
	download_path(digest, path);
}

/* Up to its first call, or to its end when it needs none. */
static void fetch(void)
{
	n_ended = 0;
	download = download_begin(stage.loop, stage.handset->session, digest,
				  strlen(CONTENT), 1, on_downloaded, NULL);
	CU_ASSERT_EQUAL(n_ended, 0);
	CU_ASSERT_EQUAL(stage.n_calls, 0);
	stage_turn();
}

static void end(void)
{
	download_free(download);
	stage_end();
}

static void expect_end(const char *reason)
{
	CU_ASSERT_EQUAL(n_ended, 1);
	CU_ASSERT_STRING_EQUAL(ended, reason);
}

static void expect_file(const char *content)
{
	struct slice bytes = storage_read(path, 100);

	CU_ASSERT(slice_eq(bytes, slice_of(content)));
	free((void *)bytes.p);
}

/* Part of a body; what the download then says of going on. */
static bool send_part(unsigned status, const char *repr_digest, const char *range,
		      const char *text)
{
	struct http_field fields[] = {
		{ SLICE("Repr-Digest"), slice_of(repr_digest) },
		{ SLICE("Content-Range"), slice_of(range) },
	};
	struct http_head head = { .status = status,
				  .fields = fields,
				  .n_fields = range ? 2 : 1 };
	struct evbuffer *body = evbuffer_new();
	bool goes_on;

	evbuffer_add(body, text, strlen(text));
	goes_on = stage_call()->on_body(stage_call()->arg, &head, body);
	evbuffer_free(body);
	return goes_on;
}

static void fetches_content_in_parts(void)
{
	begin();
	fetch();
	STAGE_EXPECT(HTTP_GET, "/v1/content/" HEX);
	CU_ASSERT_STRING_EQUAL(stage_call()->range, "");
	CU_ASSERT(send_part(200, RIGHT, NULL, "01234"));
	CU_ASSERT(send_part(200, RIGHT, NULL, "56789"));
	stage_answer(200, "");
	expect_end("");
	expect_file(CONTENT);
	end();
}

static void goes_on_where_it_was_cut(void)
{
	begin();
	fetch();
	CU_ASSERT(send_part(200, RIGHT, NULL, "0123"));
	stage_fail("reset");
	CU_ASSERT_EQUAL(n_ended, 0);
	stage_turn();
	CU_ASSERT_STRING_EQUAL(stage_call()->range, "bytes=4-");
	CU_ASSERT(send_part(206, RIGHT, "bytes 4-9/10", "456789"));
	stage_answer(206, "");
	expect_end("");
	expect_file(CONTENT);
	end();
}

/* What came before a power cut is not fetched again, nor what is there whole. */
static void goes_on_after_a_power_cut(void)
{
	begin();
	CU_ASSERT(storage_write(path, SLICE("012345"), 0600));
	fetch();
	CU_ASSERT_STRING_EQUAL(stage_call()->range, "bytes=6-");
	CU_ASSERT(send_part(206, RIGHT, "bytes 6-9/10", "6789"));
	stage_answer(206, "");
	expect_end("");
	download_free(download);
	fetch();
	CU_ASSERT_EQUAL(stage.n_calls, 0);
	expect_end("");
	end();
}

static void begins_anew_when_the_server_sends_all(void)
{
	begin();
	CU_ASSERT(storage_write(path, SLICE("xxxx"), 0600));
	fetch();
	CU_ASSERT_STRING_EQUAL(stage_call()->range, "bytes=4-");
	CU_ASSERT(send_part(200, RIGHT, NULL, "01"));
	expect_file("01");
	CU_ASSERT(send_part(200, RIGHT, NULL, "23456789"));
	stage_answer(200, "");
	expect_end("");
	expect_file(CONTENT);
	end();
}

static void begins_anew_when_there_is_too_much(void)
{
	begin();
	CU_ASSERT(storage_write(path, SLICE(CONTENT "more"), 0600));
	fetch();
	CU_ASSERT_STRING_EQUAL(stage_call()->range, "");
	end();
}

/* Whole, but not what was promised: it is thrown away. */
static void throws_false_content_away(void)
{
	begin();
	fetch();
	CU_ASSERT(send_part(200, RIGHT, NULL, "012345678X"));
	stage_answer(200, "");
	expect_end("digest_mismatch");
	CU_ASSERT(access(path, F_OK) != 0);
	end();
}

static void never_writes_more_than_was_promised(void)
{
	begin();
	fetch();
	CU_ASSERT(send_part(200, RIGHT, NULL, "01234"));
	CU_ASSERT_FALSE(send_part(200, RIGHT, NULL, "567890"));
	stage_fail("cancelled");
	expect_end("digest_mismatch");
	end();
}

/* Each answer that is given up at once, and why. */
static void gives_up_what_cannot_be_right(void)
{
	static const struct {
		unsigned status;
		const char *digest, *range, *text, *reason;
	} rows[] = {
		{ 200, RIGHT, NULL, CONTENT "0", "digest_mismatch" },
		{ 200, "sha-256=:AAAA:", NULL, "01", "digest_mismatch" },
		{ 206, "sha-256=:AAAA:", "bytes 2-9/10", "23", "digest_mismatch" },
		{ 206, RIGHT, "bytes 3-9/10", "34", "download_failed" },
		{ 206, RIGHT, "bytes 2-9/11", "23", "download_failed" },
		{ 206, RIGHT, NULL, "23", "download_failed" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin();
		if (rows[i].status == 206)
			CU_ASSERT(storage_write(path, SLICE("01"), 0600));
		fetch();
		CU_ASSERT_FALSE(send_part(rows[i].status, rows[i].digest, rows[i].range,
					  rows[i].text));
		stage_fail("cancelled");
		expect_end(rows[i].reason);
		CU_ASSERT(access(path, F_OK) != 0);
		end();
	}
}

/* As often as it was told to; and never where nothing had come: that is the session's.
 */
static void gives_up_after_its_attempts(void)
{
	begin();
	fetch();
	CU_ASSERT(send_part(200, RIGHT, NULL, "0"));
	stage_fail("reset");
	stage_turn();
	CU_ASSERT(send_part(206, RIGHT, "bytes 1-9/10", "1"));
	stage_fail("reset");
	stage_turn();
	expect_end("reset");
	CU_ASSERT_EQUAL(stage.n_calls, 0);
	expect_file("01");
	download_free(download);
	fetch();
	stage_fail("landnet_unreachable");
	expect_end("landnet_unreachable");
	end();
}

static void says_what_the_server_says(void)
{
	begin();
	CU_ASSERT(storage_write(path, SLICE("01"), 0600));
	fetch();
	stage_answer(416, "");
	expect_end("download_failed");
	CU_ASSERT(access(path, F_OK) != 0);
	download_free(download);
	fetch();
	stage_answer(403, "{\"reason\":\"standing_limited\"}");
	expect_end("standing_limited");
	download_free(download);
	fetch();
	stage_answer(404, "");
	expect_end("download_failed");
	end();
}

static void needs_a_place_to_write(void)
{
	begin();
	CU_ASSERT(rmdir("downloads") == 0);
	fetch();
	expect_end("storage_failed");
	end();
}

TEST_MAIN("download", TEST(fetches_content_in_parts), TEST(goes_on_where_it_was_cut),
	  TEST(goes_on_after_a_power_cut), TEST(begins_anew_when_the_server_sends_all),
	  TEST(begins_anew_when_there_is_too_much), TEST(throws_false_content_away),
	  TEST(never_writes_more_than_was_promised),
	  TEST(gives_up_what_cannot_be_right), TEST(gives_up_after_its_attempts),
	  TEST(says_what_the_server_says), TEST(needs_a_place_to_write))
