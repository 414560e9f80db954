#include "smsc/smsc_metrics.h"

#include "smsc/box.h"

#define COUNTER(name, label, help)                \
	{                                         \
		name, label, METRIC_COUNTER, help \
	}
#define GAUGE(name, help)                      \
	{                                      \
		name, NULL, METRIC_GAUGE, help \
	}

#define GAUGE_EACH(name, help)                      \
	{                                           \
		name, NULL, METRIC_GAUGE_EACH, help \
	}

#define ACKS    "provbox_smsc_acks_total"
#define REPORTS "provbox_smsc_reports_total"
static const char acks_help[] = "Acknowledgements of bearerbox for message parts.";
static const char reports_help[] = "Delivery reports.";

const struct metric smsc_metrics[SMSC_N_METRICS] = {
	[SMSC_LINK_UP] =
		GAUGE_EACH("provbox_smsc_link_up", "1 while bearerbox is connected."),
	[SMSC_DATABASE_UP] =
		GAUGE("provbox_smsc_database_up", "1 while the database is connected."),
	[SMSC_UNREPORTED] =
		GAUGE_EACH("provbox_smsc_unreported_parts",
			   "Parts of which the SMSC has reported nothing yet."),
	[SMSC_WINDOW] = GAUGE_EACH("provbox_smsc_window_parts",
				   "The most that may be unreported: window."),
	[SMSC_UNSTORED] =
		GAUGE("provbox_smsc_unstored",
		      "Acknowledgements, reports and messages that the database "
		      "does not have yet."),
	[SMSC_GIVEN_UP] = COUNTER("provbox_smsc_given_up_total", NULL,
				  "Acknowledgements, reports and messages that the "
				  "database failed for too long."),
	[SMSC_RECONNECTS] = COUNTER("provbox_smsc_reconnects_total", NULL,
				    "Connections to bearerbox that ended."),
	[SMSC_NOTICES] = COUNTER("provbox_smsc_notices_total", NULL,
				 "Notices handed to bearerbox, repetitions included."),
	[SMSC_NOTICES_UNSENDABLE] =
		COUNTER("provbox_smsc_notices_unsendable_total", NULL,
			"Notices that cannot be sent as they are."),
	[SMSC_PARTS] = COUNTER("provbox_smsc_parts_total", NULL,
			       "Message parts written to bearerbox."),
	[SMSC_PARTS_UNREPORTED] =
		COUNTER("provbox_smsc_parts_unreported_total", NULL,
			"Parts whose validity passed without any report."),
	[SMSC_ACK_SUCCESS] = COUNTER(ACKS, "result=\"success\"", acks_help),
	[SMSC_ACK_FAILED] = COUNTER(ACKS, "result=\"failed\"", acks_help),
	[SMSC_ACK_TEMPORARY] = COUNTER(ACKS, "result=\"temporary\"", acks_help),
	[SMSC_ACK_BUFFERED] = COUNTER(ACKS, "result=\"buffered\"", acks_help),
	[SMSC_REPORT_DELIVERED] = COUNTER(REPORTS, "event=\"delivered\"", reports_help),
	[SMSC_REPORT_FAILED] = COUNTER(REPORTS, "event=\"failed\"", reports_help),
	[SMSC_REPORT_BUFFERED] = COUNTER(REPORTS, "event=\"buffered\"", reports_help),
	[SMSC_REPORT_ACCEPTED] = COUNTER(REPORTS, "event=\"accepted\"", reports_help),
	[SMSC_REPORT_REJECTED] = COUNTER(REPORTS, "event=\"rejected\"", reports_help),
	[SMSC_REPORT_OTHER] = COUNTER(REPORTS, "event=\"other\"", reports_help),
	[SMSC_REPORT_FOREIGN] =
		COUNTER("provbox_smsc_reports_foreign_total", NULL,
			"Reports on messages that the database does not know."),
	[SMSC_REPORT_REPEATED] = COUNTER("provbox_smsc_reports_repeated_total", NULL,
					 "Reports that say nothing new of their part."),
	[SMSC_REPORT_LATE] = COUNTER("provbox_smsc_reports_late_total", NULL,
				     "Reports after their notice had ended otherwise."),
	[SMSC_MO] = COUNTER("provbox_smsc_mo_total", NULL,
			    "Messages from handsets, repetitions included."),
	[SMSC_MO_BINARY] = COUNTER("provbox_smsc_mo_binary_total", NULL,
				   "Messages from handsets that are no text; dropped."),
	[SMSC_MO_PART] = COUNTER("provbox_smsc_mo_parts_total", NULL,
				 "Parts of messages from handsets that bearerbox did "
				 "not put together; dropped."),
};

void smsc_metrics_ack(int32_t nack)
{
	if (nack >= BOX_ACK_SUCCESS && nack <= BOX_ACK_BUFFERED)
		metrics_add(SMSC_ACK_SUCCESS + (size_t)nack, 1);
}

void smsc_metrics_report(int32_t event)
{
	size_t metric = SMSC_REPORT_OTHER;
	switch (event) {
	case BOX_REPORT_DELIVERED: metric = SMSC_REPORT_DELIVERED; break;
	case BOX_REPORT_FAILED: metric = SMSC_REPORT_FAILED; break;
	case BOX_REPORT_BUFFERED: metric = SMSC_REPORT_BUFFERED; break;
	case BOX_REPORT_ACCEPTED: metric = SMSC_REPORT_ACCEPTED; break;
	case BOX_REPORT_REJECTED: metric = SMSC_REPORT_REJECTED; break;
	default: break;
	}
	metrics_add(metric, 1);
}
