/*
 * What bearerbox told us, on its way into the database: acknowledgements, reports and
 * messages of handsets. Each is idempotent there and is tried until it is stored, so
 * that whoever waits for it may rely on it; or given up in time when the database is
 * there and fails it, so that nobody waits behind it for ever. Facts about one thing
 * are stored in the order in which they came. Knows SQL statements, not Kannel.
 */
#ifndef SMSC_STORE_H
#define SMSC_STORE_H

#include "base/db.h"

/** Entries at which the owner should take in no more. */
#define STORE_HIGH 1000

struct store;

/** More parameters than any of its statements has. */
#define STORE_PARAMS_MAX 5

enum store_outcome {
	STORE_DONE,     /* it is stored; the answer is the first value of the row */
	STORE_REFUSED,  /* the database will never take this one; it was logged */
	STORE_GIVEN_UP, /* it failed for too long by no fault of this one; it was
			 * logged, and may be brought again */
};

/** Facts about one thing on their way together are mostly in one statement, and after
 * an outage in any order: for those of which the last word is the same either way. */
enum store_company {
	STORE_ALONE,  /* after all that came before, and before all that comes after */
	STORE_JOINS,  /* with others that may */
	STORE_AWAITS, /* the same, and it may wait a twentieth of a second for one */
};

/** @p answer is borrowed for the call; empty for SQL NULL and without STORE_DONE. */
typedef void store_fn(void *arg, enum store_outcome outcome, struct slice answer);

/**
 * @param db           borrowed; must outlive the store
 * @param give_up_ms   how long a fact is tried that the database itself fails
 */
struct store *store_new(struct loop *loop, struct db *db, int64_t give_up_ms);
/** What is not stored yet is dropped without a callback: bearerbox has it still. */
void store_free(struct store *store);

/**
 * Store one fact.
 *
 * @param params  copied; 1 to STORE_PARAMS_MAX texts, {NULL,0} is SQL NULL; the first
 *                names the thing that the fact is about
 * @param fn      called exactly once, later; NULL: nobody waits
 */
void store_put(struct store *store, size_t statement, const struct slice *params,
	       size_t n_params, store_fn *fn, void *arg);
/**
 * As store_put(), but only when everything that was put before is stored.
 *
 * For what a person does in view of what came before: an answer may overtake nothing,
 * least of all the acknowledgement that the terms were sent.
 */
void store_put_last(struct store *store, size_t statement, const struct slice *params,
		    size_t n_params, store_fn *fn, void *arg);
/**
 * As store_put(), of a statement that takes many facts at once: an array for each
 * parameter, of as many values as there are facts, and returns one row for each, in
 * their order. One of these is on its way at a time; what comes meanwhile goes together
 * afterwards. When the database fails several, each goes once more alone, so that none
 * is judged for another.
 *
 * @param company  whether others about the same thing may be on their way with it
 */
void store_put_batched(struct store *store, size_t statement,
		       const struct slice *params, size_t n_params,
		       enum store_company company, store_fn *fn, void *arg);
/** Facts that are not stored yet. */
size_t store_count(const struct store *store);
/** Called whenever one left. */
void store_on_progress(struct store *store, loop_fn *fn, void *arg);

#endif
