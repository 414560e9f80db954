"""Ends: of sessions, as servers are told of them, and of the gateway's own processes."""

import os
import signal
import ssl
import threading
import time
import uuid

import pytest
from harness import airnet, pki, process, protocol, wait
from harness.schema import DEV, NUMBER
from harness.stand_in import StandIn
from rogue_server import Response

OTHER = "urn:gsma:imei:35209900-176149-0"


@pytest.fixture
def edge(site):
    site.start("database", "server", "gateway")
    site.good = site.pki.device_leaf("good", DEV)
    return site


@pytest.fixture
def stand_in(site):
    made = StandIn(site)
    site.start("gateway")
    yield made
    made.close()


def ends(site):
    """(sid, reason) of the stored ends, oldest first."""
    return [(protocol.b64u(row["sid"]), row["reason"]) for row in site.db.query(
        "select sid, reason from provbox.event where kind = 'session_end' order by id")]


def worker_of(gateway):
    (worker,) = [pid for pid in gateway.workers() if "worker" in process.command(pid)]
    return worker


def break_rules(site):
    """A session that ends because of its device."""
    with airnet.Device(site, site.good) as device:
        assert device.ask("GET /v1/device HTTP/1.1").status == 200
        assert device.ask("GET /v1/../device HTTP/1.1").status == 400


def test_one_event_for_each_session_that_its_device_ended(edge):
    for _ in range(3):
        break_rules(edge)
    wait.until(lambda: len(ends(edge)) == 3, "three stored ends")
    logged = [line["sid"] for line in edge.gateway.events("session_end")]
    assert [sid for sid, _ in ends(edge)] == logged and len(set(logged)) == 3
    assert {reason for _, reason in ends(edge)} == {"client_failed"}
    assert edge.gateway.metrics()["provbox_gateway_session_end_messages_total"] == 3


def leave(site):
    """A device goes between two requests, with or without saying so."""
    with airnet.Device(site, site.good) as device:
        assert device.ask("GET /v1/device HTTP/1.1").status == 200
        device.raw = device.tls.unwrap()
    with airnet.Device(site, site.good) as device:
        assert device.ask("GET /v1/device HTTP/1.1").status == 200
    with airnet.Device(site, site.good) as device:
        assert device.ask("GET /v1/device HTTP/1.1", "Connection: close").status == 200


def strangers(site):
    """Sessions that never were."""
    for leaf in (None, pki.Authority(site.pki.directory, "stranger").issue(
            "wrong-ca", uris=[DEV], usages=[pki.CLIENT])):
        try:
            with airnet.Device(site, leaf) as device:
                device.ask("GET /v1/device HTTP/1.1")
        except (OSError, ssl.SSLError):
            continue
        raise AssertionError("a stranger was let in")
    two = site.pki.device_leaf("two", DEV, uris=[DEV, OTHER])
    with airnet.Device(site, two) as device:
        assert device.ask("GET /v1/device HTTP/1.1").status == 403


def test_what_is_no_failure_of_a_device_leaves_no_event(edge):
    leave(edge)
    strangers(edge)
    wait.until(lambda: len(edge.gateway.events("session_end")) == 6, "six ends")
    reasons = [line["reason"] for line in edge.gateway.events("session_end")]
    assert reasons[:3] == ["client_closed"] * 3
    assert reasons[5] == "identifier_ambiguous"
    for line in edge.gateway.events("session_end")[3:5]:
        assert line["phase"] == "handshake" and line["dev"] is None
    break_rules(edge)
    wait.until(lambda: ends(edge), "the end after them")
    assert len(ends(edge)) == 1


def test_ends_wait_for_a_server_that_is_away(edge):
    with airnet.Device(edge, edge.good) as one, airnet.Device(edge, edge.good) as two:
        for device in (one, two):
            assert device.ask("GET /v1/device HTTP/1.1").status == 200
        edge.server.stop()
        for device in (one, two):
            assert device.ask("GET /v1/../device HTTP/1.1").status == 400
    wait.until(lambda: len(edge.gateway.events("session_end")) == 2, "two ends")
    time.sleep(1.2)  # one attempt fails
    edge.server.start()
    wait.until(lambda: len(ends(edge)) == 2, "the stored ends")
    assert {sid for sid, _ in ends(edge)} == {
        line["sid"] for line in edge.gateway.events("session_end")}


def test_an_end_is_told_until_it_is_answered(stand_in):
    answers = [None, Response(500, {}), Response(raw=b"HTTP/1.1 20", is_last=True),
               Response(204, headers={"Content-Length": None, "Provbox-Exchange": "77"}),
               Response(204, headers={"Content-Length": None, "Content-Type": None})]
    told = []
    honest = stand_in.answer

    def answer(request):
        if not request.target.startswith("/v1/sessions/"):
            return honest(request)
        told.append(request)
        return answers[len(told) - 1]

    stand_in.server.answer = answer
    stand_in.site.good = stand_in.device
    break_rules(stand_in.site)
    wait.until(lambda: len(told) == len(answers), "the last answer")
    time.sleep(1.2)
    assert len(told) == len(answers)
    assert len({request.body for request in told}) == 1
    body = told[0].json()
    assert set(body) == {"v", "sid", "dev", "method", "cred", "reason"}
    assert (body["dev"], body["method"], body["reason"]) == (DEV, "certificate", "client_failed")
    assert told[0].target == f"/v1/sessions/{body['sid']}/end"
    assert "Provbox-Grant" not in told[0].headers


def test_an_end_that_is_refused_is_told_once(stand_in):
    stand_in.site.gateway.expect_errors("session_end_refused")
    honest = stand_in.answer
    stand_in.server.answer = lambda request: (
        Response(400, {"reason": "body_invalid"}) if "/sessions/" in request.target
        else honest(request))
    stand_in.site.good = stand_in.device
    break_rules(stand_in.site)
    stand_in.site.gateway.wait_event("session_end_refused", status=400)
    time.sleep(1.2)
    assert len([t for t in stand_in.server.targets() if "/sessions/" in t]) == 1


# -- processes

def test_a_worker_that_is_killed_is_started_again(edge):
    with airnet.Device(edge, edge.good) as device:
        assert device.ask("GET /v1/device HTTP/1.1").status == 200
        worker = worker_of(edge.gateway)
        os.kill(worker, signal.SIGKILL)
        assert device.rest() == b""
    edge.gateway.wait_event("child_exit", status="SIGKILL")
    wait.until(lambda: len(edge.gateway.events("ready")) == 2, "a second ev=ready")
    assert worker_of(edge.gateway) != worker
    with airnet.Device(edge, edge.good) as device:
        assert device.ask("GET /v1/device HTTP/1.1").status == 200
        metrics = edge.gateway.metrics()
    assert metrics["provbox_gateway_sessions"] == 1
    assert metrics['provbox_gateway_restarts_total{role="worker",index="0"}'] == 1


def test_a_worker_that_is_killed_takes_only_its_own_sessions(site):
    site.gateway.config["workers"] = 2
    stand_in = StandIn(site)
    site.start("gateway")
    devices = {}

    def pids():
        return {line.pid for line in site.gateway.events("session_begin")}

    while len(pids()) < 2:
        assert len(devices) < 100, "the kernel gives all connections to one worker"
        device = airnet.Device(site, stand_in.device)
        assert device.ask("GET /v1/device HTTP/1.1").status == 200
        line = site.gateway.events("session_begin")[-1]
        devices[device] = line.pid
    killed = min(pids())
    os.kill(killed, signal.SIGKILL)
    wait.until(lambda: len(site.gateway.events("ready")) == 2, "a second ev=ready")
    for device, pid in devices.items():
        if pid == killed:
            assert device.rest() == b""
        else:
            assert device.ask("GET /v1/device HTTP/1.1").status == 200
        device.close()
    stand_in.close()


def test_sigterm_finishes_what_is_in_hand(stand_in):
    """A request that is being answered is; the idle session is closed, properly."""
    going = threading.Event()

    def respond(request):
        if request.target != "/v1/device":
            going.set()
            time.sleep(1)
        return Response(200, {"late": True})

    stand_in.respond = respond
    with airnet.Device(stand_in.site, stand_in.device) as busy, \
            airnet.Device(stand_in.site, stand_in.device) as idle:
        assert idle.ask("GET /v1/device HTTP/1.1").status == 200
        busy.head("GET /v1/catalogue HTTP/1.1")
        assert going.wait(5)
        began = time.monotonic()
        stand_in.site.gateway.process.popen.send_signal(signal.SIGTERM)
        assert idle.tls.recv(10) == b""  # an error without close_notify
        assert time.monotonic() - began < 2
        with pytest.raises(OSError):
            airnet.Device(stand_in.site, stand_in.device)
        answer = busy.receive()
        assert (answer.status, answer.json()) == (200, {"late": True})
        assert answer.headers["Connection"] == "close"
        assert stand_in.site.gateway.process.wait() == 0
    gateway = stand_in.site.gateway
    assert len(gateway.events("session_end", reason="drained")) == 2
    assert gateway.events("stop_forced") == [] and gateway.events("drain_cut") == []


def test_sigterm_cuts_what_takes_too_long(stand_in):
    """Nobody can keep the gateway from ending."""
    stand_in.respond = lambda request: Response(200, b"x" * 30_000_000)
    stand_in.site.gateway.config["drain_timeout"] = "2s"
    stand_in.site.gateway.restart()
    with airnet.Device(stand_in.site, stand_in.device, receive_bytes=4096) as device:
        device.head("GET /v1/catalogue HTTP/1.1")
        device.tls.recv(10)
        began = time.monotonic()

        def sip():  # never long enough without progress to be given up
            while time.monotonic() - began < 6:
                try:
                    if not device.tls.recv(20000):
                        return
                except OSError:
                    return
                time.sleep(0.05)

        sipping = threading.Thread(target=sip)
        sipping.start()
        stand_in.site.gateway.stop()
        sipping.join()
    gateway = stand_in.site.gateway
    assert gateway.events("drain_cut", exchanges=1) and gateway.events("stop_forced") == []
    assert len(gateway.events("session_end", reason="drained")) == 1


def test_sigterm_still_tells_ends(stand_in):
    """One is being told, slowly, and another waits for its turn."""
    honest, told = stand_in.answer, []

    def answer(request):
        if request.target.startswith("/v1/sessions/"):
            told.append(request.target)
            time.sleep(0.3)
        return honest(request)

    stand_in.server.answer = answer
    stand_in.site.good = stand_in.device
    for _ in range(2):
        break_rules(stand_in.site)
    wait.until(lambda: told, "the first end")
    stand_in.site.gateway.stop()
    ended = stand_in.site.gateway.events("session_end")
    assert told == [f"/v1/sessions/{line['sid']}/end" for line in ended]
    assert len(told) == 2


def test_sigterm_does_not_wait_for_a_server_that_is_away(edge):
    with airnet.Device(edge, edge.good) as device:
        assert device.ask("GET /v1/device HTTP/1.1").status == 200
        edge.server.stop()
        assert device.ask("GET /v1/../device HTTP/1.1").status == 400
    edge.gateway.wait_event("session_end", reason="client_failed")
    began = time.monotonic()
    edge.gateway.stop()
    assert time.monotonic() - began < 2
    assert edge.gateway.events("session_ends_lost", n=1)


def test_the_log_names_nobody(edge):
    """Whole identifiers, numbers, names and numbers of requests stand in no line; a reason
    does, in every line that tells of an end. Lines of server and gateway join by sid."""
    path = f"/v1/requests/{uuid.uuid4()}"
    body = edge.schema.body("compass")
    with edge.device(edge.good) as device:
        assert device.get("/.provbox/session").status == 200
        assert device.put(path, body).status == 201
        assert device.get(path).status == 200
        assert device.get("/v1/nothing/Lovelace").status == 404
    break_rules(edge)
    strangers(edge)
    edge.schema.rows("operator", "device_block", DEV, "operator_decision")
    with edge.device(edge.good) as device:
        assert device.get("/v1/device").status == 403
    wait.until(lambda: len(ends(edge)) == 2, "the stored ends")
    edge.gateway.stop()
    text = edge.gateway.process.log()
    for secret in (DEV, DEV[-10:-2], OTHER[-10:-2], NUMBER[1:], "Lovelace", path[-36:],
                   edge.good.fingerprint()):
        assert secret not in text, secret
    lines = edge.gateway.events("session_end")
    assert len(lines) == 6
    assert all(line["reason"] not in (None, "-", "none") for line in lines)
    assert {line["sid"] for line in edge.server.events("request")
            if line["route"] != "/v1/control"} <= {line["sid"] for line in lines}
    requests = edge.gateway.events("request")
    assert all((line["reason"] == "-") == (int(line["status"]) < 400) for line in requests)
    assert {line["path"] for line in requests} == {
        "/.provbox/", "/v1/requests", "/v1/device", "-"}
