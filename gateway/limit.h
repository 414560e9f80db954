/*
 * Limits that hold over all workers of the gateway, of every generation: how fast new
 * devices are admitted and one address may connect, and how many sessions one
 * credential has. What is counted is in shared memory; why it is counted so, and where,
 * is doc/decisions/013-limits.md.
 */
#ifndef GATEWAY_LIMIT_H
#define GATEWAY_LIMIT_H

#include <sys/socket.h>

#include "base/codec.h"
#include "base/seats.h"
#include "gateway/gateway_config.h"

/** Map what is shared; in main(), before there are workers. Without it nothing is
 * limited, so that modules run without it. */
void limit_open(void);
/** supervisor_role.bury: give back what a dead worker held. */
void limit_bury(size_t slot);
/**
 * This process is the worker of that slot, under this configuration. Where `admission`
 * is another than that of the workers before, what they owed to theirs is forgotten:
 * who raises it in a storm is not to wait until it is over.
 */
void limit_use_slot(size_t slot, const struct gateway_config *config);

/**
 * Whether a connection may be taken from an address (IPv4, or the /64 of IPv6).
 * `new_sessions_per_address`; always, when that is 0 or the address of another kind.
 */
bool limit_admits_address(const struct gateway_config *config,
			  const struct sockaddr *address, int64_t now_ms);
/**
 * Whether a device may be authenticated now. `admission`; 0 always.
 * @param is_known  it was, in this session: it may always, others wait for it
 */
bool limit_admits_device(const struct gateway_config *config, bool is_known,
			 int64_t now_ms);

/**
 * A session of this credential has begun; the oldest above `sessions_per_identity` are
 * called to end (F13: those of one credential are one device).
 * @return for limit_leave(), also when there is no limit
 */
size_t limit_enter(const struct gateway_config *config,
		   const uint8_t cred[SHA256_BYTES], int64_t now_ms);
void limit_leave(size_t seat);
/** Whether the session that holds it has to end. */
bool limit_is_called(size_t seat);
/** Changes when sessions of this worker are called. */
uint64_t limit_calls(void);

#endif
