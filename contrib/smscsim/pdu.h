/*
 * SMPP 3.4 PDUs as structs, packed and unpacked by libsmpp34. Only what a message
 * centre for short messages needs; knows no state.
 */
#ifndef CONTRIB_SMSCSIM_PDU_H
#define CONTRIB_SMSCSIM_PDU_H

#include <stddef.h>
#include <stdint.h>

#include <event2/buffer.h>
#include <smpp34.h>
#include <smpp34_structs.h>

#include "base/slice.h"

#define PDU_HEADER_BYTES 16
#define PDU_LIMIT        4096

/** Sequence numbers are 1 to this (SMPP 3.4, 3.2). */
#define PDU_SEQUENCE_MAX 0x7fffffffu

struct pdu_header {
	uint32_t command_length;
	uint32_t command_id;
	uint32_t command_status;
	uint32_t sequence_number;
};

union pdu {
	struct pdu_header header; /* the common beginning of all */
	bind_transceiver_t bind;  /* all three binds have this layout */
	bind_transceiver_resp_t bind_resp;
	submit_sm_t submit;
	submit_sm_resp_t submit_resp;
	deliver_sm_t deliver;
	deliver_sm_resp_t deliver_resp;
	enquire_link_t enquire;
	unbind_t unbind;
	generic_nack_t nack;
};

/** The header of at least PDU_HEADER_BYTES received bytes. */
struct pdu_header pdu_header(struct slice bytes);

/**
 * Unpack one whole PDU of a kind that the union has.
 * @param out  to be pdu_clear()ed when true is returned
 * @return false when fields are cut, too long or not terminated
 */
bool pdu_read(struct slice bytes, union pdu *out);
/** Free the optional parameters. */
void pdu_clear(union pdu *pdu);
/** The optional parameters of a submit_sm have this tag. */
bool pdu_submit_has(const union pdu *pdu, uint16_t tag);

/** Append; the length is filled in. Ours are always well-formed. */
void pdu_write(union pdu *pdu, struct evbuffer *out);

/** Copy a C string into a field of an SMPP struct; what is too long is cut. */
void pdu_set(uint8_t *field, size_t size, const char *value);

#endif
