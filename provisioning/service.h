/*
 * A server of others that the courier calls over HTTPS: where it is, whom we believe to
 * be it, and what it knows us by. Read from files once, before the process gives up its
 * right to files.
 */
#ifndef PROVISIONING_SERVICE_H
#define PROVISIONING_SERVICE_H

#include <curl/curl.h>
#include <stdio.h>

#include "base/slice.h"

/** What the configuration says of it; members of struct server_config. */
struct service_config {
	char *url;               /* https://; "": there is none */
	char *trust;             /* PEM anchors; NULL only without a url */
	char *certificate, *key; /* our own to it, PEM; NULL: it asks for none */
	char *token_file;        /* a bearer token; NULL: it asks for none */
	int64_t timeout_ms;      /* of one call, connecting included */
};

struct service {
	const char *url;
	int64_t timeout_ms;
	struct slice trust, certificate, key; /* PEM; the last two NULL, 0 for none */
	char *authorization; /* "Authorization: Bearer TOKEN", or NULL */
};

/** Whether the files named agree with the url and each other.
 * @param name  head of the keys: "billing" */
bool service_check(const struct service_config *config, const char *name, FILE *errors);
/**
 * Read its files.
 * @param config  borrowed for the life of the service
 * @return the service, for the life of the process; NULL after an ERROR line
 */
struct service *service_load(const struct service_config *config, const char *name);
/**
 * As service_load(), where there is a url.
 * @param service  of a kind of effects, its `secrets`: NULL where there is none
 * @return false after an ERROR line
 */
bool service_load_any(const struct service_config *config, const char *name,
		      void **service);
/** What is demanded of it in each call: HTTPS alone and no redirect, a certificate of
 * ours to trust and of its name. And what it knows us by. */
void service_demand(const struct service *service, CURL *easy);

#endif
