#include "provisioning/content.h"

#include "base/log.h"
#include "provisioning/server_metrics.h"
#include "test/unit/landnet_stage.h"
#include "test/unit/schema.h"

/* The digest of no bytes at all: known from elsewhere. Source: FIPS 180-4 examples. */
#define SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define BASE64 "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
#define TARGET "/v1/content/" SHA256

#define ROWS 8
/* Two rows and the beginning of a third. */
#define SIZE (2 * CONTENT_CHUNK_BYTES + 1000)

/* Functions of the schema, as far as this call asks them: content_open() answers what
 * the test put into `answer`, and notes what it was asked. */
static const char schema[] =
	"create schema provbox; set search_path = provbox;"
	"create type api_result as (status int, reason text, etag text, body text, "
	"retry_s int);"
	"create table answer of api_result;"
	"create table asked (dev text, epoch bigint, permission text, sha256 bytea);"
	"create table content_chunk (n int, bytes bytea);"
	"create function content_open(text, bigint, text, bytea) returns api_result "
	"language sql set search_path = provbox as "
	"$$ insert into asked values ($1, $2, $3, $4); select * from answer $$;"
	"create function content_chunk_read(bytea, int) returns bytea "
	"language sql set search_path = provbox as "
	"$$ select bytes from content_chunk where n = $2 and $1 = '\\x" SHA256 "' $$;";

static struct cluster cluster;
static PGconn *admin;
static struct stage stage;
static uint8_t bytes[ROWS * CONTENT_CHUNK_BYTES];

/* ---- The database ---- */

static void put_row(int n, size_t size)
{
	char number[12];
	const char *const values[] = { number,
				       (const char *)bytes + n * CONTENT_CHUNK_BYTES };
	const int sizes[] = { 0, (int)size }, formats[] = { 0, 1 };

	snprintf(number, sizeof(number), "%d", n);
	PQclear(PQexecParams(admin, "insert into content_chunk values ($1, $2)", 2,
			     NULL, values, sizes, formats, 0));
}

/* Rows of this many bytes in all, full but the last. */
static void put_rows(size_t size)
{
	schema_run(admin, "delete from content_chunk");
	for (int n = 0; size > 0; n++) {
		size_t row = size < CONTENT_CHUNK_BYTES ? size : CONTENT_CHUNK_BYTES;
		put_row(n, row);
		size -= row;
	}
}

static void put_answer(int status, const char *reason, const char *body)
{
	char sql[512];

	snprintf(sql, sizeof(sql),
		 "delete from answer; insert into answer values (%d, '%s', '\"tag\"', "
		 "'%s')",
		 status, reason, body);
	schema_run(admin, sql);
}

static void put_content(size_t size)
{
	char body[128];

	snprintf(body, sizeof(body),
		 "{\"size\": %zu, \"media_type\": \"application/zip\"}", size);
	put_answer(200, "", body);
	put_rows(size);
}

static void make_schema(void)
{
	admin = schema_connect(&cluster);
	schema_run(admin, schema);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 >> 3 ^ i >> 18);
}

/* ---- The calls ---- */

static void on_link(struct link *link, enum link_event event, struct exchange *exchange,
		    void *arg)
{
	(void)arg;
	if (event == LINK_REQUEST)
		api_begin(&stage.peer, exchange);
	if (event != LINK_CLOSED)
		return;
	link_free(link);
	stage.peer.link = NULL;
}

static void open_stage(void)
{
	struct db_settings settings = {
		.dsn = cluster.dsn,
		.application_name = "test_content",
		.statements = statements,
		.n_statements = STATEMENT_N,
		.connections = 1,
		.queue_limit = 10,
		.timeout_ms = STAGE_PATIENCE_MS,
		.prepare = true,
	};
	char why[256];

	stage_open(&stage);
	stage.landnet.db = db_open(stage.loop, &settings, why, sizeof(why));
	CU_ASSERT_PTR_NOT_NULL_FATAL(stage.landnet.db);
	stage_connect(&stage, on_link);
}

static void close_stage(void)
{
	stage_hang_up(&stage);
	db_close(stage.landnet.db);
	stage_close(&stage);
}

/* Ask, without waiting for the answer. @p fields: lines, each with its end. */
static void say(const char *fields)
{
	static char request[4096];
	struct grant grant = stage_grant();

	snprintf(request, sizeof(request),
		 "GET " TARGET " HTTP/1.1\r\nHost: a\r\nProvbox-Exchange: %u\r\n"
		 "Provbox-Grant: %s\r\n%s\r\n",
		 (unsigned)link_count(stage.peer.link),
		 stage_grant_text(&stage, &grant), fields);
	stage_say(&stage, request);
}

static void ask(const char *fields)
{
	open_stage();
	say(fields);
	stage_hear(&stage);
	close_stage();
}

/* Whether the body is bytes first to end-1 of the content. */
static bool is_body(uint64_t first, uint64_t end)
{
	return stage.body_bytes == end - first &&
	       memcmp(stage.text + stage.head_bytes, bytes + first, end - first) == 0;
}

static void sends_all_of_it(void)
{
	put_content(SIZE);
	ask("");
	CU_ASSERT_EQUAL(stage.status, 200);
	CU_ASSERT_TRUE(is_body(0, SIZE));
	CU_ASSERT_TRUE(stage_has_line(&stage, "Content-Type: application/zip"));
	CU_ASSERT_TRUE(stage_has_line(&stage, "ETag: \"tag\""));
	CU_ASSERT_TRUE(stage_has_line(&stage, "Accept-Ranges: bytes"));
	CU_ASSERT_PTR_NULL(strstr(stage.text, "Content-Range"));
}

/* Of all of it, whatever part is sent. Source: RFC 9530, 2 and 3; RFC 8941, 3.3.5. */
static void names_the_digest_of_the_whole(void)
{
	put_content(SIZE);
	ask("");
	CU_ASSERT_TRUE(stage_has_line(&stage, "Repr-Digest: sha-256=:" BASE64 ":"));
	ask("Range: bytes=5-9\r\n");
	CU_ASSERT_TRUE(stage_has_line(&stage, "Repr-Digest: sha-256=:" BASE64 ":"));
}

/* Source: RFC 9110, 14.1.2 and 15.3.7 */
static void sends_the_part_that_is_asked_for(void)
{
	static const struct {
		const char *range;
		uint64_t first, end;
	} cases[] = {
		{ "0-0", 0, 1 },
		{ "10-19", 10, 20 },
		/* where rows meet */
		{ "262143-262143", 262143, 262144 },
		{ "262143-262144", 262143, 262145 },
		{ "262144-262144", 262144, 262145 },
		{ "262144-524287", 262144, 524288 },
		{ "1-524288", 1, 524289 },
		/* to the end, and past it */
		{ "524288-", 524288, SIZE },
		{ "0-", 0, SIZE },
		{ "525287-525287", SIZE - 1, SIZE },
		{ "525287-525288", SIZE - 1, SIZE },
		{ "0-18446744073709551615", 0, SIZE },
		/* the last n */
		{ "-1", SIZE - 1, SIZE },
		{ "-1001", SIZE - 1001, SIZE },
		{ "-525288", 0, SIZE },
		{ "-525289", 0, SIZE },
	};
	put_content(SIZE);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char field[64], line[80];

		snprintf(field, sizeof(field), "Range: bytes=%s\r\n", cases[i].range);
		snprintf(line, sizeof(line), "Content-Range: bytes %u-%u/%u",
			 (unsigned)cases[i].first, (unsigned)cases[i].end - 1, SIZE);
		ask(field);
		CU_ASSERT_EQUAL(stage.status, 206);
		CU_ASSERT_TRUE(stage_has_line(&stage, line));
		CU_ASSERT_TRUE(is_body(cases[i].first, cases[i].end));
	}
}

/* Source: RFC 9110, 14.2: ignored, so that the whole is sent. */
static void sends_all_for_a_range_it_does_not_serve(void)
{
	static const char *const ranges[] = {
		"bytes=0-1,5-6", "bytes=-",   "bytes=9-8",
		"lines=0-1",     "bytes=a-b", "5-6",
	};
	put_content(SIZE);
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		char field[64];

		snprintf(field, sizeof(field), "Range: %s\r\n", ranges[i]);
		ask(field);
		CU_ASSERT_EQUAL(stage.status, 200);
		CU_ASSERT_TRUE(is_body(0, SIZE));
	}
}

/* Source: RFC 9110, 15.5.17 */
static void refuses_a_range_past_the_end(void)
{
	static const char *const ranges[] = { "525288-", "525288-525289", "-0" };

	put_content(SIZE);
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		char field[64];

		snprintf(field, sizeof(field), "Range: bytes=%s\r\n", ranges[i]);
		ask(field);
		CU_ASSERT_TRUE(stage_is_refused(&stage, 416, "range_unsatisfiable"));
		CU_ASSERT_TRUE(stage_has_line(&stage, "Content-Range: bytes */525288"));
	}
}

static void sends_nothing_of_nothing(void)
{
	put_content(0);
	ask("");
	CU_ASSERT_EQUAL(stage.status, 200);
	CU_ASSERT_TRUE(stage_has_line(&stage, "Content-Length: 0"));
	ask("Range: bytes=0-0\r\n");
	CU_ASSERT_TRUE(stage_is_refused(&stage, 416, "range_unsatisfiable"));
	CU_ASSERT_TRUE(stage_has_line(&stage, "Content-Range: bytes */0"));
}

/* The tag is looked at before the range. Source: RFC 9110, 13.2.2 */
static void sends_nothing_that_the_device_has(void)
{
	put_content(SIZE);
	ask("If-None-Match: \"old\", \"tag\"\r\nRange: bytes=525288-\r\n");
	CU_ASSERT_EQUAL(stage.status, 304);
	CU_ASSERT_TRUE(stage_has_line(&stage, "ETag: \"tag\""));
	CU_ASSERT_EQUAL(stage.body_bytes, 0);
	ask("If-None-Match: \"old\"\r\n");
	CU_ASSERT_EQUAL(stage.status, 200);
	CU_ASSERT_TRUE(is_body(0, SIZE));
}

/* The statement decides, from who asks, with which epoch, under which permission. */
static void asks_whether_the_device_may(void)
{
	struct grant grant = stage_grant();

	schema_run(admin, "delete from asked");
	put_answer(404, "content_unknown", "");
	ask("");
	CU_ASSERT_TRUE(stage_is_refused(&stage, 404, "content_unknown"));
	PGresult *asked = PQexec(admin, "select dev, epoch, permission, "
					"encode(sha256, 'hex') from asked");
	CU_ASSERT_EQUAL_FATAL(PQntuples(asked), 1);
	CU_ASSERT_STRING_EQUAL(PQgetvalue(asked, 0, 0), grant.claims.dev);
	CU_ASSERT_STRING_EQUAL(PQgetvalue(asked, 0, 1), "7");
	CU_ASSERT_STRING_EQUAL(PQgetvalue(asked, 0, 2), "provision");
	CU_ASSERT_STRING_EQUAL(PQgetvalue(asked, 0, 3), SHA256);
	PQclear(asked);
	put_answer(403, "standing", "");
	ask("Range: bytes=0-0\r\n");
	CU_ASSERT_TRUE(stage_is_refused(&stage, 403, "standing"));
}

/* ---- What must not happen, and does ---- */

static void fails_for_a_row_it_cannot_read(void)
{
	static const char *const bodies[] = {
		"",
		"{}",
		"{\"size\": -1, \"media_type\": \"a/b\"}",
		"{\"size\": 1}",
	};
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		put_answer(200, "", bodies[i]);
		ask("");
		CU_ASSERT_TRUE(stage_is_refused(&stage, 500, "internal"));
	}
}

/* The head promised more: the device must see that it does not have it all. */
static void cuts_the_answer_when_rows_are_missing(void)
{
	for (int has_part = 0; has_part < 2; has_part++) {
		int64_t cut = metrics_sum(SERVER_REQUESTS_CUT);

		put_content(SIZE);
		schema_run(admin, "delete from content_chunk where n = 1");
		if (has_part)
			put_row(1, CONTENT_CHUNK_BYTES - 1);
		ask("");
		CU_ASSERT_EQUAL(stage.status, 200);
		CU_ASSERT_TRUE(stage.is_ended);
		CU_ASSERT_TRUE(stage.body_bytes <= CONTENT_CHUNK_BYTES);
		CU_ASSERT_EQUAL(metrics_sum(SERVER_REQUESTS_CUT), cut + 1);
	}
}

/* Who takes nothing costs a row of memory or two, and no place at the database. */
static void waits_for_a_slow_device(void)
{
	int64_t calls = metrics_sum(SERVER_DATABASE_CALLS);
	int64_t sent = metrics_sum(SERVER_CONTENT_BYTES);

	put_content(sizeof(bytes));
	open_stage();
	say("");
	int64_t end = loop_now_ms(stage.loop) + STAGE_PATIENCE_MS;
	while (metrics_sum(SERVER_CONTENT_BYTES) == sent &&
	       loop_now_ms(stage.loop) < end)
		stage_work(&stage);
	for (int i = 0; i < 200; i++)
		stage_work(&stage);
	CU_ASSERT_TRUE(metrics_sum(SERVER_DATABASE_CALLS) - calls <= 1 + 2);
	CU_ASSERT_PTR_NOT_NULL_FATAL(stage.peer.call);
	CU_ASSERT_PTR_NULL(stage.peer.call->query);
	stage_hear(&stage);
	CU_ASSERT_TRUE(is_body(0, sizeof(bytes)));
	CU_ASSERT_EQUAL(metrics_sum(SERVER_DATABASE_CALLS) - calls, 1 + ROWS);
	close_stage();
}

static void forgets_a_device_that_goes(void)
{
	put_content(sizeof(bytes));
	open_stage();
	say("");
	int64_t end = loop_now_ms(stage.loop) + STAGE_PATIENCE_MS;
	while (stage.n_text < CONTENT_CHUNK_BYTES && loop_now_ms(stage.loop) < end)
		stage_take(&stage, 4096);
	CU_ASSERT_PTR_NOT_NULL(stage.peer.call);
	shutdown(stage.raw, SHUT_RDWR);
	while (stage.peer.link && loop_now_ms(stage.loop) < end)
		stage_work(&stage);
	CU_ASSERT_PTR_NULL(stage.peer.link);
	CU_ASSERT_PTR_NULL(stage.peer.call);
	close_stage();
}

int main(void)
{
	static const struct test_case cases[] = {
		TEST(sends_all_of_it),
		TEST(names_the_digest_of_the_whole),
		TEST(sends_the_part_that_is_asked_for),
		TEST(sends_all_for_a_range_it_does_not_serve),
		TEST(refuses_a_range_past_the_end),
		TEST(sends_nothing_of_nothing),
		TEST(sends_nothing_that_the_device_has),
		TEST(asks_whether_the_device_may),
		TEST(fails_for_a_row_it_cannot_read),
		TEST(cuts_the_answer_when_rows_are_missing),
		TEST(waits_for_a_slow_device),
		TEST(forgets_a_device_that_goes),
	};
	if (!cluster_open(&cluster)) {
		cluster_close(&cluster);
		puts("content: skipped, no PostgreSQL server found");
		return TEST_SKIPPED;
	}
	log_open("test_content", LOG_LEVEL_ERROR);
	metrics_open(server_metrics, SERVER_N_METRICS, 1);
	make_schema();
	int status = test_main("content", cases, sizeof(cases) / sizeof(cases[0]));
	PQfinish(admin);
	cluster_close(&cluster);
	return status;
}
