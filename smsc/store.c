#include "smsc/store.h"

#include <search.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/log.h"
#include "smsc/array.h"
#include "smsc/smsc_metrics.h"

#define RETRY_MIN_MS 100
#define RETRY_MAX_MS 5000
#define BATCH_MAX    STORE_HIGH
#define COMPANY_MS   50

struct fact {
	/* In held or its lane, then in ready where it is batched, then in calling or
	 * batch, and in waiting. */
	TAILQ_ENTRY(fact) link;
	struct store *store;
	struct lane *lane;
	size_t statement;
	store_fn *fn;
	void *arg;
	struct db_call *call; /* of it alone; NULL while there is none */
	bool is_batched, is_alone, may_join;
	int64_t company_by_ms; /* until then it may wait for another of its lane */
	uint64_t number;       /* of its putting */
	size_t n_before;       /* facts put before it that it still waits for */
	int64_t failed_ms;     /* since when the database fails it; 0: it does not */
	size_t n_params;
	struct slice params[STORE_PARAMS_MAX];
	char bytes[]; /* of the params */
};
TAILQ_HEAD(facts, fact);

/* Facts about one thing, of which one at a time is on its way: statements on several
 * connections, and repeated ones, would overtake each other. Those to which that does
 * not matter may be on their way together. */
struct lane {
	struct slice key;   /* first parameter of its facts; first member: the key */
	size_t n_going;     /* facts on their way */
	bool is_joint;      /* those may all be joined by others like them */
	struct facts facts; /* that wait for these */
	char bytes[];       /* of the key */
};

struct store {
	struct loop *loop;
	struct db *db;
	int64_t give_up_ms;
	void *lanes; /* tsearch(3) tree of struct lane */
	struct facts calling, waiting;
	struct facts held;  /* until all before them are stored */
	struct facts ready; /* for the next batch */
	struct facts batch; /* on their way together */
	struct db_call *batch_call;
	size_t n;
	uint64_t n_put;
	struct timer retry, company;
	int64_t retry_ms;
	loop_fn *on_progress;
	void *progress_arg;
};

static void call(struct fact *fact);
static void send_batch(struct store *store);

static void count(struct store *store, int change)
{
	store->n = (size_t)((int64_t)store->n + change);
	metrics_add(SMSC_UNSTORED, change);
}

static void wait_for_retry(struct fact *fact)
{
	struct store *store = fact->store;
	fact->call = NULL;
	TAILQ_INSERT_TAIL(&store->waiting, fact, link);
	if (!timer_is_pending(&store->retry))
		timer_start(&store->retry, store->retry_ms);
}

static void on_retry(void *arg)
{
	struct store *store = arg;
	struct facts again = TAILQ_HEAD_INITIALIZER(again);
	struct fact *fact;
	store->retry_ms *= 2;
	if (store->retry_ms > RETRY_MAX_MS)
		store->retry_ms = RETRY_MAX_MS;
	TAILQ_CONCAT(&again, &store->waiting, link);
	while ((fact = TAILQ_FIRST(&again))) {
		TAILQ_REMOVE(&again, fact, link);
		call(fact);
	}
}

/* The value itself is refused (class 22, data exception; 23, constraint): it would be
 * every time. */
static bool is_hopeless(const char *sqlstate)
{
	return strncmp(sqlstate, "22", 2) == 0 || strncmp(sqlstate, "23", 2) == 0;
}

static int compare(const void *a, const void *b)
{
	struct slice one = *(const struct slice *)a, other = *(const struct slice *)b;
	if (one.n != other.n)
		return one.n < other.n ? -1 : 1;
	return one.n > 0 ? memcmp(one.p, other.p, one.n) : 0;
}

static struct lane *find_lane(struct store *store, struct slice key)
{
	struct lane *const *found = tfind(&key, &store->lanes, compare);
	return found ? *found : NULL;
}

static struct lane *new_lane(struct store *store, struct slice key)
{
	struct lane *lane = calloc(1, sizeof(*lane) + key.n);
	BUG_ON(!lane);
	if (key.n > 0)
		memcpy(lane->bytes, key.p, key.n);
	lane->key = slice_make(lane->bytes, key.n);
	TAILQ_INIT(&lane->facts);
	void *added = tsearch(lane, &store->lanes, compare);
	BUG_ON(!added);
	return lane;
}

static void set_out(struct fact *fact)
{
	fact->lane->n_going++;
	fact->lane->is_joint = fact->may_join;
	call(fact);
}

static bool may_set_out(const struct fact *fact)
{
	const struct lane *lane = fact->lane;
	return lane->n_going == 0 || (lane->is_joint && fact->may_join);
}

/* A fact sets out, or waits for those of its lane that are on their way. */
static void enter_lane(struct fact *fact)
{
	struct store *store = fact->store;
	fact->lane = find_lane(store, fact->params[0]);
	if (!fact->lane)
		fact->lane = new_lane(store, fact->params[0]);
	if (TAILQ_EMPTY(&fact->lane->facts) && may_set_out(fact))
		set_out(fact);
	else
		TAILQ_INSERT_TAIL(&fact->lane->facts, fact, link);
}

/* One fact is stored: those that were held for it come closer to their turn. */
static void release(struct store *store, uint64_t number)
{
	struct fact *fact = TAILQ_FIRST(&store->held);
	while (fact) {
		struct fact *next = TAILQ_NEXT(fact, link);
		if (fact->number > number && --fact->n_before == 0) {
			TAILQ_REMOVE(&store->held, fact, link);
			enter_lane(fact);
		}
		fact = next;
	}
}

/* A fact on its way is over; those set out that need wait no more. */
static void go_on(struct store *store, struct lane *lane)
{
	struct fact *next;
	lane->n_going--;
	while ((next = TAILQ_FIRST(&lane->facts)) && may_set_out(next)) {
		TAILQ_REMOVE(&lane->facts, next, link);
		set_out(next);
	}
	if (lane->n_going > 0)
		return;
	tdelete(lane, &store->lanes, compare);
	free(lane);
}

static void finish(struct fact *fact, enum store_outcome outcome, struct slice answer)
{
	struct store *store = fact->store;
	count(store, -1);
	if (fact->fn)
		fact->fn(fact->arg, outcome, answer);
	go_on(store, fact->lane);
	release(store, fact->number);
	free(fact);
	if (store->on_progress)
		store->on_progress(store->progress_arg);
}

/* The database is there and fails the statement: a right or a function is missing, or
 * has an error. That is mended, or not; others need not wait for it. */
static void on_failed(struct fact *fact, const char *sqlstate)
{
	int64_t now_ms = loop_now_ms(fact->store->loop);
	if (is_hopeless(sqlstate)) {
		finish(fact, STORE_REFUSED, SLICE(""));
		return;
	}
	if (fact->failed_ms == 0)
		fact->failed_ms = now_ms;
	if (now_ms - fact->failed_ms < fact->store->give_up_ms) {
		wait_for_retry(fact);
		return;
	}
	metrics_add(SMSC_GIVEN_UP, 1);
	log_error("fact_given_up", log_slice("id", fact->params[0]),
		  log_str("sqlstate", sqlstate));
	finish(fact, STORE_GIVEN_UP, SLICE(""));
}

static struct slice answer_of(const PGresult *result, int row)
{
	return PQntuples(result) > row ? db_value(result, row, 0) : SLICE("");
}

/* What became of one fact. A call without a result says nothing about it: the
 * connection was lost, another had its locks, the time was over. */
static void settle(struct fact *fact, bool was_alone, enum db_status status,
		   const PGresult *result, int row)
{
	switch (status) {
	case DB_OK:
		fact->store->retry_ms = RETRY_MIN_MS;
		finish(fact, STORE_DONE, answer_of(result, row));
		break;
	case DB_FAILED:
		if (was_alone) {
			on_failed(fact, PQresultErrorField(result, PG_DIAG_SQLSTATE));
			break;
		}
		fact->is_alone = true;
		TAILQ_INSERT_TAIL(&fact->store->ready, fact, link);
		break;
	case DB_UNAVAILABLE:
	case DB_TIMEOUT:
		fact->failed_ms = 0;
		wait_for_retry(fact);
		break;
	}
}

static void on_called(void *arg, enum db_status status, const PGresult *result)
{
	struct fact *fact = arg;

	TAILQ_REMOVE(&fact->store->calling, fact, link);
	settle(fact, true, status, result, 0);
}

/* ---- Batches ---- */

static void on_batch(void *arg, enum db_status status, const PGresult *result)
{
	struct store *store = arg;
	struct facts batch = TAILQ_HEAD_INITIALIZER(batch);
	struct fact *fact;
	int row = 0;
	TAILQ_CONCAT(&batch, &store->batch, link);
	bool was_alone = TAILQ_NEXT(TAILQ_FIRST(&batch), link) == NULL;
	while ((fact = TAILQ_FIRST(&batch))) {
		TAILQ_REMOVE(&batch, fact, link);
		settle(fact, was_alone, status, result, row++);
	}
	store->batch_call = NULL;
	send_batch(store);
}

/* It is the only one of its lane on its way, and what follows it may come soon. */
static bool awaits_company(const struct fact *fact)
{
	return !fact->is_alone && fact->lane->n_going == 1 &&
	       loop_now_ms(fact->store->loop) < fact->company_by_ms;
}

/* Move what goes together with the first ready fact that need wait no more. */
static void fill_batch(struct store *store)
{
	struct fact *first = TAILQ_FIRST(&store->ready), *fact, *next;
	while (first && awaits_company(first))
		first = TAILQ_NEXT(first, link);
	fact = first;
	for (size_t n = 0; fact && n < BATCH_MAX; fact = next) {
		next = first->is_alone ? NULL : TAILQ_NEXT(fact, link);
		if (fact->statement != first->statement ||
		    fact->is_alone != first->is_alone || awaits_company(fact))
			continue;
		TAILQ_REMOVE(&store->ready, fact, link);
		TAILQ_INSERT_TAIL(&store->batch, fact, link);
		n++;
	}
}

static struct db_call *call_batch(struct store *store)
{
	struct array arrays[STORE_PARAMS_MAX] = { { 0 } };
	struct db_param params[STORE_PARAMS_MAX];
	const struct fact *first = TAILQ_FIRST(&store->batch), *fact;
	for (size_t i = 0; i < first->n_params; i++) {
		TAILQ_FOREACH (fact, &store->batch, link)
			array_add(&arrays[i], fact->params[i]);
		params[i] = db_slice(array_literal(&arrays[i]));
	}
	struct db_call *sent = db_call(store->db, first->statement, params,
				       first->n_params, on_batch, store);
	for (size_t i = 0; i < first->n_params; i++)
		array_free(&arrays[i]);
	return sent;
}

/* The next batch sets out, unless one is on its way. */
static void send_batch(struct store *store)
{
	struct fact *fact;
	if (store->batch_call || TAILQ_EMPTY(&store->ready))
		return;
	fill_batch(store);
	if (TAILQ_EMPTY(&store->batch)) {
		if (!timer_is_pending(&store->company))
			timer_start(&store->company, COMPANY_MS);
		return;
	}
	store->batch_call = call_batch(store);
	while (!store->batch_call && (fact = TAILQ_FIRST(&store->batch))) {
		TAILQ_REMOVE(&store->batch, fact, link);
		wait_for_retry(fact);
	}
}

static void on_company(void *arg)
{
	send_batch(arg);
}

static void call(struct fact *fact)
{
	struct store *store = fact->store;
	struct db_param params[STORE_PARAMS_MAX];
	if (fact->is_batched) {
		TAILQ_INSERT_TAIL(&store->ready, fact, link);
		send_batch(store);
		return;
	}
	for (size_t i = 0; i < fact->n_params; i++)
		params[i] = fact->params[i].p ? db_slice(fact->params[i]) : db_null();
	fact->call = db_call(store->db, fact->statement, params, fact->n_params,
			     on_called, fact);
	if (!fact->call) {
		wait_for_retry(fact);
		return;
	}
	TAILQ_INSERT_TAIL(&store->calling, fact, link);
}

struct store *store_new(struct loop *loop, struct db *db, int64_t give_up_ms)
{
	struct store *store = calloc(1, sizeof(*store));
	BUG_ON(!store);
	store->loop = loop;
	store->db = db;
	store->give_up_ms = give_up_ms;
	store->retry_ms = RETRY_MIN_MS;
	TAILQ_INIT(&store->calling);
	TAILQ_INIT(&store->waiting);
	TAILQ_INIT(&store->held);
	TAILQ_INIT(&store->ready);
	TAILQ_INIT(&store->batch);
	timer_init(&store->retry, loop, on_retry, store);
	timer_init(&store->company, loop, on_company, store);
	return store;
}

static void drop_all(struct facts *facts)
{
	struct fact *fact;
	while ((fact = TAILQ_FIRST(facts))) {
		TAILQ_REMOVE(facts, fact, link);
		if (fact->call)
			db_cancel(fact->call);
		free(fact);
	}
}

static void free_lane(void *arg)
{
	struct lane *lane = arg;
	drop_all(&lane->facts);
	free(lane);
}

void store_free(struct store *store)
{
	timer_cancel(&store->retry);
	timer_cancel(&store->company);
	if (store->batch_call)
		db_cancel(store->batch_call);
	drop_all(&store->ready);
	drop_all(&store->batch);
	drop_all(&store->calling);
	drop_all(&store->waiting);
	drop_all(&store->held);
	tdestroy(store->lanes, free_lane);
	free(store);
}

static struct fact *new_fact(struct store *store, size_t statement,
			     const struct slice *params, size_t n_params, store_fn *fn,
			     void *arg)
{
	size_t bytes = 0;
	BUG_ON(n_params < 1 || n_params > STORE_PARAMS_MAX);
	for (size_t i = 0; i < n_params; i++)
		bytes += params[i].n;
	struct fact *fact = calloc(1, sizeof(*fact) + bytes);
	BUG_ON(!fact);
	fact->store = store;
	fact->statement = statement;
	fact->fn = fn;
	fact->arg = arg;
	fact->n_params = n_params;
	fact->number = ++store->n_put;
	fact->n_before = store->n;
	char *at = fact->bytes;
	for (size_t i = 0; i < n_params; i++) {
		if (!params[i].p)
			continue;
		memcpy(at, params[i].p, params[i].n);
		fact->params[i] = slice_make(at, params[i].n);
		at += params[i].n;
	}
	count(store, 1);
	return fact;
}

void store_put(struct store *store, size_t statement, const struct slice *params,
	       size_t n_params, store_fn *fn, void *arg)
{
	enter_lane(new_fact(store, statement, params, n_params, fn, arg));
}

void store_put_batched(struct store *store, size_t statement,
		       const struct slice *params, size_t n_params,
		       enum store_company company, store_fn *fn, void *arg)
{
	struct fact *fact = new_fact(store, statement, params, n_params, fn, arg);
	fact->is_batched = true;
	fact->may_join = company != STORE_ALONE;
	if (company == STORE_AWAITS)
		fact->company_by_ms = loop_now_ms(store->loop) + COMPANY_MS;
	enter_lane(fact);
}

void store_put_last(struct store *store, size_t statement, const struct slice *params,
		    size_t n_params, store_fn *fn, void *arg)
{
	struct fact *fact = new_fact(store, statement, params, n_params, fn, arg);
	if (fact->n_before > 0)
		TAILQ_INSERT_TAIL(&store->held, fact, link);
	else
		enter_lane(fact);
}

size_t store_count(const struct store *store)
{
	return store->n;
}

void store_on_progress(struct store *store, loop_fn *fn, void *arg)
{
	store->on_progress = fn;
	store->progress_arg = arg;
}
