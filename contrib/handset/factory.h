/* Making a new handset: its storage, key, certificate request and configuration. */
#ifndef CONTRIB_HANDSET_FACTORY_H
#define CONTRIB_HANDSET_FACTORY_H

#include "contrib/handset/options.h"

/**
 * Make the storage of a handset that is not there yet.
 *
 * The key (P-256, device.key, mode 0600) is made here and never leaves the storage;
 * device.csr asks an authority for device.crt with the identifier in its SAN.
 *
 * @return exit status of the process
 */
int factory_make(const struct options *options);
/** Write handset.conf into the present folder. @return false with a line on stderr */
bool factory_write_config(const struct options *options);

#endif
