"""Listening sockets: all workers of a daemon share them, and nobody else."""

import os
import signal
import subprocess

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
