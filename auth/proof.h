/*
 * The claims of a proof, as JSON: written by the zone, read by proof.c.
 */
#ifndef AUTH_PROOF_H
#define AUTH_PROOF_H

#include "auth/auth.h"

#define PROOF_TYP "provbox-proof+jwt"

struct proof_claims {
	struct auth_claims claims;
	enum standing standing;
	uint8_t gh[SHA256_BYTES];
	int64_t issued_s;     /* for the log; the freshness of a proof is its binding */
	bool is_other_method; /* when read: not AUTH_METHOD, the one that is written */
};

/** Write the claims. NULL when the arena is full. */
char *proof_claims_encode(const struct proof_claims *claims, struct arena *arena);
/** Exactly the members of doc/proof.md, Proof, each of its type and one form; false for
 * anything else. */
bool proof_claims_decode(struct slice json, struct proof_claims *out);

#endif
