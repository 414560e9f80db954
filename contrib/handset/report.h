/*
 * What a handset tells about itself on standard output: its state when it is off, its
 * messages, and how a run ended; for people or as JSON.
 */
#ifndef CONTRIB_HANDSET_REPORT_H
#define CONTRIB_HANDSET_REPORT_H

#include "contrib/handset/handset.h"

/**
 * Features in force, each executed for its version, and resident features, each
 * executed for whether it is operational.
 */
int report_status(const struct handset_config *config, bool is_json);
int report_messages(bool is_json);
/** How the run ended, as one JSON object on a line. */
void report_run(const struct handset *handset, enum outcome outcome);

#endif
