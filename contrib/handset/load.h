/* A load on a site: many devices, each provisioned once, and what it took them. */
#ifndef CONTRIB_HANDSET_LOAD_H
#define CONTRIB_HANDSET_LOAD_H

#include "contrib/handset/options.h"

/**
 * Provision the devices of a fleet (load_fleet.h) and print how long it took.
 * @return exit status of the process: 0 when every device was provisioned
 */
int load_run(const struct options *options);

#endif
