#include "gateway/access.h"

#include <stdlib.h>

#include "base/log.h"

#define RENEW_BEFORE_MS 60000

void access_clear(struct access *access)
{
	free(access->grant);
	*access = (struct access){ 0 };
}

void access_ask(struct access *access, uint64_t watch)
{
	access_clear(access);
	access->is_asked = true;
	access->watch = watch;
}

void access_forget(struct access *access)
{
	access->watch = 0;
}

void access_set(struct access *access, const struct auth_information *information,
		int64_t now_ms)
{
	access_ask(access, access->watch);
	access->standing = information->standing;
	access->granted_ms = now_ms;
	access->is_granted = information->grant.n > 0;
	if (!access->is_granted)
		return;
	access->grant = malloc(BASE64URL_CHARS(information->grant.n) + 1);
	BUG_ON(!access->grant);
	base64url_encode(information->grant, access->grant);
}

bool access_is_fresh(const struct access *access, uint64_t watch, int64_t now_ms)
{
	return access->is_granted && watch != 0 && access->watch == watch &&
	       now_ms - access->granted_ms <
		       AUTH_GRANT_SECONDS * 1000 - RENEW_BEFORE_MS;
}

enum auth_reason access_refusal(const struct access *access)
{
	if (access->standing == STANDING_BLOCKED)
		return REASON_DEVICE_BLOCKED;
	if (access->standing == STANDING_UNKNOWN)
		return REASON_DEVICE_UNKNOWN;
	return REASON_NONE;
}
