"""A daemon as a service of systemd: its watchdog, and sockets that were opened for it."""

import os
import signal
import socket
import sys

import pytest
from harness import paths, process, wait
from harness.schema import DEV

# Opens listening sockets as a socket unit does, and becomes the daemon.
OPENER = """
import os, socket, sys
for i, (host, port) in enumerate(a.rsplit(":", 1) for a in sys.argv[1].split(",")):
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listening.bind((host, int(port)))
    listening.listen()
    os.dup2(listening.detach(), 100 + i)
for i in range(len(sys.argv[1].split(","))):
    os.dup2(100 + i, 3 + i)
    os.close(100 + i)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(i + 1))
os.execv(sys.argv[2], sys.argv[2:])
"""


def opened_by_another(addresses):
    return [sys.executable, "-c", OPENER, ",".join(addresses)]


def pids(daemon, role):
    return [pid for pid in daemon.workers() if role in process.command(pid)]


def test_ps_tells_processes_apart_however_short_the_command_was(site):
    """What was typed has less room than the names that are written over it."""
    site.start("database", "server", "gateway")
    site.gateway.stop()
    (site.directory / "c").write_text((site.directory / "provbox-gateway.conf").read_text())
    start = ("import os, sys; os.chdir(sys.argv[1]); os.execve(sys.argv[2],"
             " ['g', '-c', 'c'], {**os.environ, 'A': 'b' * 100})")
    short = process.Process("short", [sys.executable, "-c", start, site.directory,
                                      paths.program("provbox-gateway")], site.directory)
    site.watch(short)
    short.wait_event("ready")
    names = {process.command(pid) for pid in process.descendants(short.pid)}
    assert {"provbox-gateway: worker 0", "provbox-gateway: keys 0"} <= names
    assert short.stop() == 0


# ---- The watchdog ------------------------------------------------------------------


@pytest.fixture
def heard(site):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as hearing:
        hearing.bind(str(site.directory / "notify"))
        hearing.settimeout(10)
        site.gateway.env = {"NOTIFY_SOCKET": str(site.directory / "notify"),
                            "WATCHDOG_USEC": "4000000"}
        yield hearing
        # What is still said has a reader until the daemon has ended.
        site.gateway.stop()


def listen_until(heard, text, times=1):
    """What came meanwhile."""
    said = []
    while said.count(text) < times:
        said.append(heard.recv(100))
    return said


@pytest.mark.parametrize("role", ["worker", "keys"])
def test_a_process_that_stands_still_is_replaced(site, heard, role):
    """The others go on, and systemd has no reason to end them."""
    site.start("database", "server", "gateway")
    assert listen_until(heard, b"WATCHDOG=1", 2)
    (stuck,) = pids(site.gateway, role)
    others = set(site.gateway.workers()) - {stuck}
    site.gateway.expect_errors("child_stuck")
    os.kill(stuck, signal.SIGSTOP)
    told = site.gateway.wait_event("child_stuck", role=role, pid=stuck)
    assert int(told["after_ms"]) == 1998
    wait.until(lambda: len(pids(site.gateway, role)) == 1
               and pids(site.gateway, role) != [stuck], "its successor")
    assert others < set(site.gateway.workers())
    site.gateway.process.wait_for(lambda: len(site.gateway.events("ready")) == 2, "ready again")
    assert set(listen_until(heard, b"WATCHDOG=1", 4)) <= {b"WATCHDOG=1", b"READY=1"}
    with site.device(site.pki.device_leaf("asking", DEV)) as client:
        assert client.get("/.provbox/session").status == 200


def test_nobody_is_told_that_all_is_well_by_a_supervisor_that_stands_still(site, heard):
    site.start("database", "server", "gateway")
    listen_until(heard, b"WATCHDOG=1", 2)
    os.kill(site.gateway.process.pid, signal.SIGSTOP)
    heard.settimeout(1)
    with pytest.raises(TimeoutError):
        listen_until(heard, b"", 1)
    os.kill(site.gateway.process.pid, signal.SIGCONT)
    heard.settimeout(10)
    assert listen_until(heard, b"WATCHDOG=1", 2)
    assert not site.gateway.events("child_stuck")  # the pause was the supervisor's own


# ---- Sockets -----------------------------------------------------------------------


@pytest.mark.parametrize("n_sockets, workers", [(1, 2), (2, 1)])
def test_a_port_that_another_opened_is_served_over_reloads(site, n_sockets, workers):
    """More workers than sockets share one; what waits in a second one is not forgotten."""
    address = f"127.0.0.1:{site.airnet_port}"
    site.gateway.prefix = opened_by_another([address] * n_sockets)
    site.gateway.config["workers"] = workers
    site.start("database", "server", "gateway")
    leaf = site.pki.device_leaf("asking", DEV)
    for generation in (1, 2, 3):
        if generation > 1:
            os.kill(site.gateway.process.pid, signal.SIGHUP)
            site.gateway.wait_event("reloaded", generation=generation)
        for _ in range(10):
            with site.device(leaf) as client:
                assert client.get("/.provbox/session").status == 200
    assert not site.gateway.events("socket_unused")


def test_a_socket_that_the_configuration_does_not_name_is_told(site):
    spare = wait.free_port()
    site.gateway.prefix = opened_by_another(
        [f"127.0.0.1:{site.airnet_port}", f"127.0.0.1:{spare}"])
    site.start("database", "server", "gateway")
    (told,) = site.gateway.events("socket_unused")
    assert told["address"] == f"127.0.0.1:{spare}"
