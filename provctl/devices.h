/*
 * The file of devices (doc/devices.md), CSV or JSON, as device_import() takes it, one
 * device after the other: however many they are, memory does not grow.
 */
#ifndef PROVCTL_DEVICES_H
#define PROVCTL_DEVICES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct devices;

/**
 * Open a file of devices, and read all of it once, so that who stores what is in it
 * does not find on the way that the rest cannot be read. What is wrong with one device
 * is for the database to say.
 *
 * @param path  borrowed, for the life of what is returned; "-" is stdin. What is no
 *              regular file is copied to a temporary one that has no name.
 * @return NULL after a complaint with the line; devices_close()
 */
struct devices *devices_open(const char *path);
uint64_t devices_count(const struct devices *devices);
/**
 * Read the next device.
 *
 * @param device  set to an object, new reference; NULL at the end
 * @param line    set to the line on which it begins
 * @return false after a complaint: the file is not what it was when it was opened
 */
bool devices_next(struct devices *devices, json_t **device, unsigned int *line);
/** NULL is nothing. */
void devices_close(struct devices *devices);

#endif
