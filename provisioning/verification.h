/* Questions to the verification service (doc/verification.md): a kind of effect. */
#ifndef PROVISIONING_VERIFICATION_H
#define PROVISIONING_VERIFICATION_H

#include "base/json.h"
#include "provisioning/effect.h"

extern const struct effect_kind verification_kind;

/** What the service says to a question. */
struct verification_answer {
	struct slice result; /* "verified" or "refused" */
	struct slice reason; /* of refused: a_word; or {NULL, 0} */
};
/**
 * Read an answer. Whatever is not exactly an answer to this question is none: then the
 * question is asked again, and nobody is let in.
 *
 * @param type  Content-Type of the answer
 * @param body  its bytes, as they came
 * @param id    of the question: the key of its row
 * @param out   borrows from the value returned
 * @param why   of NULL, for the log; holds nothing of @p body
 * @return what @p out borrows from, to be released with json_decref(); NULL: no answer
 * Source: doc/verification.md
 */
json_t *verification_read(const char *type, struct slice body, const char *id,
			  struct verification_answer *out, char *why, size_t why_size);

#endif
