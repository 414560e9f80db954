"""What gateways hear on their control streams, and what becomes of sessions.

doc/landnet.md, The control stream.
"""

import os
import socket
import subprocess
import threading
import time

import pytest
from harness import airnet, daemon, paths, pki, process, wait
from harness.control import end
from harness.schema import DEV
from harness.stand_in import AUTHENTICATION, StandIn
from rogue_server import Response, honest_control

# A second is what is promised; the machine that tests may be busy.
SOON_S = 3
DEVICE = "/v1/device"
CATALOGUE = "/v1/catalogue"
OTHER_NAME = "other.example.com"
OTHER_SRV = f"{OTHER_NAME}:8443"
CONTROL = "/v1/control"


def operator(site, *words):
    subprocess.run([paths.program("provctl"), *words,
                    f"--dsn={site.db.dsn('provbox_operator')}"], check=True, timeout=60,
                   capture_output=True)


def asked(site):
    """What was asked of the server, in order, but for streams and ends."""
    return [line["route"] for line in site.server.events("request")
            if line["route"] in (AUTHENTICATION, DEVICE, CATALOGUE)]


def heard(gateway, n):
    """Wait until it was told of so many changes, and what it was told."""
    return wait.until(lambda: len(lines := gateway.events("control_end")) >= n and lines,
                      f"{n} changes")


def n_stored_ends(site, reason):
    return site.db.value("select count(*) from provbox.event where kind = 'session_end'"
                         " and reason = %s", reason)


def ask(device, target=DEVICE):
    return device.ask(f"GET {target} HTTP/1.1")


def expect_end(device):
    """The session ends now, without a byte."""
    device.tls.settimeout(SOON_S)
    assert device.tls.recv(1) == b""
    device.close()


@pytest.fixture
def edge(site):
    site.start("database", "server", "gateway")
    site.leaf = site.pki.device_leaf("good", DEV)
    return site


@pytest.fixture
def crowd(site):
    """A server with two workers and two gateways, one of them with two workers."""
    site.server.config["workers"] = site.gateway.config["workers"] = 2
    folder = site.directory / "second"
    folder.mkdir()
    site.second_port = wait.free_port()
    site.second = daemon.Gateway("provbox-gateway", folder, {
        **site.gateway.config, "workers": 1, "admin": f"unix:{folder}/gateway.sock",
        "airnet_listen": [f"127.0.0.1:{site.second_port}"]})
    site.start("database", "server", "gateway", "second")
    site.leaf = site.pki.device_leaf("good", DEV)
    return site


def session_at_each_worker(site):
    """A session of one device at each worker of the first gateway."""
    sessions = {}
    while len(sessions) < 2:
        device = airnet.Device(site, site.leaf)
        assert ask(device).status == 200
        pid = site.gateway.events("session_begin")[-1].pid
        if pid in sessions:
            device.close()
        else:
            sessions[pid] = device
    return list(sessions.values())


def test_a_blocked_device_is_gone_from_every_gateway(crowd):
    devices = session_at_each_worker(crowd)
    raw = socket.create_connection(("127.0.0.1", crowd.second_port))
    devices.append(airnet.Device(crowd, crowd.leaf, raw=raw))
    assert ask(devices[-1]).status == 200
    start = time.monotonic()
    operator(crowd, "device", "block", DEV)
    for device in devices:
        expect_end(device)
    assert time.monotonic() - start < SOON_S
    for gateway, n in ((crowd.gateway, 2), (crowd.second, 1)):
        wait.until(lambda: len(gateway.events("session_end", reason="device_blocked")) == n,
                   "the ends")
        assert {line["reason"] for line in heard(gateway, n)} == {"device_blocked"}
        assert gateway.metrics()["provbox_gateway_control_streams"] == n
    wait.until(lambda: n_stored_ends(crowd, "device_blocked") == 3, "the stored ends")
    with airnet.Device(crowd, crowd.leaf) as device:
        answer = ask(device)
        assert (answer.status, answer.json()["reason"]) == (403, "device_blocked")
    operator(crowd, "device", "unblock", DEV)
    with airnet.Device(crowd, crowd.leaf) as device:
        assert ask(device).status == 200


def test_a_limited_device_keeps_its_session_and_care_alone(edge):
    with airnet.Device(edge, edge.leaf) as device:
        assert ask(device, CATALOGUE).status == 200
        operator(edge, "device", "limit", DEV)
        (line,) = heard(edge.gateway, 1)
        assert (line["reason"], line["sessions"]) == ("grant_epoch", "1")
        answer = ask(device, CATALOGUE)
        assert (answer.status, answer.json()["reason"]) == (403, "standing_limited")
        assert ask(device).status == 200
        operator(edge, "device", "unblock", DEV)
        heard(edge.gateway, 2)
        assert ask(device, CATALOGUE).status == 200
    # The gateway knows it before it forwards: no grant was ever refused.
    assert asked(edge) == [AUTHENTICATION, CATALOGUE, AUTHENTICATION, DEVICE,
                           AUTHENTICATION, CATALOGUE]
    assert len(edge.gateway.events("session_begin")) == 1


def test_a_rule_is_for_every_device(edge):
    with airnet.Device(edge, edge.leaf) as device:
        assert ask(device).status == 200
        edge.schema.rows("operator", "policy_put", "device", "device_unknown", "limited")
        (line,) = heard(edge.gateway, 1)
        assert (line["dev"], line["sessions"]) == ("*", "1")
        assert ask(device).status == 200
    assert asked(edge) == [AUTHENTICATION, DEVICE] * 2


# ---- Streams that are not heard -----------------------------------------------------


@pytest.fixture
def relayed(site):
    """A session that was served, and a stream that then falls silent: its connection
    stays, and so does every further one but that of the session's requests."""
    relay = site.relay_landnet()
    site.start("database", "server", "gateway")
    site.leaf = site.pki.device_leaf("good", DEV)
    streams = relay.connected()
    assert len(streams) == 1
    with airnet.Device(site, site.leaf) as device:
        assert ask(device).status == 200
        relay.swallow(streams)
        start = time.monotonic()
        site.gateway.wait_event("control_down", reason="silent")
        assert 0.5 < time.monotonic() - start < SOON_S
        site.relay, site.session = relay, device
        yield site


def test_without_a_stream_every_request_authenticates_first(relayed):
    device = relayed.session
    assert relayed.gateway.metrics()["provbox_gateway_control_streams"] == 0
    for _ in range(2):
        assert ask(device).status == 200
    assert asked(relayed) == [AUTHENTICATION, DEVICE] * 3
    relayed.relay.pass_on()
    wait.until(lambda: len(relayed.gateway.events("control_up")) == 2, "a new stream", 15)
    # Once more, for nobody was heard meanwhile; then no more.
    for _ in range(3):
        assert ask(device).status == 200
    assert asked(relayed) == [AUTHENTICATION, DEVICE] * 4 + [DEVICE] * 2
    assert len(relayed.gateway.events("session_begin")) == 1
    # One line when it went, one when it came back.
    assert len(relayed.gateway.events("control_down")) == 1


def test_a_block_that_is_not_heard_is_met_before_the_next_forward(relayed):
    operator(relayed, "device", "block", DEV)
    answer = ask(relayed.session)
    assert (answer.status, answer.json()["reason"]) == (403, "device_blocked")
    assert asked(relayed) == [AUTHENTICATION, DEVICE, AUTHENTICATION]
    relayed.gateway.wait_event("session_end", reason="device_blocked")


def test_a_server_that_starts_again(edge):
    with airnet.Device(edge, edge.leaf) as device:
        assert ask(device).status == 200
        edge.server.restart()
        wait.until(lambda: len(edge.gateway.events("control_up")) == 2, "a new stream", 15)
        for _ in range(2):
            assert ask(device).status == 200
    assert asked(edge) == [AUTHENTICATION, DEVICE] * 2 + [DEVICE]
    (down,) = edge.gateway.events("control_down")
    assert down["reason"] == "ended"


def test_a_database_that_goes_away(site):
    site.server.config["database_timeout"] = "300ms"
    site.start("database", "server", "gateway")
    site.leaf = site.pki.device_leaf("good", DEV)
    with airnet.Device(site, site.leaf) as device:
        assert ask(device).status == 200
        site.db.cluster.execute(f"alter database {site.db.name} allow_connections false")
        site.db.cluster.execute("select pg_terminate_backend(pid) from pg_stat_activity"
                                f" where datname = '{site.db.name}'")
        site.gateway.wait_event("control_down")
        answer = ask(device)
        assert (answer.status, answer.json()["reason"]) == (503, "server_unavailable")
    assert asked(site)[2:] == [AUTHENTICATION]
    site.db.cluster.execute(f"alter database {site.db.name} allow_connections true")
    wait.until(lambda: len(site.gateway.events("control_up")) == 2, "a new stream", 15)
    with airnet.Device(site, site.leaf) as device:
        for _ in range(2):
            assert ask(device).status == 200
    assert asked(site)[3:] == [AUTHENTICATION, DEVICE, DEVICE]


# ---- Servers that say anything ------------------------------------------------------


class Other:
    """A second server behind the same gateway, which is not to be trusted."""

    def __init__(self, site):
        p = site.pki
        port = wait.free_port()
        proof = pki.Authority(p.directory, "other-proof")
        leaf = proof.issue("other-proof-leaf", uris=[f"https://{OTHER_SRV}/"])
        tls = p.landnet.issue("other-landnet", dns=[OTHER_NAME], usages=[pki.SERVER])
        site.gateway.config["route", OTHER_SRV] = {
            "address": [f"127.0.0.1:{port}"], "proof_root": proof.path}
        self.stand_in = StandIn(site, srv=OTHER_SRV, port=port, tls=tls, leaf=leaf)


@pytest.fixture
def other(site):
    made = Other(site)
    yield made.stand_in
    made.stand_in.close()


GARBAGE = [
    b"\n", b"\0\n", b"{}\n", b'{"hb":2}\n', b'{"hb":1}', b"[" * 1000, b"x" * 70000,
    b'{"hb":1}\r\n{"hb":1}\n{"end":1}\n', end(DEV + "\\u0000"), end("*", "*"), end(DEV.upper()),
    end(DEV)[:-2] + b',"more":1}\n', os.urandom(5000), b'{"hb":1,"hb":1}\n',
]


def test_a_rogue_server_speaks_of_its_own_sessions_alone(site, other):
    said = []

    def control(write):
        said.append(GARBAGE[len(said) % len(GARBAGE)])
        for line in (b'{"hb":1}\n', end(DEV), end("*"), said[-1]):
            write(line)
        honest_control(write)

    other.server.control = control
    site.start("database", "server", "gateway")
    workers = site.gateway.workers()
    with airnet.Device(site, site.pki.device_leaf("good", DEV)) as device:
        start = time.monotonic()
        while time.monotonic() - start < 4 or len(said) < 5:
            assert ask(device).status == 200
            time.sleep(0.01)
        metrics = site.gateway.metrics()
        assert metrics['provbox_gateway_control_losses_total{reason="malformed"}'] >= 3
        # Where it has never been: nothing is ended there.
        assert not [line for line in site.gateway.events("control_end", srv=OTHER_SRV)
                    if line["sessions"] != "0"]
        assert len(site.gateway.events("session_begin")) == 1
    assert site.gateway.workers() == workers
    # The honest server was never asked twice for what others said.
    assert asked(site).count(AUTHENTICATION) == 1
    # Not once for each garbage, and later and later.
    assert len(site.gateway.events("control_down", srv=OTHER_SRV)) <= len(said)


# ---- Servers and gateways that go -----------------------------------------------------


def test_a_server_without_a_stream_is_asked_each_time(site):
    """One of an earlier version: everything works, and every request authenticates."""
    stand_in = StandIn(site)

    def refuse(write):
        raise ConnectionResetError

    stand_in.server.control = refuse
    site.start("gateway")
    with airnet.Device(site, stand_in.device) as device:
        for _ in range(3):
            assert ask(device).status == 200
    targets = [t for t in stand_in.server.targets() if "/end" not in t]
    assert targets == [AUTHENTICATION, DEVICE] * 3
    stand_in.close()


def ends_of_links(site, n):
    """How the server's connections from gateways ended, of which there were so many."""
    wait.until(lambda: len(site.server.events("link_closed")) >= n, f"{n} ends of links")
    return [line["reason"] for line in site.server.events("link_closed")]


def test_who_ends_says_so(edge):
    """Gateway and server part in good form: nothing looks like an attack or a lost line."""
    with airnet.Device(edge, edge.leaf) as device:
        assert ask(device).status == 200
    edge.gateway.stop()
    assert ends_of_links(edge, 2) == ["eof", "eof"]
    edge.gateway.start()
    with airnet.Device(edge, edge.leaf) as device:
        assert ask(device).status == 200
    edge.server.stop()
    (line,) = edge.gateway.events("control_down")
    assert line["reason"] == "ended"
    assert edge.gateway.wait_event("landnet_closed")["reason"] == "eof"
    assert sorted(ends_of_links(edge, 4)[2:]) == ["closed", "drained"]


def test_a_gateway_that_no_server_lists_is_not_ready(site):
    """It says what to type at the server; when that is done, it is ready by itself."""
    another = site.pki.landnet.issue("another", usages=[pki.CLIENT])
    site.server.config["gateway", "test"] = {"certificate": another.path}
    site.gateway.expect_errors("control_down")
    site.gateway.SOON_S = 0.1
    site.start("database", "server", "gateway")
    wait.until(lambda: site.gateway.ask_admin("/readyz")[0] == 503, "an end of readiness", 15)
    (line,) = site.gateway.events("control_down")
    assert (line["reason"], line["detail"]) == ("refused", "gateway_unknown")
    pins = {line["pin"] for line in site.server.events("gateway_unknown")}
    assert pins == {line["pin"]} == {site.pki.gateway_landnet.pin()}
    site.server.config["gateway", "test"] = {"pin": line["pin"]}
    site.server.restart()
    wait.until(lambda: site.gateway.ask_admin("/readyz")[0] == 200, "readiness", 20)
    with airnet.Device(site, site.pki.device_leaf("good", DEV)) as device:
        assert ask(device).status == 200


def test_a_gateway_that_one_server_lists_stays_ready(site, other):
    """No server may take it from the devices of another."""
    document = {"status": 403, "reason": "gateway_unknown"}
    refused = threading.Semaphore(0)

    def refuse(request):
        refused.release()
        return Response(403, document, {"Content-Type": "application/problem+json"})

    other.server.has_control = False
    other.respond = refuse
    site.gateway.expect_errors("control_down")
    site.gateway.SOON_S = 0.1
    site.start("database", "server", "gateway")
    for _ in range(4):
        assert refused.acquire(timeout=15)
    assert site.gateway.ask_admin("/readyz")[0] == 200
    assert site.gateway.events("not_ready") == []


def test_streams_end_with_their_gateway(edge):
    """Idle or not, a stream holds nobody up, and leaves no descriptor."""
    (worker,) = [pid for pid in edge.server.workers()
                 if "landnet" in process.command(pid)]
    wait.until(lambda: edge.server.metrics()["provbox_server_control_streams"] == 1,
               "the stream")
    edge.gateway.stop()
    wait.until(lambda: edge.server.metrics()["provbox_server_control_streams"] == 0,
               "the end of the stream")
    before = process.open_files(worker)
    edge.gateway.start()
    with airnet.Device(edge, edge.leaf) as device:
        assert ask(device).status == 200
    start = time.monotonic()
    edge.gateway.stop()
    assert time.monotonic() - start < SOON_S
    wait.until(lambda: process.open_files(worker) == before, "the end of all connections")


@pytest.mark.parametrize("line", [b'{"hb":1}\n', end("*")], ids=["heartbeats", "ends"])
def test_a_server_that_speaks_without_pause_holds_up_nobody(site, line):
    """Its lines are heard some at a time; the devices of another server go on."""
    other = Other(site)
    begun = threading.Event()

    def flood(write):
        while not begun.is_set() and write(b'{"hb":1}\n'):
            time.sleep(0.1)
        while write(line * 50000):
            pass

    other.stand_in.server.control = flood
    site.start("database", "server", "gateway")
    with airnet.Device(site, site.pki.device_leaf("good", DEV)) as device:
        assert ask(device).status == 200
        begun.set()
        until = time.monotonic() + 3
        while time.monotonic() < until:
            assert ask(device).status == 200
    assert site.gateway.events("control_down", srv=site.pki.SRV) == []
    other.stand_in.close()
