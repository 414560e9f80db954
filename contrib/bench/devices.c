#include "contrib/bench/devices.h"

#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>

static X509 *read_certificate(const char *path)
{
	FILE *file = fopen(path, "r");
	X509 *certificate = file ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;

	if (file)
		fclose(file);
	return certificate;
}

static EVP_PKEY *read_key(const char *path)
{
	FILE *file = fopen(path, "r");
	EVP_PKEY *key = file ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;

	if (file)
		fclose(file);
	return key;
}

bool devices_make(struct devices *devices, size_t n, const char *issuer_path,
		  const char *issuer_key_path)
{
	struct device_certificate issuer = { read_certificate(issuer_path),
					     read_key(issuer_key_path) };
	bool is_made;

	devices->items = calloc(n + 1, sizeof(*devices->items));
	devices->n = 0;
	is_made = issuer.certificate && issuer.key && devices->items;
	while (is_made && devices->n < n) {
		is_made = device_certificate_make(&devices->items[devices->n], &issuer,
						  (unsigned)devices->n);
		devices->n++;
	}
	device_certificate_free(&issuer);
	if (!is_made)
		fprintf(stderr, "bench: cannot make devices under %s\n", issuer_path);
	return is_made;
}

bool device_use(const struct device_certificate *device, SSL *ssl)
{
	return ssl && SSL_use_certificate(ssl, device->certificate) == 1 &&
	       SSL_use_PrivateKey(ssl, device->key) == 1;
}
