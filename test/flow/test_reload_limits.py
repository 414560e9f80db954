"""Limits, listeners and processes that a reload changes: what is counted is right after it."""

import contextlib
import os
import pathlib
import pwd
import signal
import socket
import threading

import pytest
from harness import airnet, haproxy, postgres, process, wait
from harness.stand_in import StandIn
from rogue_server import Response
from test_proxy import assert_closed, connect, header
from test_reload import hang_up, reload, rewrite, wait_generations

DEVICE = "/v1/device"
CATALOGUE = "/v1/catalogue"
UNCOUNTED = "provbox_gateway_sessions_uncounted_total"
SESSIONS = "provbox_gateway_sessions"
CHAINS = "provbox_gateway_chains"
MOST = 32  # sessions of one identity
BUCKET = 64  # seats in which those of one identity are


class Edge:
    """A gateway before a stand-in that keeps what is asked for under /v1/catalogue until
    `release`, and devices that all have one identity."""

    def __init__(self, site, devices):
        self.site, self.gateway = site, site.gateway
        self.stand_in = StandIn(site)
        self.release = threading.Event()
        self.stand_in.respond = self.respond
        self.devices = devices

    def respond(self, request):
        if request.target == CATALOGUE:
            self.release.wait(20)
        return Response(200, {})

    def device(self):
        device = self.devices.enter_context(airnet.Device(self.site, self.stand_in.device))
        assert device.ask(f"GET {DEVICE} HTTP/1.1").status == 200
        return device

    def change(self, **config):
        """By a reload; the generation before has ended or drains: it takes nobody new."""
        drain = len(self.gateway.events("draining")) + self.gateway.config.get("workers", 1)
        self.gateway.config.update(config)
        reload(self.gateway)
        wait.until(lambda: len(self.gateway.events("draining")) >= drain, "workers that drain")

    def leave(self):
        """All devices go: nobody waits for them to read what they were told last."""
        self.devices.close()

    def superseded(self):
        return len(self.gateway.events("session_end", reason="superseded"))

    def wait_superseded(self, n):
        wait.until(lambda: self.superseded() == n, f"{n} superseded sessions")

    def close(self):
        self.release.set()
        self.stand_in.close()


@pytest.fixture
def edge(site):
    site.gateway.config.update(pool_wait="20s", authentication_timeout="20s",
                               head_timeout="20s")
    with contextlib.ExitStack() as devices:
        made = Edge(site, devices)
        yield made
        made.close()


def goes_on(device):
    return device.ask(f"GET {DEVICE} HTTP/1.1").status == 200


def test_the_limit_of_an_identity_follows(edge):
    edge.gateway.config["sessions_per_identity"] = 3
    edge.site.start("gateway")
    busy = edge.device()
    busy.head(f"GET {CATALOGUE} HTTP/1.1")
    wait.until(lambda: CATALOGUE in edge.stand_in.server.targets(), "a request that lasts")
    edge.change(sessions_per_identity=1)
    # The old generation still has one of them: it is the oldest, and ends with its answer.
    first = edge.device()
    assert goes_on(first)
    edge.release.set()
    assert busy.receive().status == 200 and busy.rest() == b""
    busy.close()
    wait_generations(edge.gateway, 1)
    second = edge.device()
    assert first.rest() == b"" and goes_on(second)
    assert edge.superseded() == 1
    edge.leave()
    # Without a limit nobody is counted; with one again, those who come then are.
    edge.change(sessions_per_identity=0)
    wait_generations(edge.gateway, 1)
    many = [edge.device() for _ in range(5)]
    assert all(map(goes_on, many)) and edge.superseded() == 1
    edge.leave()
    edge.change(sessions_per_identity=2)
    wait_generations(edge.gateway, 1)
    later = [edge.device() for _ in range(4)]
    edge.wait_superseded(3)
    assert [device.rest() for device in later[:2]] == [b"", b""]
    assert all(map(goes_on, later[2:]))
    assert edge.gateway.metrics()[UNCOUNTED] == 0


def test_the_limit_holds_over_workers_that_come_and_go(edge):
    edge.gateway.config.update(sessions_per_identity=2, workers=1)
    edge.site.start("gateway")
    superseded = 0
    for workers in (3, 1, 2):
        edge.change(workers=workers)
        wait_generations(edge.gateway, 1)
        roles = [process.command(pid) for pid in edge.gateway.workers()]
        assert sum(": worker " in role for role in roles) == workers
        devices = [edge.device() for _ in range(8)]
        superseded += 6
        edge.wait_superseded(superseded)
        assert all(map(goes_on, devices[6:]))
        wait.until(lambda: edge.gateway.metrics()[SESSIONS] == 2, "two sessions")
        edge.leave()


def test_what_a_killed_worker_held_is_free(edge):
    """More of them than there is room for one identity."""
    edge.gateway.config.update(sessions_per_identity=MOST, workers=1, pool_size=4)
    edge.site.start("gateway")
    for n in range(BUCKET // MOST + 1):
        wait.until(lambda: len(edge.gateway.events("ready")) == n + 1, "a worker")
        lost = [airnet.Device(edge.site, edge.stand_in.device) for _ in range(MOST)]
        wait.until(lambda: edge.gateway.metrics()[SESSIONS] == MOST, "all of them")
        assert goes_on(lost[-1])
        (worker,) = [pid for pid in edge.gateway.workers()
                     if ": worker " in process.command(pid)]
        os.kill(worker, signal.SIGKILL)
        wait.until(lambda: edge.gateway.metrics()[SESSIONS] == 0, "the end of all")
        for device in lost:
            device.close()
    wait.until(lambda: len(edge.gateway.events("ready")) == n + 2, "the last worker")
    assert goes_on(edge.device())
    assert edge.superseded() == 0
    wait.until(lambda: edge.gateway.metrics()[SESSIONS] == 1, "the one session")
    assert edge.gateway.metrics()[UNCOUNTED] == 0


def test_a_listener_for_a_proxy_comes_and_goes(edge):
    edge.site.start("gateway")
    port = wait.free_port()
    plain = edge.gateway.config["airnet_listen"]
    edge.change(proxy_listen=[f"127.0.0.1:{port}"], proxy_from=[f"{haproxy.ADDRESS}/32"])
    raw = connect(port)
    raw.sendall(header())
    with airnet.Device(edge.site, edge.stand_in.device, raw=raw) as device:
        assert goes_on(device)
    # Who has not yet said whom it speaks for is served by the generation that it met.
    early = connect(port)
    early.sendall(header()[:10])
    wait.until(lambda: edge.gateway.metrics()[SESSIONS] == 0, "the end of the session")
    edge.change(proxy_listen=[], proxy_from=[])
    early.sendall(header()[10:])
    with airnet.Device(edge.site, edge.stand_in.device, raw=early) as device:
        assert goes_on(device)
    wait_generations(edge.gateway, 1)
    with pytest.raises(ConnectionRefusedError):
        connect(port)
    assert goes_on(edge.device())
    edge.leave()
    # An address that was for handsets is for a proxy alone from then on.
    edge.change(airnet_listen=[f"127.0.0.1:{port}"], proxy_listen=plain,
                proxy_from=[f"{haproxy.ADDRESS}/32"])
    wait_generations(edge.gateway, 1)
    assert_closed(connect(edge.site.airnet_port, "127.0.0.1"))
    with airnet.Device(edge.site, edge.stand_in.device,
                       raw=socket.create_connection(("127.0.0.1", port))) as device:
        assert goes_on(device)


def test_remembered_chains_follow(edge):
    edge.site.start("gateway")
    for most, chains in ((0, 0), (100000, 1), (1, 1), (0, 0)):
        edge.change(chains_remembered=most)
        wait_generations(edge.gateway, 1)
        wait.until(lambda: edge.gateway.metrics()[CHAINS] == 0, "nothing remembered")
        hits = edge.gateway.metrics()["provbox_gateway_chain_hits_total"]
        for _ in range(2):
            with airnet.Device(edge.site, edge.stand_in.device) as device:
                assert goes_on(device)
        metrics = edge.gateway.metrics()
        assert metrics[CHAINS] == chains
        assert metrics["provbox_gateway_chain_hits_total"] - hits == chains


@pytest.mark.skipif(not postgres.OS_USER, reason="only root can become another user")
def test_the_user_follows(edge):
    edge.site.start("gateway")
    for user in (postgres.OS_USER, "nobody"):
        edge.change(user=user)
        wait_generations(edge.gateway, 1)
        uids = {line.split()[1] for pid in edge.gateway.workers()
                for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
                if line.startswith("Uid:")}
        assert uids == {str(pwd.getpwnam(user).pw_uid)}
        assert goes_on(edge.device())
        edge.leave()
    edge.gateway.config["user"] = "nobody-that-there-is"
    edge.gateway.expect_errors("reload_failed", "user_unknown", "config_error")
    rewrite(edge.gateway)
    hang_up(edge.gateway)
    edge.gateway.wait_event("reload_failed")
    assert goes_on(edge.device())
