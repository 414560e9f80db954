"""Links between gateway and server: one exchange at a time, and what is asked once more.

What a server may do to a link is in test_withstand_server.py.
"""

import concurrent.futures
import os
import signal
import time

import pytest
from harness import airnet, pki, process, wait
from harness.schema import DEV
from harness.stand_in import AUTHENTICATION, StandIn
from rogue_server import Response

HANDSETS = 4
DOWN = "provbox_gateway_landnet_down"


@pytest.fixture
def stand_in(site):
    """Behind a gateway with a single link."""
    site.gateway.config["pool_size"] = 1
    made = StandIn(site)
    yield made
    made.close()


def leaves(site):
    return [site.pki.device_leaf(f"handset-{n}", f"urn:gsma:imei:35209900-17614{n}-0")
            for n in range(HANDSETS)]


def test_one_exchange_at_a_time(stand_in):
    busy, most = set(), []

    def respond(request):
        busy.add(request.target)
        most.append(len(busy))
        time.sleep(0.02)
        busy.discard(request.target)
        return Response(200, request.target.encode())

    def ask(n, leaf):
        with airnet.Device(stand_in.site, leaf) as device:
            return device.ask(f"GET /v1/content/{n} HTTP/1.1")

    stand_in.respond = respond
    stand_in.site.start("gateway")
    asking = leaves(stand_in.site) * 3
    with concurrent.futures.ThreadPoolExecutor(HANDSETS) as pool:
        answers = list(pool.map(ask, range(len(asking)), asking))
    for n, answer in enumerate(answers):
        assert answer.body == f"/v1/content/{n}".encode()
    assert most == [1] * len(answers)
    assert len({request.connection for request in stand_in.server.requests}) == 1


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "GET"])
def test_only_a_get_is_sent_again(stand_in, method):
    """The server closes a kept link just when it is used."""
    closing = []

    def respond(request):
        if closing:
            closing.clear()
            return Response(raw=b"", is_last=True)
        return Response(200, {"forwarded": request.method})

    stand_in.respond = respond
    stand_in.site.start("gateway")
    with airnet.Device(stand_in.site, stand_in.device) as device:
        assert device.ask("GET /v1/device HTTP/1.1").status == 200
        closing.append(True)
        answer = device.ask(f"{method} /v1/device HTTP/1.1", "Content-Length: 0"
                            if method != "GET" else "Accept: */*")
        expected = [method, method] if method == "GET" else [method]
        assert [r.method for r in stand_in.server.forwarded()[1:]] == expected
        if method == "GET":
            assert answer.json() == {"forwarded": "GET"}
        else:
            assert (answer.status, answer.json()["reason"]) == (503, "server_unavailable")
            stand_in.site.gateway.wait_event("session_end", reason="landnet_failed")


def test_a_get_is_sent_again_once(stand_in):
    stand_in.respond = lambda request: Response(raw=b"", is_last=True)
    stand_in.site.start("gateway")
    answer = stand_in.ask("/v1/device")
    assert (answer.status, answer.json()["reason"]) == (503, "server_unavailable")
    # On the link that had carried the authentication, then on a new one.
    assert len(stand_in.server.forwarded()) == 2


def test_a_server_that_is_away_and_comes_back(site):
    site.start("database", "server", "gateway")
    leaf = site.pki.device_leaf("good", DEV)
    with site.device(leaf) as device:
        assert device.get("/v1/device").status == 200
        site.server.stop()
        answer = device.get("/v1/device")
        assert (answer.status, answer.json()["reason"]) == (503, "server_unavailable")
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.headers["Connection"] == "close"
    site.gateway.wait_event("session_end", reason="landnet_unreachable")
    for _ in range(5):
        with site.device(leaf) as device:
            assert device.get("/v1/device").status == 503
    assert len(site.gateway.events("landnet_down")) == 1  # not a line for each try
    assert site.gateway.metrics()[DOWN] == 1
    site.server.start()
    wait.until(lambda: site.device(leaf).get("/v1/device").status == 200, "the server's return")
    assert len(site.gateway.events("landnet_up")) == 1
    assert site.gateway.metrics()[DOWN] == 0
    assert site.gateway.metrics()["provbox_gateway_restarts_total"
                                  '{role="worker",index="0"}'] == 0


def test_a_server_that_restarts_between_two_requests(site):
    site.start("database", "server", "gateway")
    with site.device(site.pki.device_leaf("good", DEV)) as device:
        for _ in range(3):
            assert device.get("/v1/device").status == 200
            site.server.restart()


def test_a_full_pool(stand_in):
    """Who waits in vain is told when to come again, and his session goes on."""
    stand_in.site.gateway.config.update(pool_wait="200ms")

    def respond(request):
        time.sleep(1.0 if request.target == "/v1/content/slow" else 0)
        return Response(200, {})

    stand_in.respond = respond
    stand_in.site.start("gateway")
    with airnet.Device(stand_in.site, stand_in.device) as slow, \
            airnet.Device(stand_in.site, stand_in.device) as quick:
        for device in (slow, quick):
            assert device.ask("GET /v1/device HTTP/1.1").status == 200
        slow.head("GET /v1/content/slow HTTP/1.1")
        wait.until(lambda: "/v1/content/slow" in stand_in.server.targets(), "the slow request")
        answer = quick.ask("GET /v1/device HTTP/1.1")
        assert (answer.status, answer.json()["reason"]) == (503, "landnet_busy")
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.headers["Connection"] is None
        assert slow.receive().status == 200
        assert quick.ask("GET /v1/device HTTP/1.1").status == 200
    assert len(stand_in.site.gateway.events("session_begin")) == 2


def test_nobody_is_invited_to_wait_when_half_the_pool_does(stand_in):
    stand_in.site.gateway.config["pool_size"] = 4

    def respond(request):
        time.sleep(3 if request.target.startswith("/v1/content/") else 0)
        return Response(200, {"prefer": request.headers["Prefer"]})

    def preference(device):
        return device.ask("GET /v1/device HTTP/1.1", "Prefer: wait=5").json()["prefer"]

    stand_in.respond = respond
    stand_in.site.start("gateway")
    slow = [airnet.Device(stand_in.site, stand_in.device) for _ in range(2)]
    with airnet.Device(stand_in.site, stand_in.device) as quick:
        slow[0].head("GET /v1/content/slow HTTP/1.1")
        time.sleep(1.1)
        assert preference(quick) == "wait=5"
        slow[1].head("GET /v1/content/slow HTTP/1.1")
        time.sleep(1.1)
        assert preference(quick) is None
        for device in slow:
            assert device.receive().status == 200
            device.close()
        assert preference(quick) == "wait=5"


@pytest.mark.parametrize("status, told", [
    (500, 503), (502, 503), (503, 503), (403, 403), (400, 403), (404, 403), (204, 403)])
def test_an_authentication_that_is_not_answered(stand_in, status, told):
    fields = {"Content-Length": None, "Content-Type": None} if status == 204 else {}
    stand_in._information = None
    answer_own = stand_in.answer

    def answer(request):
        if request.target != AUTHENTICATION:
            return answer_own(request)
        return Response(status, None if status == 204 else {"reason": "any"}, dict(fields))

    stand_in.server.answer = answer
    stand_in.site.start("gateway")
    answer = stand_in.ask("/v1/device")
    reason = "server_unavailable" if told == 503 else "authentication_failed"
    assert (answer.status, answer.json()["reason"]) == (told, reason)
    assert (answer.headers["Retry-After"] is not None) == (told == 503)
    assert stand_in.server.forwarded() == []


def test_a_server_that_does_not_accept_the_gateway(site):
    """TLS 1.3 tells it after the handshake; no request is repeated for that."""
    site.start("database")
    gateway = site.pki.landnet.issue("revoked", dns=[site.pki.GATEWAY_NAME],
                                     usages=[pki.CLIENT])
    site.pki.landnet.revoke(gateway)
    site.start("server")
    site.gateway.config.update(landnet_certificate=gateway.path, landnet_key=gateway.key_path)
    site.start("gateway")
    with site.device(site.pki.device_leaf("good", DEV)) as device:
        answer = device.get("/v1/device")
    assert (answer.status, answer.json()["reason"]) == (403, "authentication_failed")
    site.gateway.wait_event("session_end", reason="landnet_untrusted")


def test_the_gateway_keeps_no_descriptor(stand_in):
    """After every kind of end of both legs."""
    stand_in.site.gateway.config["idle_timeout"] = "300ms"
    stand_in.site.start("gateway")
    (worker,) = [pid for pid in stand_in.site.gateway.workers()
                 if "worker" in process.command(pid)]
    before = process.open_files(worker)
    for response in (Response(200, {}), Response(raw=b"HTTP/1.1 2", is_last=True), None,
                     Response(401, {"reason": "grant_epoch"})):
        stand_in.respond = lambda request, response=response: response
        stand_in.ask("/v1/device")
        stand_in.ask("/v1/requests/1", "PUT", b"x" * 1000)
        airnet.Device(stand_in.site, stand_in.device).close()
    wait.until(lambda: process.open_files(worker) == before, "the end of all connections")


def test_a_server_that_comes_back_is_used_by_those_who_wait(site):
    """Connects fail one after the other; then nothing happens but that one waits."""
    site.start("database", "server", "gateway")
    leaf = site.pki.device_leaf("waiting", DEV)

    def status():
        with site.device(leaf) as device:
            return device.get("/v1/device").status

    (landnet,) = (pid for pid in site.server.workers()
                  if "landnet" in process.command(pid))
    assert status() == 200
    os.kill(landnet, signal.SIGSTOP)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        # The first takes the link that is there, the others wait for connects.
        refused = [pool.submit(lambda n=n: time.sleep(0.2 * n) or status()) for n in range(4)]
        assert [asked.result() for asked in refused] == [503] * 4
    os.kill(landnet, signal.SIGCONT)
    assert status() == 200
