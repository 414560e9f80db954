#include "contrib/smscsim/pdu.h"

#include <smpp34_params.h>

#include "base/log.h"

static uint32_t get_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

struct pdu_header pdu_header(struct slice bytes)
{
	const uint8_t *p = (const uint8_t *)bytes.p;
	return (struct pdu_header){
		.command_length = get_u32(p),
		.command_id = get_u32(p + 4),
		.command_status = get_u32(p + 8),
		.sequence_number = get_u32(p + 12),
	};
}

static tlv_t **tlvs_of(union pdu *pdu)
{
	switch (pdu->header.command_id) {
	case SUBMIT_SM: return &pdu->submit.tlv;
	case DELIVER_SM: return &pdu->deliver.tlv;
	case BIND_RECEIVER_RESP:
	case BIND_TRANSMITTER_RESP:
	case BIND_TRANSCEIVER_RESP: return &pdu->bind_resp.tlv;
	default: return NULL;
	}
}

bool pdu_read(struct slice bytes, union pdu *out)
{
	memset(out, 0, sizeof(*out));
	if (smpp34_unpack2(out, (const uint8_t *)bytes.p, (int)bytes.n) == 0)
		return true;
	pdu_clear(out);
	return false;
}

void pdu_clear(union pdu *pdu)
{
	tlv_t **tlvs = tlvs_of(pdu);
	if (tlvs && *tlvs) {
		destroy_tlv(*tlvs);
		*tlvs = NULL;
	}
}

bool pdu_submit_has(const union pdu *pdu, uint16_t tag)
{
	const tlv_t *tlv;
	smpp34_tlv_for_each(tlv, pdu->submit.tlv) if (tlv->tag == tag) return true;
	return false;
}

void pdu_write(union pdu *pdu, struct evbuffer *out)
{
	uint8_t bytes[PDU_LIMIT];
	int n = 0;
	int failed = smpp34_pack2(bytes, sizeof(bytes), &n, pdu);
	BUG_ON(failed || n < PDU_HEADER_BYTES);
	evbuffer_add(out, bytes, (size_t)n);
}

void pdu_set(uint8_t *field, size_t size, const char *value)
{
	size_t n = strlen(value);
	if (n >= size)
		n = size - 1;
	memcpy(field, value, n);
	field[n] = 0;
}
