/* Billing events (CloudEvents 1.0, doc/billing.md): a kind of effect. */
#ifndef PROVISIONING_BILLING_H
#define PROVISIONING_BILLING_H

#include "provisioning/effect.h"

extern const struct effect_kind billing_kind;

#endif
