/*
 * What a load has measured: how many devices were provisioned, the percentiles of each
 * part, and the reasons of those that were not.
 */
#ifndef CONTRIB_HANDSET_LOAD_REPORT_H
#define CONTRIB_HANDSET_LOAD_REPORT_H

#include <stdio.h>

#include "contrib/handset/load_device.h"

struct load_report;

/** @param n  devices that there will be at most */
struct load_report *load_report_new(size_t n);
void load_report_free(struct load_report *report);
/** Count a device that has ended. */
void load_report_add(struct load_report *report, const struct load_device *device);
/** Count one by what is known of it. @param us  of each part, -1 where not reached */
void load_report_count(struct load_report *report, const char *reason,
		       const int64_t us[LOAD_N_PARTS]);
/** One more began after its turn at the rate that was asked for. */
void load_report_count_late(struct load_report *report);
size_t load_report_done(const struct load_report *report);
size_t load_report_failed(const struct load_report *report);
/**
 * Those that were never begun are what is missing to the n of load_report_new().
 * @param ms  the whole load took
 */
void load_report_print(struct load_report *report, int64_t ms, bool is_json, FILE *out);

#endif
