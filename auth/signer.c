#include "auth/signer.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>

#include "auth/auth.h"
#include "base/files.h"
#include "base/hatch.h"
#include "base/log.h"
#include "base/time.h"

/* Of a keyring that did not answer: how often it is asked again, and how long that may
 * hold up everything else. */
#define PROBE_EVERY_MS 250
#define PROBE_MS       50

struct signer {
	struct hatch *hatch; /* NULL: not open yet */
	int64_t timeout_ms;
	bool is_away; /* the last question had no answer */
	int64_t away_since_ms, probe_at_ms;
};

struct signer *signer_new(int64_t timeout_ms)
{
	struct signer *signer = calloc(1, sizeof(*signer));

	BUG_ON(!signer);
	signer->timeout_ms = timeout_ms;
	return signer;
}

void signer_open(struct signer *signer, int fd)
{
	signer->hatch = hatch_open(fd);
	BUG_ON(!signer->hatch);
}

void signer_free(struct signer *signer)
{
	if (!signer)
		return;
	hatch_close(signer->hatch);
	free(signer);
}

EVP_PKEY *signer_key(struct signer *signer, const char *chain_path, char *why,
		     size_t why_size)
{
	BIO *bio = BIO_new_file(files_path(chain_path), "r");
	X509 *leaf = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	EVP_PKEY *key = NULL;
	uint8_t spki[SHA256_BYTES];

	if (!leaf || !tls_spki_hash(leaf, spki))
		snprintf(why, why_size, "%s: holds no certificate in PEM form",
			 chain_path);
	else if (!(key = signer_provider_key(signer, X509_get0_pubkey(leaf), spki)))
		snprintf(why, why_size,
			 "%s: its key is none of EC P-256, EC P-384, Ed25519 and RSA",
			 chain_path);
	X509_free(leaf);
	BIO_free(bio);
	ERR_clear_error();
	return key;
}

static void note(struct signer *signer, bool is_answered, int error)
{
	if (is_answered && !signer->is_away)
		return;
	const int64_t now_ms = time_monotonic_ms();
	if (!is_answered && !signer->is_away) {
		signer->away_since_ms = now_ms;
		log_warn("keys_away", log_str("why", strerror(error)));
	} else if (is_answered) {
		log_info("keys_back",
			 log_num("away_ms", now_ms - signer->away_since_ms));
	}
	signer->is_away = !is_answered;
	signer->probe_at_ms = now_ms + PROBE_EVERY_MS;
}

/* A keyring that is stuck may cost a worker one long wait, and then little. */
ssize_t signer_sign(struct signer *signer, const struct signing_question *question,
		    uint8_t *out, size_t cap)
{
	uint8_t text[SIGNING_QUESTION_BYTES];
	size_t size = signing_question_encode(question, text);
	int64_t wait_ms = signer->timeout_ms;

	if (size == 0 || !signer->hatch)
		return -1;
	if (signer->is_away && time_monotonic_ms() < signer->probe_at_ms)
		return -1;
	if (signer->is_away && wait_ms > PROBE_MS)
		wait_ms = PROBE_MS;
	ssize_t n = hatch_ask(signer->hatch, slice_make(text, size), wait_ms, out, cap);
	/* A refusal is an answer, too; the keyring says why. */
	note(signer, n >= 0 || errno == EACCES, errno);
	return n;
}
