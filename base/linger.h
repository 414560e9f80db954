/*
 * The last moments of a socket whose owner is done with it: our side is shut down,
 * and what still comes is read and thrown away until the peer closes too. Closing
 * at once instead, with bytes unread, would make the kernel send a reset, which
 * destroys the answer or the alert that the peer has not read yet.
 */
#ifndef BASE_LINGER_H
#define BASE_LINGER_H

#include "base/loop.h"

/**
 * Take over @p fd and close it when the peer has closed, after LINGER_MS at most, or
 * when LINGER_SOCKETS newer ones have come. Never fails and never calls back.
 * @param fd  taken; connected, non-blocking
 */
void linger_start(struct loop *loop, int fd);

#define LINGER_MS      2000
#define LINGER_SOCKETS 256

#endif
