#include "contrib/smscsim/message.h"

#include <stdio.h>

#include "base/time.h"

#define DATE_SIZE 64

uint32_t message_read(const union pdu *pdu, struct message *message, const char **what)
{
	const submit_sm_t *submit = &pdu->submit;
	struct sms *sms = &message->sms;
	if (pdu_submit_has(pdu, TLVID_message_payload)) {
		*what = "message_payload";
		return ESME_ROPTPARNOTALLWD;
	}
	if (!sms_address(submit->source_addr_ton, (const char *)submit->source_addr,
			 sms->from)) {
		*what = "source_address";
		return ESME_RINVSRCADR;
	}
	if (submit->dest_addr_ton == TON_Alphanumeric ||
	    !sms_address(submit->dest_addr_ton, (const char *)submit->destination_addr,
			 sms->to)) {
		*what = "destination_address";
		return ESME_RINVDSTADR;
	}
	if (!sms_dcs_of(submit->data_coding, &sms->dcs)) {
		*what = "data_coding";
		return ESME_RSUBMITFAIL;
	}
	if (submit->sm_length > SMS_DATA_MAX) {
		*what = "sm_length";
		return ESME_RINVMSGLEN;
	}
	sms->n = submit->sm_length;
	memcpy(sms->bytes, submit->short_message, sms->n);
	if (submit->esm_class & SMPP34_UDHI_IND)
		sms->udh_n = sms->n > 0 && sms->bytes[0] < sms->n
				     ? (uint8_t)(sms->bytes[0] + 1)
				     : UINT8_MAX;
	/* SMPP 3.4, 5.2.17: bits 1 and 0 */
	uint8_t wanted = submit->registered_delivery & 0x03;
	message->wants_receipt = wanted == 1;
	message->wants_failure_receipt = wanted == 2;
	*what = sms->udh_n > sms->n ? "udh_length" : sms_problem(sms);
	return *what ? ESME_RSUBMITFAIL : ESME_ROK;
}

bool message_wants_receipt(const struct message *message, bool is_delivered)
{
	return message->wants_receipt ||
	       (message->wants_failure_receipt && !is_delivered);
}

/* YYMMDDhhmm */
static void format_date(time_t at, char out[DATE_SIZE])
{
	struct tm tm;
	gmtime_r(&at, &tm);
	snprintf(out, DATE_SIZE, "%02d%02d%02d%02d%02d", tm.tm_year % 100,
		 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min);
}

void message_write_receipt(const struct message *message, const char *id,
			   bool is_delivered, struct sms *out)
{
	char submitted[DATE_SIZE], done[DATE_SIZE];
	format_date(message->submitted, submitted);
	format_date(time_now_ms() / 1000, done);
	int n = snprintf((char *)out->bytes, sizeof(out->bytes),
			 "id:%s sub:001 dlvrd:%s submit date:%s done date:%s "
			 "stat:%s err:000 text:",
			 id, is_delivered ? "001" : "000", submitted, done,
			 is_delivered ? "DELIVRD" : "UNDELIV");
	out->n = (uint8_t)n;
	memcpy(out->from, message->sms.to, sizeof(out->from));
	memcpy(out->to, message->sms.from, sizeof(out->to));
}
