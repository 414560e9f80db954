"""Slow peers, a thousand of each kind (a quarter of that in a sanitized build): their own
deadline ends each, for its own reason, and every honest handset is answered meanwhile. And
limits: what is full lets in again."""

import concurrent.futures
import os
import resource
import signal
import socket
import threading
import time

import crowd
import pytest
from harness import airnet, paths, process, wait
from harness.stand_in import AUTHENTICATION, StandIn
from rogue_server import Response

CROWD = 250 if paths.is_sanitized() else 1000
LARGE = b"\0" * (8 << 20)
END = 'provbox_gateway_session_ends_total{reason="%s"}'
STRANGER = 'provbox_gateway_handshake_failures_total{reason="%s"}'
OPEN = "provbox_gateway_sessions"


@pytest.fixture
def stand_in(site):
    made = StandIn(site)
    made.respond = lambda request: Response(
        200, LARGE if request.target == "/v1/content/large" else {"forwarded": True})
    yield made
    made.close()


class Honest:
    """Handsets that come and ask, one after the other, until the test is done."""

    def __init__(self, stand_in):
        self.stand_in = stand_in
        self.n, self.failures = 0, []
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.is_over.is_set():
            try:
                answer = self.stand_in.ask("/v1/device")
                if answer.status != 200:
                    self.failures.append(answer)
            except OSError as error:
                self.failures.append(error)
            self.n += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()


def gather(stand_in, kind, until=None):
    """A crowd among honest handsets; what the crowd was answered."""
    site = stand_in.site
    site.gateway.config["sessions_per_identity"] = 0  # one certificate for all of it
    site.gateway.config["workers"] = 2
    leaf = site.pki.device_leaf("slow", "urn:gsma:imei:35209900-176149-0")
    site.start("gateway")
    with Honest(stand_in) as honest:
        answers = crowd.run(site, leaf, CROWD, kind, until)
    assert honest.failures == []
    assert honest.n > 0
    assert stand_in.ask("/v1/device").status == 200
    wait.until(lambda: site.gateway.metrics()[OPEN] == 0, "no session left", 30)
    return answers


def ends(stand_in, metric):
    return stand_in.site.gateway.metrics()[metric]


# -- before anybody is known

@pytest.mark.parametrize("kind, reason", [
    (crowd.silent, "handshake_timeout"),
    (crowd.dripping_hello, "handshake_timeout"),
    (crowd.half_closed, "truncated"),
])
@pytest.mark.long
def test_a_thousand_strangers(stand_in, kind, reason):
    stand_in.site.gateway.config["handshake_timeout"] = "5s"
    gather(stand_in, kind)
    assert ends(stand_in, STRANGER % reason) == CROWD
    lines = stand_in.site.gateway.events("session_end", phase="handshake")
    assert [line["reason"] for line in lines] == [reason] * CROWD
    assert stand_in.server.forwarded() != []


# -- devices

def be_patient(stand_in):
    """A thousand handshakes take their time, and so do authentications by the stand-in."""
    config = stand_in.site.gateway.config
    config["handshake_timeout"] = config["authentication_timeout"] = "30s"
    config["pool_wait"] = "8s"
    return config


@pytest.mark.parametrize("kind, reason", [
    (crowd.slow_head, "head_timeout"),
    (crowd.slow_body, "body_timeout"),
])
@pytest.mark.long
def test_a_thousand_slow_senders(stand_in, kind, reason):
    be_patient(stand_in)
    answers = gather(stand_in, kind)
    assert all(answer.startswith(b"HTTP/1.1 408 ") and reason.encode() in answer
               for answer in answers)
    assert ends(stand_in, END % reason) == CROWD
    assert len(stand_in.site.gateway.events("session_end", reason=reason)) == CROWD
    assert {request.target for request in stand_in.server.forwarded()} == {"/v1/device"}


@pytest.mark.long
def test_a_thousand_slow_readers(stand_in):
    """Half of the pool is for them; who finds no place there is told, and may go on."""
    config = be_patient(stand_in)
    config["idle_timeout"] = "4s"

    def over():
        counted = lambda: ends(stand_in, END % "write_timeout") + \
            ends(stand_in, END % "idle_timeout")
        wait.until(lambda: counted() >= CROWD, "the end of all readers", 90)

    answers = gather(stand_in, crowd.slow_reader, over)
    n_cut, n_idle = (ends(stand_in, END % reason)
                     for reason in ("write_timeout", "idle_timeout"))
    assert n_cut + n_idle == CROWD
    assert n_cut >= config.get("pool_size", 64) // 2
    assert sum(b"landnet_busy" in (answer or b"") for answer in answers) == n_idle
    assert all(len(answer or b"") < len(LARGE) for answer in answers)


def test_an_idle_session_has_a_deadline_too(stand_in):
    stand_in.site.gateway.config["idle_timeout"] = "300ms"
    stand_in.site.start("gateway")
    with airnet.Device(stand_in.site, stand_in.device) as device:
        assert device.ask("GET /v1/device HTTP/1.1").status == 200
        assert device.rest() == b""
    stand_in.site.gateway.wait_event("session_end", reason="idle_timeout")
    assert ends(stand_in, END % "idle_timeout") == 1


# -- limits of one worker

def strangers(site, n):
    return [socket.create_connection(("127.0.0.1", site.airnet_port)) for _ in range(n)]


def close(sockets):
    for each in sockets:
        each.close()


def test_strangers_that_dawdle_give_way(stand_in):
    """Long before their deadline, when others wait for their place."""
    config = stand_in.site.gateway.config
    config["handshakes"], config["handshake_timeout"] = 20, "60s"
    stand_in.site.start("gateway")
    silent = strangers(stand_in.site, 30)
    stand_in.site.gateway.wait_event("accept_held", strangers=20)
    assert stand_in.ask("/v1/device").status == 200
    assert ends(stand_in, STRANGER % "displaced") >= 10
    assert ends(stand_in, "provbox_gateway_accept_held_total") >= 1
    assert stand_in.site.gateway.events("session_end", reason="handshake_timeout") == []
    close(silent)


def test_who_finds_all_sessions_taken_waits(stand_in):
    stand_in.site.gateway.config["sessions"] = 3
    stand_in.site.start("gateway")
    devices = [airnet.Device(stand_in.site, stand_in.device) for _ in range(3)]
    for device in devices:
        assert device.ask("GET /v1/device HTTP/1.1").status == 200
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(stand_in.ask, "/v1/device")
        stand_in.site.gateway.wait_event("accept_held", connections=3)
        time.sleep(0.5)
        assert not waiting.done()
        assert ends(stand_in, OPEN) == 3
        devices.pop().close()
        assert waiting.result(10).status == 200
    for device in devices:
        assert device.ask("GET /v1/device HTTP/1.1").status == 200
        device.close()


def test_strangers_before_the_server_give_way_to_gateways(site):
    site.server.config["handshakes"] = 20
    site.server.config["handshake_timeout"] = "60s"
    site.start("database", "server")
    silent = [socket.create_connection(("127.0.0.1", site.server_port)) for _ in range(30)]
    site.server.wait_event("accept_held", strangers=20)
    with site.landnet(site.pki.gateway_landnet) as gateway:
        assert gateway.request("GET", "/v1/device").status == 401  # without a grant
    assert len(site.server.events("link_closed", reason="displaced")) >= 10
    assert site.server.metrics()["provbox_server_accept_held_total"] >= 1
    close(silent)


def worker_of(gateway):
    (worker,) = [pid for pid in gateway.workers() if "worker" in process.command(pid)]
    return worker


def awake_s(pid):
    """Time on a processor or in the queue for one: who spins has all of it, on a machine
    with other work, too."""
    with open(f"/proc/{pid}/schedstat") as stat:
        running_ns, waiting_ns, _ = map(int, stat.read().split())
    return (running_ns + waiting_ns) / 1e9


@pytest.fixture
def short_of_descriptors(stand_in):
    """take() leaves the worker those it has; give() makes it whole."""
    stand_in.site.start("gateway")
    worker = worker_of(stand_in.site.gateway)
    whole = resource.prlimit(worker, resource.RLIMIT_NOFILE)

    class Shortage:
        pid = worker

        def take(self):
            resource.prlimit(worker, resource.RLIMIT_NOFILE, (3, whole[1]))

        def give(self):
            resource.prlimit(worker, resource.RLIMIT_NOFILE, whole)

    return Shortage()


def test_no_descriptors_for_handsets(stand_in, short_of_descriptors):
    """They wait, the worker sleeps, and it is said once."""
    gateway = stand_in.site.gateway
    short_of_descriptors.take()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(stand_in.ask, "/v1/device")
        gateway.wait_event("accept_paused")
        before_s, began = awake_s(short_of_descriptors.pid), time.monotonic()
        time.sleep(2)
        spent_s = awake_s(short_of_descriptors.pid) - before_s
        assert spent_s < 0.5 * (time.monotonic() - began)
        assert not waiting.done()
        short_of_descriptors.give()
        assert waiting.result(10).status == 200
    assert len(gateway.events("accept_paused")) == 1


def test_no_descriptors_for_the_landnet(stand_in, short_of_descriptors):
    with airnet.Device(stand_in.site, stand_in.device) as device:
        stand_in.site.gateway.wait_event("session_begin")
        short_of_descriptors.take()
        answer = device.ask("GET /v1/device HTTP/1.1")
        assert (answer.status, answer.json()["reason"]) == (503, "server_unavailable")
    short_of_descriptors.give()
    stand_in.site.gateway.wait_event("landnet_down", reason="system")
    wait.until(lambda: stand_in.ask("/v1/device").status == 200, "an answer")


def test_few_descriptors_mean_few_sessions(stand_in):
    """What the landnet needs is kept for it."""
    gateway = stand_in.site.gateway
    gateway.config["pool_size"] = 8
    stand_in.site.start("gateway")
    assert gateway.events("sessions_capped") == []
    resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE, (1000, 1000))
    os.kill(worker_of(gateway), signal.SIGKILL)
    capped = gateway.wait_event("sessions_capped", wanted=10000, files=1000)
    assert 500 < int(capped["sessions"]) < 1000 - 8
    wait.until(lambda: len(gateway.events("ready")) == 2, "a new worker")
    assert stand_in.ask("/v1/device").status == 200


# -- limits over all workers

def test_the_oldest_session_of_a_credential_gives_way(stand_in):
    """After the answer that it waits for, whichever worker has it."""
    going, config = threading.Event(), stand_in.site.gateway.config

    def respond(request):
        if request.target == "/v1/catalogue":
            going.set()
            time.sleep(1.5)
        return Response(200, {"late": True})

    stand_in.respond = respond
    config["sessions_per_identity"], config["workers"] = 3, 2
    stand_in.site.start("gateway")
    leaf = stand_in.site.pki.device_leaf("other", "urn:gsma:imei:35209900-176149-0")
    foreign = airnet.Device(stand_in.site, leaf)
    devices = []
    for n in range(6):
        devices.append(airnet.Device(stand_in.site, stand_in.device))
        if n == 0:
            devices[0].head("GET /v1/catalogue HTTP/1.1")
            assert going.wait(10)
        else:
            assert devices[n].ask("GET /v1/device HTTP/1.1").status == 200
    assert devices[1].rest() == b"" and devices[2].rest() == b""
    late = devices[0].receive()
    assert (late.status, late.json()) == (200, {"late": True})
    assert devices[0].rest() == b""
    for device in [foreign, *devices[3:]]:
        assert device.ask("GET /v1/device HTTP/1.1").status == 200
    assert len(stand_in.site.gateway.events("session_end", reason="superseded")) == 3
    assert ends(stand_in, END % "superseded") == 3
    for device in [foreign, *devices]:
        device.close()


def test_a_storm_is_spread(stand_in):
    """Who is sent away keeps his session, hears when to come again, and is admitted then."""
    config = stand_in.site.gateway.config
    config["admission"], config["workers"], config["retry_after"] = 5, 2, "20s"
    config["sessions_per_identity"] = 0
    stand_in.site.start("gateway")
    devices = [airnet.Device(stand_in.site, stand_in.device) for _ in range(30)]
    began = time.monotonic()
    answers = [device.ask("GET /v1/device HTTP/1.1") for device in devices]
    admitted = [answer.status for answer in answers].count(200)
    assert 5 <= admitted <= 6 + 5 * (time.monotonic() - began)
    refused = [pair for pair in zip(devices, answers) if pair[1].status != 200]
    for _, answer in refused:
        assert (answer.status, answer.json()["reason"]) == (503, "admission_limited")
        assert answer.headers["Connection"] != "close"
    told = [int(answer.headers["Retry-After"]) for _, answer in refused]
    assert all(1 <= seconds <= 20 for seconds in told)
    assert len(told) < 5 or len(set(told)) > 1
    for device, _ in refused[:3]:
        wait.until(lambda: device.ask("GET /v1/device HTTP/1.1").status == 200,
                   "admission", 20)
    # Who was admitted is so for good.
    for device, answer in zip(devices, answers):
        if answer.status == 200:
            assert device.ask("GET /v1/device HTTP/1.1").status == 200
    asked = stand_in.server.targets().count(AUTHENTICATION)
    assert asked == admitted + len(refused[:3])
    for device in devices:
        device.close()


def test_an_address_may_connect_so_often(stand_in):
    stand_in.site.gateway.config["new_sessions_per_address"] = 2
    stand_in.site.start("gateway")
    silent = strangers(stand_in.site, 12)
    wait.until(lambda: ends(stand_in, STRANGER % "address_limited") >= 5, "refusals")
    assert ends(stand_in, OPEN) >= 2
    refused = stand_in.site.gateway.events("session_end", reason="address_limited",
                                           phase="accept")
    assert refused and all(line["peer"].startswith("127.0.0.1:") for line in refused)
    close(silent)

    def is_answered():
        try:
            return stand_in.ask("/v1/device").status == 200
        except OSError:
            return False

    wait.until(is_answered, "an answer", 20)


def test_a_route_has_a_body_limit_of_its_own(stand_in):
    config = stand_in.site.gateway.config
    config["body_limit"] = 1_000_000
    config["route", stand_in.site.pki.SRV]["body_limit"] = 2000
    stand_in.site.start("gateway")
    assert stand_in.ask("/v1/requests/x", "PUT", b"x" * 2000).status == 200
    answer = stand_in.ask("/v1/requests/x", "PUT", b"x" * 2001)
    assert (answer.status, answer.json()["reason"]) == (413, "body_too_large")
    assert len(stand_in.server.forwarded()) == 1
