#include "smsc/window.h"

#include <search.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/log.h"

struct part {
	char uuid[UUID_CHARS]; /* first: the key */
	TAILQ_ENTRY(part) link;
	int64_t sent_ms, until_ms;
	bool is_acked;
};
TAILQ_HEAD(parts, part);

struct window {
	void *by_uuid;               /* tsearch(3) tree of struct part */
	struct parts unacked, acked; /* each in the order in which they were sent */
	size_t n, limit;
};

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, UUID_CHARS);
}

static struct part *find(struct window *window, struct slice uuid)
{
	if (uuid.n != UUID_CHARS)
		return NULL;
	struct part *const *found = tfind(uuid.p, &window->by_uuid, compare);
	return found ? *found : NULL;
}

static void forget(struct window *window, struct part *part)
{
	TAILQ_REMOVE(part->is_acked ? &window->acked : &window->unacked, part, link);
	tdelete(part, &window->by_uuid, compare);
	window->n--;
	free(part);
}

struct window *window_new(size_t limit)
{
	struct window *window = calloc(1, sizeof(*window));
	BUG_ON(!window);
	TAILQ_INIT(&window->unacked);
	TAILQ_INIT(&window->acked);
	window->limit = limit;
	return window;
}

void window_free(struct window *window)
{
	tdestroy(window->by_uuid, free);
	free(window);
}

size_t window_room(const struct window *window)
{
	return window->n < window->limit ? window->limit - window->n : 0;
}

size_t window_count(const struct window *window)
{
	return window->n;
}

static struct part *add(struct window *window, struct slice uuid, int64_t now_ms,
			int64_t until_ms)
{
	struct part *part = calloc(1, sizeof(*part));
	BUG_ON(!part);
	memcpy(part->uuid, uuid.p, UUID_CHARS);
	part->sent_ms = now_ms;
	part->until_ms = until_ms;
	struct part **added = tsearch(part, &window->by_uuid, compare);
	BUG_ON(!added || *added != part);
	window->n++;
	return part;
}

void window_add(struct window *window, struct slice uuid, int64_t now_ms,
		int64_t until_ms)
{
	BUG_ON(uuid.n != UUID_CHARS || window->n >= window->limit);
	struct part *part = add(window, uuid, now_ms, until_ms);
	TAILQ_INSERT_TAIL(&window->unacked, part, link);
}

void window_restore(struct window *window, struct slice uuid, int64_t until_ms)
{
	BUG_ON(uuid.n != UUID_CHARS);
	if (find(window, uuid))
		return;
	struct part *part = add(window, uuid, 0, until_ms);
	part->is_acked = true;
	TAILQ_INSERT_TAIL(&window->acked, part, link);
}

void window_acked(struct window *window, struct slice uuid)
{
	struct part *part = find(window, uuid);
	if (!part || part->is_acked)
		return;
	TAILQ_REMOVE(&window->unacked, part, link);
	TAILQ_INSERT_TAIL(&window->acked, part, link);
	part->is_acked = true;
}

bool window_remove(struct window *window, struct slice uuid)
{
	struct part *part = find(window, uuid);
	if (part)
		forget(window, part);
	return part != NULL;
}

int64_t window_oldest_unacked_ms(const struct window *window)
{
	const struct part *oldest = TAILQ_FIRST(&window->unacked);
	return oldest ? oldest->sent_ms : -1;
}

static size_t drop(struct window *window, struct parts *parts, int64_t until_ms)
{
	size_t n = 0;
	struct part *part = TAILQ_FIRST(parts);
	while (part) {
		struct part *next = TAILQ_NEXT(part, link);
		if (part->until_ms <= until_ms) {
			forget(window, part);
			n++;
		}
		part = next;
	}
	return n;
}

size_t window_drop_unacked(struct window *window)
{
	return drop(window, &window->unacked, INT64_MAX);
}

size_t window_expire(struct window *window, int64_t now_ms)
{
	return drop(window, &window->unacked, now_ms) +
	       drop(window, &window->acked, now_ms);
}
