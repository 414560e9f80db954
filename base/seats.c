#include "base/seats.h"

#include <sys/mman.h>

#include "base/codec.h"
#include "base/keyed_hash.h"
#include "base/log.h"

#define BUCKETS      4096
#define BUCKET_SEATS 64
#define N_SEATS      ((size_t)BUCKETS * BUCKET_SEATS)

/* A seat is one word, so that it is taken, called and left at once:
 * tag (48, never 0) | is called (1) | owner (15); 0: free. */
#define TAG_SHIFT  16
#define CALLED     (UINT64_C(1) << 15)
#define OWNER_MASK (CALLED - 1)

struct seat {
	uint64_t word;
	int64_t since_ms; /* 0: free, or just being taken */
};

struct seats {
	uint8_t key[KEYED_HASH_KEY_BYTES];
	size_t n_owners;
	uint64_t *calls; /* of each owner */
	struct seat seats[N_SEATS];
};

static void *map(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	BUG_ON(memory == MAP_FAILED);
	return memory;
}

struct seats *seats_new(size_t n_owners)
{
	struct seats *seats = map(sizeof(*seats));

	BUG_ON(n_owners == 0 || n_owners > OWNER_MASK);
	random_bytes(seats->key, sizeof(seats->key));
	seats->n_owners = n_owners;
	seats->calls = map(n_owners * sizeof(*seats->calls));
	return seats;
}

static uint64_t word_of(const struct seat *seat)
{
	return __atomic_load_n(&seat->word, __ATOMIC_ACQUIRE);
}

static bool exchange(struct seat *seat, uint64_t before, uint64_t after)
{
	return __atomic_compare_exchange_n(&seat->word, &before, after, false,
					   __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

static struct seat *sit_down(struct seat *bucket, uint64_t word, int64_t now_ms)
{
	for (size_t i = 0; i < BUCKET_SEATS; i++) {
		struct seat *seat = &bucket[i];

		if (word_of(seat) != 0 || !exchange(seat, 0, word))
			continue;
		__atomic_store_n(&seat->since_ms, now_ms, __ATOMIC_RELEASE);
		return seat;
	}
	return NULL;
}

/* One that is just being taken is the newest. */
static int64_t since_of(const struct seat *seat)
{
	int64_t since_ms = __atomic_load_n(&seat->since_ms, __ATOMIC_ACQUIRE);

	return since_ms ? since_ms : INT64_MAX;
}

/* Those of a tag that were not called yet. @return how many; the oldest of them */
static size_t look_for(struct seat *bucket, uint64_t tag, struct seat **oldest)
{
	size_t n = 0;

	for (size_t i = 0; i < BUCKET_SEATS; i++) {
		struct seat *seat = &bucket[i];
		uint64_t word = word_of(seat);

		if (word >> TAG_SHIFT != tag || word & CALLED)
			continue;
		if (n++ == 0 || since_of(seat) < since_of(*oldest))
			*oldest = seat;
	}
	return n;
}

static void call(struct seats *seats, struct seat *seat)
{
	uint64_t word = word_of(seat);

	/* Whoever changed it meanwhile has left, or was called. */
	if (word != 0 && !(word & CALLED) && exchange(seat, word, word | CALLED))
		__atomic_add_fetch(&seats->calls[word & OWNER_MASK], 1,
				   __ATOMIC_RELEASE);
}

size_t seats_take(struct seats *seats, struct slice key, size_t limit, size_t owner,
		  int64_t now_ms)
{
	const uint64_t hash = keyed_hash(seats->key, key);
	const uint64_t tag = hash >> TAG_SHIFT ? hash >> TAG_SHIFT : 1;
	struct seat *bucket = &seats->seats[hash % BUCKETS * BUCKET_SEATS];
	struct seat *own, *oldest = NULL;

	BUG_ON(limit == 0 || limit > SEATS_MAX_LIMIT || owner >= seats->n_owners);
	own = sit_down(bucket, tag << TAG_SHIFT | owner, now_ms);
	if (!own)
		return SEATS_NONE;
	for (size_t i = 0; i < BUCKET_SEATS; i++) {
		if (look_for(bucket, tag, &oldest) <= limit)
			break;
		call(seats, oldest);
	}
	return (size_t)(own - seats->seats);
}

static void leave(struct seat *seat)
{
	__atomic_store_n(&seat->since_ms, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&seat->word, 0, __ATOMIC_RELEASE);
}

void seats_leave(struct seats *seats, size_t seat)
{
	if (seat == SEATS_NONE)
		return;
	BUG_ON(seat >= N_SEATS);
	leave(&seats->seats[seat]);
}

bool seats_is_called(const struct seats *seats, size_t seat)
{
	return seat != SEATS_NONE && word_of(&seats->seats[seat]) & CALLED;
}

uint64_t seats_calls(const struct seats *seats, size_t owner)
{
	BUG_ON(owner >= seats->n_owners);
	return __atomic_load_n(&seats->calls[owner], __ATOMIC_ACQUIRE);
}

void seats_clear(struct seats *seats, size_t owner)
{
	for (size_t i = 0; i < N_SEATS; i++) {
		uint64_t word = word_of(&seats->seats[i]);

		if (word != 0 && (word & OWNER_MASK) == owner)
			leave(&seats->seats[i]);
	}
}

size_t seats_count(const struct seats *seats)
{
	size_t n = 0;

	for (size_t i = 0; i < N_SEATS; i++)
		n += word_of(&seats->seats[i]) != 0;
	return n;
}
