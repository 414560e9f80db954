/*
 * One row of the outbox in the courier's hands, from its lease until the database knows
 * what came of it. A kind of effect is one struct effect_kind: billing.c,
 * verification.c. The kind begins to bring an effect, and ends it by exactly one of the
 * functions below; leasing, storing, log lines and counters are the same for all
 * (courier.c).
 */
#ifndef PROVISIONING_EFFECT_H
#define PROVISIONING_EFFECT_H

#include "provisioning/server_config.h"
#include "provisioning/server_metrics.h"
#include "provisioning/statement.h"
#include "provisioning/transfer.h"

/* Two bigints, a uuid and a key as the database writes them. */
#define EFFECT_ID_CHARS    20
#define EFFECT_TOKEN_CHARS 36
#define EFFECT_KEY_CHARS   200

/* Parameters of a statement of the kind's own. */
#define EFFECT_PARAMS_MAX 6

struct effect;

/** A row of the courier's table. */
struct effect_kind {
	const char *name;           /* outbox.kind */
	size_t in_hand;             /* effects under way at a time */
	enum server_metric metrics; /* of outcome="done"; failed and dead follow */
	/* Read what needs files, and put it into @p secrets: NULL, nothing of this kind
	 * is configured, and its effects wait. False after an ERROR line. */
	bool (*load)(const struct server_config *config, void **secrets);
	/* What begin() is given: made of what load() made, for the life of the process.
	 */
	void *(*open)(void *secrets, struct transfers *transfers);
	/* How long one attempt may take at most: its lease lasts a little longer. */
	int64_t (*timeout_ms)(const struct server_config *config);
	/* @param payload  JSON, borrowed for the call */
	void (*begin)(void *state, struct effect *effect, struct slice payload);
};

struct effect {
	const struct effect_kind *kind;
	struct db *db;
	char id[EFFECT_ID_CHARS + 1];
	char token[EFFECT_TOKEN_CHARS + 1];
	char key[EFFECT_KEY_CHARS + 1]; /* the same at each attempt */
	unsigned status;                /* that others answered with, for the log */
	bool is_brought;                /* and done, once that is stored */
	void (*on_end)(void *lane);     /* of the courier, which then forgets it */
	void *lane;
};

/** It was brought: outbox_done(). */
void effect_done(struct effect *effect, unsigned status);
/**
 * It was not: outbox_retry() decides about the next attempt.
 * @param why         for the log; nothing of what others sent
 * @param is_refused  and would be refused each time: it is dead
 */
void effect_fail(struct effect *effect, unsigned status, const char *why,
		 bool is_refused);
/**
 * It was brought, and others answered something that the database must know. It counts
 * as done when that is stored; if it cannot be, it is brought again.
 *
 * @param statement  its first parameters are the row's id and token; its value: null or
 *                   false, others have the row now; "due" or "dead" as outbox_retry();
 *                   anything else is done
 * @param params     borrowed; those after the two, at most EFFECT_PARAMS_MAX
 */
void effect_report(struct effect *effect, unsigned status, enum statement statement,
		   const struct db_param *params, size_t n_params);
/** What came is not what it should be: as effect_report(), but a failure.
 * @param why  for the log */
void effect_reject(struct effect *effect, unsigned status, const char *why,
		   enum statement statement, const struct db_param *params,
		   size_t n_params);

#endif
