/*
 * What a process may ask of the kernel, for the rest of its life. A role names its
 * rights; what follows from them (system calls, limits, an empty root) stands here, in
 * one table. A call without a right ends the process with SIGSYS, or fails in those
 * that run libraries which try this and that. Knows no role.
 */
#ifndef BASE_SANDBOX_H
#define BASE_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

/**
 * Rights beyond those that every process has: to wait, to read and write what it holds,
 * memory that is never executed, time, random bytes, and to end itself.
 */
enum sandbox_right {
	SANDBOX_ACCEPT = 1 << 0,    /* connections, on the sockets it was given */
	SANDBOX_DIAL_IP = 1 << 1,   /* connect by TCP over IPv4 and IPv6 */
	SANDBOX_DIAL_FILE = 1 << 2, /* connect to Unix sockets */
	SANDBOX_FILES = 1 << 3,     /* read files */
	SANDBOX_RESOLVE = 1 << 4, /* look up names as the C library does: threads, UDP,
				     netlink, modules */
	SANDBOX_MAKE_FILES = 1 << 5, /* new ones, with another name when they are whole
				      */
	SANDBOX_SUPERVISE = 1 << 6,  /* anything but what only an attack does; alone */
};

/** What libpq needs, with a passfile, a CA file, and a socket folder. */
#define SANDBOX_DATABASE (SANDBOX_DIAL_IP | SANDBOX_DIAL_FILE | SANDBOX_FILES)

/**
 * Whether a process with @p rights sees no file at all where the system allows it
 * (sandbox_leave_files()) and dies of every call that it has no right to, instead of
 * being refused some: true unless it may read files or supervises.
 */
bool sandbox_is_strict(unsigned rights);

/**
 * Have libraries load now what they would look for later: time zone, random seeds,
 * error texts, configuration, modules of the user database. The first of three steps,
 * before sandbox_leave_files().
 */
void sandbox_prepare(void);

/**
 * Make an empty, already removed directory the root and the working directory.
 *
 * Takes CAP_SYS_CHROOT, so that it comes before the change of user; descriptors stay
 * what they are.
 * @return false with errno; EPERM where the system does not allow it
 */
bool sandbox_leave_files(void) __attribute__((warn_unused_result));

/**
 * Give up for good what @p rights do not name; after the change of user.
 *
 * Sets limits, no_new_privs, not dumpable, and the filter. A build with sanitizers has
 * no_new_privs alone: their runtime contradicts the rest.
 *
 * @param rights     of enum sandbox_right
 * @param forbidden  borrowed for ever, perhaps shared memory: gets the number of the
 *                   call of which the process then dies with SIGSYS; NULL: nobody
 *                   asks
 * @return false with errno when the kernel refuses; the process must then end
 * Cost: about a millisecond.
 */
bool sandbox_enter(unsigned rights, int *forbidden) __attribute__((warn_unused_result));

/** Write the name of system call @p number: "openat", or "call_9999". */
void sandbox_call_name(int number, char *out, size_t size);

#endif
