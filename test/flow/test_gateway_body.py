"""Bodies through the gateway: limits, 100-continue, chunks, large ones, slow ones."""

import hashlib
import time
import uuid

import pytest
from harness import airnet, memory, process
from harness.schema import DEV, feature, manifest
from harness.stand_in import StandIn
from rogue_server import Response

LIMIT = 64 * 1024
LARGE = hashlib.sha256(b"seed").digest() * (10 * 1024 * 1024 // 32)
# What one worker may use for one download: buffers of both legs, not the download.
GROWTH_KIB = 4 * 1024


@pytest.fixture
def stand_in(site):
    site.gateway.config["body_limit"] = LIMIT
    made = StandIn(site)
    made.respond = lambda request: Response(200, {"n": len(request.body)})
    site.start("gateway")
    yield made
    made.close()


def chunks(data, size):
    for at in range(0, len(data), size):
        piece = data[at:at + size]
        yield b"%x\r\n%s\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


def worker_of(gateway):
    (worker,) = [pid for pid in gateway.workers() if "worker" in process.command(pid)]
    return worker


def put(device, *fields):
    device.head("PUT /v1/requests/1 HTTP/1.1", "Content-Type: application/json", *fields)


@pytest.mark.parametrize("size", [0, 1, LIMIT])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_arrives_as_it_was(stand_in, size, is_chunked):
    body = LARGE[:size]
    with airnet.Device(stand_in.site, stand_in.device) as device:
        if is_chunked:
            put(device, "Transfer-Encoding: chunked")
            for piece in chunks(body, 1000):
                device.send(piece)
        else:
            put(device, f"Content-Length: {size}")
            device.send(body)
        assert device.receive().json() == {"n": size}
        assert device.ask("GET /v1/device HTTP/1.1").status == 200
    assert stand_in.server.forwarded()[0].body == body


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_over_the_limit(stand_in, is_chunked):
    with airnet.Device(stand_in.site, stand_in.device) as device:
        if is_chunked:
            put(device, "Transfer-Encoding: chunked")
            for piece in chunks(LARGE[:LIMIT + 1], LIMIT + 1):
                device.send(piece)
        else:
            put(device, f"Content-Length: {LIMIT + 1}")
        answer = device.receive()
        assert (answer.status, answer.json()["reason"]) == (413, "body_too_large")
        assert answer.headers["Connection"] == "close"
    stand_in.site.gateway.wait_event("session_end", reason="body_too_large")
    # Of a body that was announced not a byte, of the other never the whole.
    assert stand_in.server.forwarded() == []
    assert stand_in.ask("/v1/device").status == 200


def test_100_continue(stand_in):
    """The gateway asks for the body when it has somewhere to put it, and the server
    need not know of it."""
    with airnet.Device(stand_in.site, stand_in.device) as device:
        put(device, "Content-Length: 5", "Expect: 100-continue")
        assert device.tls.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        device.send(b"12345")
        assert device.receive().json() == {"n": 5}
        put(device, f"Content-Length: {LIMIT + 1}", "Expect: 100-continue")
        assert device.receive().status == 413
    (request,) = stand_in.server.forwarded()
    assert "Expect" not in request.headers


def test_head_has_no_body(stand_in):
    stand_in.respond = lambda request: Response(200, b"0123456789", {"ETag": '"e"'})
    with airnet.Device(stand_in.site, stand_in.device) as device:
        for method, body in (("HEAD", b""), ("GET", b"0123456789"), ("HEAD", b"")):
            answer = device.ask(f"{method} /v1/device HTTP/1.1")
            assert (answer.status, answer.headers["ETag"]) == (200, '"e"')
            assert answer.body == body
            assert answer.headers["Content-Length"] == "10"


def test_answers_without_a_body(stand_in):
    stand_in.respond = lambda request: Response(
        int(request.target[-3:]), headers={"Content-Length": None, "Content-Type": None})
    with airnet.Device(stand_in.site, stand_in.device) as device:
        for status in (204, 304, 204):
            assert device.ask(f"GET /v1/device/{status} HTTP/1.1").status == status
    assert len({r.connection for r in stand_in.server.requests}) == 1


def test_interim_answers_are_passed_over(stand_in):
    stand_in.respond = lambda request: Response(raw=(
        "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: canary\r\n\r\n"
        "HTTP/1.1 200 OK\r\nProvbox-Exchange: "
        f"{request.headers['Provbox-Exchange']}\r\nContent-Length: 2\r\n\r\n{{}}").encode())
    with airnet.Device(stand_in.site, stand_in.device) as device:
        device.head("GET /v1/device HTTP/1.1")
        assert device.tls.recv(9000).startswith(b"HTTP/1.1 200 OK\r\n")


def test_an_early_answer_to_a_large_body(site):
    """A request that is answered before it is whole: its rest goes nowhere."""
    site.start("database", "server", "gateway")
    leaf = site.pki.device_leaf("good", DEV)
    with airnet.Device(site, leaf) as device:
        device.head(f"PUT /v1/requests/{uuid.uuid4()} HTTP/1.1", "Content-Length: 200000",
                    "Content-Type: application/json")
        device.send(b"{" + b" " * 20000)
        answer = device.receive()
        assert (answer.status, answer.json()["reason"]) == (413, "body_too_large")
    with airnet.Device(site, leaf) as device:
        assert device.ask("GET /v1/device HTTP/1.1").status == 200
    # The server's refusal of a call is no end of a session.
    assert site.gateway.events("session_end", reason="body_too_large") == []


def accepted_content(site, device, content):
    """Target of a large content that the device may fetch."""
    site.schema.load(manifest([feature("map", content)]), [content])
    site.schema.catalogue = site.schema.table(
        "select max(version) as version from catalogue")[0]["version"]
    path = f"/v1/requests/{uuid.uuid4()}"
    assert device.put(path, site.schema.body("map")).status == 201
    terms = device.get(f"{path}/terms").json()
    assert device.put(f"{path}/answer",
                      {"answer": "accept", "sha256": terms["sha256"]}).status == 200
    return f"/v1/content/{hashlib.sha256(content).hexdigest()}"


def test_a_large_download_takes_little_memory(site):
    """Read late, so that back-pressure goes through gateway and server to the database."""
    site.gateway.config["write_timeout"] = "10s"
    site.start("database", "server", "gateway")
    leaf = site.pki.device_leaf("good", DEV)
    with site.device(leaf) as device:
        target = accepted_content(site, device, LARGE)
    worker = worker_of(site.gateway)
    before = memory.peak_kib(worker)
    with airnet.Device(site, leaf, receive_bytes=16 * 1024) as device:
        device.head(f"GET {target} HTTP/1.1")
        time.sleep(0.5)  # everything that can fill up does
        assert device.receive().body == LARGE
        assert not memory.is_judged() or memory.peak_kib(worker) - before < GROWTH_KIB
        # The answer has ended, and the session goes on.
        assert device.ask("GET /v1/device HTTP/1.1").status == 200


def test_a_slow_reader_holds_up_nobody(site):
    site.start("database", "server", "gateway")
    leaf = site.pki.device_leaf("good", DEV)
    with site.device(leaf) as device:
        target = accepted_content(site, device, LARGE)
    with airnet.Device(site, leaf, receive_bytes=4 * 1024) as slow, \
            site.device(leaf) as quick:
        slow.head(f"GET {target} HTTP/1.1")
        slow.tls.recv(100)
        for _ in range(20):
            began = time.monotonic()
            assert quick.get("/v1/device").status == 200
            assert time.monotonic() - began < 1
        # Who takes nothing at all is given up, and his link with him.
        site.gateway.wait_event("session_end", reason="write_timeout")
        assert quick.get(target).body == LARGE
        site.server.wait_event("link_closed")


def test_a_slow_but_steady_reader_is_not_given_up(site):
    """What the kernel holds back drains in steps that are shorter than the deadline."""
    site.gateway.config["write_timeout"] = "600ms"
    stand_in = StandIn(site)
    stand_in.respond = lambda request: Response(200, LARGE)
    site.start("gateway")
    with airnet.Device(site, stand_in.device, receive_bytes=4 * 1024) as device:
        device.head("GET /v1/device HTTP/1.1")
        received = 0
        for _ in range(60):
            received += len(device.tls.recv(16 * 1024))
            time.sleep(0.03)
        while received < len(LARGE):
            piece = device.tls.recv(256 * 1024)
            assert piece, f"cut off after {received}"
            received += len(piece)
    assert site.gateway.events("session_end", detail="write_timeout") == []
    stand_in.close()


def test_a_device_that_stops_in_a_body(stand_in):
    stand_in.site.gateway.stop()
    stand_in.site.gateway.config["body_timeout"] = "300ms"
    stand_in.site.gateway.start()
    with airnet.Device(stand_in.site, stand_in.device) as device:
        put(device, "Content-Length: 10")
        device.send(b"12345")
        answer = device.receive()
        assert (answer.status, answer.json()["reason"]) == (408, "body_timeout")
    stand_in.site.gateway.wait_event("session_end", reason="body_timeout")
    assert stand_in.server.forwarded() == []
    assert stand_in.ask("/v1/device").status == 200
