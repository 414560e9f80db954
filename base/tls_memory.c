#include "base/tls_memory.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "base/log.h"
#include "base/metrics.h"

#define MAX_AGE_S 3600

struct entry {
	LIST_ENTRY(entry) in_bucket;
	TAILQ_ENTRY(entry) in_source; /* the one asked for last comes first */
	struct source *source;
	uint8_t key[SHA256_BYTES];
	int64_t from_s, until_s;
	struct tls_chain chain;
};

/* All entries below one anchor. There are no more of them than anchors. */
struct source {
	LIST_ENTRY(source) next;
	uint8_t anchor[SHA256_BYTES];
	TAILQ_HEAD(entries, entry) entries;
	size_t n;
};

LIST_HEAD(bucket, entry);

struct tls_memory {
	struct bucket *buckets;
	size_t n_buckets; /* a power of two */
	LIST_HEAD(, source) sources;
	size_t n, limit;
	size_t first_metric;
	int64_t last_now_s;
};

static void count(const struct tls_memory *memory, enum tls_memory_metric metric,
		  int64_t n)
{
	metrics_add(memory->first_metric + metric, n);
}

struct tls_memory *tls_memory_new(size_t limit, size_t first_metric)
{
	struct tls_memory *memory = calloc(1, sizeof(*memory));

	BUG_ON(!memory || limit == 0);
	memory->limit = limit;
	memory->first_metric = first_metric;
	for (memory->n_buckets = 1; memory->n_buckets < limit;)
		memory->n_buckets *= 2;
	memory->buckets = calloc(memory->n_buckets, sizeof(*memory->buckets));
	BUG_ON(!memory->buckets);
	LIST_INIT(&memory->sources);
	return memory;
}

static void forget(struct tls_memory *memory, struct entry *entry)
{
	LIST_REMOVE(entry, in_bucket);
	TAILQ_REMOVE(&entry->source->entries, entry, in_source);
	entry->source->n--;
	memory->n--;
	count(memory, TLS_MEMORY_ENTRIES, -1);
	free(entry);
}

static void forget_all(struct tls_memory *memory)
{
	struct source *source;

	LIST_FOREACH (source, &memory->sources, next)
		while (!TAILQ_EMPTY(&source->entries))
			forget(memory, TAILQ_FIRST(&source->entries));
}

void tls_memory_free(struct tls_memory *memory)
{
	if (!memory)
		return;
	forget_all(memory);
	while (!LIST_EMPTY(&memory->sources)) {
		struct source *source = LIST_FIRST(&memory->sources);
		LIST_REMOVE(source, next);
		free(source);
	}
	free(memory->buckets);
	free(memory);
}

/* A key is a hash: any of its bits are as good as others. */
static struct bucket *bucket_of(struct tls_memory *memory,
				const uint8_t key[SHA256_BYTES])
{
	uint64_t bits;

	memcpy(&bits, key, sizeof(bits));
	return &memory->buckets[bits & (memory->n_buckets - 1)];
}

static struct entry *find(struct tls_memory *memory, const uint8_t key[SHA256_BYTES])
{
	struct entry *entry;

	LIST_FOREACH (entry, bucket_of(memory, key), in_bucket)
		if (memcmp(entry->key, key, SHA256_BYTES) == 0)
			return entry;
	return NULL;
}

/* Who can set the clock back could bring to life what has died. */
static void heed_clock(struct tls_memory *memory, int64_t now_s)
{
	if (now_s < memory->last_now_s)
		forget_all(memory);
	memory->last_now_s = now_s;
}

bool tls_memory_find(struct tls_memory *memory, const uint8_t key[SHA256_BYTES],
		     int64_t now_s, struct tls_chain *out)
{
	heed_clock(memory, now_s);
	struct entry *entry = find(memory, key);
	if (entry && (now_s < entry->from_s || now_s >= entry->until_s)) {
		forget(memory, entry);
		entry = NULL;
	}
	count(memory, entry ? TLS_MEMORY_HITS : TLS_MEMORY_MISSES, 1);
	if (!entry)
		return false;
	TAILQ_REMOVE(&entry->source->entries, entry, in_source);
	TAILQ_INSERT_HEAD(&entry->source->entries, entry, in_source);
	*out = entry->chain;
	return true;
}

static struct source *source_of(struct tls_memory *memory,
				const struct tls_chain *chain)
{
	const uint8_t *anchor = chain->cas[chain->n_cas - 1];
	struct source *source;

	LIST_FOREACH (source, &memory->sources, next)
		if (memcmp(source->anchor, anchor, SHA256_BYTES) == 0)
			return source;
	source = calloc(1, sizeof(*source));
	BUG_ON(!source);
	memcpy(source->anchor, anchor, SHA256_BYTES);
	TAILQ_INIT(&source->entries);
	LIST_INSERT_HEAD(&memory->sources, source, next);
	return source;
}

static void evict(struct tls_memory *memory)
{
	struct source *source, *largest = LIST_FIRST(&memory->sources);

	LIST_FOREACH (source, &memory->sources, next)
		if (source->n > largest->n)
			largest = source;
	forget(memory, TAILQ_LAST(&largest->entries, entries));
	count(memory, TLS_MEMORY_EVICTIONS, 1);
}

void tls_memory_keep(struct tls_memory *memory, const uint8_t key[SHA256_BYTES],
		     const struct tls_chain *chain, int64_t from_s, int64_t until_s,
		     int64_t now_s)
{
	BUG_ON(chain->n_cas == 0 || chain->n_cas > TLS_CHAIN_CAS);
	heed_clock(memory, now_s);
	struct entry *entry = find(memory, key);
	if (entry)
		forget(memory, entry);
	if (memory->n == memory->limit)
		evict(memory);
	entry = calloc(1, sizeof(*entry));
	BUG_ON(!entry);
	memcpy(entry->key, key, SHA256_BYTES);
	entry->from_s = from_s;
	entry->until_s = until_s < now_s + MAX_AGE_S ? until_s : now_s + MAX_AGE_S;
	entry->chain = *chain;
	entry->source = source_of(memory, chain);
	TAILQ_INSERT_HEAD(&entry->source->entries, entry, in_source);
	LIST_INSERT_HEAD(bucket_of(memory, key), entry, in_bucket);
	entry->source->n++;
	memory->n++;
	count(memory, TLS_MEMORY_ENTRIES, 1);
}
