/*
 * provctl doctor: what is wrong with a site, and what to type about it. The checks are
 * the rows of the table in doctor.c; each adds its findings here. Changes nothing.
 */
#ifndef PROVCTL_DOCTOR_H
#define PROVCTL_DOCTOR_H

#include <jansson.h>

#include "base/slice.h"
#include "provctl/provctl.h"

enum verdict {
	VERDICT_OK,
	VERDICT_WARN, /* it works, and should not stay so */
	VERDICT_FAIL, /* it does not work, or is not safe */
	VERDICT_N,
};

/** A daemon of the site whose configuration is looked at. */
struct doctor_daemon {
	const char *program; /* "provbox-server" */
	const char *path;    /* of its configuration; NULL: it is not on this machine */
	struct slice dump;   /* of its effective settings; empty when they are wrong */
};

struct doctor {
	struct context *ctx;
	struct doctor_daemon server, smsc, gateway;
	const char *kannel;   /* kannel.conf; NULL: none was named */
	json_t *findings;     /* an array of objects */
	const char *looks_at; /* of the check that runs */
	size_t n[VERDICT_N];
};

/**
 * Add a finding.
 * @param name   what it is about
 * @param found  copied
 * @param fix    a command or what else is to be done; NULL for what is good. Copied
 */
void doctor_found(struct doctor *doctor, const char *name, enum verdict verdict,
		  const char *found, const char *fix);

/* Checks of the table. */
void doctor_check_daemons(struct doctor *doctor);
void doctor_check_bearerbox(struct doctor *doctor);
void doctor_check_kannel(struct doctor *doctor);

/** What comes from a descriptor, until its end or a limit; in the arena. */
struct slice doctor_read_all(struct arena *arena, int fd);
/**
 * The next value of a key in a configuration: `key = value`, without quotes.
 * @param text   advanced behind it
 * @param value  borrows from it
 * @return false when there is none
 */
bool doctor_next_value(struct slice *text, const char *key, struct slice *value);
/**
 * Whether something on this machine listens on a TCP port at another address than
 * loopback.
 * @param table  text of /proc/net/tcp or /proc/net/tcp6
 * Source: Linux, Documentation/networking/proc_net_tcp.rst
 */
bool doctor_is_exposed(struct slice table, unsigned port);

#endif
