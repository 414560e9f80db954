"""What a rogue provisioning server may do to a link, beside its answers and within them.

No byte of one handset comes to another, each kind of misdeed has its reason in the log and in
the metrics, and an honest handset goes on meanwhile. What it may say of a session is in
test_withstand_server.py.
"""

import collections
import concurrent.futures
import itertools
import json
import os
import random

import pytest
from harness import airnet, wait
from harness.edge import ALIKE, AWAY, HANDSETS, ROGUE_SRV, read_answer
from harness.stand_in import AUTHENTICATION
from rogue_server import Response

IS_LONG = os.environ.get("PROVBOX_LONG") == "1"


@pytest.fixture
def edge(rogue_edge):
    rogue_edge.start()
    return rogue_edge


def canary(n):
    return f"canary-{n}-" + "x" * 8


def raw(request, body=b"{}", number=None, status=200, extra=b"", chunk=None):
    """A whole answer as bytes; `number` None: the right one, "": none at all."""
    number = request.headers["Provbox-Exchange"] if number is None else number
    field = f"Provbox-Exchange: {number}\r\n" if number != "" else ""
    length = "Transfer-Encoding: chunked" if chunk else f"Content-Length: {len(body)}"
    if chunk:
        pieces = [body[at:at + chunk] for at in range(0, len(body), chunk)]
        body = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"
    return (f"HTTP/1.1 {status} OK\r\nContent-Type: application/json\r\n{field}{length}\r\n"
            "\r\n").encode() + body + extra


def next_answer(request):
    """What would answer the next request on this link."""
    return raw(request, b"canary-9-more", number=int(request.headers["Provbox-Exchange"]) + 1)


def with_field(field):
    return lambda request, body: raw(request, body).replace(
        b"\r\n\r\n", b"\r\n" + field(request).encode() + b"\r\n\r\n", 1)


def number_as(change):
    return lambda request, body: raw(request, body,
                                     number=change(int(request.headers["Provbox-Exchange"])))


# What a server does instead of an honest answer, and how the gateway calls it: of the
# link, or of the exchange.
MISDEEDS = {
    "the next number": ("landnet_desync", number_as(lambda n: n + 1)),
    "the last number": ("landnet_desync", number_as(lambda n: n - 1)),
    "a padded number": ("landnet_desync", number_as(lambda n: f"0{n}")),
    "a number in hex": ("landnet_desync", number_as(hex)),
    "a longer number": ("landnet_desync", number_as(lambda n: n + 2 ** 64)),
    "no number": ("landnet_desync", number_as(lambda n: "")),
    "two numbers": ("landnet_desync", with_field(
        lambda r: f"Provbox-Exchange: {r.headers['Provbox-Exchange']}")),
    "two lengths": ("bad_length", with_field(lambda r: "Content-Length: 3")),
    "length and chunks": ("bad_length", with_field(lambda r: "Transfer-Encoding: chunked")),
    "no length": ("bad_length", lambda r, body: raw(r, body).replace(
        b"Content-Length", b"X-Length")),
    "101": ("unwanted_upgrade", lambda r, body: b"HTTP/1.1 101 Switching Protocols\r\n"
            b"Upgrade: x\r\n\r\n" + body),
    "no HTTP": ("bad_line", lambda r, body: b"\x16\x03\x01\r\n\r\n" + body),
    "another HTTP": ("bad_version", lambda r, body: raw(r, body).replace(b"/1.1", b"/2.0", 1)),
    "interim answers without end": ("interim_responses", lambda r, body: (
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000 + raw(r, body))),
    "a head without end": ("head_too_large", lambda r, body: (
        b"HTTP/1.1 200 OK\r\n" + b"X-Canary: canary-9-more\r\n" * 1000)),
    "a fold": ("bad_field", with_field(lambda r: " folded: 1")),
}
# What is added to an answer that is whole; its link is not used again.
SURPLUS = {
    "a few bytes": lambda r: b"canary-9-more",
    "another answer": lambda r: raw(r, b"canary-9-more"),
    "the answer to the next": next_answer,
    "an interim answer": lambda r: b"HTTP/1.1 100 Continue\r\n\r\n",
    "a line": lambda r: b"\r\n",
}


def of_head(request, body):
    return raw(request, body).partition(b"\r\n\r\n")[0].replace(
        b"Content-Length", b"X-Length") + b"\r\n\r\n"


# Answers that have no body, each with one.
UNASKED = {
    "HEAD": lambda r, body: raw(r, body),
    "GET": lambda r, body: of_head(r, body).replace(b" 200 ", b" 304 ") + body,
    "DELETE": lambda r, body: of_head(r, body).replace(b" 200 ", b" 204 ") + body,
}


class Wrong:
    """Has the rogue one do one thing wrong, in its answer to an authentication request or
    to what a handset asks; then be honest again."""

    def __init__(self, edge, is_in_authentication):
        self.edge, self.is_in_authentication = edge, is_in_authentication
        self.misdeed, self.where = None, None
        edge.rogue.server.answer = self.answer

    def answer(self, request):
        is_authentication = request.target == AUTHENTICATION
        honest = self.edge.rogue.answer(request)
        if request.target.startswith("/v1/sessions/"):
            return honest
        body = request.target.rpartition("/")[2].encode()
        if is_authentication:
            body = json.dumps(honest.body).encode()
        if self.misdeed and is_authentication == self.is_in_authentication:
            misdeed, self.misdeed, self.where = self.misdeed, None, len(
                self.edge.rogue.server.requests)
            return Response(raw=misdeed(request, body))
        return Response(raw=raw(request, body))

    def expect_nothing_seen(self, what):
        """The link of the misdeed is not used again, and everybody else has his own."""
        requests = self.edge.rogue.server.requests
        for n in range(1, HANDSETS):
            answer = self.edge.ask(f"GET /v1/content/{canary(n)} HTTP/1.1", n=n)
            assert (answer.status, answer.body) == (200, canary(n).encode()), what
        assert self.where, what
        assert requests[self.where - 1].connection not in {
            r.connection for r in requests[self.where:]}, what
        self.edge.ask_honest()


@pytest.mark.parametrize("is_in_authentication", [False, True], ids=["answer", "information"])
def test_a_misdeed_ends_its_link_and_is_seen_by_nobody_else(edge, is_in_authentication):
    wrong = Wrong(edge, is_in_authentication)
    for what, (why, misdeed) in MISDEEDS.items():
        wrong.misdeed = misdeed
        is_desync = why == "landnet_desync"
        seen = len(edge.gateway.events("landnet_exchange", srv=ROGUE_SRV, reason=why))
        before = len(edge.rogue.server.forwarded())
        edge.expect_refused(AWAY, why if is_desync else "landnet_failed", what,
                            f"GET /v1/content/{canary(0)} HTTP/1.1")
        if not is_desync:
            edge.expect_event("landnet_exchange", seen, what, srv=ROGUE_SRV, reason=why)
        # Nothing after no information; and no second time what had begun to be answered.
        assert len(edge.rogue.server.forwarded()) - before == (not is_in_authentication), what
        wrong.expect_nothing_seen(what)


@pytest.mark.parametrize("is_in_authentication", [False, True], ids=["answer", "information"])
def test_what_follows_an_answer_ends_its_link(edge, is_in_authentication):
    wrong = Wrong(edge, is_in_authentication)
    for what, surplus in SURPLUS.items():
        for chunk in (None, 7):
            wrong.misdeed = lambda request, body, surplus=surplus, chunk=chunk: raw(
                request, body, extra=surplus(request), chunk=chunk)
            seen = len(edge.gateway.events("landnet_closed", reason="surplus_bytes"))
            answer = edge.ask(f"GET /v1/content/{canary(0)} HTTP/1.1")
            assert (answer.status, answer.body) == (200, canary(0).encode()), what
            edge.expect_event("landnet_closed", seen, what, reason="surplus_bytes")
            wrong.expect_nothing_seen(what)


UNASKED_ANSWER = (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n%b"
                  b"Content-Length: %d\r\n\r\n%b")


def unasked_answer(body, field=b"Provbox-Exchange: 0\r\n"):
    return UNASKED_ANSWER % (field, len(body), body)


# What a server says right after the handshake, before it is asked anything: what the
# handset whose request then comes first is told, why, and how its link ends.
GREETINGS = {
    "an answer": (lambda last: unasked_answer(b"canary-9-more"),
                  ALIKE, "authentication_malformed", "surplus_bytes"),
    "another session's information": (lambda last: unasked_answer(last),
                                      ALIKE, "authentication_mismatch", "surplus_bytes"),
    "an answer without a number": (lambda last: unasked_answer(b"canary-9-more", b""),
                                   AWAY, "landnet_desync", "cancelled"),
    "garbage": (lambda last: b"\0\xff garbage\r\n\r\n", AWAY, "landnet_failed", "bad_line"),
    "a request": (lambda last: b"GET /v1/device HTTP/1.1\r\nHost: a\r\n\r\n",
                  AWAY, "landnet_failed", "bad_line"),
    "its end": (None, AWAY, "landnet_failed", None),  # a request may have met it
}


def test_who_speaks_first_is_not_heard(edge):
    server, information = edge.rogue.server, []

    def answer(request):
        honest = edge.rogue.answer(request)
        if request.target == AUTHENTICATION:
            information.append(json.dumps(honest.body).encode())
        return honest

    server.answer = answer
    assert edge.ask("GET /v1/device HTTP/1.1").status == 200
    forwarded = len(server.forwarded())
    for what, (greeting, told, reason, end) in GREETINGS.items():
        data = greeting and greeting(information[0])
        server.say(b"x")  # nobody waits on a link that was made before
        edge.gateway.process.wait_for(
            lambda: edge.gateway.metrics()["provbox_gateway_landnet_connections"] == 1, what)
        server.greet = lambda tls, data=data: data and tls.sendall(data) is None
        closed = {"srv": ROGUE_SRV, **({"reason": end} if end else {})}
        seen = len(edge.gateway.events("landnet_closed", **closed))
        edge.expect_refused(told, reason, what)
        edge.expect_event("landnet_closed", seen, what, **closed)
        server.greet = None
        # Nothing of the request came to it, and nothing of it to anybody.
        assert len(server.forwarded()) == forwarded, what
        edge.ask_honest()
    for n in range(HANDSETS):
        assert edge.ask("GET /v1/device HTTP/1.1", n=n).status == 200


def test_what_comes_while_nobody_asks_ends_the_link(edge):
    server = edge.rogue.server
    for n, data in enumerate([unasked_answer(b"canary-9-more"), next_answer(SAMPLE), b"\r\n",
                              b"\0"]):
        answer = edge.ask(f"GET /v1/content/{canary(n)} HTTP/1.1", n=n)
        assert answer.status == 200 and b"canary-9" not in answer.body
        seen = len(edge.gateway.events("landnet_closed", srv=ROGUE_SRV))
        server.say(data)
        edge.expect_event("landnet_closed", seen, data, srv=ROGUE_SRV)
        assert edge.gateway.events("landnet_closed", srv=ROGUE_SRV)[-1][
            "reason"] == "surplus_bytes", data
        edge.ask_honest()
    connections = [request.connection for request in server.forwarded()]
    assert len(set(connections)) == len(connections) == HANDSETS


def test_a_body_that_nobody_asked_for_is_seen_by_nobody(edge):
    wrong = Wrong(edge, False)
    for method, misdeed in UNASKED.items():
        wrong.misdeed = misdeed
        answer = edge.ask(f"{method} /v1/content/{canary(0)} HTTP/1.1")
        assert answer.status in (200, 204, 304) and answer.body == b"", method
        wrong.expect_nothing_seen(method)


def test_an_answer_in_bad_chunks_is_never_whole(edge):
    wrong = Wrong(edge, False)
    for size in ("0x8", "+8", "-8", "", "8 8", "F" * 17):
        wrong.misdeed = lambda request, body, size=size: raw(request, body, chunk=8).replace(
            b"\r\n8\r\n", f"\r\n{size}\r\n".encode(), 1)
        seen = len(edge.gateway.events("landnet_exchange", reason="bad_chunk"))
        answer = edge.ask(f"GET /v1/content/{canary(0)} HTTP/1.1")
        assert not answer or (answer.status, answer.body, answer.is_whole) == (200, b"", False)
        edge.expect_event("landnet_exchange", seen, size, reason="bad_chunk")
        wrong.expect_nothing_seen(size)


# -- an answer that is cut anywhere, and one that is followed by anything

Fault = collections.namedtuple("Fault", "at is_cut chunk")


class Crowd:
    """Handsets that ask at the same time, each time for a canary of their own."""

    def __init__(self, edge):
        self.edge = edge
        self.asked = {}  # canary: faults of the answers it got, in their order
        self.last = b""  # canary that was asked for before
        size = max(len(raw(SAMPLE, canary(0).encode(), chunk=chunk)) for chunk in CHUNKS)
        self.faults = [Fault(at, is_cut, chunk) for chunk in CHUNKS for is_cut in (True, False)
                       for at in range(0, size + 1, 1 if IS_LONG else 4 if is_cut else 16)]
        random.Random(1).shuffle(self.faults)
        edge.rogue.respond = self.respond

    def respond(self, request):
        own = request.target.rpartition("/")[2].encode()
        assert request.body in (b"", own)
        with self.edge.rogue.server.lock:
            fault = self.faults.pop() if self.faults else Fault(0, False, None)
            self.asked.setdefault(own, []).append(fault)
            another, self.last = self.last, own
        answer = raw(request, own, chunk=fault.chunk)
        if fault.is_cut:
            return Response(raw=answer[:fault.at], is_last=True)
        following = raw(request, another, number=int(request.headers["Provbox-Exchange"]) + 1)
        return Response(raw=answer + following[:fault.at])

    def ask_all(self, n):
        """One handset's requests, until every fault has been; [(canary, method, told)]."""
        told = []
        while self.faults:
            own = "ABCD"[n] * 8 + f"{len(told):04}"  # each byte of it tells whose it is
            method = ("GET", "PUT")[len(told) % 2]
            with airnet.Device(self.edge.site, self.edge.handsets[n]) as handset:
                handset.head(f"{method} /v1/content/{own} HTTP/1.1", "Connection: close",
                             *[f"Content-Length: {len(own)}"] * (method == "PUT"), host=ROGUE_SRV)
                handset.send(own.encode() * (method == "PUT"))
                data = handset.rest()
            told.append((own.encode(), method, read_answer(data, method)))
        return told

    def expect(self, own, method, answer):
        """What the handset got is what became of its own request; whether it was whole."""
        faults = self.asked.get(own)
        if not faults:  # its link was just closed: what might have arrived is not sent again
            assert (answer.status, answer.reason) == AWAY, own
            return False
        assert len(faults) == 1 or (method == "GET" and len(faults) == 2), (own, faults)
        # Asked again is only what may be, and of what not a byte was answered.
        assert all(fault.is_cut and fault.at == 0 for fault in faults[:-1]), (own, faults)
        fault, whole = faults[-1], raw(SAMPLE, own, chunk=faults[-1].chunk)
        if not fault.is_cut or fault.at >= len(whole):
            assert (answer.status, answer.body, answer.is_whole) == (200, own, True), (own, fault)
            return True
        if fault.at < whole.index(b"\r\n\r\n") + 4:
            assert (answer.status, answer.reason) == AWAY, (own, fault)
        else:
            assert not answer or (answer.status == 200 and own.startswith(answer.body)
                                  and not answer.is_whole), (own, fault)
        return False


CHUNKS = (None, 5)
SAMPLE = collections.namedtuple("Sample", "headers")({"Provbox-Exchange": "1"})


def test_no_byte_of_one_handset_comes_to_another(edge):
    """Every answer is cut somewhere, or followed by a part of the answer to the next."""
    crowd = Crowd(edge)
    with concurrent.futures.ThreadPoolExecutor(HANDSETS) as pool:
        running = [pool.submit(crowd.ask_all, n) for n in range(HANDSETS)]
        while not all(handset.done() for handset in running):
            edge.ask_honest()
    told = list(itertools.chain.from_iterable(handset.result() for handset in running))
    wholes = [crowd.expect(*each) for each in told]
    assert True in wholes and len(told) - len(crowd.asked) < len(told) / 4
    wait.until(lambda: edge.counted("landnet_failed") == wholes.count(False),
               "the end of each session that was cut")
    assert len(edge.rogue.server.forwarded()) == sum(map(len, crowd.asked.values()))
