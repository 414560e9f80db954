#include "provisioning/fetch.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/log.h"
#include "provisioning/content.h"
#include "provisioning/poster.h"

#define URL_CHARS 1000
/* A speed is an average: rows come within three times their time, or it ends. */
#define LEASE_FACTOR 3

struct fetcher {
	struct service *service;
	struct transfers *transfers;
	int64_t row_ms, limit_ms;
};

/* What is wrong with what comes; NULL: nothing so far. */
enum fault {
	FAULT_NONE,
	FAULT_NOW,      /* and may be right later */
	FAULT_MISMATCH, /* it is not what the catalogue says */
};

struct fetch {
	const struct fetcher *fetcher;
	struct effect *effect;
	char url[URL_CHARS + 1];
	uint8_t sha256[SHA256_BYTES];
	uint64_t size;
	uint64_t stored; /* bytes in rows that are whole and were handed over */
	size_t n_row;    /* bytes of the next one */
	char *row;       /* CONTENT_CHUNK_BYTES */
	CURL *easy;      /* NULL: nothing is under way */
	bool is_begun;   /* the head of the answer was looked at */
	bool is_storing, is_paused;
	enum fault fault;
	const char *why;
	unsigned status;
	struct digest *digest; /* of the rows read back so far */
	uint64_t checked;
};

static void go_on(struct fetch *fetch);

/* ---- The end ---- */

static void fetch_free(struct fetch *fetch)
{
	if (fetch->digest)
		digest_end(fetch->digest, NULL);
	free(fetch->row);
	free(fetch);
}

static void fail(struct fetch *fetch)
{
	bool is_refused =
		fetch->status > 0 && post_judge(fetch->status) == POST_REFUSED;
	effect_fail(fetch->effect, fetch->status, fetch->why, is_refused);
	fetch_free(fetch);
}

/* @param found  NULL: shorter or longer than it should be */
static void mismatch(struct fetch *fetch, const uint8_t *found)
{
	struct db_param param = found ? db_bytes(found, SHA256_BYTES) : db_null();
	effect_reject(fetch->effect, fetch->status,
		      found ? "it has another digest" : fetch->why, STATEMENT_FETCH_END,
		      &param, 1);
	fetch_free(fetch);
}

static void set_fault(struct fetch *fetch, enum fault fault, const char *why)
{
	if (fetch->fault == FAULT_NONE) {
		fetch->fault = fault;
		fetch->why = why;
	}
}

/* ---- Reading it back ---- */

/* From each row on, stored or read back. */
static void lease_text(const struct fetch *fetch, char *out, size_t size)
{
	snprintf(out, size, "%" PRId64 " milliseconds",
		 LEASE_FACTOR * fetch->fetcher->row_ms);
}

static void check_next(struct fetch *fetch);

static void on_row_read(void *arg, enum db_status status, const PGresult *result)
{
	struct fetch *fetch = arg;
	server_metrics_database(status);
	if (status != DB_OK || PQntuples(result) != 1 || PQgetisnull(result, 0, 0)) {
		set_fault(fetch, FAULT_NOW,
			  status == DB_OK ? "the lease went to another"
					  : "the rows cannot be read back");
		fail(fetch);
		return;
	}
	digest_add(fetch->digest, db_value(result, 0, 0));
	fetch->checked += CONTENT_CHUNK_BYTES;
	check_next(fetch);
}

static void check_end(struct fetch *fetch)
{
	uint8_t found[SHA256_BYTES];
	digest_end(fetch->digest, found);
	fetch->digest = NULL;
	if (memcmp(found, fetch->sha256, SHA256_BYTES) != 0) {
		mismatch(fetch, found);
		return;
	}
	struct db_param param = db_bytes(found, SHA256_BYTES);
	effect_report(fetch->effect, fetch->status, STATEMENT_FETCH_END, &param, 1);
	fetch_free(fetch);
}

static void check_next(struct fetch *fetch)
{
	char number[24], lease[40];
	if (fetch->checked >= fetch->size) {
		check_end(fetch);
		return;
	}
	snprintf(number, sizeof(number), "%" PRIu64,
		 fetch->checked / CONTENT_CHUNK_BYTES);
	lease_text(fetch, lease, sizeof(lease));
	struct db_param params[] = { db_text(fetch->effect->id),
				     db_text(fetch->effect->token), db_text(number),
				     db_text(lease) };
	if (!db_call(fetch->effect->db, STATEMENT_FETCH_CHUNK_READ, params, 4,
		     on_row_read, fetch)) {
		set_fault(fetch, FAULT_NOW, "the queue of calls is full");
		fail(fetch);
	}
}

/* ---- Storing ---- */

static void on_row_stored(void *arg, enum db_status status, const PGresult *result)
{
	struct fetch *fetch = arg;
	server_metrics_database(status);
	fetch->is_storing = false;
	if (status != DB_OK)
		set_fault(fetch, FAULT_NOW, "a row cannot be stored");
	else if (PQntuples(result) != 1 ||
		 !slice_eq(db_value(result, 0, 0), SLICE("t")))
		set_fault(fetch, FAULT_NOW, "the lease went to another");
	go_on(fetch);
}

/* The parameters are copied: the row is free for what comes next. */
static void store_row(struct fetch *fetch)
{
	char number[24], lease[40];
	snprintf(number, sizeof(number), "%" PRIu64,
		 fetch->stored / CONTENT_CHUNK_BYTES);
	lease_text(fetch, lease, sizeof(lease));
	struct db_param params[] = { db_text(fetch->effect->id),
				     db_text(fetch->effect->token), db_text(number),
				     db_bytes(fetch->row, fetch->n_row),
				     db_text(lease) };
	fetch->is_storing = db_call(fetch->effect->db, STATEMENT_FETCH_CHUNK_PUT,
				    params, 5, on_row_stored, fetch) != NULL;
	if (!fetch->is_storing)
		set_fault(fetch, FAULT_NOW, "the queue of calls is full");
	fetch->stored += fetch->n_row;
	fetch->n_row = 0;
}

/* ---- What comes ---- */

/* 206 must go on where it was asked to, and to the end. */
static void check_range(struct fetch *fetch)
{
	struct curl_header *header;
	char wanted[80];
	size_t n = (size_t)snprintf(wanted, sizeof(wanted), "bytes %" PRIu64 "-",
				    fetch->stored);
	if (curl_easy_header(fetch->easy, "Content-Range", 0, CURLH_HEADER, -1,
			     &header) != CURLHE_OK ||
	    strncmp(header->value, wanted, n) != 0) {
		set_fault(fetch, FAULT_NOW, "it sends another range");
		return;
	}
	snprintf(wanted, sizeof(wanted), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64,
		 fetch->stored, fetch->size - 1, fetch->size);
	if (strcmp(header->value, wanted) != 0)
		set_fault(fetch, FAULT_MISMATCH, "it has another size");
}

/* The head is there. */
static void check_head(struct fetch *fetch)
{
	curl_off_t length = -1;
	long status = 0;
	curl_easy_getinfo(fetch->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(fetch->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
	fetch->is_begun = true;
	if (status == 206 && fetch->stored > 0) {
		check_range(fetch);
	} else if (status == 200) {
		fetch->stored = 0; /* all of it, whatever was asked for */
		if (length >= 0 && (uint64_t)length != fetch->size)
			set_fault(fetch, FAULT_MISMATCH, "it has another size");
	} else if (status == 416) {
		set_fault(fetch, FAULT_MISMATCH, "it is shorter than it should be");
	} else {
		set_fault(fetch, FAULT_NOW, "the answer is none");
	}
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct fetch *fetch = arg;
	(void)size; /* is 1 */
	if (!fetch->is_begun)
		check_head(fetch);
	if (fetch->stored + fetch->n_row + n > fetch->size)
		set_fault(fetch, FAULT_MISMATCH, "it is longer than it should be");
	if (fetch->fault != FAULT_NONE)
		return 0;
	if (fetch->is_storing && fetch->n_row + n >= CONTENT_CHUNK_BYTES) {
		fetch->is_paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	for (size_t left = n; left > 0;) {
		size_t room = CONTENT_CHUNK_BYTES - fetch->n_row;
		size_t some = left < room ? left : room;
		memcpy(fetch->row + fetch->n_row, p + (n - left), some);
		fetch->n_row += some;
		left -= some;
		if (fetch->n_row == CONTENT_CHUNK_BYTES)
			store_row(fetch);
	}
	return n;
}

static void on_end(void *arg, CURL *easy, const char *why)
{
	struct fetch *fetch = arg;
	long status = 0;
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	if (!*why && !fetch->is_begun)
		check_head(fetch); /* of an answer without a body */
	fetch->status = (unsigned)status;
	fetch->easy = NULL;
	if (*why && fetch->fault == FAULT_NONE) {
		log_info("fetch_cut", log_str("key", fetch->effect->key),
			 log_num("bytes", (int64_t)fetch->stored), log_str("why", why));
		set_fault(fetch, FAULT_NOW, "the transfer was cut");
		fetch->status = 0;
	} else if (fetch->stored + fetch->n_row < fetch->size) {
		set_fault(fetch, FAULT_MISMATCH, "it is shorter than it should be");
	}
	go_on(fetch);
}

/* A row was stored, or the transfer has ended: the next step, when both are through. */
static void go_on(struct fetch *fetch)
{
	if (fetch->easy && fetch->is_paused) {
		fetch->is_paused = false;
		curl_easy_pause(fetch->easy, CURLPAUSE_CONT);
	}
	if (fetch->easy || fetch->is_storing)
		return;
	if (fetch->fault == FAULT_NOW) {
		fail(fetch);
	} else if (fetch->fault == FAULT_MISMATCH) {
		mismatch(fetch, NULL);
	} else if (fetch->n_row > 0) {
		store_row(fetch);
		if (!fetch->is_storing)
			fail(fetch);
	} else {
		fetch->digest = digest_begin();
		check_next(fetch);
	}
}

/* ---- The request ---- */

static void transfer(struct fetch *fetch)
{
	const struct fetcher *fetcher = fetch->fetcher;
	long row_s = (long)(fetcher->row_ms / 1000);
	CURL *easy = curl_easy_init();
	char range[32];
	BUG_ON(!easy);
	service_demand(fetcher->service, easy);
	TRANSFER_SET(easy, URL, fetch->url);
	TRANSFER_SET(easy, CONNECTTIMEOUT_MS, (long)fetcher->row_ms);
	TRANSFER_SET(easy, TIMEOUT_MS, (long)fetcher->limit_ms);
	TRANSFER_SET(easy, LOW_SPEED_TIME, row_s);
	TRANSFER_SET(easy, LOW_SPEED_LIMIT, (long)CONTENT_CHUNK_BYTES / row_s);
	TRANSFER_SET(easy, WRITEFUNCTION, on_body);
	TRANSFER_SET(easy, WRITEDATA, fetch);
	if (fetch->stored > 0) {
		snprintf(range, sizeof(range), "%" PRIu64 "-", fetch->stored);
		TRANSFER_SET(easy, RANGE, range);
	}
	log_info("fetch", log_str("key", fetch->effect->key),
		 log_num("from", (int64_t)fetch->stored),
		 log_num("of", (int64_t)fetch->size));
	fetch->easy = easy;
	transfers_begin(fetcher->transfers, easy, on_end, fetch);
}

/* The row that is wanted next; below 0: another way brought it all. */
static void on_next(void *arg, enum db_status status, const PGresult *result)
{
	struct fetch *fetch = arg;
	struct slice next = { NULL, 0 };
	uint64_t n;
	server_metrics_database(status);
	if (status == DB_OK && PQntuples(result) == 1)
		next = db_value(result, 0, 0);
	if (slice_eq(next, SLICE("-1"))) {
		effect_done(fetch->effect, 0);
		fetch_free(fetch);
	} else if (!slice_to_u64(next, INT32_MAX, &n)) {
		set_fault(fetch, FAULT_NOW, "the database does not know of it");
		fail(fetch);
	} else if (n * CONTENT_CHUNK_BYTES >= fetch->size) {
		go_on(fetch); /* all rows are there, and were not checked */
	} else {
		fetch->stored = n * CONTENT_CHUNK_BYTES;
		transfer(fetch);
	}
}

struct payload {
	struct slice sha256, url;
	int64_t size;
};

static const struct json_member payload_members[] = {
	{ "sha256", JSON_TEXT, offsetof(struct payload, sha256), 2 * SHA256_BYTES,
	  2 * SHA256_BYTES },
	{ "url", JSON_TEXT, offsetof(struct payload, url), 1, URL_CHARS },
	{ "size", JSON_INT, offsetof(struct payload, size), 1, INT64_MAX },
};

static bool read_payload(struct fetch *fetch, struct slice text)
{
	struct payload payload;
	char why[128];
	json_t *json = json_parse(text, why, sizeof(why));
	bool is_good =
		json &&
		json_read(json, payload_members, 3, &payload, why, sizeof(why)) &&
		hex_decode(payload.sha256, fetch->sha256, SHA256_BYTES);
	if (is_good) {
		snprintf(fetch->url, sizeof(fetch->url), "%.*s", (int)payload.url.n,
			 payload.url.p);
		fetch->size = (uint64_t)payload.size;
	}
	json_decref(json);
	return is_good;
}

static void fetch_begin(void *fetcher, struct effect *effect, struct slice payload)
{
	struct fetch *fetch = calloc(1, sizeof(*fetch));
	BUG_ON(!fetch || !(fetch->row = malloc(CONTENT_CHUNK_BYTES)));
	fetch->fetcher = fetcher;
	fetch->effect = effect;
	if (!read_payload(fetch, payload)) {
		effect_fail(effect, 0, "the payload is malformed", true);
		fetch_free(fetch);
		return;
	}
	struct db_param param = db_bytes(fetch->sha256, SHA256_BYTES);
	if (!db_call(effect->db, STATEMENT_CONTENT_NEXT, &param, 1, on_next, fetch)) {
		set_fault(fetch, FAULT_NOW, "the queue of calls is full");
		fail(fetch);
	}
}

/* ---- The kind ---- */

static bool fetch_load(const struct server_config *config, void **secrets)
{
	*secrets = NULL;
	if (!config->fetch_trust)
		return true;
	struct fetcher *fetcher = calloc(1, sizeof(*fetcher));
	BUG_ON(!fetcher);
	fetcher->row_ms = config->fetch_timeout_ms;
	fetcher->limit_ms = config->fetch_limit_ms;
	fetcher->service = service_load(
		&(struct service_config){ .trust = config->fetch_trust }, "fetch");
	if (!fetcher->service) {
		free(fetcher);
		return false;
	}
	*secrets = fetcher;
	return true;
}

static void *fetch_open(void *secrets, struct transfers *transfers)
{
	struct fetcher *fetcher = secrets;
	fetcher->transfers = transfers;
	return fetcher;
}

static int64_t fetch_timeout_ms(const struct server_config *config)
{
	return LEASE_FACTOR * config->fetch_timeout_ms;
}

const struct effect_kind fetch_kind = {
	.name = "fetch",
	.in_hand = 2,
	.metrics = SERVER_FETCH_DONE,
	.load = fetch_load,
	.open = fetch_open,
	.timeout_ms = fetch_timeout_ms,
	.begin = fetch_begin,
};
