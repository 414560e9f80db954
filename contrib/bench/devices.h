/*
 * Device certificates made at bench time: P-256, each with a key and an IMEI of its
 * own, signed by the CA that the driver has made.
 */
#ifndef CONTRIB_BENCH_DEVICES_H
#define CONTRIB_BENCH_DEVICES_H

#include <openssl/ssl.h>
#include <stdbool.h>

struct device {
	X509 *certificate;
	EVP_PKEY *key;
};

struct devices {
	struct device *items;
	size_t n;
};

/**
 * Make @p n devices; 150 us each.
 * @param issuer_path, issuer_key_path  PEM
 * @return false with a line on standard error
 */
bool devices_make(struct devices *devices, size_t n, const char *issuer_path,
		  const char *issuer_key_path) __attribute__((warn_unused_result));
/** A certificate of @p serial, its own issuer when @p issuer is NULL. */
bool device_make(struct device *device, X509 *issuer, EVP_PKEY *issuer_key,
		 unsigned serial) __attribute__((warn_unused_result));
/** Be this device in a handshake that has not begun. */
bool device_use(const struct device *device, SSL *ssl)
	__attribute__((warn_unused_result));

#endif
