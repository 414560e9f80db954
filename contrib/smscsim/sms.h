/*
 * A short message as the air carries it: addresses, coding, header and data, and
 * whether they are valid. Knows neither SMPP nor the radio.
 */
#ifndef CONTRIB_SMSCSIM_SMS_H
#define CONTRIB_SMSCSIM_SMS_H

#include "base/slice.h"

/** SMPP carries up to 254 octets in short_message. */
#define SMS_DATA_MAX 254
/** 20 characters, `+` among them, and NUL. */
#define SMS_ADDRESS_MAX 22

enum sms_dcs {
	SMS_GSM7 = 0, /* one septet per octet */
	SMS_8BIT = 4,
	SMS_UCS2 = 8,
};

struct sms {
	char from[SMS_ADDRESS_MAX]; /* international numbers with `+` */
	char to[SMS_ADDRESS_MAX];
	uint8_t dcs;   /* enum sms_dcs */
	uint8_t udh_n; /* octets of bytes that are the header, its length octet included
			*/
	uint8_t n;     /* octets of bytes in use */
	uint8_t bytes[SMS_DATA_MAX];
};

/** The user data header; may be empty. */
struct slice sms_udh(const struct sms *sms);
/** The user data without the header. */
struct slice sms_data(const struct sms *sms);

/** Map an SMPP data_coding to enum sms_dcs. @return false for what is not known */
bool sms_dcs_of(uint8_t data_coding, uint8_t *dcs);

/**
 * Check header and data against each other and against what one message can carry.
 *
 * The header's elements fill it exactly; a concatenation element counts from 1 to its
 * total; septets are below 128, an escape is followed by its character in the same
 * part; UCS-2 is whole units and no half of a surrogate pair; all fits 140 octets.
 *
 * @return NULL when valid, else one word for the log
 * Source: 3GPP TS 23.040, 9.2.3.24; TS 23.038, 6.2.1
 */
const char *sms_problem(const struct sms *sms);

/** @return true for `+` and 3 to 15 digits */
bool sms_is_number(struct slice number);

/**
 * Join an address of SMPP: international ones get their `+`.
 * @param ton  type of number (SMPP 3.4, 5.2.5)
 * @param out  holds SMS_ADDRESS_MAX
 * @return false when it is empty, too long, or not digits (alphanumeric: not printable
 *         ASCII)
 */
bool sms_address(uint8_t ton, const char *address, char *out);

#endif
