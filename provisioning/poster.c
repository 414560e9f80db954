#include "provisioning/poster.h"

#include <stdlib.h>

#include "base/log.h"

struct poster {
	struct transfers *transfers;
	struct post_settings settings;
};

struct post {
	const struct poster *poster;
	struct curl_slist *fields;
	char *body; /* of the answer */
	size_t n_body;
	bool is_too_long;
	post_fn *fn;
	void *arg;
};

enum post_verdict post_judge(unsigned status)
{
	if (status >= 200 && status < 300)
		return POST_DONE;
	if (status == 408 || status == 425 || status == 429)
		return POST_FAILED;
	return status >= 300 && status < 500 ? POST_REFUSED : POST_FAILED;
}

/* ---- The answer ---- */

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct post *post = arg;
	size_t limit = post->poster->settings.answer_limit_bytes;
	(void)size; /* is 1 */
	if (limit == 0)
		return n;
	post->is_too_long = n > limit - post->n_body;
	if (post->is_too_long)
		return 0;
	memcpy(post->body + post->n_body, p, n);
	post->n_body += n;
	return n;
}

static void on_end(void *arg, CURL *easy, const char *why)
{
	struct post *post = arg;
	long status = 0;
	char *type = NULL;
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
	post->fn(post->arg,
		 &(struct post_answer){
			 .status = *why ? 0 : (unsigned)status,
			 .why = post->is_too_long ? "the answer is too long" : why,
			 .type = type && !*why ? type : "",
			 .body = slice_make(post->body, *why ? 0 : post->n_body),
		 });
	curl_slist_free_all(post->fields);
	free(post->body);
	free(post);
}

/* ---- The request ---- */

struct poster *poster_new(struct transfers *transfers,
			  const struct post_settings *settings)
{
	struct poster *poster = calloc(1, sizeof(*poster));
	BUG_ON(!poster);
	poster->transfers = transfers;
	poster->settings = *settings;
	return poster;
}

static void add_field(struct post *post, const char *line)
{
	post->fields = curl_slist_append(post->fields, line);
	BUG_ON(!post->fields);
}

static void add_fields(struct post *post, const char *key)
{
	const struct post_settings *settings = &post->poster->settings;
	char line[300];
	snprintf(line, sizeof(line), "Content-Type: %s", settings->content_type);
	add_field(post, line);
	/* a structured field string: Idempotency-Key draft, 2.1 */
	snprintf(line, sizeof(line), "Idempotency-Key: \"%s\"", key);
	add_field(post, line);
	add_field(post, "Expect:"); /* no 100-continue */
	if (settings->service->authorization)
		add_field(post, settings->service->authorization);
}

void poster_post(struct poster *poster, struct slice body, const char *key, post_fn *fn,
		 void *arg)
{
	const struct service *service = poster->settings.service;
	struct post *post = calloc(1, sizeof(*post));
	CURL *easy = curl_easy_init();
	BUG_ON(!post || !easy);
	post->poster = poster;
	post->fn = fn;
	post->arg = arg;
	post->body = malloc(poster->settings.answer_limit_bytes + 1);
	BUG_ON(!post->body);
	add_fields(post, key);
	service_demand(service, easy);
	TRANSFER_SET(easy, URL, service->url);
	TRANSFER_SET(easy, TIMEOUT_MS, (long)service->timeout_ms);
	TRANSFER_SET(easy, HTTPHEADER, post->fields);
	TRANSFER_SET(easy, POSTFIELDSIZE_LARGE, (curl_off_t)body.n);
	TRANSFER_SET(easy, COPYPOSTFIELDS, body.p);
	TRANSFER_SET(easy, WRITEFUNCTION, on_body);
	TRANSFER_SET(easy, WRITEDATA, post);
	transfers_begin(poster->transfers, easy, on_end, post);
}
