/*
 * The devices of a load: key and certificate of each, under an authority that the
 * gateway of the test site trusts, and the file with which the operator imports them.
 *
 *	handset.conf             what all have in common
 *	devices.csv              for `provctl device import`
 *	devices/NNNNNN.key, .crt
 */
#ifndef CONTRIB_HANDSET_LOAD_FLEET_H
#define CONTRIB_HANDSET_LOAD_FLEET_H

#include "contrib/handset/handset_config.h"
#include "contrib/handset/options.h"

#define LOAD_FLEET_GIVEN_NAME  "Load"
#define LOAD_FLEET_FAMILY_NAME "Test"
#define LOAD_FLEET_POSTCODE    "00000"
#define LOAD_FLEET_REFERENCE   "load-test"

/** Who one device is. */
struct load_identity {
	char dev[AUTH_DEV_CHARS + 1];
	char number[20];
	char key_file[32], chain_file[32]; /* in the storage of the fleet */
};
void load_fleet_identity(unsigned serial, struct load_identity *out);

/**
 * Make the devices of the command line that are not there yet.
 * @return exit status of the process
 * Cost: 150 us and two small files each.
 */
int load_fleet_make(const struct options *options);

#endif
