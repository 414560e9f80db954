#include "contrib/handset/credentials.h"

#include <stdio.h>
#include <unistd.h>

#include "base/log.h"

static bool load_tls(const struct handset_config *config, struct credentials *out,
		     char *why, size_t why_size)
{
	struct tls_settings settings = {
		.role = TLS_CLIENT,
		.chain_path = config->chain_file,
		.key = keys_load(config->key_file, why, why_size),
		.trust_path = config->airnet_root,
		.no_crl = true,
		.tls12 = true,
	};

	if (!settings.key)
		return false;
	if (access(config->chain_file, F_OK) != 0)
		snprintf(why, why_size,
			 "%s is missing: have an authority sign device.csr for it",
			 config->chain_file);
	else
		out->tls = tls_context_new(&settings, why, why_size);
	EVP_PKEY_free(settings.key);
	return out->tls != NULL;
}

static bool load_identity(const struct handset_config *config, struct credentials *out,
			  char *why, size_t why_size)
{
	const X509 *leaf = tls_context_leaf(out->tls);
	char dev[AUTH_DEV_CHARS + 1];
	uint8_t *der = NULL;
	int n;

	if (identity_of_certificate(leaf, dev) != REASON_NONE ||
	    strcmp(dev, config->device) != 0) {
		snprintf(why, why_size, "%s does not name %s", config->chain_file,
			 config->device);
		return false;
	}
	n = i2d_X509(leaf, &der);
	BUG_ON(n <= 0);
	sha256(slice_make(der, (size_t)n), out->cred);
	OPENSSL_free(der);
	return true;
}

static bool load_trust(const struct handset_config *config, struct credentials *out,
		       char *why, size_t why_size)
{
	struct proof_trust_settings settings = {
		.srv = out->srv,
		.root_path = config->proof_root[0] ? config->proof_root : NULL,
		.pins = (const char *const *)config->proof_pins.items,
		.n_pins = config->proof_pins.n,
	};

	out->trust = proof_trust_new(&settings, why, why_size);
	return out->trust != NULL;
}

bool credentials_load(const struct handset_config *config, struct credentials *out,
		      char *why, size_t why_size)
{
	*out = (struct credentials){ 0 };
	if (!handset_config_srv(config->provisioning_uri, out->srv)) {
		snprintf(why, why_size, "provisioning_uri is malformed");
		return false;
	}
	return load_tls(config, out, why, why_size) &&
	       load_identity(config, out, why, why_size) &&
	       load_trust(config, out, why, why_size);
}

void credentials_free(struct credentials *credentials)
{
	tls_context_free(credentials->tls);
	proof_trust_free(credentials->trust);
}
