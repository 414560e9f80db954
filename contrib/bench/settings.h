/*
 * What a part of the bench is told on its command line, as name=value words. One struct
 * for all parts: settings.c has the table of names, main.c which part needs which.
 */
#ifndef CONTRIB_BENCH_SETTINGS_H
#define CONTRIB_BENCH_SETTINGS_H

#include <stdint.h>

#include "base/slice.h"

struct settings {
	const char *mode;   /* load: new, kept or honest; slow: the kind of peer;
			     * step: authentication, device or request */
	const char *name;   /* of the proxy or server, in its certificate; of the box */
	const char *srv;    /* Host of every request */
	const char *target; /* of every request; step: version of the catalogue */
	const char *trust;  /* PEM anchors of the other side */
	const char *crl;    /* of those anchors; upstream only */
	const char *chain;  /* own certificate, PEM */
	const char *key;    /* its key */
	const char *issuer; /* CA of device certificates, PEM */
	const char *issuer_key;
	uint64_t port;        /* to connect to, or to listen at, on 127.0.0.1 */
	uint64_t echo;        /* port of the pulse */
	uint64_t devices;     /* certificates to make */
	uint64_t warm;        /* sessions before the measured ones */
	uint64_t count;       /* sessions, requests or peers to measure */
	uint64_t connections; /* at a time */
	uint64_t rate;        /* new sessions or peers a second */
	uint64_t asks;        /* requests a second of all kept sessions together */
	uint64_t seconds;     /* how long */
	uint64_t window;      /* box: messages without a report */
};

/** @return false with a line on standard error for a word that is no setting */
bool settings_parse(struct settings *settings, char **words, int n_words)
	__attribute__((warn_unused_result));

#endif
