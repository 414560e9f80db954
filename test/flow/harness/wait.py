"""Wait for something to become true, with a deadline and a message."""

import pathlib
import socket
import time

PAUSE_S = 0.005


def until(condition, what, timeout_s=10.0):
    """The first true value of condition(); fails with `what` after timeout_s."""
    deadline = time.monotonic() + timeout_s
    while True:
        if value := condition():
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s} s in vain for {what}")
        time.sleep(PAUSE_S)


def in_vain_until(condition, timeout_s):
    """As until(), but it is no fault when it never becomes true; whether it did."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()) and time.monotonic() < deadline:
        time.sleep(PAUSE_S)
    return value


def is_listening(port):
    """Whether somebody listens on a TCP port of this machine.

    Asked of the kernel: a connection would be one that the program has to handle, and
    bearerbox takes a second for each.
    """
    listen = "0A"
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for row in pathlib.Path(table).read_text().splitlines()[1:]:
            _, local, _, state, *_ = row.split()
            if state == listen and int(local.rpartition(":")[2], 16) == port:
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
