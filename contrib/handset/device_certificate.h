/*
 * Certificates of devices for loads and benches, where an operator's authority issues
 * those of real ones: P-256, with the equipment identifier as the gateway reads it.
 * Knows no files.
 */
#ifndef CONTRIB_HANDSET_DEVICE_CERTIFICATE_H
#define CONTRIB_HANDSET_DEVICE_CERTIFICATE_H

#include "auth/auth.h"

#define DEVICE_SERIAL_MAX 999999 /* of one type allocation code */

struct device_certificate {
	X509 *certificate;
	EVP_PKEY *key;
};

/** The canonical identifier of a serial number, at most DEVICE_SERIAL_MAX; that of no
 * real device. */
void device_certificate_dev(unsigned serial, char out[AUTH_DEV_CHARS + 1]);

/**
 * Make a device: a new key and its certificate, valid for a year.
 *
 * @param out        owned by the caller, who frees both
 * @param authority  borrowed; NULL: it signs itself, and is an authority for others
 * @return false, and nothing in @p out, when OpenSSL refuses
 * Cost: 150 us.
 */
bool device_certificate_make(struct device_certificate *out,
			     const struct device_certificate *authority,
			     unsigned serial) __attribute__((warn_unused_result));
/** Free both; once more does nothing. */
void device_certificate_free(struct device_certificate *device);

#endif
