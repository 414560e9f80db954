/*
 * Devices made at bench time, each with a key and an IMEI of its own, signed by the CA
 * that the driver has made.
 */
#ifndef CONTRIB_BENCH_DEVICES_H
#define CONTRIB_BENCH_DEVICES_H

#include "contrib/handset/device_certificate.h"

struct devices {
	struct device_certificate *items;
	size_t n;
};

/**
 * Make @p n devices; 150 us each.
 * @param issuer_path, issuer_key_path  PEM
 * @return false with a line on standard error
 */
bool devices_make(struct devices *devices, size_t n, const char *issuer_path,
		  const char *issuer_key_path) __attribute__((warn_unused_result));
/** Be this device in a handshake that has not begun. */
bool device_use(const struct device_certificate *device, SSL *ssl)
	__attribute__((warn_unused_result));

#endif
