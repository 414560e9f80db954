"""Listening sockets: all workers of a daemon share them, and nobody else."""

import fcntl
import os
import signal
import subprocess

import pytest
from harness import daemon, paths, process, wait
from harness.schema import DEV

UNAVAILABLE = 69


def listening(gateway):
    return [pid for pid in gateway.workers() if "worker" in process.command(pid)]


def assert_served(site, times=1):
    leaf = site.pki.device_leaf("asking", DEV)
    for _ in range(times):
        with site.device(leaf) as client:
            assert client.get("/.provbox/session").status == 200


def test_a_second_daemon_does_not_take_part_in_a_port(site):
    site.gateway.config["workers"] = 2
    site.start("database", "server", "gateway")
    config = site.directory / "second.conf"
    config.write_text(daemon.config_text(
        {**site.gateway.config, "admin": f"unix:{site.directory}/second.sock"}))
    second = subprocess.run([paths.program("provbox-gateway"), "-c", config],
                            capture_output=True, text=True, timeout=20)
    assert second.returncode == UNAVAILABLE, second.stderr
    (failed,) = [line for line in second.stderr.splitlines() if "ev=listen_failed" in line]
    assert f"address=127.0.0.1:{site.airnet_port}" in failed
    assert "Address already in use" in failed and "another process" in failed
    assert_served(site, times=20)


@pytest.mark.parametrize("key, address, hint", [
    ("airnet_listen", "192.0.2.1:8443", "no address of this machine"),
    ("admin", "unix:/nowhere/here.sock", "the folder of the socket is missing"),
])
def test_what_cannot_be_listened_at_says_why_and_what_to_do(site, key, address, hint):
    config = site.directory / "astray.conf"
    config.write_text(daemon.config_text({
        **site.gateway.config, "admin": f"unix:{site.directory}/astray.sock",
        key: [address] if key == "airnet_listen" else address}))
    done = subprocess.run([paths.program("provbox-gateway"), "-c", config],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == UNAVAILABLE, done.stderr
    (failed,) = [line for line in done.stderr.splitlines() if "ev=listen_failed" in line]
    assert f"address={address} why=" in failed and f'hint="{hint}' in failed


def test_a_worker_that_is_started_again_has_its_socket(site):
    site.gateway.config["workers"] = 2
    site.start("database", "server", "gateway")
    before = listening(site.gateway)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait.until(lambda: len(set(listening(site.gateway)) - set(before)) == 2, "new workers")
    site.gateway.process.wait_for(lambda: len(site.gateway.events("ready")) == 2, "ready again")
    assert_served(site, times=20)


def test_a_restart_gets_the_port_while_old_connections_end(site):
    site.start("database", "server", "gateway")
    with site.device(site.pki.device_leaf("connected", DEV)) as client:
        client.connect()
        site.gateway.restart()
    assert_served(site)


def test_a_daemon_that_is_started_without_standard_files_has_none_of_its_own_there(site):
    """What it opens first would be its log otherwise: a socket, or a key that is kept."""
    gateway = site.gateway
    site.start("database", "server", "gateway")
    gateway.stop()
    argv = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh",
            paths.program("provbox-gateway"), "-c", site.directory / "provbox-gateway.conf"]
    bare = process.Process("bare", argv, site.directory)
    site.watch(bare)
    bare.wait_port(site.airnet_port)
    for fd in range(3):
        assert os.readlink(f"/proc/{bare.pid}/fd/{fd}") == "/dev/null"
    assert_served(site)
    assert bare.stop() == 0


def test_who_stops_reading_the_log_stops_nobody(site):
    gateway = site.gateway
    site.start("database", "server", "gateway")
    gateway.stop()
    reader, writer = os.pipe()
    config = site.directory / "provbox-gateway.conf"
    with subprocess.Popen([paths.program("provbox-gateway"), "-c", config],
                          stderr=writer) as unread:
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        os.close(writer)
        wait.until(lambda: wait.is_listening(site.airnet_port), "the gateway to listen")
        assert_served(site, times=20)
        with os.fdopen(reader, errors="replace") as log:
            assert "ev=starting" in log.readline()
            lines = (line for line in log if "ev=log_lost" in line)
            # It is told by the next line that there is.
            unread.terminate()
            assert int(next(lines).partition("lines=")[2]) > 0
            log.read()
        assert unread.wait(process.STOP_TIMEOUT_S) == 0
