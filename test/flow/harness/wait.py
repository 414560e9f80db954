"""Wait for something to become true, with a deadline and a message."""

import socket
import struct
import time

# Between two looks: the longer it takes, the less another moment matters, and the other
# tests need the processor.
FIRST_PAUSE_S = 0.005
LONGEST_PAUSE_S = 0.03
PAUSE_OF_WAITED = 0.05


def in_vain_until(condition, timeout_s):
    """The first true value of condition(), or what it is after timeout_s."""
    began = time.monotonic()
    while not (value := condition()) and (waited := time.monotonic() - began) < timeout_s:
        time.sleep(min(max(FIRST_PAUSE_S, waited * PAUSE_OF_WAITED), LONGEST_PAUSE_S))
    return value


def until(condition, what, timeout_s=10.0):
    """As in_vain_until(), but fails with `what` when it does not become true."""
    value = in_vain_until(condition, timeout_s)
    assert value, f"waited {timeout_s} s in vain for {what}"
    return value


# sock_diag(7), <linux/inet_diag.h>
SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
ASK_FOR_ALL = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
IN_LISTEN = 1 << 10
NETLINK_HEAD = struct.Struct("=IHHII")
NETLINK_ERROR = 2


def _listeners(family, port):
    """A question for the listening sockets of a port."""
    question = (struct.pack("=BBBxI", family, socket.IPPROTO_TCP, 0, IN_LISTEN)
                + struct.pack("!HH", port, 0) + bytes(44))
    return NETLINK_HEAD.pack(NETLINK_HEAD.size + len(question), SOCK_DIAG_BY_FAMILY,
                             ASK_FOR_ALL, 0, 0) + question


def is_listening(port):
    """Whether somebody listens on a TCP port of this machine.

    Asked of the kernel, of listeners alone: a connection would be one that the program has
    to handle, and bearerbox takes a second for each; to read /proc/net/tcp takes the
    processor ten milliseconds on a machine with much memory.
    """
    for family in (socket.AF_INET, socket.AF_INET6):
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, SOCK_DIAG) as kernel:
            kernel.send(_listeners(family, port))
            _, kind, *_ = NETLINK_HEAD.unpack_from(kernel.recv(65536))
            assert kind != NETLINK_ERROR, "this kernel has no inet_diag"
            if kind == SOCK_DIAG_BY_FAMILY:
                return True
    return False


# Ports are taken from below the range that the kernel gives to clients.
FIRST_PORT = 10000
LAST_PORT = 32000
BLOCK = 1000


def _claimed_ports():
    """Ports of a block that no other run on this machine uses, one after the other.

    The claim is the name of an abstract socket, which ends with this process.
    """
    for first in range(FIRST_PORT, LAST_PORT, BLOCK):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0provbox-test-ports-{first}")
        except OSError:
            claim.close()
            continue
        while claim:
            yield from range(first, first + BLOCK)
    raise AssertionError("every block of ports is in use")


_ports = _claimed_ports()


def free_port():
    """A loopback port on which nothing listens and that nobody else is given."""
    for port in _ports:
        with socket.socket() as probe:
            # A port that connections have just left is free for a listener, too.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
