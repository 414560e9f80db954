"""Wait for something to become true, with a deadline and a message."""

import pathlib
import socket
import time

PAUSE_S = 0.02


def until(condition, what, timeout_s=10.0):
    """The first true value of condition(); fails with `what` after timeout_s."""
    deadline = time.monotonic() + timeout_s
    while True:
        if value := condition():
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s} s in vain for {what}")
        time.sleep(PAUSE_S)


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


_handed_out = set()


def free_port():
    """A loopback port that was free just now and is handed out once in this run."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port not in _handed_out:
            _handed_out.add(port)
            return port
