/*
 * The gate of one worker: how many connections it has, and how many of them are
 * strangers of whom it is not known yet who they are. At either limit nothing more is
 * accepted; those who come wait in the kernel, which costs us nothing, and hear no
 * refusal at which all would come again at once. A stranger that takes its time then
 * gives way. Knows no sockets.
 */
#ifndef BASE_GATE_H
#define BASE_GATE_H

#include <sys/queue.h>

#include "base/loop.h"

/* How long a stranger may take when others wait for its place; an honest handshake on a
 * slow radio link takes less. */
#define GATE_PATIENCE_MS 2000

/** One connection; inside its owner's struct. */
struct gate_entry {
	TAILQ_ENTRY(gate_entry) next; /* among strangers */
	int64_t since_ms;
	void (*displace)(void *owner);
	void *owner;
	bool is_stranger;
	bool is_inside;
};

struct gate {
	struct loop *loop;
	size_t max, max_strangers; /* 0: no limit */
	size_t n, n_strangers;
	TAILQ_HEAD(, gate_entry) strangers; /* the oldest first */
	struct timer timer;                 /* while held, to look for the slow */
	bool is_held, is_closed;
	int64_t said_ms; /* when it was last logged */
	void (*hold)(bool is_held, void *arg);
	void *arg;
};

/** @param hold  accept nothing more, or again; within calls of gate_enter() and those
 * below it */
void gate_init(struct gate *gate, struct loop *loop, size_t max, size_t max_strangers,
	       void (*hold)(bool is_held, void *arg), void *arg);
/**
 * A connection was accepted.
 * @param displace  ends it when it is to give way; calls gate_leave()
 */
void gate_enter(struct gate *gate, struct gate_entry *entry,
		void (*displace)(void *owner), void *owner);
/** It is no stranger any more. */
void gate_know(struct gate *gate, struct gate_entry *entry);
/** It is over; one that never entered is nothing. */
void gate_leave(struct gate *gate, struct gate_entry *entry);
/** Hold nobody back any more: the worker ends. */
void gate_close(struct gate *gate);

#endif
