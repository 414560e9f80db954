"""The keys child: nobody else holds a private key, and its death hurts nobody for long."""

import base64
import os
import pathlib
import re
import signal
import ssl
import threading

import pytest
from cryptography.hazmat.primitives import serialization
from harness import airnet, paths, process, wait
from harness.schema import DEV

# Of the sanitizers: address space that nothing is in.
REGION_BYTES_MAX = 1 << 30
ONLY_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may look")
UNAVAILABLE = 'provbox_gateway_handshake_failures_total{reason="key_unavailable"}'


@pytest.fixture
def edge(site):
    site.start("database", "server", "gateway")
    site.good = site.pki.device_leaf("good", DEV)
    return site


def pid_of(daemon, role):
    (pid,) = [pid for pid in daemon.workers() if f": {role} " in process.command(pid)]
    return pid


def is_served(site):
    """Whether a device that comes now gets in and is answered."""
    try:
        with airnet.Device(site, site.good) as device:
            return device.ask("GET /v1/device HTTP/1.1").status == 200
    except (OSError, ssl.SSLError):
        return False


class Load:
    """Devices that come, ask and go, on two threads."""

    def __init__(self, site):
        self.site = site
        self.served = [0, 0]
        self.failed = [0, 0]
        self.is_over = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=[i]) for i in range(2)]

    def run(self, i):
        while not self.is_over.is_set():
            count = self.served if is_served(self.site) else self.failed
            count[i] += 1

    def wait(self, n):
        """Until `n` more were served."""
        wanted = sum(self.served) + n
        wait.until(lambda: sum(self.served) >= wanted, f"{n} sessions", 30)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        for thread in self.threads:
            thread.join()


# -- where keys are

def memory(pid):
    """What a process has in memory and may read, region by region, but for zeros."""
    maps = pathlib.Path(f"/proc/{pid}/maps").read_text()
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
        for line in maps.splitlines():
            start, end, rights = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+)", line).groups()
            size = int(end, 16) - int(start, 16)
            if "r" not in rights or size > REGION_BYTES_MAX:
                continue
            try:
                region = os.pread(mem.fileno(), size, int(start, 16))
            except OSError:
                continue  # [vvar]: no memory
            if region.strip(b"\0"):
                yield region


def forms(leaf):
    """A private key as it may lie in memory: the number in both directions (OpenSSL's
    own has its words the other way round), DER, and pieces of PEM."""
    number = leaf.key.private_numbers().private_value.to_bytes(32, "big")
    der = leaf.key.private_bytes(serialization.Encoding.DER,
                                 serialization.PrivateFormat.PKCS8,
                                 serialization.NoEncryption())
    text = base64.b64encode(der)
    return [number, number[::-1], der, text[48:64], text[64:128]]


def held(pid, leaves):
    """Names of the keys of which a process holds any form."""
    found, n_bytes = set(), 0
    for region in memory(pid):
        n_bytes += len(region)
        found |= {name for name, leaf in leaves.items()
                  if any(form in region for form in forms(leaf))}
    assert n_bytes > 1 << 20, "there was nothing to look at"
    return found


@ONLY_ROOT
def test_no_worker_holds_a_key_while_it_uses_it(edge):
    p = edge.pki
    leaves = {"airnet": p.gateway_airnet, "landnet": p.gateway_landnet,
              "server": p.server_landnet}
    with Load(edge) as load:
        load.wait(20)
        for pid in (pid_of(edge.gateway, "worker"), pid_of(edge.server, "landnet"),
                    edge.gateway.process.pid, edge.server.process.pid):
            assert held(pid, leaves) == set(), process.command(pid)
        assert held(pid_of(edge.gateway, "keys"), leaves) == {"airnet", "landnet"}
        assert held(pid_of(edge.server, "keys"), leaves) == {"server"}
        load.wait(5)


@pytest.mark.skipif(os.geteuid() == 0 or paths.is_sanitized(), reason="root may look, and "
                    "anybody into a process with sanitizers")
def test_nobody_of_the_same_user_may_look(edge):
    for pid in edge.gateway.workers():
        with pytest.raises(PermissionError):
            open(f"/proc/{pid}/mem", "rb").close()


@ONLY_ROOT
def test_the_keys_child_has_no_socket(edge):
    for daemon in (edge.gateway, edge.server):
        folder = pathlib.Path(f"/proc/{pid_of(daemon, 'keys')}/fd")
        kinds = sorted(os.readlink(fd).split(":")[0]
                       for fd in folder.iterdir() if int(fd.name) > 2)
        # One worker asks; the other descriptor tells the supervisor of readiness.
        assert kinds == ["/memfd", "anon_inode"]


# -- when it is gone

def test_a_killed_keys_child_is_missed_for_a_moment(edge):
    worker = pid_of(edge.gateway, "worker")
    with airnet.Device(edge, edge.good) as standing, Load(edge) as load:
        assert standing.ask("GET /v1/device HTTP/1.1").status == 200
        for n in range(1, 4):
            load.wait(5)
            os.kill(pid_of(edge.gateway, "keys"), signal.SIGKILL)
            assert standing.ask("GET /v1/device HTTP/1.1").status == 200
            wait.until(lambda n=n: len(edge.gateway.events("ready")) == n + 1, "ev=ready")
            load.wait(5)
        assert standing.ask("GET /v1/device HTTP/1.1").status == 200
    metrics = edge.gateway.metrics()
    assert sum(load.failed) == metrics[UNAVAILABLE]
    assert metrics['provbox_gateway_restarts_total{role="keys",index="0"}'] == 3
    assert pid_of(edge.gateway, "worker") == worker


def test_a_stuck_keys_child_costs_one_wait(edge):
    keys = pid_of(edge.gateway, "keys")
    with airnet.Device(edge, edge.good) as standing:
        assert standing.ask("GET /v1/device HTTP/1.1").status == 200
        os.kill(keys, signal.SIGSTOP)
        for _ in range(5):
            assert not is_served(edge)
        assert standing.ask("GET /v1/device HTTP/1.1").status == 200
        assert edge.gateway.metrics()[UNAVAILABLE] == 5
        os.kill(keys, signal.SIGCONT)
        wait.until(lambda: is_served(edge), "a session")
        assert standing.ask("GET /v1/device HTTP/1.1").status == 200
    assert len(edge.gateway.events("keys_away")) == 1
    assert len(edge.gateway.events("keys_back")) == 1


def test_a_server_whose_keys_child_is_killed_goes_on(edge):
    landnet = pid_of(edge.server, "landnet")
    before, after = edge.landnet(), edge.landnet()
    before.authenticate(edge.good, DEV)
    os.kill(pid_of(edge.server, "keys"), signal.SIGKILL)
    assert before.request("GET", "/v1/device").status == 200
    wait.until(lambda: len(edge.server.events("ready")) == 2, "ev=ready")
    after.authenticate(edge.good, DEV)
    assert after.request("GET", "/v1/device").status == 200
    before.close()
    after.close()
    assert pid_of(edge.server, "landnet") == landnet
