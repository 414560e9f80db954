/* The file of devices (doc/devices.md), CSV or JSON, as device_import() takes it. */
#ifndef PROVCTL_DEVICES_H
#define PROVCTL_DEVICES_H

#include <jansson.h>

#include "base/arena.h"

/**
 * Read a file of devices. What is wrong with one device is for the database to say.
 *
 * @param path  borrowed; "-" is stdin
 * @return an array of objects, new reference; NULL after a complaint with the line
 */
json_t *devices_read(struct arena *arena, const char *path);

#endif
