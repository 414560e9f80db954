"""Large bodies take no memory, and slow handsets no connection from fast ones.

What a handset sends or reads slowly holds half of a pool at most; everybody else is
answered meanwhile, with a pool of eight and a hundred slow ones (doc/decisions/008).
"""

import contextlib
import http.client
import pathlib
import threading
import time
import zlib

import pytest
from harness import airnet, memory, process, wait
from harness.stand_in import StandIn
from rogue_server import Response

LARGE = 200 * 1024 * 1024
PIECE = 64 * 1024
GROWTH_KIB = 1024
POOL = 8
SLOW = 100
WAIT_S = 5


@pytest.fixture
def stand_in(site):
    made = StandIn(site)
    yield made
    made.close()


# -- 200 MB each way -----------------------------------------------------------------


def pieces(size=LARGE):
    """Bytes of which no two pieces are alike."""
    for n in range(size // PIECE):
        yield n.to_bytes(8, "big") * (PIECE // 8)


def checksum(data):
    crc = 0
    for piece in data:
        crc = zlib.crc32(piece, crc)
    return crc


def read_checksum(read, size):
    """Of a body, of which nothing is kept."""
    crc, left = 0, size
    while left:
        piece = read(min(PIECE, left))
        assert piece, f"cut off {left} bytes before the end"
        crc, left = zlib.crc32(piece, crc), left - len(piece)
    return size, crc


def take(read, size):
    return read_checksum(read, size) if size > PIECE else read(size)


def answer_large(request):
    if request.method == "PUT":
        return Response(200, {"taken": request.body})
    if request.target == "/v1/content/large":
        return Response(200, pieces(), {"Content-Length": LARGE})
    return Response(200, {})


class Memory:
    """Most memory of its own that a process had while this lasted."""

    def __init__(self, gateway):
        (self.pid,) = [pid for pid in gateway.workers() if "worker" in process.command(pid)]
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self._watch)

    def _now_kib(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("RssAnon:")[2].split()[0])

    def _watch(self):
        while not self.is_over.wait(0.01):
            self.most_kib = max(self.most_kib, self._now_kib())

    def __enter__(self):
        self.first_kib = self.most_kib = self._now_kib()
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()
        self.growth_kib = self.most_kib - self.first_kib


def test_200_megabytes_each_way_take_less_than_one(stand_in):
    site = stand_in.site
    site.gateway.config["route", site.pki.SRV]["body_limit"] = "256m"
    stand_in.server.take = take
    stand_in.respond = answer_large
    site.start("gateway")
    with airnet.Device(site, stand_in.device) as device:
        with Memory(site.gateway) as sending:
            device.head("PUT /v1/content/large HTTP/1.1", f"Content-Length: {LARGE}")
            for piece in pieces():
                device.send(piece)
            assert device.receive().json() == {"taken": [LARGE, checksum(pieces())]}
        with Memory(site.gateway) as receiving:
            device.head("GET /v1/content/large HTTP/1.1")
            answer = http.client.HTTPResponse(device.tls)
            answer.begin()
            assert read_checksum(answer.read, answer.length) == (LARGE, checksum(pieces()))
        assert device.ask("GET /v1/device HTTP/1.1").status == 200
    if memory.is_judged():
        assert max(sending.growth_kib, receiving.growth_kib) < GROWTH_KIB
    metrics = site.gateway.metrics()
    assert metrics["provbox_gateway_forwarded_bytes_total"] > LARGE
    assert metrics["provbox_gateway_returned_bytes_total"] > LARGE


# -- A slow handset beside fast ones ---------------------------------------------------


def ask(line, *fields, body=b""):
    def begin(device):
        device.head(f"{line} HTTP/1.1", *fields)
        device.send(body)
    return begin


SIZED = "Content-Length: {}".format
# What a slow handset begins and does not go on with.
KINDS = {
    "reads_content": ask("GET /v1/content/large"),
    "reads_what_is_not_known_as_large": ask("GET /v1/catalogue/large"),
    "reads_what_is_small": ask("GET /v1/catalogue/small"),
    "sends_a_large_body": ask("PUT /v1/requests/1", SIZED(100_000), body=b"x" * 70_000),
    "sends_a_small_body": ask("PUT /v1/requests/1", SIZED(1000), body=b"x"),
    "sends_a_few_chunks": ask("PUT /v1/requests/1", "Transfer-Encoding: chunked",
                              body=b"5000\r\n" + b"x" * 0x5000 + b"\r\n5\r\nx"),
    "sends_small_chunks": ask("PUT /v1/requests/1", "Transfer-Encoding: chunked",
                              body=b"5\r\nx"),
    "waits": ask("GET /v1/requests/1", f"Prefer: wait={WAIT_S}"),
}
# What holds a connection meanwhile.
HOLDING = {"reads_content", "reads_what_is_not_known_as_large", "sends_a_large_body",
           "sends_a_few_chunks", "waits"}


def respond(request):
    if request.headers["Prefer"]:
        time.sleep(WAIT_S)
    size = {"large": 2 ** 24, "small": PIECE}.get(request.target.rpartition("/")[2])
    if not size:
        return Response(200, {})
    return Response(200, pieces(size), {"Content-Length": size})


@pytest.fixture
def crowded(stand_in):
    """A gateway with a small pool, which gives up slow handsets later than the test ends."""
    stand_in.respond = respond
    stand_in.site.gateway.config.update(
        pool_size=POOL, body_timeout="60s", write_timeout="60s", sessions_per_identity=0)
    stand_in.site.start("gateway")
    return stand_in


def long_loans(site):
    return site.gateway.metrics()["provbox_gateway_landnet_long"]


def all_are_answered(site, leaf, seconds):
    """A fast handset asks all the time, a new one each time, twice at least."""
    until, n = time.monotonic() + seconds, 0
    with airnet.Device(site, leaf) as device:
        while time.monotonic() < until or n < 2:
            assert device.ask("GET /v1/device HTTP/1.1").status == 200
            device.head("PUT /v1/requests/2 HTTP/1.1", SIZED(100))
            device.send(b"y" * 100)
            assert device.receive().status == 200
            with airnet.Device(site, leaf) as other:
                assert other.ask("GET /v1/device HTTP/1.1").status == 200
            n += 1


@contextlib.contextmanager
def slow_handsets(site, leaf, begins):
    with contextlib.ExitStack() as stack:
        for begin in begins:
            begin(stack.enter_context(airnet.Device(site, leaf, receive_bytes=4096)))
        yield


@pytest.mark.parametrize("kind", KINDS)
def test_slow_handsets_leave_half_of_the_pool(crowded, kind):
    site = crowded.site
    with slow_handsets(site, crowded.device, [KINDS[kind]] * 2 * POOL):
        if kind in HOLDING:
            wait.until(lambda: long_loans(site) == POOL // 2, "slow handsets")
        all_are_answered(site, crowded.device, 0.5)
        assert long_loans(site) == (POOL // 2 if kind in HOLDING else 0)
    metrics = site.gateway.metrics()
    assert metrics['provbox_gateway_landnet_busy_total{queue="short"}'] == 0
    is_put_back = kind == "reads_what_is_not_known_as_large"
    assert (metrics["provbox_gateway_landnet_put_back_total"] > 0) == is_put_back
    wait.until(lambda: long_loans(site) == 0, "the end of slow exchanges", WAIT_S + 5)


def test_a_hundred_slow_handsets_beside_fast_ones(crowded):
    site = crowded.site
    begins = [list(KINDS.values())[n % len(KINDS)] for n in range(SLOW)]
    with slow_handsets(site, crowded.device, begins):
        # Longer than `pool_wait`: until those who wait in vain have been told.
        all_are_answered(site, crowded.device, 3)
        assert long_loans(site) == POOL // 2
        metrics = site.gateway.metrics()
        assert metrics['provbox_gateway_landnet_busy_total{queue="short"}'] == 0
        assert metrics['provbox_gateway_landnet_busy_total{queue="long"}'] > 0
        assert metrics["provbox_gateway_landnet_connections"] <= POOL
    wait.until(lambda: long_loans(site) == 0, "the end of slow exchanges", WAIT_S + 5)
    with airnet.Device(site, crowded.device) as device:
        assert len(device.ask("GET /v1/content/large HTTP/1.1").body) == 2 ** 24


def test_a_large_body_without_place_is_told_when_to_come_again(crowded):
    site = crowded.site
    with slow_handsets(site, crowded.device, [KINDS["sends_a_large_body"]] * (POOL // 2)):
        wait.until(lambda: long_loans(site) == POOL // 2, "slow handsets")
        with airnet.Device(site, crowded.device) as device:
            answer = device.ask("GET /v1/content/large HTTP/1.1")
            assert (answer.status, answer.json()["reason"]) == (503, "landnet_busy")
            assert int(answer.headers["Retry-After"]) >= 1
            # The session goes on.
            assert device.ask("GET /v1/device HTTP/1.1").status == 200
