#include "contrib/smscsim/sms.h"

#include <stdio.h>

#define PAYLOAD_OCTETS 140
#define ESCAPE         0x1b

/* Types of number, SMPP 3.4, 5.2.5. */
#define TON_INTERNATIONAL 1
#define TON_ALPHANUMERIC  5

/* Elements of the header, 3GPP TS 23.040, 9.2.3.24. */
#define ELEMENT_CONCATENATED_8  0x00
#define ELEMENT_CONCATENATED_16 0x08

struct slice sms_udh(const struct sms *sms)
{
	return slice_make(sms->bytes, sms->udh_n);
}

struct slice sms_data(const struct sms *sms)
{
	return slice_make(sms->bytes + sms->udh_n, (size_t)(sms->n - sms->udh_n));
}

bool sms_dcs_of(uint8_t data_coding, uint8_t *dcs)
{
	switch (data_coding) {
	case 0x00: *dcs = SMS_GSM7; return true;
	case 0x04: *dcs = SMS_8BIT; return true;
	case 0x08: *dcs = SMS_UCS2; return true;
	default: break;
	}
	/* Message class (TS 23.038, 4): f0 to f3 default alphabet, f4 to f7 8-bit. */
	if ((data_coding & 0xf8) != 0xf0)
		return false;
	*dcs = data_coding & 0x04 ? SMS_8BIT : SMS_GSM7;
	return true;
}

static bool is_concatenation_valid(const uint8_t *counts)
{
	return counts[0] >= 1 && counts[1] >= 1 && counts[1] <= counts[0];
}

static const char *udh_problem(struct slice udh)
{
	const uint8_t *p = (const uint8_t *)udh.p;
	if (udh.n == 0)
		return NULL;
	if (p[0] + 1u != udh.n)
		return "udh_length";
	for (size_t at = 1; at < udh.n;) {
		if (at + 2 > udh.n || at + 2 + p[at + 1] > udh.n)
			return "udh_element_cut";
		uint8_t element = p[at], n = p[at + 1];
		const uint8_t *value = p + at + 2;
		if (element == ELEMENT_CONCATENATED_8 &&
		    (n != 3 || !is_concatenation_valid(value + 1)))
			return "udh_concatenation";
		if (element == ELEMENT_CONCATENATED_16 &&
		    (n != 4 || !is_concatenation_valid(value + 2)))
			return "udh_concatenation";
		at += 2u + n;
	}
	return NULL;
}

static const char *gsm7_problem(struct slice data, size_t udh_n)
{
	/* The header is padded to whole septets. */
	size_t header_septets = (udh_n * 8 + 6) / 7;
	if (header_septets + data.n > PAYLOAD_OCTETS * 8 / 7)
		return "too_long";
	for (size_t i = 0; i < data.n; i++)
		if ((uint8_t)data.p[i] > 0x7f)
			return "septet_over_127";
	if (data.n > 0 && data.p[data.n - 1] == ESCAPE)
		return "escape_divided";
	return NULL;
}

static uint16_t unit_at(struct slice data, size_t at)
{
	return (uint16_t)((uint8_t)data.p[at] << 8 | (uint8_t)data.p[at + 1]);
}

static const char *ucs2_problem(struct slice data, size_t udh_n)
{
	if (udh_n + data.n > PAYLOAD_OCTETS)
		return "too_long";
	if (data.n % 2 != 0)
		return "unit_divided";
	if (data.n == 0)
		return NULL;
	if ((unit_at(data, 0) & 0xfc00) == 0xdc00 ||
	    (unit_at(data, data.n - 2) & 0xfc00) == 0xd800)
		return "surrogate_pair_divided";
	return NULL;
}

const char *sms_problem(const struct sms *sms)
{
	const char *problem = udh_problem(sms_udh(sms));
	if (problem)
		return problem;
	switch ((enum sms_dcs)sms->dcs) {
	case SMS_GSM7: return gsm7_problem(sms_data(sms), sms->udh_n);
	case SMS_UCS2: return ucs2_problem(sms_data(sms), sms->udh_n);
	case SMS_8BIT: return sms->n > PAYLOAD_OCTETS ? "too_long" : NULL;
	}
	return "dcs";
}

static bool is_digits(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return s.n > 0;
}

static bool is_printable(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < ' ' || s.p[i] > '~')
			return false;
	return s.n > 0;
}

bool sms_is_number(struct slice number)
{
	return number.n >= 4 && number.n <= 16 && number.p[0] == '+' &&
	       is_digits(slice_make(number.p + 1, number.n - 1));
}

bool sms_address(uint8_t ton, const char *address, char *out)
{
	struct slice text = slice_of(address);
	if (text.n + 2 > SMS_ADDRESS_MAX)
		return false;
	if (ton == TON_ALPHANUMERIC ? !is_printable(text) : !is_digits(text))
		return false;
	snprintf(out, SMS_ADDRESS_MAX, "%s%s", ton == TON_INTERNATIONAL ? "+" : "",
		 address);
	return true;
}
