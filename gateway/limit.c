#include "gateway/limit.h"

#include <netinet/in.h>
#include <sys/mman.h>

#include "base/log.h"
#include "base/throttle.h"
#include "gateway/gateway_metrics.h"

#define IPV6_NETWORK_BYTES 8

/* Of all workers. */
struct admission {
	int64_t clear_ns;
	int64_t rate; /* that clear_ns was counted by */
};

static struct {
	struct admission *admission;
	struct throttle_table *addresses;
	struct seats *seats;
	size_t slot; /* of this process */
} shared;

void limit_open(void)
{
	shared.admission = mmap(NULL, sizeof(*shared.admission), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	BUG_ON(shared.admission == MAP_FAILED);
	shared.addresses = throttle_table_new();
	shared.seats = seats_new(SUPERVISOR_SLOTS);
}

void limit_bury(size_t slot)
{
	if (shared.seats)
		seats_clear(shared.seats, slot);
}

void limit_use_slot(size_t slot, const struct gateway_config *config)
{
	const int64_t rate = config->admission;

	shared.slot = slot;
	if (shared.admission && __atomic_exchange_n(&shared.admission->rate, rate,
						    __ATOMIC_ACQ_REL) != rate)
		__atomic_store_n(&shared.admission->clear_ns, 0, __ATOMIC_RELEASE);
}

/* ---- Addresses ---- */

/* What one subscriber has: an address, or the network of one. */
static struct slice subscriber_of(const struct sockaddr *address)
{
	const struct sockaddr_in *ip = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *ip6 = (const struct sockaddr_in6 *)address;

	switch (address->sa_family) {
	case AF_INET:
		return slice_make((const char *)&ip->sin_addr, sizeof(ip->sin_addr));
	case AF_INET6:
		return slice_make((const char *)&ip6->sin6_addr, IPV6_NETWORK_BYTES);
	default: return slice_make(NULL, 0);
	}
}

bool limit_admits_address(const struct gateway_config *config,
			  const struct sockaddr *address, int64_t now_ms)
{
	const struct throttle_rate rate = {
		.per_second = config->new_sessions_per_address,
		.burst = config->new_sessions_per_address,
	};
	const struct slice subscriber = subscriber_of(address);

	return !shared.addresses || rate.per_second == 0 || subscriber.n == 0 ||
	       throttle_table_take(shared.addresses, subscriber, rate, now_ms);
}

/* ---- Admission ---- */

bool limit_admits_device(const struct gateway_config *config, bool is_known,
			 int64_t now_ms)
{
	const struct throttle_rate rate = { .per_second = config->admission,
					    .burst = config->admission };

	if (!shared.admission || rate.per_second == 0)
		return true;
	if (!is_known)
		return throttle_take(&shared.admission->clear_ns, rate, now_ms);
	throttle_force(&shared.admission->clear_ns, rate, now_ms);
	return true;
}

/* ---- Sessions of one credential ---- */

size_t limit_enter(const struct gateway_config *config,
		   const uint8_t cred[SHA256_BYTES], int64_t now_ms)
{
	size_t seat;

	if (!shared.seats || config->sessions_per_identity == 0)
		return SEATS_NONE;
	seat = seats_take(shared.seats, slice_make((const char *)cred, SHA256_BYTES),
			  (size_t)config->sessions_per_identity, shared.slot, now_ms);
	metrics_add(GATEWAY_SESSIONS_UNCOUNTED, seat == SEATS_NONE);
	return seat;
}

void limit_leave(size_t seat)
{
	if (seat != SEATS_NONE)
		seats_leave(shared.seats, seat);
}

bool limit_is_called(size_t seat)
{
	return seat != SEATS_NONE && seats_is_called(shared.seats, seat);
}

uint64_t limit_calls(void)
{
	return shared.seats ? seats_calls(shared.seats, shared.slot) : 0;
}
