#include "provisioning/transfer.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/log.h"

/*
 * Idle connections are kept, far more than there can be: to make room in its pool,
 * libcurl takes leave of the oldest one, and of a mail server it does that by QUIT, for
 * whose answer it waits without coming back to the loop, two minutes if need be. One
 * that has grown old is closed without a word.
 */
#define POOL_CONNECTIONS 1000L

struct transfers {
	struct loop *loop;
	CURLM *multi;
	struct timer timer;
};

struct transfer {
	CURL *easy;
	curl_socket_t fd; /* that it was last watched at */
	char why[CURL_ERROR_SIZE];
	transfer_fn *fn;
	void *arg;
};

static void end(struct transfers *transfers, struct transfer *transfer, CURLcode code)
{
	if (code == CURLE_OK)
		*transfer->why = '\0';
	else if (!*transfer->why)
		snprintf(transfer->why, sizeof(transfer->why), "%s",
			 curl_easy_strerror(code));
	transfer->fn(transfer->arg, transfer->easy, transfer->why);
	curl_multi_remove_handle(transfers->multi, transfer->easy);
	curl_easy_cleanup(transfer->easy);
	free(transfer);
}

static void act(struct transfers *transfers, curl_socket_t fd, int what)
{
	int n_running, n_left;
	CURLMsg *message;
	curl_multi_socket_action(transfers->multi, fd, what, &n_running);
	while ((message = curl_multi_info_read(transfers->multi, &n_left))) {
		struct transfer *transfer;
		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
		end(transfers, transfer, message->data.result);
	}
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
	struct transfers *transfers = arg;
	struct transfer *transfer = NULL;
	struct event *event = watched;
	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
	if (transfer && what != CURL_POLL_REMOVE)
		transfer->fd = fd;
	if (event)
		event_free(event);
	event = NULL;
	if (what != CURL_POLL_REMOVE) {
		short kind =
			(short)((what & CURL_POLL_IN ? EV_READ : 0) |
				(what & CURL_POLL_OUT ? EV_WRITE : 0) | EV_PERSIST);
		event = event_new(loop_base(transfers->loop), fd, kind, on_socket,
				  transfers);
		BUG_ON(!event);
		/* What cannot be watched says nothing until its deadline. */
		if (event_add(event, NULL) != 0) {
			event_free(event);
			event = NULL;
		}
	}
	curl_multi_assign(transfers->multi, fd, event);
	return 0;
}

static int on_timeout(CURLM *multi, long ms, void *arg)
{
	(void)multi;
	struct transfers *transfers = arg;
	if (ms < 0)
		timer_cancel(&transfers->timer);
	else
		timer_start(&transfers->timer, ms);
	return 0;
}

struct transfers *transfers_new(struct loop *loop)
{
	struct transfers *transfers = calloc(1, sizeof(*transfers));
	BUG_ON(!transfers || curl_global_init(CURL_GLOBAL_DEFAULT) != 0);
	transfers->loop = loop;
	transfers->multi = curl_multi_init();
	BUG_ON(!transfers->multi);
	timer_init(&transfers->timer, loop, on_timer, transfers);
	curl_multi_setopt(transfers->multi, CURLMOPT_SOCKETFUNCTION, on_watch);
	curl_multi_setopt(transfers->multi, CURLMOPT_SOCKETDATA, transfers);
	curl_multi_setopt(transfers->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
	curl_multi_setopt(transfers->multi, CURLMOPT_TIMERDATA, transfers);
	curl_multi_setopt(transfers->multi, CURLMOPT_MAXCONNECTS, POOL_CONNECTIONS);
	return transfers;
}

void transfers_begin(struct transfers *transfers, CURL *easy, transfer_fn *fn,
		     void *arg)
{
	struct transfer *transfer = calloc(1, sizeof(*transfer));
	BUG_ON(!transfer);
	transfer->easy = easy;
	transfer->fd = CURL_SOCKET_BAD;
	transfer->fn = fn;
	transfer->arg = arg;
	TRANSFER_SET(easy, ERRORBUFFER, transfer->why);
	TRANSFER_SET(easy, PRIVATE, transfer);
	BUG_ON(curl_multi_add_handle(transfers->multi, easy) != CURLM_OK);
}

void transfer_stop_reading(CURL *easy)
{
	struct transfer *transfer;
	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
	if (transfer->fd != CURL_SOCKET_BAD)
		(void)shutdown(transfer->fd, SHUT_RD); /* or it has ended already */
}
