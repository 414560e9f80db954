/*
 * Billing events as files for mediation (doc/billing.md): a kind of effect. One row of
 * the outbox is one file; its name and bytes are the row's and never change, so that
 * a file that is written twice is the same file. Blocks while the disk does.
 */
#ifndef PROVISIONING_BILLING_FILE_H
#define PROVISIONING_BILLING_FILE_H

#include "base/json.h"
#include "provisioning/effect.h"

#define BILLING_FILE_NAME_CHARS 100

extern const struct effect_kind billing_file_kind;

/**
 * Put a file into a folder as it is whole: nobody ever sees a part of it under its
 * name, and it is on the disk when this returns. One of that name is replaced.
 *
 * @param folder  descriptor of the folder
 * @param name    as outbox.payload has it: letters, digits, '-' and '.', the first a
 *                letter, at most BILLING_FILE_NAME_CHARS
 * @param events  an array; each becomes a line
 * @return NULL, or why not, a constant or what strerror() gives; there is then nothing
 *         new under the name
 * Cost: two waits for the disk.
 */
const char *billing_file_write(int folder, struct slice name, const json_t *events);

#endif
