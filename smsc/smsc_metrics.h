/*
 * What provbox-smsc counts. A metric is its index in the table.
 */
#ifndef SMSC_SMSC_METRICS_H
#define SMSC_SMSC_METRICS_H

#include "base/metrics.h"

enum smsc_metric {
	SMSC_LINK_UP,
	SMSC_DATABASE_UP,
	SMSC_UNREPORTED,
	SMSC_WINDOW,
	SMSC_UNSTORED,
	SMSC_GIVEN_UP,
	SMSC_RECONNECTS,
	SMSC_NOTICES,
	SMSC_NOTICES_UNSENDABLE,
	SMSC_PARTS,
	SMSC_PARTS_UNREPORTED,
	SMSC_ACK_SUCCESS, /* in the order of enum box_nack */
	SMSC_ACK_FAILED,
	SMSC_ACK_TEMPORARY,
	SMSC_ACK_BUFFERED,
	SMSC_REPORT_DELIVERED,
	SMSC_REPORT_FAILED,
	SMSC_REPORT_BUFFERED,
	SMSC_REPORT_ACCEPTED,
	SMSC_REPORT_REJECTED,
	SMSC_REPORT_OTHER,
	SMSC_REPORT_FOREIGN,
	SMSC_REPORT_REPEATED,
	SMSC_REPORT_LATE,
	SMSC_MO,
	SMSC_MO_BINARY,
	SMSC_MO_PART,
	SMSC_N_METRICS,
};

extern const struct metric smsc_metrics[SMSC_N_METRICS];

/** Count one acknowledgement by its nack. */
void smsc_metrics_ack(int32_t nack);
/** Count one delivery report by its event. */
void smsc_metrics_report(int32_t event);

#endif
