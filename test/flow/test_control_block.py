"""A block meets a session wherever it is: it ends within the second, and no byte of it or for
it passes any more.
"""

import os
import signal
import socket
import subprocess
import threading
import time

import pytest
from harness import airnet, paths, wait
from harness.control import end
from harness.schema import DEV, DEV2
from harness.stand_in import AUTHENTICATION, StandIn
from rogue_server import Response

# A second is what is promised; the machine that tests may be busy.
SOON_S = 3
DEVICE = "/v1/device"
CATALOGUE = "/v1/catalogue"


def ask(device, target=DEVICE):
    return device.ask(f"GET {target} HTTP/1.1")


class Told:
    """A gateway with one link to a stand-in that tells its control streams what to say,
    and keeps what is asked for under /v1/catalogue and /v1/content until `release`."""

    CONTENT_BYTES = 3_000_000
    UPLOAD_BYTES = 1_000_000

    def __init__(self, site):
        site.gateway.config.update(pool_size=1, body_limit=self.UPLOAD_BYTES,
                                   pool_wait="20s", body_timeout="20s", write_timeout="20s")
        self.site, self.gateway, self.server = site, site.gateway, StandIn(site)
        self.other = site.pki.device_leaf("other", DEV2)
        self.lines = []
        self.release = threading.Event()
        self.taken_bytes = 0
        self.opened = []
        self.server.respond = self.respond
        self.server.server.control = self.control
        self.server.server.take = self.take

    def control(self, write):
        """All streams say the same."""
        said = len(self.lines)
        while True:
            lines, said = self.lines[said:], len(self.lines)
            if not write(b"".join([*lines, b'{"hb":1}\n'])):
                return

    def take(self, read, size):
        if size < self.UPLOAD_BYTES:
            return read(size)
        for _ in range(size // 1000):
            self.taken_bytes += len(read(1000))
        return b""

    def pieces(self):
        for n in range(self.CONTENT_BYTES // 1000):
            if n == 100:
                self.release.wait(20)
            yield b"x" * 1000

    def respond(self, request):
        if request.target.startswith("/v1/content"):
            return Response(200, self.pieces(), {"Content-Length": self.CONTENT_BYTES})
        if request.target == CATALOGUE:
            self.release.wait(20)
        return Response(200, {})

    def device(self, leaf=None):
        """One that was served already."""
        device = airnet.Device(self.site, leaf or self.server.device)
        self.opened.append(device)
        assert ask(device).status == 200
        return device

    def n_forwarded(self):
        return len(self.server.server.forwarded())

    def wait_forwarded(self, n):
        wait.until(lambda: self.n_forwarded() == n, f"{n} requests")

    def close(self):
        self.release.set()
        for device in self.opened:
            device.close()
        self.server.close()


@pytest.fixture
def told(site):
    made = Told(site)
    site.start("gateway")
    yield made
    made.close()


def is_idle(told):
    return told.device()


def waits_for_an_answer(told):
    """The server is asked to wait, and so may take its time."""
    device = told.device()
    device.head(f"GET {CATALOGUE} HTTP/1.1", "Prefer: wait=5")
    told.wait_forwarded(2)
    return device


def waits_for_a_link(told):
    device, other = told.device(), told.device(told.other)
    other.head(f"GET {CATALOGUE} HTTP/1.1")
    told.wait_forwarded(3)
    device.head(f"GET {DEVICE} HTTP/1.1")
    wait.until(lambda: told.gateway.metrics()[
        'provbox_gateway_landnet_waiting{queue="short"}'] == 1, "one that waits")
    return device


def sends_a_small_body(told):
    """Which the gateway keeps until it is whole."""
    device = told.device()
    device.head("PUT /v1/requests/1 HTTP/1.1", "Content-Length: 100")
    device.send(b"x" * 50)
    wait.until(lambda: told.gateway.metrics()["provbox_gateway_requests_total"] == 2,
               "the head")
    return device


def sends_a_large_body(told):
    device = told.device()
    device.head("PUT /v1/requests/1 HTTP/1.1", f"Content-Length: {told.UPLOAD_BYTES}")
    device.send(b"x" * (told.UPLOAD_BYTES // 2))
    wait.until(lambda: told.taken_bytes == told.UPLOAD_BYTES // 2, "half of it")
    return device


def receives_a_large_body(told):
    device = told.device()
    device.head("GET /v1/content/large HTTP/1.1")
    assert device.tls.recv(10)
    return device


def receives_while_its_gateway_drains(told):
    """By a generation that has begun it, beside one that has taken over."""
    device = receives_a_large_body(told)
    os.kill(told.gateway.process.pid, signal.SIGHUP)
    wait.until(lambda: len(told.gateway.events("control_up")) == 2, "a new stream")
    told.gateway.wait_event("draining")
    return device


def has_asked_for_more(told):
    """The next requests lie in the socket."""
    device = told.device()
    head = f"GET {{}} HTTP/1.1\r\nHost: {device.srv}\r\n\r\n"
    device.send((head.format(CATALOGUE) + head.format(DEVICE) * 2).encode())
    told.wait_forwarded(2)
    return device


@pytest.mark.parametrize("state", [
    is_idle, waits_for_an_answer, waits_for_a_link, sends_a_small_body, sends_a_large_body,
    receives_a_large_body, receives_while_its_gateway_drains, has_asked_for_more])
def test_a_block_ends_a_session_whatever_it_does(told, state):
    device = state(told)
    forwarded, taken = told.n_forwarded(), told.taken_bytes
    start = time.monotonic()
    told.lines.append(end(DEV))
    rest = device.rest()
    assert time.monotonic() - start < SOON_S
    assert len(rest) < told.CONTENT_BYTES / 2 and b" 403 " not in rest[:20]
    (line,) = wait.until(lambda: told.gateway.events("session_end", reason="device_blocked"),
                         "the end")
    assert int(line["requests"]) <= 2
    cut = told.gateway.events("request", status=0)
    assert [request["reason"] for request in cut] == ["device_blocked"] * (state is not is_idle)
    # The other ones go on; and nothing more of this one is heard.
    told.release.set()
    assert ask(told.device(told.other)).status == 200
    for target in [request.target for request in told.server.server.forwarded()[forwarded:]]:
        assert target == DEVICE
    assert told.n_forwarded() == forwarded + 2 and told.taken_bytes == taken
    reports = wait.until(lambda: [request for request in told.server.server.requests
                                  if request.target.endswith("/end")], "the report")
    assert [request.json()["reason"] for request in reports] == ["device_blocked"]


def test_a_device_that_is_blocked_before_its_handshake_is_over(site):
    """Nobody knows yet whose it is; it is told at its first request."""
    site.start("database", "server", "gateway")
    leaf = site.pki.device_leaf("good", DEV)
    with socket.create_connection(("127.0.0.1", site.airnet_port)) as raw:
        wait.until(lambda: site.gateway.metrics()["provbox_gateway_sessions"] == 1,
                   "the connection")
        subprocess.run([paths.program("provctl"), "device", "block", DEV,
                        f"--dsn={site.db.dsn('provbox_operator')}"], check=True, timeout=60,
                       capture_output=True)
        wait.until(lambda: site.gateway.metrics()["provbox_gateway_control_changes_total"] == 1,
                   "the change")
        with airnet.Device(site, leaf, raw=raw) as device:
            answer = ask(device)
            assert (answer.status, answer.json()["reason"]) == (403, "device_blocked")
            assert device.rest() == b""
    site.gateway.wait_event("session_end", reason="device_blocked")
    routes = [line["route"] for line in site.server.events("request")]
    assert AUTHENTICATION in routes and DEVICE not in routes
