#include "base/status_page.h"

#include "test/unit/test.h"

static char page[8192];

static const char *render(void (*put)(const json_t *status, struct evbuffer *out),
			  const char *text)
{
	json_t *status = json_loads(text, 0, NULL);
	struct evbuffer *out = evbuffer_new();

	CU_ASSERT_PTR_NOT_NULL_FATAL(status);
	put(status, out);
	int n = evbuffer_remove(out, page, sizeof(page) - 1);
	CU_ASSERT_FATAL(n > 0 && evbuffer_get_length(out) == 0);
	page[n] = '\0';
	evbuffer_free(out);
	json_decref(status);
	return page;
}

static const char whole[] =
	"{\"program\": \"testd\", \"version\": \"9.8\", \"ready\": true,"
	" \"uptime_ms\": 97445000, \"generation\": 12,"
	" \"reload\": {\"result\": \"done\", \"at\": \"2026-11-21T10:00:00.000Z\","
	"  \"why\": \"\"},"
	" \"generations\": [{\"number\": 12, \"phase\": \"serving\","
	"  \"age_ms\": 3599999, \"config_sha256\": \"0011223344556677\","
	"  \"processes\": ["
	"   {\"role\": \"worker\", \"index\": 0, \"pid\": 4711, \"ready\": true,"
	"    \"restarts\": 0, \"uptime_ms\": 59000, \"cpu_ms\": 12345},"
	"   {\"role\": \"keys\", \"index\": 10, \"pid\": 0, \"ready\": false,"
	"    \"restarts\": 3, \"uptime_ms\": 0},"
	"   {\"role\": \"admin\", \"index\": 0, \"pid\": 5, \"ready\": false,"
	"    \"restarts\": 1, \"uptime_ms\": 172800000}]}],"
	" \"expiries\": ["
	"  {\"key\": \"crl\", \"at\": \"2026-11-21T09:00:00.000Z\", \"left_s\": -1},"
	"  {\"key\": \"airnet.certificate\", \"at\": \"2026-11-23T10:00:07.000Z\","
	"   \"left_s\": 172807}]}";

static void aligns_text(void)
{
	CU_ASSERT_STRING_EQUAL(
		render(status_page_text, whole),
		"testd 9.8 is ready\n"
		"Up 1 d 3 h; last reload 2026-11-21T10:00:00.000Z: done.\n"
		"\n"
		"Generation 12, serving, 59 min 59 s old, configuration "
		"0011223344556677\n"
		"  process   pid   state        up    cpu     restarts\n"
		"  worker 0  4711  ready        59 s  12.3 s  0\n"
		"  keys 10   -     not running  0 s   0.0 s   3\n"
		"  admin 0   5     NOT READY    2 d   0.0 s   1\n"
		"\n"
		"Certificates and revocation lists\n"
		"  file                ends                      in\n"
		"  crl                 2026-11-21T09:00:00.000Z  ENDED\n"
		"  airnet.certificate  2026-11-23T10:00:07.000Z  2 d\n");
}

static void says_why_a_reload_failed_and_lets_no_text_out(void)
{
	static const char status[] =
		"{\"program\": \"testd\", \"version\": \"9.8\", \"ready\": false,"
		" \"uptime_ms\": 1000, \"reload\": {\"result\": \"refused\","
		" \"at\": \"T\", \"why\": \"a<b>&\\u001b[2J\\nc\"}}";

	CU_ASSERT_STRING_EQUAL(render(status_page_text, status),
			       "testd 9.8 is NOT READY\n"
			       "Up 1 s; last reload T: refused: a<b>& [2J c\n");
	const char *html = render(status_page_html, status);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(html, "<h1 class=\"bad\">testd 9.8 is NOT READY</h1>\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(html, "<title>testd is NOT READY</title>"));
	CU_ASSERT_PTR_NOT_NULL(strstr(html, "<p class=\"bad\">Up 1 s"));
	CU_ASSERT_PTR_NOT_NULL(strstr(html, "refused: a&lt;b>&amp; [2J c</p>\n"));
}

static void makes_tables_of_html(void)
{
	const char *html = render(status_page_html, whole);

	CU_ASSERT_EQUAL(strncmp(html, "<!DOCTYPE html>\n", 16), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(html, "<tr><th>process</th><th>pid</th>"));
	CU_ASSERT_PTR_NOT_NULL(strstr(html, "<tr><td>keys 10</td><td>-</td>"
					    "<td class=\"bad\">not running</td>"));
	CU_ASSERT_PTR_NOT_NULL(strstr(html, "<td class=\"bad\">ENDED</td>"));
	CU_ASSERT_PTR_NOT_NULL(strstr(html, "<td>ready</td>"));
	CU_ASSERT_PTR_NOT_NULL(strstr(html, "<td>2 d</td>"));
	CU_ASSERT_PTR_NOT_NULL(strstr(html, "<h1>testd 9.8 is ready</h1>"));
	CU_ASSERT_PTR_NOT_NULL(strstr(html, "<td>crl</td>"));
	CU_ASSERT_PTR_NOT_NULL(strstr(html, "</body></html>\n"));
	CU_ASSERT_PTR_NULL(strstr(html, "<script"));
}

static void survives_a_document_without_members(void)
{
	CU_ASSERT_STRING_EQUAL(render(status_page_text, "{}"),
			       "- - is NOT READY\n"
			       "Up 0 s; last reload -: -.\n");
}

TEST_MAIN("status_page", TEST(aligns_text),
	  TEST(says_why_a_reload_failed_and_lets_no_text_out),
	  TEST(makes_tables_of_html), TEST(survives_a_document_without_members))
