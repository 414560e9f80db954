#include "gateway/route.h"

#include "test/unit/test.h"

static char *care[] = { "/v1/device" };
static char *provision[] = { "/v1/catalogue", "/v1/requests" };
static char *large[] = { "/v1/requests/archive" };

static const struct route_config config = {
	.title = "prov.example.com:8443",
	.care = { care, 1 },
	.provision = { provision, 2 },
	.large = { large, 1 },
};
static const struct route route = { .srv = "prov.example.com:8443", .config = &config };

static void a_path_has_the_permission_of_its_prefix(void)
{
	static const struct {
		const char *path;
		enum permission permission;
	} rows[] = {
		{ "/v1/device", PERMISSION_CARE },
		{ "/v1/device/terms", PERMISSION_CARE },
		{ "/v1/catalogue", PERMISSION_PROVISION },
		{ "/v1/requests/0b9d6a5e/terms", PERMISSION_PROVISION },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum permission permission = PERMISSION_N;

		CU_ASSERT_PTR_NOT_NULL(
			route_prefix(&route, slice_of(rows[i].path), &permission));
		CU_ASSERT_EQUAL(permission, rows[i].permission);
	}
}

/* The landnet's own messages travel on the same connections. */
static void other_paths_are_never_forwarded(void)
{
	static const char *const paths[] = {
		"/",
		"/v1",
		"/v1/devices",
		"/v1/requestsx",
		"/v1/authentication",
		"/v1/sessions/AAAA/end",
		"/v1/control",
		"/v2/requests",
		"",
	};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		enum permission permission;

		CU_ASSERT_PTR_NULL(
			route_prefix(&route, slice_of(paths[i]), &permission));
	}
}

static void an_answer_is_large_by_its_path(void)
{
	CU_ASSERT(route_is_large(&route, SLICE("/v1/requests/archive")));
	CU_ASSERT(route_is_large(&route, SLICE("/v1/requests/archive/7")));
	CU_ASSERT_FALSE(route_is_large(&route, SLICE("/v1/requests/archives")));
	CU_ASSERT_FALSE(route_is_large(&route, SLICE("/v1/requests")));
}

TEST_MAIN("route", TEST(a_path_has_the_permission_of_its_prefix),
	  TEST(other_paths_are_never_forwarded), TEST(an_answer_is_large_by_its_path))
