/*
 * What the simulator takes for a valid short message: 3GPP TS 23.040, 9.2.3.24, and
 * TS 23.038, 4 and 6.2.1.
 */
#include "contrib/smscsim/sms.h"

#include "base/codec.h"
#include "test/unit/test.h"

#define N(table) (sizeof(table) / sizeof(table[0]))

/* A message of a header and data in hex, and n times the octet `fill` after them. */
static struct sms make(uint8_t dcs, const char *udh, const char *data, size_t n,
		       uint8_t fill)
{
	struct sms sms = { .dcs = dcs };
	sms.udh_n = (uint8_t)(strlen(udh) / 2);
	size_t data_n = strlen(data) / 2;
	CU_ASSERT_FATAL(hex_decode(slice_of(udh), sms.bytes, sms.udh_n));
	CU_ASSERT_FATAL(hex_decode(slice_of(data), sms.bytes + sms.udh_n, data_n));
	memset(sms.bytes + sms.udh_n + data_n, fill, n);
	sms.n = (uint8_t)(sms.udh_n + data_n + n);
	return sms;
}

static void checks_header_and_data(void)
{
	static const struct {
		uint8_t dcs;
		const char *udh, *data;
		size_t n; /* more octets 0x41 */
		const char *problem;
	} rows[] = {
		{ SMS_GSM7, "", "", 160, NULL },
		{ SMS_GSM7, "", "", 161, "too_long" },
		{ SMS_GSM7, "050003010201", "", 153, NULL },
		{ SMS_GSM7, "050003010201", "", 154, "too_long" },
		{ SMS_GSM7, "0608040001020100", "", 1, "udh_length" },
		{ SMS_GSM7, "06080400010201", "", 152, NULL },
		{ SMS_GSM7, "06080400010201", "", 153, "too_long" },
		{ SMS_GSM7, "", "80", 0, "septet_over_127" },
		{ SMS_GSM7, "", "1b65", 0, NULL },
		{ SMS_GSM7, "050003010201", "411b", 0, "escape_divided" },
		{ SMS_UCS2, "", "0416", 138, NULL },
		{ SMS_UCS2, "", "0416", 140, "too_long" },
		{ SMS_UCS2, "050003010201", "", 134, NULL },
		{ SMS_UCS2, "050003010201", "", 136, "too_long" },
		{ SMS_UCS2, "", "041641", 0, "unit_divided" },
		{ SMS_UCS2, "", "d83dde00", 0, NULL },
		{ SMS_UCS2, "", "0041d83d", 0, "surrogate_pair_divided" },
		{ SMS_UCS2, "", "de000041", 0, "surrogate_pair_divided" },
		{ SMS_8BIT, "", "", 140, NULL },
		{ SMS_8BIT, "0605040b8423f0", "", 133, NULL },
		{ SMS_8BIT, "0605040b8423f0", "", 134, "too_long" },
		{ 3, "", "41", 0, "dcs" },
		{ SMS_GSM7, "04000301", "", 1, "udh_length" },
		{ SMS_GSM7, "0400030102", "", 1, "udh_element_cut" },
		{ SMS_GSM7, "0100", "", 1, "udh_element_cut" },
		{ SMS_GSM7, "050003010203", "", 1, "udh_concatenation" },
		{ SMS_GSM7, "050003010200", "", 1, "udh_concatenation" },
		{ SMS_GSM7, "050003010000", "", 1, "udh_concatenation" },
		{ SMS_GSM7, "0400020102", "", 1, "udh_concatenation" },
		{ SMS_GSM7, "06080400010203", "", 1, "udh_concatenation" },
	};
	for (size_t i = 0; i < N(rows); i++) {
		struct sms sms =
			make(rows[i].dcs, rows[i].udh, rows[i].data, rows[i].n, 0x41);
		const char *problem = sms_problem(&sms);
		CU_ASSERT_STRING_EQUAL(problem ? problem : "-",
				       rows[i].problem ? rows[i].problem : "-");
	}
}

static void maps_the_data_coding(void)
{
	for (unsigned int coding = 0; coding < 256; coding++) {
		uint8_t dcs = 99;
		bool is_known = sms_dcs_of((uint8_t)coding, &dcs);
		bool is_8bit = coding == 4 || (coding >= 0xf4 && coding <= 0xf7);
		bool is_gsm7 = coding == 0 || (coding >= 0xf0 && coding <= 0xf3);
		CU_ASSERT_EQUAL(is_known, is_8bit || is_gsm7 || coding == 8);
		if (is_known)
			CU_ASSERT_EQUAL(dcs, is_8bit   ? SMS_8BIT
					     : is_gsm7 ? SMS_GSM7
						       : SMS_UCS2);
	}
}

static void joins_addresses(void)
{
	static const struct {
		uint8_t ton;
		const char *address, *out;
	} rows[] = {
		{ 1, "447700900123", "+447700900123" },
		{ 0, "4711", "4711" },
		{ 2, "4711", "4711" },
		{ 5, "Provbox", "Provbox" },
		{ 5, "\x01", NULL },
		{ 5, "\xc3\xa9", NULL },
		{ 1, "+447700900123", NULL },
		{ 1, "", NULL },
		{ 0, "47a", NULL },
		{ 0, "123456789012345678901", NULL },
	};
	for (size_t i = 0; i < N(rows); i++) {
		char out[SMS_ADDRESS_MAX] = "";
		bool is_valid = sms_address(rows[i].ton, rows[i].address, out);
		CU_ASSERT_EQUAL(is_valid, rows[i].out != NULL);
		if (rows[i].out)
			CU_ASSERT_STRING_EQUAL(out, rows[i].out);
	}
}

static void knows_numbers(void)
{
	CU_ASSERT(sms_is_number(SLICE("+447700900123")));
	CU_ASSERT(sms_is_number(SLICE("+447")));
	CU_ASSERT(!sms_is_number(SLICE("+44")));
	CU_ASSERT(!sms_is_number(SLICE("447700900123")));
	CU_ASSERT(!sms_is_number(SLICE("+4477009001234567")));
	CU_ASSERT(!sms_is_number(SLICE("+44 7700")));
	CU_ASSERT(!sms_is_number(SLICE("")));
}

TEST_MAIN("sms", TEST(checks_header_and_data), TEST(maps_the_data_coding),
	  TEST(joins_addresses), TEST(knows_numbers))
