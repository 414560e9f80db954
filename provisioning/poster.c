#include "provisioning/poster.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

struct poster {
	struct loop *loop;
	struct post_settings settings;
	CURLM *multi;
	struct timer timer;
};

struct post {
	struct poster *poster;
	CURL *easy;
	struct curl_slist *fields;
	char why[CURL_ERROR_SIZE];
	post_fn *fn;
	void *arg;
};

static void post_free(struct post *post)
{
	curl_multi_remove_handle(post->poster->multi, post->easy);
	curl_easy_cleanup(post->easy);
	curl_slist_free_all(post->fields);
	free(post);
}

/* ---- libcurl on the loop ---- */

static void take_finished(struct poster *poster)
{
	CURLMsg *message;
	int n_left;
	while ((message = curl_multi_info_read(poster->multi, &n_left))) {
		if (message->msg != CURLMSG_DONE)
			continue;
		struct post *post;
		long status = 0;
		CURLcode code = message->data.result;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &post);
		curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE,
				  &status);
		if (code != CURLE_OK && !*post->why)
			snprintf(post->why, sizeof(post->why), "%s",
				 curl_easy_strerror(code));
		post->fn(post->arg, code == CURLE_OK ? (unsigned)status : 0,
			 code == CURLE_OK ? "" : post->why);
		post_free(post);
	}
}

static void act(struct poster *poster, curl_socket_t fd, int what)
{
	int n_running;
	curl_multi_socket_action(poster->multi, fd, what, &n_running);
	take_finished(poster);
}

static void on_timer(void *arg)
{
	act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
	act(arg, fd,
	    (what & EV_READ ? CURL_CSELECT_IN : 0) |
		    (what & EV_WRITE ? CURL_CSELECT_OUT : 0));
}

/* libcurl wants a socket watched; the event is kept as the socket's pointer. */
static int on_watch(CURL *easy, curl_socket_t fd, int what, void *arg, void *watched)
{
	(void)easy;
	struct poster *poster = arg;
	struct event *event = watched;
	if (event)
		event_free(event);
	event = NULL;
	if (what != CURL_POLL_REMOVE) {
		short kind =
			(short)((what & CURL_POLL_IN ? EV_READ : 0) |
				(what & CURL_POLL_OUT ? EV_WRITE : 0) | EV_PERSIST);
		event = event_new(loop_base(poster->loop), fd, kind, on_socket, poster);
		BUG_ON(!event || event_add(event, NULL) != 0);
	}
	curl_multi_assign(poster->multi, fd, event);
	return 0;
}

static int on_timeout(CURLM *multi, long ms, void *arg)
{
	(void)multi;
	struct poster *poster = arg;
	if (ms < 0)
		timer_cancel(&poster->timer);
	else
		timer_start(&poster->timer, ms);
	return 0;
}

static size_t drop_body(char *p, size_t size, size_t n, void *arg)
{
	(void)p, (void)arg;
	return size * n;
}

/* ---- The door ---- */

struct poster *poster_new(struct loop *loop, const struct post_settings *settings)
{
	struct poster *poster = calloc(1, sizeof(*poster));
	BUG_ON(!poster || curl_global_init(CURL_GLOBAL_DEFAULT) != 0);
	poster->loop = loop;
	poster->settings = *settings;
	poster->multi = curl_multi_init();
	BUG_ON(!poster->multi);
	timer_init(&poster->timer, loop, on_timer, poster);
	curl_multi_setopt(poster->multi, CURLMOPT_SOCKETFUNCTION, on_watch);
	curl_multi_setopt(poster->multi, CURLMOPT_SOCKETDATA, poster);
	curl_multi_setopt(poster->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
	curl_multi_setopt(poster->multi, CURLMOPT_TIMERDATA, poster);
	return poster;
}

static void add_field(struct post *post, const char *name, const char *value)
{
	char line[512];
	snprintf(line, sizeof(line), "%s: %s", name, value);
	post->fields = curl_slist_append(post->fields, line);
	BUG_ON(!post->fields);
}

/* An option that this libcurl does not take could be a check left out. */
#define SET(easy, option, value) \
	BUG_ON(curl_easy_setopt(easy, CURLOPT_##option, value) != CURLE_OK)

static void set_options(struct post *post, struct slice body)
{
	const struct post_settings *settings = &post->poster->settings;
	struct curl_blob trust = { .data = (void *)settings->trust.p,
				   .len = settings->trust.n,
				   .flags = CURL_BLOB_NOCOPY };
	CURL *easy = post->easy;
	SET(easy, URL, settings->url);
	SET(easy, PROTOCOLS_STR, "https");
	SET(easy, FOLLOWLOCATION, 0L);
	SET(easy, NOSIGNAL, 1L);
	SET(easy, PROXY, "");
	SET(easy, TIMEOUT_MS, (long)settings->timeout_ms);
	SET(easy, CAINFO, NULL); /* none but ours */
	SET(easy, CAPATH, NULL);
	SET(easy, CAINFO_BLOB, &trust);
	SET(easy, SSLVERSION, CURL_SSLVERSION_TLSv1_2);
	SET(easy, USERAGENT, "provbox-server");
	SET(easy, HTTPHEADER, post->fields);
	SET(easy, POSTFIELDSIZE_LARGE, (curl_off_t)body.n);
	SET(easy, COPYPOSTFIELDS, body.p);
	SET(easy, WRITEFUNCTION, drop_body);
	SET(easy, ERRORBUFFER, post->why);
	SET(easy, PRIVATE, post);
}

void poster_post(struct poster *poster, struct slice body, const char *key, post_fn *fn,
		 void *arg)
{
	struct post *post = calloc(1, sizeof(*post));
	BUG_ON(!post || !(post->easy = curl_easy_init()));
	post->poster = poster;
	post->fn = fn;
	post->arg = arg;
	char quoted[256]; /* a structured field string: Idempotency-Key draft, 2.1 */
	snprintf(quoted, sizeof(quoted), "\"%s\"", key);
	add_field(post, "Content-Type", poster->settings.content_type);
	add_field(post, "Idempotency-Key", quoted);
	add_field(post, "Expect", ""); /* no 100-continue */
	set_options(post, body);
	BUG_ON(curl_multi_add_handle(poster->multi, post->easy) != CURLM_OK);
}
