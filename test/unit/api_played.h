/* The memory of a call, and what a row's fill() puts into its statement. */
#ifndef TEST_UNIT_API_PLAYED_H
#define TEST_UNIT_API_PLAYED_H

#include "provisioning/api.h"

static struct arena *arena;
static struct api_call call;
static struct db_param params[DB_PARAMS_MAX];
static size_t n_params;

struct arena *api_arena(struct api_call *its_call)
{
	(void)its_call;
	return arena;
}

void *api_alloc(struct api_call *its_call, size_t n)
{
	(void)its_call;
	return arena_alloc(arena, n);
}

#endif
