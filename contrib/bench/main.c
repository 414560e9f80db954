/*
 * bench: the parts of `make bench`, started by contrib/bench/run. See
 * doc/performance.md.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/auth.h"
#include "base/address.h"
#include "base/listener.h"
#include "base/log.h"
#include "contrib/bench/part.h"

#define EXIT_USAGE   2
#define SERVER_CHARS 32

static const struct part {
	const char *name;
	int (*run)(const struct settings *settings);
} parts[] = {
	{ "load", load_run },         { "held", held_run }, { "slow", slow_run },
	{ "upstream", upstream_run }, { "unit", unit_run }, { "echo", echo_run },
	{ "box", box_run },           { "step", step_run },
};

bool part_is_told_to_go(void)
{
	puts("ready");
	fflush(stdout);
	return getchar() == '\n';
}

static void write_address(uint64_t port, char out[SERVER_CHARS])
{
	snprintf(out, SERVER_CHARS, "127.0.0.1:%u", (unsigned)port);
}

socklen_t part_address(uint64_t port, struct sockaddr_storage *out)
{
	char text[SERVER_CHARS];
	socklen_t size;

	write_address(port, text);
	BUG_ON(!address_parse(text, out, &size));
	return size;
}

int part_listen(uint64_t port)
{
	char text[SERVER_CHARS];

	write_address(port, text);
	return listener_open(text);
}

struct tls_context *part_tls(const struct settings *settings, enum tls_role role)
{
	char why[256];
	EVP_PKEY *key = keys_load(settings->key, why, sizeof(why));
	struct tls_context *tls = NULL;

	if (key)
		tls = tls_context_new(
			&(struct tls_settings){ .role = role,
						.chain_path = settings->chain,
						.key = key,
						.trust_path = settings->trust,
						.crl_path = settings->crl,
						.no_crl = !settings->crl },
			why, sizeof(why));
	EVP_PKEY_free(key);
	if (!tls) {
		fprintf(stderr, "bench: %s\n", why);
		exit(EXIT_FAILURE);
	}
	return tls;
}

int main(int argc, char **argv)
{
	struct settings settings = { .target = "/v1/device" };

	signal(SIGPIPE, SIG_IGN); /* who has gone is told by EPIPE */
	log_open("bench", LOG_LEVEL_WARN);
	for (size_t i = 0; argc > 1 && i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (strcmp(argv[1], parts[i].name) != 0)
			continue;
		return settings_parse(&settings, argv + 2, argc - 2)
			       ? parts[i].run(&settings)
			       : EXIT_USAGE;
	}
	fprintf(stderr, "usage: bench load|held|slow|upstream|unit|echo|box|step "
			"name=value...\n");
	return EXIT_USAGE;
}
