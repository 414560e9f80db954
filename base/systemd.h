/*
 * The little that systemd wants to hear from a service. Does without libsystemd.
 */
#ifndef BASE_SYSTEMD_H
#define BASE_SYSTEMD_H

/**
 * Send a state like "READY=1" to the socket that NOTIFY_SOCKET names; do nothing when
 * there is none. A failure is logged.
 * Source: sd_notify(3).
 */
void systemd_notify(const char *state);

#endif
