/*
 * The sections `authority` of the configuration: which CA may assert which identifiers
 * (F12). Checks them and makes of them what auth/ works with.
 */
#ifndef GATEWAY_AUTHORITIES_H
#define GATEWAY_AUTHORITIES_H

#include "auth/auth.h"
#include "gateway/gateway_config.h"

/** Writes one line for each error. */
bool authorities_check(const struct gateway_config *config, FILE *errors);
/**
 * One for each section, in their order.
 * @return freed by free(), what it points to is the configuration's; NULL after logging
 *         which certificate cannot be read
 */
struct authority *authorities_load(const struct gateway_config *config);

#endif
