#include "provisioning/courier.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "provisioning/poster.h"
#include "provisioning/server_config.h"
#include "provisioning/server_metrics.h"
#include "provisioning/statement.h"

#define BATCH          16 /* effects in hand at a time */
#define POLL_FIRST_MS  50
#define POLL_CAP_MS    1000
#define SWEEP_MS       1000
#define SWEEP_LIMIT    100
#define FORGET_LIMIT   "10000"
#define LEASE_SPARE_MS 10000 /* beyond one attempt, for the answer to be stored */
#define BODY_TYPE      "application/cloudevents+json"

/* Two bigints, a uuid and a key as the database writes them. */
#define ID_CHARS    20
#define TOKEN_CHARS 36
#define KEY_CHARS   200

struct courier {
	const struct server_config *config;
	struct worker *worker;
	struct loop *loop;
	struct db *db;
	struct poster *poster;
	char *trust; /* of the billing server, PEM; NULL: no billing */
	char name[32];
	struct timer poll, sweep;
	int64_t poll_ms;
	bool is_leasing;
	bool is_stopping;
	size_t n_effects;  /* leased and not yet stored */
	int64_t due, dead; /* as last counted into the gauges */
};

/* One leased row, until the database knows what came of it. */
struct effect {
	struct courier *courier;
	char id[ID_CHARS + 1];
	char token[TOKEN_CHARS + 1];
	char key[KEY_CHARS + 1];
	unsigned status;
};

/* Nothing is in hand when it is to end: that is the end. */
static void courier_rest(const struct courier *courier)
{
	if (courier->is_stopping && !courier->is_leasing && courier->n_effects == 0)
		loop_stop(courier->loop);
}

/* ---- What came of an effect ---- */

static void effect_free(struct effect *effect)
{
	struct courier *courier = effect->courier;
	courier->n_effects--;
	free(effect);
	courier_rest(courier);
	/* There may be more where it came from. */
	if (!courier->is_stopping)
		timer_start(&courier->poll, 0);
}

static bool is_db_ok(enum db_status status)
{
	metrics_add(SERVER_DATABASE_CALLS, 1);
	server_metrics_database(status);
	return status == DB_OK;
}

/* Not stored: the lease runs out and it is sent again under the same key. */
static void on_stored(void *arg, enum db_status status, const PGresult *result)
{
	struct effect *effect = arg;
	struct slice state = { NULL, 0 };
	if (is_db_ok(status) && PQntuples(result) == 1)
		state = db_value(result, 0, 0);
	if (slice_eq(state, SLICE("dead"))) {
		metrics_add(SERVER_BILLING_DEAD, 1);
		log_error("effect_dead", log_str("kind", "billing"),
			  log_str("key", effect->key),
			  log_num("status", effect->status));
	}
	effect_free(effect);
}

enum courier_verdict courier_judge(unsigned status)
{
	if (status >= 200 && status < 300)
		return COURIER_DONE;
	if (status == 408 || status == 425 || status == 429)
		return COURIER_FAILED;
	return status >= 300 && status < 500 ? COURIER_REFUSED : COURIER_FAILED;
}

static void effect_store(struct effect *effect, enum courier_verdict verdict)
{
	static const char *const reasons[] = {
		[COURIER_FAILED] = "effect_failed",
		[COURIER_REFUSED] = "effect_refused",
	};
	bool is_done = verdict == COURIER_DONE;
	struct db_param params[] = {
		db_text(effect->id),
		db_text(effect->token),
		db_text(reasons[verdict]),
		db_text(verdict == COURIER_REFUSED ? "true" : "false"),
	};
	if (!db_call(effect->courier->db,
		     is_done ? STATEMENT_OUTBOX_DONE : STATEMENT_OUTBOX_RETRY, params,
		     is_done ? 2 : 4, on_stored, effect))
		effect_free(effect);
}

static void on_posted(void *arg, unsigned status, const char *why)
{
	struct effect *effect = arg;
	enum courier_verdict verdict = courier_judge(status);
	effect->status = status;
	if (verdict == COURIER_DONE) {
		metrics_add(SERVER_BILLING_POSTED, 1);
		log_info("effect_done", log_str("kind", "billing"),
			 log_str("key", effect->key), log_num("status", status));
	} else {
		metrics_add(SERVER_BILLING_RETRIED, 1);
		log_warn("effect_failed", log_str("kind", "billing"),
			 log_str("key", effect->key), log_num("status", status),
			 log_str("why", why));
	}
	effect_store(effect, verdict);
}

/* ---- Leasing ---- */

static bool copy(char *out, size_t cap, struct slice text)
{
	if (text.n == 0 || text.n >= cap)
		return false;
	memcpy(out, text.p, text.n);
	out[text.n] = '\0';
	return true;
}

/* Columns: id, kind, key, attempt, payload, token. */
static void effect_begin(struct courier *courier, const PGresult *row, int n)
{
	struct effect *effect = calloc(1, sizeof(*effect));
	BUG_ON(!effect);
	effect->courier = courier;
	if (!copy(effect->id, sizeof(effect->id), db_value(row, n, 0)) ||
	    !copy(effect->key, sizeof(effect->key), db_value(row, n, 2)) ||
	    !copy(effect->token, sizeof(effect->token), db_value(row, n, 5))) {
		log_error("row_malformed", log_str("statement", "outbox_lease"));
		free(effect);
		return;
	}
	courier->n_effects++;
	poster_post(courier->poster, db_value(row, n, 4), effect->key, on_posted,
		    effect);
}

static void poll_later(struct courier *courier)
{
	if (courier->is_stopping)
		return;
	timer_start(&courier->poll, courier->poll_ms);
	courier->poll_ms =
		courier->poll_ms * 2 < POLL_CAP_MS ? courier->poll_ms * 2 : POLL_CAP_MS;
}

static void on_leased(void *arg, enum db_status status, const PGresult *result)
{
	struct courier *courier = arg;
	int n = is_db_ok(status) ? PQntuples(result) : 0;
	courier->is_leasing = false;
	for (int i = 0; i < n; i++)
		effect_begin(courier, result, i);
	if (n > 0)
		courier->poll_ms = POLL_FIRST_MS;
	poll_later(courier);
	courier_rest(courier);
}

static void on_poll(void *arg)
{
	struct courier *courier = arg;
	char limit[24], lease[40];
	if (courier->is_leasing || courier->n_effects >= BATCH)
		return; /* the end of either polls again */
	snprintf(limit, sizeof(limit), "%zu", BATCH - courier->n_effects);
	snprintf(lease, sizeof(lease), "%" PRId64 " milliseconds",
		 courier->config->billing_timeout_ms + LEASE_SPARE_MS);
	struct db_param params[] = { db_text("{billing}"), db_text(courier->name),
				     db_text(limit), db_text(lease) };
	courier->is_leasing = db_call(courier->db, STATEMENT_OUTBOX_LEASE, params, 4,
				      on_leased, courier) != NULL;
	if (!courier->is_leasing)
		poll_later(courier);
}

/* ---- Every second: what has ended, and how long the queues are ---- */

static void on_expired(void *arg, enum db_status status, const PGresult *result)
{
	(void)arg;
	uint64_t n = 0;
	if (is_db_ok(status) && PQntuples(result) == 1 &&
	    slice_to_u64(db_value(result, 0, 0), INT64_MAX, &n) && n > 0) {
		metrics_add(SERVER_OFFERS_EXPIRED, (int64_t)n);
		log_info("offers_expired", log_num("n", (int64_t)n));
	}
}

/* Columns: kind, due, dead; messages are counted by those who send them. */
static void on_queues(void *arg, enum db_status status, const PGresult *result)
{
	struct courier *courier = arg;
	int64_t due = 0, dead = 0;
	if (!is_db_ok(status))
		return;
	for (int i = 0; i < PQntuples(result); i++) {
		uint64_t row_due, row_dead;
		if (slice_eq(db_value(result, i, 0), SLICE("sms")) ||
		    !slice_to_u64(db_value(result, i, 1), INT64_MAX, &row_due) ||
		    !slice_to_u64(db_value(result, i, 2), INT64_MAX, &row_dead))
			continue;
		due += (int64_t)row_due;
		dead += (int64_t)row_dead;
	}
	metrics_add(SERVER_OUTBOX_DUE, due - courier->due);
	metrics_add(SERVER_OUTBOX_DEAD, dead - courier->dead);
	courier->due = due;
	courier->dead = dead;
}

static void on_forgotten(void *arg, enum db_status status, const PGresult *result)
{
	(void)arg, (void)result;
	(void)is_db_ok(status); /* what failed is made up for by the next */
}

/* A sweep that finds the queue of calls full is made up for by the next. */
static void on_sweep(void *arg)
{
	struct courier *courier = arg;
	char limit[24];
	snprintf(limit, sizeof(limit), "%d", SWEEP_LIMIT);
	struct db_param params[] = { db_text(limit) };
	struct db_param forget[] = { db_text(FORGET_LIMIT) };
	if (db_is_ready(courier->db) &&
	    (!db_call(courier->db, STATEMENT_REQUESTS_EXPIRE, params, 1, on_expired,
		      courier) ||
	     !db_call(courier->db, STATEMENT_CONTROL_FORGET, forget, 1, on_forgotten,
		      courier) ||
	     !db_call(courier->db, STATEMENT_QUEUE_READ, NULL, 0, on_queues, courier)))
		log_warn("sweep_skipped", log_str("why", "queue of calls is full"));
	timer_start(&courier->sweep, SWEEP_MS);
}

/* ---- The role ---- */

static void on_database(void *arg, bool is_ready)
{
	struct courier *courier = arg;
	metrics_add(SERVER_DATABASE_UP, is_ready ? 1 : -1);
	worker_set_ready(courier->worker, is_ready);
}

static bool open_database(struct courier *courier)
{
	const struct server_config *config = courier->config;
	struct db_settings settings = {
		.dsn = config->dsn,
		.application_name = "provbox-server/courier",
		.statements = statements,
		.n_statements = STATEMENT_N,
		.connections = 2, /* so that a sweep does not hold up an effect */
		.queue_limit = 4 * BATCH,
		.timeout_ms = config->database_timeout_ms,
		.prepare = config->is_prepare,
	};
	char why[256];
	courier->db = db_open(courier->loop, &settings, why, sizeof(why));
	if (!courier->db) {
		log_error("config", log_str("key", "dsn"), log_str("why", why));
		return false;
	}
	db_on_ready(courier->db, on_database, courier);
	return true;
}

/* A whole small file as a string; NULL with errno set. */
static char *read_file(const char *path)
{
	char *text = NULL;
	size_t size = 0;
	FILE *file = fopen(path, "r");
	if (file && getdelim(&text, &size, '\0', file) < 0) {
		free(text);
		text = NULL;
	}
	if (file)
		fclose(file);
	return text;
}

bool courier_load(const void *config, void **secrets)
{
	struct courier *courier = calloc(1, sizeof(*courier));
	BUG_ON(!courier);
	courier->config = config;
	*secrets = courier;
	if (!*courier->config->billing_url)
		return true;
	courier->trust = read_file(courier->config->billing_trust);
	if (courier->trust)
		return true;
	log_error("config", log_str("key", "billing_trust"),
		  log_str("why", strerror(errno)));
	free(courier);
	return false;
}

bool courier_start(struct worker *worker)
{
	struct courier *courier = worker->secrets;
	courier->worker = worker;
	courier->loop = worker->loop;
	courier->poll_ms = POLL_FIRST_MS;
	snprintf(courier->name, sizeof(courier->name), "courier-%d", (int)getpid());
	timer_init(&courier->poll, courier->loop, on_poll, courier);
	timer_init(&courier->sweep, courier->loop, on_sweep, courier);
	if (!open_database(courier))
		return false;
	on_sweep(courier);
	if (!courier->trust)
		return true;
	struct post_settings settings = {
		.url = courier->config->billing_url,
		.trust = slice_of(courier->trust),
		.content_type = BODY_TYPE,
		.timeout_ms = courier->config->billing_timeout_ms,
	};
	courier->poster = poster_new(courier->loop, &settings);
	on_poll(courier);
	return true;
}

/* What is in hand is finished, and nothing more is leased. */
void courier_stop(struct worker *worker)
{
	struct courier *courier = worker->secrets;
	courier->is_stopping = true;
	timer_cancel(&courier->poll);
	timer_cancel(&courier->sweep);
	courier_rest(courier);
}

/* What is in hand is leased: it is sent again, under the same key, by the next. */
size_t courier_cut(struct worker *worker)
{
	const struct courier *courier = worker->secrets;
	return courier->n_effects;
}
