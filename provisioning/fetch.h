/*
 * Content that lies elsewhere, fetched over HTTPS row by row: a kind of effect. Goes on
 * after the rows that an attempt before it stored, holds one row in memory, reads
 * everything back at the end, and leaves it to the database whether it is what the
 * catalogue says.
 */
#ifndef PROVISIONING_FETCH_H
#define PROVISIONING_FETCH_H

#include "provisioning/effect.h"

extern const struct effect_kind fetch_kind;

#endif
