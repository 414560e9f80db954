/*
 * The checks of the gateway's configuration across keys. Knows what must fit together,
 * not which keys there are.
 */
#ifndef GATEWAY_CONFIG_CHECK_H
#define GATEWAY_CONFIG_CHECK_H

#include "gateway/gateway_config.h"

/** What no single key can know: keys of the two legs differ, srv names are canonical,
 * demo anchors only with demo = yes. Writes one line for each error. */
bool gateway_config_check(const void *config, FILE *errors);

#endif
