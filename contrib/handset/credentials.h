/*
 * Who the handset is and whom it believes: its key and certificate, the gateway's root,
 * and the key or root of the server's proofs. Loaded from storage, blocking.
 */
#ifndef CONTRIB_HANDSET_CREDENTIALS_H
#define CONTRIB_HANDSET_CREDENTIALS_H

#include "base/tls.h"
#include "contrib/handset/handset_config.h"

struct credentials {
	struct tls_context *tls;   /* towards the gateway */
	struct proof_trust *trust; /* in the server's proofs */
	char srv[AUTH_SRV_CHARS + 1];
	uint8_t cred[SHA256_BYTES]; /* SHA-256 of the device certificate */
};

/**
 * Load, and check that the certificate names the device of the configuration.
 *
 * @param out  to be freed with credentials_free(), also after a failure
 * @param why  on failure one sentence
 */
bool credentials_load(const struct handset_config *config, struct credentials *out,
		      char *why, size_t why_size);
void credentials_free(struct credentials *credentials);

#endif
