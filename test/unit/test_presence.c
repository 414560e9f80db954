#include "gateway/presence.h"

#include "test/unit/test.h"

#define N 1000

static struct presence_entry entries[N];
static char names[N][32];

static size_t count(const struct presence *presence, const char *dev)
{
	struct presence_entry *entry = NULL;
	size_t n = 0;

	while ((entry = presence_next(presence, dev, entry))) {
		CU_ASSERT_STRING_EQUAL(entry->dev, dev);
		n++;
	}
	return n;
}

static void open_names(void)
{
	memset(entries, 0, sizeof(entries));
	for (size_t i = 0; i < N; i++)
		snprintf(names[i], sizeof(names[i]), "urn:gsma:imei:%08zu", i);
}

/* In a table of its size, and in one where they must share places. */
static void each_device_is_found_and_no_other(void)
{
	static const size_t sizes[] = { N, 1, 0 };

	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		struct presence *presence = presence_new(sizes[s]);

		open_names();
		for (size_t i = 0; i < N; i++)
			presence_add(presence, &entries[i], names[i]);
		for (size_t i = 0; i < N; i++) {
			CU_ASSERT_PTR_EQUAL(presence_next(presence, names[i], NULL),
					    &entries[i]);
			CU_ASSERT_EQUAL(count(presence, names[i]), 1);
		}
		CU_ASSERT_EQUAL(count(presence, "urn:gsma:imei:"), 0);
		for (size_t i = 0; i < N; i += 2)
			presence_remove(&entries[i]);
		for (size_t i = 0; i < N; i++)
			CU_ASSERT_EQUAL(count(presence, names[i]), i % 2);
		presence_free(presence);
	}
}

/* Compared by what it says, not by where it stands. */
static void a_device_has_as_many_as_it_has(void)
{
	struct presence *presence = presence_new(4);

	open_names();
	for (size_t i = 0; i < N; i++) {
		snprintf(names[i], sizeof(names[i]), "device %zu", i % 10);
		presence_add(presence, &entries[i], names[i]);
	}
	CU_ASSERT_EQUAL(count(presence, "device 7"), N / 10);
	for (size_t i = 7; i < N - 10; i += 10)
		presence_remove(&entries[i]);
	CU_ASSERT_EQUAL(count(presence, "device 7"), 1);
	CU_ASSERT_EQUAL(count(presence, "device 8"), N / 10);
	presence_free(presence);
}

static void what_was_never_added_is_removed_as_well(void)
{
	struct presence *presence = presence_new(1);
	struct presence_entry entry = { .dev = NULL };

	presence_remove(&entry);
	presence_add(presence, &entry, "a");
	presence_remove(&entry);
	presence_remove(&entry);
	CU_ASSERT_PTR_NULL(presence_next(presence, "a", NULL));
	presence_add(presence, &entry, "b");
	CU_ASSERT_PTR_EQUAL(presence_next(presence, "b", NULL), &entry);
	presence_remove(&entry);
	presence_free(presence);
	presence_free(NULL);
}

TEST_MAIN("presence", TEST(each_device_is_found_and_no_other),
	  TEST(a_device_has_as_many_as_it_has),
	  TEST(what_was_never_added_is_removed_as_well))
