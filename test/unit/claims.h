/*
 * Claims for unit tests: every field holds something of its own, and each can be
 * changed or swapped with its neighbour by a number.
 */
#ifndef TEST_UNIT_CLAIMS_H
#define TEST_UNIT_CLAIMS_H

#include "auth/auth.h"
#include "test/unit/test.h"

static inline void claims_fill(struct auth_claims *claims)
{
	*claims = (struct auth_claims){ .srv = "prov.example.com:8443",
					.dev = "urn:gsma:imei:35209900-176148-0" };
	memset(claims->gw, 'g', sizeof(claims->gw));
	memset(claims->sid, 's', sizeof(claims->sid));
	memset(claims->nonce, 'n', sizeof(claims->nonce));
	memset(claims->cred, 'c', sizeof(claims->cred));
	memset(claims->binding, 'b', sizeof(claims->binding));
}

/** The binary fields, each of which test loops change bit by bit. */
static inline size_t claims_fields(struct auth_claims *claims, uint8_t *fields[5],
				   size_t sizes[5])
{
	const struct {
		uint8_t *p;
		size_t n;
	} all[] = {
		{ claims->gw, sizeof(claims->gw) },
		{ claims->sid, sizeof(claims->sid) },
		{ claims->nonce, sizeof(claims->nonce) },
		{ claims->cred, sizeof(claims->cred) },
		{ claims->binding, sizeof(claims->binding) },
	};

	for (size_t i = 0; i < 5; i++) {
		fields[i] = all[i].p;
		sizes[i] = all[i].n;
	}
	return 5;
}

#endif
