#include "provisioning/effect.h"

#include <stdlib.h>

#include "base/log.h"

/* Counted on from kind->metrics. */
enum outcome {
	DONE,
	FAILED,
	DEAD
};

static void count(const struct effect *effect, enum outcome outcome)
{
	metrics_add(effect->kind->metrics + outcome, 1);
}

static void effect_free(struct effect *effect)
{
	effect->on_end(effect->lane);
	free(effect);
}

static void log_outcome(const struct effect *effect, enum log_level level,
			const char *event)
{
	log_write(level, event,
		  LOG_FIELDS(log_str("kind", effect->kind->name),
			     log_str("key", effect->key),
			     log_num("status", effect->status)));
}

/* The lease runs out, and it is sent again under the same key; or has been, by others
 * who have it now. */
static void on_unstored(const struct effect *effect)
{
	if (effect->is_brought)
		log_outcome(effect, LOG_LEVEL_WARN, "effect_unstored");
}

static void on_stored(void *arg, enum db_status status, const PGresult *result)
{
	struct effect *effect = arg;
	metrics_add(SERVER_DATABASE_CALLS, 1);
	server_metrics_database(status);
	struct slice became = status == DB_OK && PQntuples(result) == 1
				      ? db_value(result, 0, 0)
				      : SLICE("");
	if (became.n == 0 || slice_eq(became, SLICE("f"))) {
		on_unstored(effect);
	} else if (slice_eq(became, SLICE("dead"))) {
		count(effect, DEAD);
		log_outcome(effect, LOG_LEVEL_ERROR, "effect_dead");
	} else if (effect->is_brought) {
		count(effect, DONE);
		log_outcome(effect, LOG_LEVEL_INFO, "effect_done");
	}
	effect_free(effect);
}

static void store(struct effect *effect, enum statement statement,
		  const struct db_param *params, size_t n_params)
{
	struct db_param all[2 + EFFECT_PARAMS_MAX] = { db_text(effect->id),
						       db_text(effect->token) };
	BUG_ON(n_params > EFFECT_PARAMS_MAX);
	for (size_t i = 0; i < n_params; i++)
		all[2 + i] = params[i];
	if (db_call(effect->db, statement, all, 2 + n_params, on_stored, effect))
		return;
	on_unstored(effect);
	effect_free(effect);
}

void effect_report(struct effect *effect, unsigned status, enum statement statement,
		   const struct db_param *params, size_t n_params)
{
	effect->status = status;
	effect->is_brought = true;
	store(effect, statement, params, n_params);
}

void effect_done(struct effect *effect, unsigned status)
{
	effect_report(effect, status, STATEMENT_OUTBOX_DONE, NULL, 0);
}

void effect_reject(struct effect *effect, unsigned status, const char *why,
		   enum statement statement, const struct db_param *params,
		   size_t n_params)
{
	effect->status = status;
	count(effect, FAILED);
	log_warn("effect_failed", log_str("kind", effect->kind->name),
		 log_str("key", effect->key), log_num("status", status),
		 log_str("why", why));
	store(effect, statement, params, n_params);
}

void effect_fail(struct effect *effect, unsigned status, const char *why,
		 bool is_refused)
{
	struct db_param params[] = {
		db_text(is_refused ? "effect_refused" : "effect_failed"),
		db_text(is_refused ? "true" : "false"),
	};
	effect_reject(effect, status, why, STATEMENT_OUTBOX_RETRY, params, 2);
}
