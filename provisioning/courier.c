#include "provisioning/courier.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/schema.h"
#include "provisioning/billing.h"
#include "provisioning/billing_file.h"
#include "provisioning/effect.h"
#include "provisioning/fetch.h"
#include "provisioning/hook.h"
#include "provisioning/mail.h"
#include "provisioning/verification.h"

#define POLL_FIRST_MS  50
#define POLL_CAP_MS    1000
#define SWEEP_MS       1000
#define SWEEP_LIMIT    100
#define FORGET_LIMIT   "10000"
#define LEASE_SPARE_MS 10000 /* beyond one attempt, for the answer to be stored */
#define QUEUE_LIMIT    256   /* calls of the database under way or waiting */

#define KINDS_MAX  8
#define CHORES_MAX 4
#define N_QUEUES   8 /* kinds of effects, whoever brings them */

/* What a process of the role does. */
struct duty {
	const char *name, *application;
	bool is_sweeping; /* ends what is over, and counts the queues */
	const struct effect_kind *kinds[KINDS_MAX]; /* NULL past the end */
	/* What is done for one thing at a time, and says whether there may be more. */
	enum statement chores[CHORES_MAX];
	size_t n_chores;
};

static const struct duty duty_of_calls = {
	.name = "courier",
	.application = "provbox-server/courier",
	.is_sweeping = true,
	.kinds = { &billing_kind, &fetch_kind, &mail_kind, &hook_kind,
		   &verification_kind },
	.chores = { STATEMENT_ITEMS_SETTLE, STATEMENT_STATUS_NOTICE },
	.n_chores = 2,
};

static const struct duty duty_of_files = {
	.name = "files",
	.application = "provbox-server/files",
	.kinds = { &billing_file_kind },
	.chores = { STATEMENT_BILLING_FILE_CUT },
	.n_chores = 1,
};

struct chore {
	struct courier *courier;
	enum statement statement;
	bool is_under_way;
};

/* The effects of one kind. */
struct lane {
	struct courier *courier;
	const struct effect_kind *kind;
	void *secrets; /* NULL: nothing of this kind is configured */
	void *state;   /* of the kind */
	struct timer poll;
	int64_t poll_ms;
	bool is_leasing;
	size_t n_effects; /* leased and not yet stored */
};

struct courier {
	const struct server_config *config;
	const struct duty *duty;
	struct worker *worker;
	struct loop *loop;
	struct db *db;
	char name[32];
	struct transfers *transfers;
	struct lane lanes[KINDS_MAX];
	size_t n_lanes;
	struct timer sweep;
	struct chore chores[CHORES_MAX];
	bool is_stopping;
	int64_t queued[N_QUEUES][3]; /* as counted into the gauges: due, dead, oldest */
};

static size_t count_effects(const struct courier *courier)
{
	size_t n = 0;
	for (size_t i = 0; i < courier->n_lanes; i++)
		n += courier->lanes[i].n_effects;
	return n;
}

/* Nothing is in hand when it is to end: that is the end. */
static void courier_rest(const struct courier *courier)
{
	if (!courier->is_stopping || count_effects(courier) > 0)
		return;
	for (size_t i = 0; i < courier->n_lanes; i++)
		if (courier->lanes[i].is_leasing)
			return;
	loop_stop(courier->loop);
}

static bool is_db_ok(enum db_status status)
{
	metrics_add(SERVER_DATABASE_CALLS, 1);
	server_metrics_database(status);
	return status == DB_OK;
}

/* ---- Leasing ---- */

static void on_effect_end(void *arg)
{
	struct lane *lane = arg;
	lane->n_effects--;
	courier_rest(lane->courier);
	/* There may be more where it came from. */
	if (!lane->courier->is_stopping)
		timer_start(&lane->poll, 0);
}

static bool copy(char *out, size_t cap, struct slice text)
{
	if (text.n == 0 || text.n >= cap)
		return false;
	memcpy(out, text.p, text.n);
	out[text.n] = '\0';
	return true;
}

/* Columns: id, kind, key, attempt, payload, token. */
static void effect_begin(struct lane *lane, const PGresult *row, int n)
{
	struct effect *effect = calloc(1, sizeof(*effect));
	BUG_ON(!effect);
	if (!copy(effect->id, sizeof(effect->id), db_value(row, n, 0)) ||
	    !copy(effect->key, sizeof(effect->key), db_value(row, n, 2)) ||
	    !copy(effect->token, sizeof(effect->token), db_value(row, n, 5))) {
		log_error("row_malformed", log_str("statement", "outbox_lease"));
		free(effect);
		return;
	}
	effect->kind = lane->kind;
	effect->db = lane->courier->db;
	effect->on_end = on_effect_end;
	effect->lane = lane;
	lane->n_effects++;
	lane->kind->begin(lane->state, effect, db_value(row, n, 4));
}

static void poll_later(struct lane *lane)
{
	if (lane->courier->is_stopping)
		return;
	timer_start(&lane->poll, lane->poll_ms);
	lane->poll_ms =
		lane->poll_ms * 2 < POLL_CAP_MS ? lane->poll_ms * 2 : POLL_CAP_MS;
}

static void on_leased(void *arg, enum db_status status, const PGresult *result)
{
	struct lane *lane = arg;
	int n = is_db_ok(status) ? PQntuples(result) : 0;
	lane->is_leasing = false;
	for (int i = 0; i < n; i++)
		effect_begin(lane, result, i);
	if (n > 0)
		lane->poll_ms = POLL_FIRST_MS;
	poll_later(lane);
	courier_rest(lane->courier);
}

static void on_poll(void *arg)
{
	struct lane *lane = arg;
	const struct courier *courier = lane->courier;
	char name[32], limit[24], lease[40];
	if (lane->is_leasing || lane->n_effects >= lane->kind->in_hand)
		return; /* the end of either polls again */
	snprintf(name, sizeof(name), "{%s}", lane->kind->name);
	snprintf(limit, sizeof(limit), "%zu", lane->kind->in_hand - lane->n_effects);
	snprintf(lease, sizeof(lease), "%" PRId64 " milliseconds",
		 lane->kind->timeout_ms(courier->config) + LEASE_SPARE_MS);
	struct db_param params[] = { db_text(name), db_text(courier->name),
				     db_text(limit), db_text(lease) };
	lane->is_leasing = db_call(courier->db, STATEMENT_OUTBOX_LEASE, params, 4,
				   on_leased, lane) != NULL;
	if (!lane->is_leasing)
		poll_later(lane);
}

/* ---- Every second: what has ended, and how long the queues are ---- */

static void on_expired(void *arg, enum db_status status, const PGresult *result)
{
	(void)arg;
	uint64_t n = 0;
	if (is_db_ok(status) && PQntuples(result) == 1 &&
	    slice_to_u64(db_value(result, 0, 0), INT64_MAX, &n) && n > 0) {
		metrics_add(SERVER_REQUESTS_EXPIRED, (int64_t)n);
		log_info("requests_expired", log_num("n", (int64_t)n));
	}
}

#define QUEUE(name, NAME)                                                        \
	{                                                                        \
		name,                                                            \
		{                                                                \
			SERVER_OUTBOX_##NAME##_DUE, SERVER_OUTBOX_##NAME##_DEAD, \
				SERVER_OUTBOX_##NAME##_OLDEST                    \
		}                                                                \
	}
static const struct {
	const char *kind;
	enum server_metric gauges[3]; /* as the columns of queue_read() */
} queues[N_QUEUES] = {
	QUEUE("sms", SMS),     QUEUE("mail", MAIL),       QUEUE("billing", BILLING),
	QUEUE("file", FILE),   QUEUE("service", SERVICE), QUEUE("verify", VERIFY),
	QUEUE("fetch", FETCH), QUEUE("hook", HOOK),
};

static void count_queue(struct courier *courier, size_t queue, const PGresult *result,
			int row)
{
	for (int i = 0; i < 3; i++) {
		int64_t *counted = &courier->queued[queue][i];
		uint64_t now;
		if (!slice_to_u64(db_value(result, row, 1 + i), INT64_MAX, &now))
			continue;
		metrics_add(queues[queue].gauges[i], (int64_t)now - *counted);
		*counted = (int64_t)now;
	}
}

/* Columns: kind, due, dead, oldest in seconds. */
static void on_queues(void *arg, enum db_status status, const PGresult *result)
{
	struct courier *courier = arg;
	if (!is_db_ok(status))
		return;
	for (int i = 0; i < PQntuples(result); i++)
		for (size_t n = 0; n < N_QUEUES; n++)
			if (slice_eq(db_value(result, i, 0), slice_of(queues[n].kind)))
				count_queue(courier, n, result, i);
}

static void on_swept(void *arg, enum db_status status, const PGresult *result)
{
	(void)arg, (void)result;
	(void)is_db_ok(status); /* what failed is made up for by the next */
}

static void chore_do(struct chore *chore);

/* There may be more, which is not left to the next sweep. */
static void on_chore_done(void *arg, enum db_status status, const PGresult *result)
{
	struct chore *chore = arg;
	chore->is_under_way = false;
	if (is_db_ok(status) && PQntuples(result) == 1 &&
	    slice_eq(db_value(result, 0, 0), SLICE("t")) &&
	    !chore->courier->is_stopping)
		chore_do(chore);
}

static void chore_do(struct chore *chore)
{
	chore->is_under_way = db_call(chore->courier->db, chore->statement, NULL, 0,
				      on_chore_done, chore) != NULL;
}

/* A sweep that finds the queue of calls full is made up for by the next. */
static void on_sweep(void *arg)
{
	struct courier *courier = arg;
	char limit[24];
	snprintf(limit, sizeof(limit), "%d", SWEEP_LIMIT);
	struct db_param params[] = { db_text(limit) };
	struct db_param forget[] = { db_text(FORGET_LIMIT) };
	if (courier->duty->is_sweeping && db_is_ready(courier->db) &&
	    (!db_call(courier->db, STATEMENT_REQUESTS_EXPIRE, params, 1, on_expired,
		      courier) ||
	     !db_call(courier->db, STATEMENT_CONTROL_FORGET, forget, 1, on_swept,
		      courier) ||
	     !db_call(courier->db, STATEMENT_QUEUE_READ, NULL, 0, on_queues, courier)))
		log_warn("sweep_skipped", log_str("why", "queue of calls is full"));
	for (size_t i = 0; i < courier->duty->n_chores; i++)
		if (db_is_ready(courier->db) && !courier->chores[i].is_under_way)
			chore_do(&courier->chores[i]);
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
		.application_name = courier->duty->application,
		.statements = statements,
		.n_statements = STATEMENT_N,
		.connections = 2, /* so that a sweep does not hold up an effect */
		.queue_limit = QUEUE_LIMIT,
		.timeout_ms = config->database_timeout_ms,
		.prepare = config->is_prepare,
		.schema_version = SCHEMA_VERSION,
	};
	char why[256];
	courier->db = db_open(courier->loop, &settings, why, sizeof(why));
	if (!courier->db) {
		config_log_error("dsn", why);
		return false;
	}
	db_on_ready(courier->db, on_database, courier);
	return true;
}

static bool load(const struct duty *duty, const void *config, void **secrets)
{
	struct courier *courier = calloc(1, sizeof(*courier));
	BUG_ON(!courier);
	courier->config = config;
	courier->duty = duty;
	*secrets = courier;
	for (const struct effect_kind *const *kind = duty->kinds; *kind; kind++)
		if (!(*kind)->load(config,
				   &courier->lanes[courier->n_lanes++].secrets)) {
			free(courier);
			return false;
		}
	return true;
}

bool courier_load(const void *config, void **secrets)
{
	return load(&duty_of_calls, config, secrets);
}

bool courier_load_files(const void *config, void **secrets)
{
	return load(&duty_of_files, config, secrets);
}

static void open_lane(struct courier *courier, struct lane *lane,
		      const struct effect_kind *kind)
{
	lane->courier = courier;
	lane->kind = kind;
	lane->poll_ms = POLL_FIRST_MS;
	timer_init(&lane->poll, courier->loop, on_poll, lane);
	if (!lane->secrets)
		return;
	lane->state = kind->open(lane->secrets, courier->transfers);
	on_poll(lane);
}

bool courier_start(struct worker *worker)
{
	struct courier *courier = worker->secrets;
	courier->worker = worker;
	courier->loop = worker->loop;
	snprintf(courier->name, sizeof(courier->name), "%s-%d", courier->duty->name,
		 (int)getpid());
	timer_init(&courier->sweep, courier->loop, on_sweep, courier);
	for (size_t i = 0; i < courier->duty->n_chores; i++)
		courier->chores[i] =
			(struct chore){ .courier = courier,
					.statement = courier->duty->chores[i] };
	if (!open_database(courier))
		return false;
	on_sweep(courier);
	courier->transfers = transfers_new(courier->loop);
	for (size_t i = 0; i < courier->n_lanes; i++)
		open_lane(courier, &courier->lanes[i], courier->duty->kinds[i]);
	return true;
}

/* What is in hand is finished, and nothing more is leased. */
void courier_stop(struct worker *worker)
{
	struct courier *courier = worker->secrets;
	courier->is_stopping = true;
	for (size_t i = 0; i < courier->n_lanes; i++)
		timer_cancel(&courier->lanes[i].poll);
	timer_cancel(&courier->sweep);
	courier_rest(courier);
}

/* What is in hand is leased: it is sent again, under the same key, by the next. */
size_t courier_cut(struct worker *worker)
{
	return count_effects(worker->secrets);
}
