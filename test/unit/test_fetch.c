/*
 * Fetching a content from a server over real TLS, into a database that is played here:
 * it keeps the rows, takes as long as the test says, and hears how it ended.
 */
#include "provisioning/fetch.h"

#include "base/codec.h"
#include "provisioning/content.h"
#include "test/unit/https_peer.h"

#define PATIENCE_MS 20000
#define ROWS_MAX    4
#define SIZE        (2 * CONTENT_CHUNK_BYTES + 1234)
#define HEAD        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n"
#define PART_HEAD                                               \
	"HTTP/1.1 206 Partial Content\r\nConnection: close\r\n" \
	"Content-Range: bytes %zu-%zu/%zu\r\nContent-Length: %zu\r\n\r\n"

enum ending {
	ENDING_NONE,
	ENDING_DONE,     /* effect_done() */
	ENDING_FAILED,   /* effect_fail() */
	ENDING_REFUSED,  /* and for good */
	ENDING_REPORTED, /* effect_report() */
	ENDING_REJECTED, /* effect_reject() */
};

struct db_call {
	struct db_call *next;
	size_t statement;
	struct timer timer;
	db_fn *fn;
	void *arg;
	size_t row;
};

static struct {
	struct loop *loop;
	struct https_peer peer;
	char content[SIZE + 1];
	uint8_t sha256[SHA256_BYTES];

	/* the database */
	char rows[ROWS_MAX][CONTENT_CHUNK_BYTES];
	size_t n_row[ROWS_MAX];
	const char *next; /* row that is wanted */
	int64_t put_ms;   /* time that storing takes */
	int n_puts, n_putting;
	size_t fails_at;           /* the put of this row, with: */
	enum db_status fails_with; /* DB_OK: the lease went to another */
	size_t is_full_for;        /* statement; STATEMENT_N: none */

	/* the effect */
	bool is_running; /* what ends it, ends the loop */
	enum ending ending;
	unsigned status;
	char found[2 * SHA256_BYTES + 1]; /* the digest reported; empty: none */
} world;

/* ---- The database ---- */

static PGresult *value_of(const char *p, size_t n)
{
	static char name[] = "value";
	PGresAttDesc column = { .name = name };
	PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);

	CU_ASSERT_FATAL(PQsetResultAttrs(result, 1, &column));
	CU_ASSERT_FATAL(PQsetvalue(result, 0, 0, (char *)(uintptr_t)p, (int)n));
	return result;
}

static void on_due(void *arg)
{
	struct db_call *call = arg;
	const char *value = "t";
	size_t n = 1;
	enum db_status status = DB_OK;

	if (call->statement == STATEMENT_CONTENT_NEXT) {
		value = world.next;
		n = strlen(value);
	} else if (call->statement == STATEMENT_FETCH_CHUNK_READ) {
		value = world.rows[call->row];
		n = world.n_row[call->row];
	} else {
		world.n_putting--;
		status = call->row == world.fails_at ? world.fails_with : DB_OK;
		value = call->row == world.fails_at ? "f" : "t";
	}
	PGresult *result = status == DB_OK ? value_of(value, n) : NULL;
	call->fn(call->arg, status, result);
	PQclear(result);
	free(call);
}

struct db_call *db_call(struct db *db, size_t statement, const struct db_param *params,
			size_t n_params, db_fn *fn, void *arg)
{
	struct db_call *call = calloc(1, sizeof(*call));
	bool is_put = statement == STATEMENT_FETCH_CHUNK_PUT;

	(void)db;
	if (statement == world.is_full_for) {
		free(call);
		return NULL;
	}
	*call = (struct db_call){ .statement = statement, .fn = fn, .arg = arg };
	if (n_params > 1) {
		call->row = strtoul(params[2].p, NULL, 10);
		CU_ASSERT_FATAL(call->row < ROWS_MAX);
	}
	if (is_put) {
		CU_ASSERT_STRING_EQUAL(params[0].p, "7");
		CU_ASSERT_STRING_EQUAL(params[1].p, "token");
		CU_ASSERT_EQUAL(++world.n_putting, 1); /* one row at a time */
		world.n_puts++;
		world.n_row[call->row] = (size_t)params[3].n;
		memcpy(world.rows[call->row], params[3].p, (size_t)params[3].n);
	}
	timer_init(&call->timer, world.loop, on_due, call);
	timer_start(&call->timer, is_put ? world.put_ms : 0);
	return call;
}

/* ---- The effect ---- */

static void end(struct effect *effect, enum ending ending, unsigned status)
{
	(void)effect;
	CU_ASSERT_EQUAL(world.ending, ENDING_NONE); /* exactly once */
	world.ending = ending;
	world.status = status;
	if (world.is_running)
		loop_stop(world.loop);
}

void effect_done(struct effect *effect, unsigned status)
{
	end(effect, ENDING_DONE, status);
}

void effect_fail(struct effect *effect, unsigned status, const char *why,
		 bool is_refused)
{
	CU_ASSERT_PTR_NOT_NULL(why);
	end(effect, is_refused ? ENDING_REFUSED : ENDING_FAILED, status);
}

static void keep_found(enum statement statement, const struct db_param *params,
		       size_t n_params)
{
	CU_ASSERT_EQUAL(statement, STATEMENT_FETCH_END);
	CU_ASSERT_EQUAL_FATAL(n_params, 1);
	world.found[0] = '\0';
	if (params[0].p)
		hex_encode(slice_make(params[0].p, (size_t)params[0].n), world.found);
}

void effect_report(struct effect *effect, unsigned status, enum statement statement,
		   const struct db_param *params, size_t n_params)
{
	keep_found(statement, params, n_params);
	end(effect, ENDING_REPORTED, status);
}

void effect_reject(struct effect *effect, unsigned status, const char *why,
		   enum statement statement, const struct db_param *params,
		   size_t n_params)
{
	CU_ASSERT_PTR_NOT_NULL(why);
	keep_found(statement, params, n_params);
	end(effect, ENDING_REJECTED, status);
}

/* ---- A fetch ---- */

static void begin(void)
{
	memset(&world, 0, sizeof(world));
	world.next = "0";
	world.fails_at = ROWS_MAX;
	world.is_full_for = STATEMENT_N;
	for (size_t i = 0; i < SIZE; i++)
		world.content[i] = (char)('a' + i % 23);
	sha256(slice_make(world.content, SIZE), world.sha256);
}

static void on_late(void *arg)
{
	loop_stop(arg);
}

/* What the process keeps to its end. */
static struct loop *loop;
static struct transfers *transfers;
static void *kept[64];
static size_t n_kept;

/* To its end, with a server that answers so. */
static enum ending fetch_with(const char *payload, const char *const *answers, size_t n)
{
	struct server_config config = { .fetch_timeout_ms = 1000,
					.fetch_limit_ms = PATIENCE_MS };
	struct effect effect = { .id = "7", .token = "token", .key = "content/x" };
	char text[512], digest[2 * SHA256_BYTES + 1];
	struct timer late;
	void *secrets;

	hex_encode(slice_make(world.sha256, SHA256_BYTES), digest);
	if (!loop) {
		loop = loop_new();
		transfers = transfers_new(loop);
	}
	world.loop = loop;
	https_open(&world.peer, HTTPS_NAME, answers, n);
	config.fetch_trust = world.peer.pki->ca_path;
	CU_ASSERT_FATAL(fetch_kind.load(&config, &secrets));
	CU_ASSERT_FATAL(n_kept < sizeof(kept) / sizeof(kept[0]));
	void *state = kept[n_kept++] = fetch_kind.open(secrets, transfers);
	snprintf(text, sizeof(text),
		 "{\"url\": \"%s\", \"sha256\": \"%s\", \"size\": %d}", world.peer.url,
		 digest, SIZE);
	timer_init(&late, world.loop, on_late, world.loop);
	timer_start(&late, PATIENCE_MS);
	fetch_kind.begin(state, &effect, slice_of(payload ? payload : text));
	world.is_running = true;
	if (world.ending == ENDING_NONE)
		loop_run(world.loop);
	timer_cancel(&late);
	return world.ending;
}

static enum ending fetch(const char *const *answers, size_t n)
{
	return fetch_with(NULL, answers, n);
}

static void finish(void)
{
	event_base_loop(loop_base(loop), EVLOOP_NONBLOCK); /* what ends a turn later */
	https_close(&world.peer);
}

static const char *answer_of(const char *head, size_t said, size_t from, size_t to)
{
	static char text[512 + SIZE + 1];
	size_t n = head == NULL ? (size_t)snprintf(text, 512, PART_HEAD, from,
						   (size_t)SIZE - 1, (size_t)SIZE,
						   (size_t)SIZE - from)
				: (size_t)snprintf(text, 512, HEAD, said);

	memcpy(text + n, world.content + from, to - from);
	text[n + to - from] = '\0';
	return text;
}

static bool is_stored_from(size_t row)
{
	size_t at = row * CONTENT_CHUNK_BYTES;

	for (; at < SIZE; row++) {
		if (memcmp(world.rows[row], world.content + at, world.n_row[row]) != 0)
			return false;
		at += world.n_row[row];
	}
	return at == SIZE && world.n_row[0] == CONTENT_CHUNK_BYTES;
}

static void keep_first_row(const char *bytes)
{
	world.next = "1";
	world.n_row[0] = CONTENT_CHUNK_BYTES;
	memcpy(world.rows[0], bytes, CONTENT_CHUNK_BYTES);
}

/* ---- What comes ---- */

static void stores_row_after_row_and_reports_the_digest(void)
{
	char digest[2 * SHA256_BYTES + 1];

	begin();
	const char *answer = answer_of(HEAD, SIZE, 0, SIZE);
	CU_ASSERT_EQUAL(fetch(&answer, 1), ENDING_REPORTED);
	hex_encode(slice_make(world.sha256, SHA256_BYTES), digest);
	CU_ASSERT_STRING_EQUAL(world.found, digest);
	CU_ASSERT_EQUAL(world.status, 200);
	CU_ASSERT_EQUAL(world.n_puts, 3);
	CU_ASSERT(is_stored_from(0));
	const char *heard = https_heard(&world.peer);
	CU_ASSERT_PTR_NOT_NULL(strstr(heard, "GET /events HTTP/1.1\r\n"));
	CU_ASSERT_PTR_NULL(strstr(heard, "Range:"));
	finish();
}

/* No row is overtaken by the next: what comes faster has to wait. */
static void holds_the_server_back_while_the_database_is_slow(void)
{
	begin();
	world.put_ms = 150;
	const char *answer = answer_of(HEAD, SIZE, 0, SIZE);
	CU_ASSERT_EQUAL(fetch(&answer, 1), ENDING_REPORTED);
	CU_ASSERT(is_stored_from(0));
	finish();
}

static void goes_on_after_the_rows_that_are_there(void)
{
	begin();
	keep_first_row(world.content);
	const char *answer = answer_of(NULL, 0, CONTENT_CHUNK_BYTES, SIZE);
	CU_ASSERT_EQUAL(fetch(&answer, 1), ENDING_REPORTED);
	CU_ASSERT_EQUAL(world.status, 206);
	CU_ASSERT_EQUAL(world.n_puts, 2);
	CU_ASSERT(is_stored_from(0));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(https_heard(&world.peer), "Range: bytes=262144-\r\n"));
	finish();
}

static void begins_anew_where_the_server_knows_no_ranges(void)
{
	begin();
	keep_first_row(world.content + 1);
	const char *answer = answer_of(HEAD, SIZE, 0, SIZE);
	CU_ASSERT_EQUAL(fetch(&answer, 1), ENDING_REPORTED);
	CU_ASSERT_EQUAL(world.n_puts, 3);
	CU_ASSERT(is_stored_from(0));
	finish();
}

static void checks_rows_that_all_are_there(void)
{
	const char *const none[] = { HTTPS_CUT };

	begin();
	world.next = "3";
	for (size_t row = 0; row < 3; row++) {
		world.n_row[row] = row < 2 ? CONTENT_CHUNK_BYTES : 1234;
		memcpy(world.rows[row], world.content + row * CONTENT_CHUNK_BYTES,
		       world.n_row[row]);
	}
	CU_ASSERT_EQUAL(fetch(none, 1), ENDING_REPORTED);
	CU_ASSERT_EQUAL(world.n_puts, 0);
	CU_ASSERT_STRING_EQUAL(https_heard(&world.peer), "");
	finish();
}

static void does_nothing_for_what_another_brought(void)
{
	const char *const none[] = { HTTPS_CUT };

	begin();
	world.next = "-1";
	CU_ASSERT_EQUAL(fetch(none, 1), ENDING_DONE);
	CU_ASSERT_STRING_EQUAL(https_heard(&world.peer), "");
	finish();
}

/* ---- What is not right ---- */

static void rejects_another_digest_with_what_it_found(void)
{
	begin();
	keep_first_row(world.content + 1);
	const char *answer = answer_of(NULL, 0, CONTENT_CHUNK_BYTES, SIZE);
	CU_ASSERT_EQUAL(fetch(&answer, 1), ENDING_REJECTED);
	CU_ASSERT_EQUAL(strlen(world.found), 2 * SHA256_BYTES);
	finish();
}

static void rejects_another_size(void)
{
	static char unsaid[64 + SIZE];

	begin();
	const char *answer = answer_of(HEAD, SIZE - 1, 0, SIZE - 1);
	CU_ASSERT_EQUAL(fetch(&answer, 1), ENDING_REJECTED);
	CU_ASSERT_STRING_EQUAL(world.found, "");
	CU_ASSERT_EQUAL(world.n_puts, 0);
	finish();
	begin();
	snprintf(unsaid, sizeof(unsaid), "HTTP/1.1 200 OK\r\n\r\n%.*s", SIZE - 1,
		 world.content);
	answer = unsaid;
	CU_ASSERT_EQUAL(fetch(&answer, 1), ENDING_REJECTED);
	finish();
	begin();
	const char *const empty[] = { "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" };
	CU_ASSERT_EQUAL(fetch(empty, 1), ENDING_REJECTED);
	finish();
	begin();
	keep_first_row(world.content);
	const char *const gone[] = { "HTTP/1.1 416 Range Not Satisfiable\r\n"
				     "Content-Length: 0\r\n\r\n" };
	CU_ASSERT_EQUAL(fetch(gone, 1), ENDING_REJECTED);
	finish();
}

static void tries_again_what_may_be_right_later(void)
{
	const char *const answers[] = {
		"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy",
		"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n",
		"garbage\r\n\r\n",
		HTTPS_CUT,
		HTTPS_SILENCE,
	};

	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		begin();
		CU_ASSERT_EQUAL(fetch(&answers[i], 1), ENDING_FAILED);
		finish();
	}
	begin();
	const char *cut = answer_of(HEAD, SIZE, 0, CONTENT_CHUNK_BYTES + 7);
	CU_ASSERT_EQUAL(fetch(&cut, 1), ENDING_FAILED);
	CU_ASSERT_EQUAL(world.status, 0);
	CU_ASSERT_EQUAL(world.n_puts, 1);
	finish();
}

static void gives_up_what_is_refused(void)
{
	const char *const answers[] = {
		"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone",
		"HTTP/1.1 301 Moved\r\nLocation: https://127.0.0.1/\r\n"
		"Content-Length: 0\r\n\r\n",
	};

	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		begin();
		CU_ASSERT_EQUAL(fetch(&answers[i], 1), ENDING_REFUSED);
		CU_ASSERT_EQUAL(world.n_puts, 0);
		finish();
	}
}

static void ends_when_a_row_cannot_be_stored(void)
{
	static const struct {
		size_t row;
		enum db_status status;
	} faults[] = { { 0, DB_OK }, { 1, DB_UNAVAILABLE }, { 2, DB_TIMEOUT } };

	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		begin();
		world.put_ms = 20;
		world.fails_at = faults[i].row;
		world.fails_with = faults[i].status;
		const char *answer = answer_of(HEAD, SIZE, 0, SIZE);
		CU_ASSERT_EQUAL(fetch(&answer, 1), ENDING_FAILED);
		CU_ASSERT_EQUAL(world.n_putting, 0);
		finish();
	}
}

static void ends_when_the_queue_of_the_database_is_full(void)
{
	static const size_t asked[] = { STATEMENT_CONTENT_NEXT,
					STATEMENT_FETCH_CHUNK_PUT,
					STATEMENT_FETCH_CHUNK_READ };

	for (size_t i = 0; i < 3; i++) {
		begin();
		world.is_full_for = asked[i];
		const char *answer = answer_of(HEAD, SIZE, 0, SIZE);
		CU_ASSERT_EQUAL(fetch(&answer, 1), ENDING_FAILED);
		finish();
	}
}

static void gives_up_a_payload_that_is_none(void)
{
	static const char *const payloads[] = {
		"",
		"{}",
		"{\"url\": \"https://a/\", \"sha256\": \"00\", \"size\": 1}",
		"{\"url\": \"https://a/\", \"sha256\": \"zz00000000000000000000000000"
		"00000000000000000000000000000000000000\", \"size\": 1}",
	};
	const char *const none[] = { HTTPS_CUT };

	for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
		begin();
		CU_ASSERT_EQUAL(fetch_with(payloads[i], none, 1), ENDING_REFUSED);
		finish();
	}
}

static void waits_where_nobody_is_trusted(void)
{
	struct server_config config = { .fetch_timeout_ms = 30000 };
	void *secrets = &config;

	CU_ASSERT(fetch_kind.load(&config, &secrets));
	CU_ASSERT_PTR_NULL(secrets);
	/* A row that comes as slowly as it may is still under the lease. */
	CU_ASSERT_EQUAL(fetch_kind.timeout_ms(&config), 90000);
	config.fetch_trust = "/nowhere";
	CU_ASSERT_FALSE(fetch_kind.load(&config, &secrets));
}

TEST_MAIN("fetch", TEST(stores_row_after_row_and_reports_the_digest),
	  TEST(holds_the_server_back_while_the_database_is_slow),
	  TEST(goes_on_after_the_rows_that_are_there),
	  TEST(begins_anew_where_the_server_knows_no_ranges),
	  TEST(checks_rows_that_all_are_there),
	  TEST(does_nothing_for_what_another_brought),
	  TEST(rejects_another_digest_with_what_it_found), TEST(rejects_another_size),
	  TEST(tries_again_what_may_be_right_later), TEST(gives_up_what_is_refused),
	  TEST(ends_when_a_row_cannot_be_stored),
	  TEST(ends_when_the_queue_of_the_database_is_full),
	  TEST(gives_up_a_payload_that_is_none), TEST(waits_where_nobody_is_trusted))
