/*
 * An HTTPS server of somebody else, as a process of its own: takes one connection after
 * another, reads one request on each, answers as the test said beforehand, and writes
 * down what it read.
 */
#ifndef TEST_UNIT_HTTPS_PEER_H
#define TEST_UNIT_HTTPS_PEER_H

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/unit/pki.h"
#include "test/unit/test.h"

/** What the certificate of a peer must be for. */
#define HTTPS_NAME "IP:127.0.0.1"

/** Instead of an answer. */
#define HTTPS_SILENCE "" /* the connection stays open, and nothing comes */
#define HTTPS_CUT     NULL

struct https_peer {
	struct pki *pki;
	char url[64];
	pid_t pid;
	int said; /* what it read, each request ended by a NUL */
};

/* ---- In its process ---- */

/* Read a head, and as many bytes as it promises. */
static inline size_t https_read(SSL *ssl, char *text, size_t cap)
{
	size_t n = 0, whole = cap;

	while (n < whole) {
		int got = SSL_read(ssl, text + n, (int)(cap - 1 - n));
		if (got <= 0)
			return 0;
		text[n += (size_t)got] = '\0';
		const char *end = strstr(text, "\r\n\r\n");
		const char *length = strcasestr(text, "\r\nContent-Length: ");
		if (end)
			whole = (size_t)(end + 4 - text) +
				(length ? strtoul(length + 18, NULL, 10) : 0);
	}
	return n;
}

/* Answer @p n connections in turn, the last answer for ever. */
static inline void https_serve(SSL_CTX *context, int listener, int said,
			       const char *const *answers, size_t n)
{
	static char text[65536];

	for (size_t i = 0;;) {
		int fd = accept(listener, NULL, NULL);
		const struct timeval patience = { .tv_sec = 5 }; /* with a stranger */
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		SSL *ssl = SSL_new(context);
		SSL_set_fd(ssl, fd);
		size_t size =
			SSL_accept(ssl) == 1 ? https_read(ssl, text, sizeof(text)) : 0;
		if (size > 0) {
			const char *answer = answers[i < n ? i : n - 1];
			i++;
			if (write(said, text, size + 1) < 0)
				_exit(1);
			if (answer && *answer == '\0')
				continue; /* and never closed */
			if (answer)
				SSL_write(ssl, answer, (int)strlen(answer));
			SSL_shutdown(ssl);
		}
		SSL_free(ssl);
		close(fd);
	}
}

/* ---- In the test ---- */

/**
 * Start it with a certificate of its own authority.
 * @param name       what the certificate is for: HTTPS_NAME, or "DNS:example.com"
 * @param is_mutual  it demands a certificate of peer->pki
 * @param answers    whole responses, one for each connection, the last for all further
 */
static inline void https_open_as(struct https_peer *peer, const char *name,
				 bool is_mutual, const char *const *answers, size_t n)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t size = sizeof(address);
	int fds[2], listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	peer->pki = pki_new("Billing");
	const struct pki_leaf *leaf =
		pki_issue(peer->pki, "receiver",
			  &(struct pki_options){ .san = name, .eku = "serverAuth" });
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	CU_ASSERT_EQUAL_FATAL(SSL_CTX_use_certificate(context, leaf->cert), 1);
	CU_ASSERT_EQUAL_FATAL(SSL_CTX_use_PrivateKey(context, leaf->key), 1);
	if (is_mutual) {
		SSL_CTX_set_verify(context,
				   SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
				   NULL);
		SSL_CTX_load_verify_file(context, peer->pki->ca_path);
	}
	CU_ASSERT_EQUAL_FATAL(bind(listener, (void *)&address, size), 0);
	CU_ASSERT_EQUAL_FATAL(listen(listener, 16), 0);
	getsockname(listener, (void *)&address, &size);
	snprintf(peer->url, sizeof(peer->url), "https://127.0.0.1:%u/events",
		 ntohs(address.sin_port));
	CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
	fflush(NULL);
	peer->pid = fork();
	if (peer->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* should the test die first */
		signal(SIGPIPE, SIG_IGN);
		alarm(TEST_TIMEOUT_S);
		https_serve(context, listener, fds[1], answers, n);
	}
	SSL_CTX_free(context);
	close(listener);
	close(fds[1]);
	peer->said = fds[0];
}

/** One that asks for no certificate. */
static inline void https_open(struct https_peer *peer, const char *name,
			      const char *const *answers, size_t n)
{
	https_open_as(peer, name, false, answers, n);
}

/** The next request that it read; static, "" when there is none so far. */
static inline const char *https_heard(const struct https_peer *peer)
{
	static char text[65536];
	struct pollfd poll_fd = { .fd = peer->said, .events = POLLIN };
	size_t n = 0;

	while (n < sizeof(text) - 1 && poll(&poll_fd, 1, 0) == 1 &&
	       read(peer->said, text + n, 1) == 1 && text[n] != '\0')
		n++;
	text[n] = '\0';
	return text;
}

static inline void https_close(struct https_peer *peer)
{
	kill(peer->pid, SIGKILL);
	waitpid(peer->pid, NULL, 0);
	close(peer->said);
	pki_free(peer->pki);
}

/** The authority's certificate, as a trust anchor: PEM, freed by the caller. */
static inline char *https_trust(const struct https_peer *peer)
{
	char *text = NULL;
	size_t size = 0;
	FILE *file = fopen(peer->pki->ca_path, "r");

	CU_ASSERT_FATAL(file && getdelim(&text, &size, '\0', file) > 0);
	fclose(file);
	return text;
}

#endif
