#include "gateway/presence.h"

#include <stdlib.h>

#include "base/codec.h"
#include "base/keyed_hash.h"
#include "base/log.h"

#define BUCKETS_MIN 16

LIST_HEAD(bucket, presence_entry);

struct presence {
	uint8_t key[KEYED_HASH_KEY_BYTES];
	size_t n_buckets; /* a power of two */
	struct bucket *buckets;
};

struct presence *presence_new(size_t n_expected)
{
	struct presence *presence = calloc(1, sizeof(*presence));

	BUG_ON(!presence);
	random_bytes(presence->key, sizeof(presence->key));
	presence->n_buckets = BUCKETS_MIN;
	while (presence->n_buckets < n_expected)
		presence->n_buckets *= 2;
	presence->buckets = calloc(presence->n_buckets, sizeof(*presence->buckets));
	BUG_ON(!presence->buckets);
	return presence;
}

void presence_free(struct presence *presence)
{
	if (!presence)
		return;
	free(presence->buckets);
	free(presence);
}

static struct bucket *bucket_of(const struct presence *presence, const char *dev)
{
	const uint64_t hash = keyed_hash(presence->key, slice_of(dev));

	return &presence->buckets[hash & (presence->n_buckets - 1)];
}

void presence_add(struct presence *presence, struct presence_entry *entry,
		  const char *dev)
{
	BUG_ON(entry->dev);
	entry->dev = dev;
	LIST_INSERT_HEAD(bucket_of(presence, dev), entry, next);
}

void presence_remove(struct presence_entry *entry)
{
	if (!entry->dev)
		return;
	LIST_REMOVE(entry, next);
	entry->dev = NULL;
}

struct presence_entry *presence_next(const struct presence *presence, const char *dev,
				     const struct presence_entry *after)
{
	struct presence_entry *entry =
		after ? LIST_NEXT(after, next) : LIST_FIRST(bucket_of(presence, dev));

	while (entry && strcmp(entry->dev, dev) != 0)
		entry = LIST_NEXT(entry, next);
	return entry;
}
