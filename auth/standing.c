#include "auth/auth.h"

#include "base/log.h"

/* What a device of each standing may do; whatever is not written here is denied. */
static const struct {
	const char *name;
	bool may[PERMISSION_N];
} standings[STANDING_N] = {
	[STANDING_ACTIVE] = { "active",
			      { [PERMISSION_CARE] = true,
				[PERMISSION_PROVISION] = true } },
	[STANDING_UNPROVISIONED] = { "unprovisioned",
				     { [PERMISSION_CARE] = true,
				       [PERMISSION_PROVISION] = true } },
	[STANDING_LIMITED] = { "limited", { [PERMISSION_CARE] = true } },
	[STANDING_BLOCKED] = { "blocked", { false } },
	[STANDING_UNKNOWN] = { "unknown", { false } },
};

static const char *const permissions[PERMISSION_N] = {
	[PERMISSION_CARE] = "care",
	[PERMISSION_PROVISION] = "provision",
};

const char *standing_name(enum standing standing)
{
	BUG_ON(standing >= STANDING_N);
	return standings[standing].name;
}

bool standing_parse(struct slice name, enum standing *out)
{
	for (size_t i = 0; i < STANDING_N; i++) {
		if (!slice_eq(name, slice_of(standings[i].name)))
			continue;
		*out = (enum standing)i;
		return true;
	}
	return false;
}

const char *permission_name(enum permission permission)
{
	BUG_ON(permission >= PERMISSION_N);
	return permissions[permission];
}

bool standing_permits(enum standing standing, enum permission permission)
{
	return standing < STANDING_N && permission < PERMISSION_N &&
	       standings[standing].may[permission];
}
