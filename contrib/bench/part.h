/*
 * The parts of the bench, each a process of its own: `bench PART name=value...`. A part
 * says "ready" on standard output when it is prepared; load and slow then wait for a
 * line on standard input, do what they are for, and print one line of JSON; load and
 * held for each line, until there are no more.
 */
#ifndef CONTRIB_BENCH_PART_H
#define CONTRIB_BENCH_PART_H

#include "base/listener.h"
#include "base/tls.h"
#include "contrib/bench/settings.h"

/** Devices that open sessions and ask: the load of a measurement. */
int load_run(const struct settings *settings);
/** Sessions that are held, and ask together. */
int held_run(const struct settings *settings);
/** Peers that are as slow as they can. */
int slow_run(const struct settings *settings);
/** The server behind the proxy: authenticates everybody, answers 1 KB. */
int upstream_run(const struct settings *settings);
/** CPU microseconds of one mutual TLS 1.3 handshake in memory, both sides together. */
int unit_run(const struct settings *settings);
/** A gateway's side of the landnet leg: steps of the server, some at a time. */
int step_run(const struct settings *settings);
/** A bare box that fills bearerbox: what a link could reach that costs nothing. */
int box_run(const struct settings *settings);
/** The other side of a pulse (pulse.h). */
int echo_run(const struct settings *settings);

/** Say "ready", wait for the line; false when none came. */
bool part_is_told_to_go(void) __attribute__((warn_unused_result));
/** 127.0.0.1 and a port. */
socklen_t part_address(uint64_t port, struct sockaddr_storage *out);
/** Listen there. @return as listener_open() */
int part_listen(uint64_t port);
/** A context with the chain, key and trust of the settings; ends the process without.
 */
struct tls_context *part_tls(const struct settings *settings, enum tls_role role);

#endif
