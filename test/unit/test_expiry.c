#include "base/expiry.h"

#include "test/unit/pki.h"
#include "test/unit/test.h"

#include <time.h>

#define DAY_S 86400

static bool is_about(int64_t end_s, int64_t from_now_s)
{
	int64_t off = end_s - (time(NULL) + from_now_s);

	return off >= -5 && off <= 5;
}

static void append(const char *to, const char *from)
{
	FILE *in = fopen(from, "r"), *out = fopen(to, "a");
	int c;

	CU_ASSERT_FATAL(in && out);
	while ((c = getc(in)) != EOF)
		putc(c, out);
	fclose(in);
	fclose(out);
}

static void finds_the_first_certificate_to_end(void)
{
	struct pki *pki = pki_new("Root");
	struct pki_leaf *leaf = pki_issue(
		pki, "leaf", &(struct pki_options){ .from_s = -60, .to_s = 7200 });
	struct pki_leaf *earlier = pki_issue(
		pki, "earlier", &(struct pki_options){ .from_s = -60, .to_s = 900 });

	CU_ASSERT(is_about(expiry_read(pki->ca_path), DAY_S));
	CU_ASSERT(is_about(expiry_read(leaf->path), 7200));
	pki_write_cert(leaf->path, earlier->cert);
	pki_write_cert(leaf->path, pki->ca);
	CU_ASSERT(is_about(expiry_read(leaf->path), 900));
	pki_free(pki);
}

static void finds_the_list_that_replaces_another(void)
{
	struct pki *one = pki_new("One"), *two = pki_new("Two");

	pki_write_crl(two, -300);
	CU_ASSERT(is_about(expiry_read(two->crl_path), -300));
	pki_write_crl(one, 600);
	append(one->crl_path, two->crl_path);
	CU_ASSERT(is_about(expiry_read(one->crl_path), -300));
	pki_write_crl(two, 300);
	append(one->crl_path, two->crl_path);
	CU_ASSERT(is_about(expiry_read(one->crl_path), 300));
	pki_free(one);
	pki_free(two);
}

static void knows_what_has_no_end(void)
{
	char path[] = "/tmp/provbox-expiry-XXXXXX";
	int fd = mkstemp(path);

	CU_ASSERT_EQUAL(expiry_read(path), EXPIRY_NEVER);
	CU_ASSERT_EQUAL(expiry_read("/nonexistent"), EXPIRY_NEVER);
	close(fd);
	unlink(path);
}

static void tells_in_time(void)
{
	const struct expiry_file file = { "crl", "/etc/crl.pem" };
	const int64_t warning_ms = 14LL * DAY_S * 1000;

	CU_ASSERT_FALSE(expiry_tell(&file, EXPIRY_NEVER, 0, warning_ms));
	CU_ASSERT_FALSE(expiry_tell(&file, 15 * DAY_S, 0, warning_ms));
	CU_ASSERT(expiry_tell(&file, 14 * DAY_S, 0, warning_ms));
	CU_ASSERT(expiry_tell(&file, 14 * DAY_S, 14 * DAY_S, warning_ms));
	CU_ASSERT(expiry_tell(&file, 14 * DAY_S, 15 * DAY_S, 0));
	CU_ASSERT_FALSE(expiry_tell(&file, 14 * DAY_S, 14 * DAY_S - 1, 0));
}

static void watches_each_file_once(void)
{
	static struct expiry_plan plan;
	char paths[EXPIRY_FILES_MAX + 1][16];

	expiry_add(&plan, "trust", "/a");
	expiry_add(&plan, "crl", NULL);
	expiry_add(&plan, "crl", "");
	expiry_add(&plan, "other", "/a");
	CU_ASSERT_EQUAL(plan.n, 1);
	CU_ASSERT_STRING_EQUAL(plan.files[0].key, "trust");
	for (int i = 0; i <= EXPIRY_FILES_MAX; i++) {
		snprintf(paths[i], sizeof(paths[i]), "/%d", i);
		expiry_add(&plan, "more", paths[i]);
	}
	CU_ASSERT_EQUAL(plan.n, EXPIRY_FILES_MAX);
}

TEST_MAIN("expiry", TEST(finds_the_first_certificate_to_end),
	  TEST(finds_the_list_that_replaces_another), TEST(knows_what_has_no_end),
	  TEST(tells_in_time), TEST(watches_each_file_once))
