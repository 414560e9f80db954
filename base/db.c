#include "base/db.h"

#include <stdlib.h>

#include "base/db_private.h"
#include "base/dsn.h"
#include "base/log.h"

/* ---- Calls ---- */

void db_call_free(struct db_call *call)
{
	timer_cancel(&call->deadline);
	call->db->n_calls--;
	PQclear(call->result);
	free(call);
}

/* Tell the owner, unless he has been told or does not want to know. */
void db_call_tell(struct db_call *call, enum db_status status)
{
	db_fn *fn = call->fn;
	call->fn = NULL;
	if (fn)
		fn(call->arg, status,
		   status == DB_OK || status == DB_FAILED ? call->result : NULL);
}

static void on_deadline(void *arg)
{
	struct db_call *call = arg;
	struct backend *b = call->backend;
	if (!b) {
		TAILQ_REMOVE(&call->db->waiting, call, entry);
		db_call_tell(call, DB_UNAVAILABLE);
		db_call_free(call);
		return;
	}
	/* It stays in flight, for its answer must be taken in order. A server that does
	 * not even answer with its statement_timeout is given up. */
	backend_suspect(b);
	db_call_tell(call, DB_TIMEOUT);
}

/* A connection that takes more: for a short statement one that is busy with such, else
 * the one with the fewest calls in flight (doc/decisions/029-short-statements.md). */
static struct backend *db_choose(struct db *db, bool is_short)
{
	struct backend *best = NULL;
	for (size_t i = 0; i < db->settings.connections; i++) {
		struct backend *b = &db->backends[i];
		if (!backend_has_room(b))
			continue;
		if (is_short && backend_is_quick(b))
			return b;
		if (!best || b->n_in_flight < best->n_in_flight)
			best = b;
	}
	return best;
}

void db_send_waiting(struct db *db)
{
	struct db_call *call;
	struct backend *b;
	while ((call = TAILQ_FIRST(&db->waiting)) &&
	       (b = db_choose(db, db->settings.statements[call->statement].is_short))) {
		TAILQ_REMOVE(&db->waiting, call, entry);
		backend_send(b, call);
	}
}

void db_ready_changed(struct db *db, int change, const char *why)
{
	bool was_ready = db->n_ready > 0;
	db->n_ready = (size_t)((int)db->n_ready + change);
	bool is_ready = db->n_ready > 0;
	if (is_ready && !was_ready)
		log_info("db_up", log_num("connections", (int64_t)db->n_ready));
	else if (!is_ready && !db->is_down_logged)
		log_warn("db_down", log_str("why", why));
	db->is_down_logged = !is_ready;
	if (is_ready != was_ready && db->on_ready)
		db->on_ready(db->on_ready_arg, is_ready);
}

/* ---- The door ---- */

struct db *db_open(struct loop *loop, const struct db_settings *settings, char *why,
		   size_t why_size)
{
	if (!dsn_check(settings->dsn, why, why_size))
		return NULL;
	struct db *db = calloc(1, sizeof(*db));
	BUG_ON(!db || settings->connections == 0);
	db->loop = loop;
	db->settings = *settings;
	db->settings.dsn = strdup(settings->dsn);
	db->settings.application_name = strdup(settings->application_name);
	db->backends = calloc(settings->connections, sizeof(*db->backends));
	BUG_ON(!db->settings.dsn || !db->settings.application_name || !db->backends);
	TAILQ_INIT(&db->waiting);
	for (size_t i = 0; i < settings->connections; i++)
		backend_open(&db->backends[i], db);
	return db;
}

static void calls_drop(struct db_calls *calls)
{
	struct db_call *call;
	while ((call = TAILQ_FIRST(calls))) {
		TAILQ_REMOVE(calls, call, entry);
		db_call_free(call);
	}
}

void db_close(struct db *db)
{
	if (!db)
		return;
	calls_drop(&db->waiting);
	for (size_t i = 0; i < db->settings.connections; i++) {
		calls_drop(&db->backends[i].in_flight);
		backend_close(&db->backends[i]);
	}
	free(db->backends);
	free((char *)db->settings.dsn);
	free((char *)db->settings.application_name);
	free(db);
}

bool db_is_ready(const struct db *db)
{
	return db->n_ready > 0;
}

void db_on_ready(struct db *db, void (*fn)(void *arg, bool is_ready), void *arg)
{
	db->on_ready = fn;
	db->on_ready_arg = arg;
}

/* Copy the parameters behind the call, each followed by a NUL as libpq wants it. */
static bool call_set_params(struct db_call *call, const struct db_param *params)
{
	char *p = call->bytes;
	for (int i = 0; i < call->n_params; i++) {
		const struct db_param *param = &params[i];
		if (!param->p)
			continue;
		if (!param->is_binary && memchr(param->p, 0, (size_t)param->n))
			return false;
		memcpy(p, param->p, (size_t)param->n);
		call->values[i] = p;
		call->lengths[i] = param->n;
		call->formats[i] = param->is_binary;
		p += param->n;
		*p++ = '\0';
	}
	return true;
}

struct db_call *db_call(struct db *db, size_t statement, const struct db_param *params,
			size_t n_params, db_fn *fn, void *arg)
{
	BUG_ON(statement >= db->settings.n_statements);
	BUG_ON((size_t)db->settings.statements[statement].n_params != n_params);
	BUG_ON(n_params > DB_PARAMS_MAX);
	if (db->n_calls >= db->settings.queue_limit)
		return NULL;
	size_t size = sizeof(struct db_call);
	for (size_t i = 0; i < n_params; i++)
		size += (size_t)params[i].n + 1;
	struct db_call *call = calloc(1, size);
	BUG_ON(!call);
	call->db = db;
	call->statement = statement;
	call->n_params = (int)n_params;
	if (!call_set_params(call, params)) {
		free(call);
		return NULL;
	}
	call->fn = fn;
	call->arg = arg;
	db->n_calls++;
	timer_init(&call->deadline, db->loop, on_deadline, call);
	timer_start(&call->deadline, db->settings.timeout_ms);
	TAILQ_INSERT_TAIL(&db->waiting, call, entry);
	db_send_waiting(db);
	return call;
}

void db_cancel(struct db_call *call)
{
	call->fn = NULL;
	if (!call->backend) {
		TAILQ_REMOVE(&call->db->waiting, call, entry);
		db_call_free(call);
	}
}
