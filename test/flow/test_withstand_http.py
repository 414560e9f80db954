"""Malformed HTTP, over real sessions: each row of test/vectors/http.txt, which the unit
test of the parser walks, too, gets its own status and the end of its connection.

An honest handset asks between them and is answered. The counter before the server, or
what the server tells, shows that nothing else came through.
"""

import contextlib

import pytest
from harness import airnet, http, http_table, openapi, wait, wire
from harness.caller import Caller
from harness.schema import DEV
from harness.stand_in import StandIn
from rogue_server import Response

PATH = "/v1/requests/4d9f4e6a-2b7c-4c1e-9f30-0a1b2c3d4e5f"
HEADS = http_table.rows("request")
MALFORMED = [row for row in HEADS if row.is_refused]
CHUNKS = [row for row in http_table.rows("chunked") if row.is_refused]
RESPONSES = http_table.rows("response", "head-response")
HONEST_EVERY = 10  # rows


def addressed(row, site):
    """The row's bytes for a server that is there, and a request hidden behind them."""
    host = f"Host: {site.pki.SRV}\r\n".encode()
    hidden = b"GET /v1/catalogue HTTP/1.1\r\n" + host + b"\r\n"
    return row.data.replace(b"Host: a\r\n", host) + hidden


def told(peer, data):
    """Status and reason of the only answer to bytes; then the connection ends.

    It may come before all of them were sent, and no more be read.
    """
    with contextlib.suppress(OSError):
        peer.send(data)
    answer = peer.receive()
    assert answer.headers["Connection"] == "close"
    assert peer.rest() == b""
    return answer.status, answer.json()["reason"]


def expected(row):
    return http_table.STATUS[row.result], row.result


@pytest.fixture
def honest(site):
    """start() lets a handset in; it is answered as often as ask() says."""
    class Honest:
        leaf = site.pki.device_leaf("honest", DEV)
        device = None

        def start(self):
            self.device = airnet.Device(site, self.leaf)
            self.ask()

        def ask(self):
            assert self.device.ask("GET /v1/device HTTP/1.1").status == 200

    made = Honest()
    yield made
    made.ask()
    made.device.close()


@pytest.fixture
def edge(site, honest):
    site.start("database", "server")
    site.counter = site.relay_landnet()
    site.start("gateway")
    honest.start()
    site.counter.wait_quiet()
    return site


def walk(rows, honest, got, want=expected):
    """Every row, an honest request among some of them; all that is wrong, at once."""
    wrong = []
    for n, row in enumerate(rows):
        if n % HONEST_EVERY == 0:
            honest.ask()
        is_now = got(row)
        if is_now != want(row):
            wrong.append(f"{row.name}: {is_now}, not {want(row)}")
    assert not wrong, "\n".join(wrong)


def assert_ends(reasons):
    """Each malformed head has ended its connection, for its own reason."""
    wanted = [row.result for row in MALFORMED]
    wait.until(lambda: len(reasons()) == len(wanted), "the end of every connection")
    assert reasons() == wanted


def test_a_malformed_head_ends_its_session_and_nothing_is_forwarded(edge, honest):
    def got(row):
        before = edge.counter.to_server_bytes
        with airnet.Device(edge, honest.leaf) as device:
            answer = told(device, addressed(row, edge))
        assert edge.counter.to_server_bytes == before, row.name
        return answer

    walk(MALFORMED, honest, got)
    assert_ends(lambda: [line["detail"] for line in edge.gateway.events(
        "session_end", reason="client_failed")])


def test_a_head_that_is_right_is_not_refused_for_its_form(edge, honest):
    """Else all of the others could be refused for nothing."""
    rows = [row for row in HEADS if row.result == "ok"]
    names = set(http_table.STATUS)

    def is_refused(row):
        with airnet.Device(edge, honest.leaf) as device:
            device.send(row.data)
            answer = device.receive()
        return answer.status >= 400 and answer.json()["reason"] in names

    walk(rows, honest, is_refused, lambda row: False)


def test_malformed_chunks_make_no_request(edge, honest):
    """The head is forwarded before they come; the server never gets a whole body."""
    def got(row):
        with airnet.Device(edge, honest.leaf) as device:
            device.head(f"PUT {PATH} HTTP/1.1", "Content-Type: application/json",
                        "Transfer-Encoding: chunked")
            return told(device, row.data)

    walk(CHUNKS, honest, got)
    assert edge.db.value("select count(*) from provbox.request") == 0
    assert not [line for line in edge.server.events("request", method="PUT")
                if line["reason"] != "cut"]


@pytest.fixture
def landnet(site, honest):
    """Sessions with the server itself, as its gateway; their number is its business."""
    site.start("database", "server")
    caller = Caller(site, openapi.Api())
    caller.authenticate()
    honest.ask = lambda: caller.ask("GET", "/v1/device", 200)
    honest.device = caller.link
    context = http.context(site.pki.landnet, site.pki.gateway_landnet)
    site.wire = lambda: wire.Wire(site.server_port, context, site.pki.SERVER_NAME)
    site.grant = caller.link.grant
    return site


def test_a_malformed_head_from_a_gateway_reaches_no_handler(landnet, honest):
    def got(row):
        with landnet.wire() as gateway:
            return told(gateway, addressed(row, landnet))

    walk(MALFORMED, honest, got)
    assert {line["route"] for line in landnet.server.events("request")} == {
        "/v1/authentication", "/v1/device"}
    assert_ends(lambda: [line["reason"] for line in landnet.server.events("link_closed")])


def test_malformed_chunks_from_a_gateway_make_no_request(landnet, honest):
    head = "".join(f"{line}\r\n" for line in (
        f"PUT {PATH} HTTP/1.1", f"Host: {landnet.pki.SRV}", f"Provbox-Grant: {landnet.grant}",
        "Provbox-Exchange: 0", "Content-Type: application/json", "Transfer-Encoding: chunked",
        "")).encode()

    def got(row):
        with landnet.wire() as gateway:
            return told(gateway, head + row.data)

    walk(CHUNKS, honest, got)
    assert landnet.db.value("select count(*) from provbox.request") == 0


@pytest.fixture
def stand_in(site):
    made = StandIn(site)
    site.start("gateway")
    yield made
    made.close()


def test_a_malformed_answer_reaches_no_handset(site, stand_in, honest):
    """Nor does a well formed one without the number of its exchange."""
    honest.start()

    def got(row):
        stand_in.respond = lambda request: (
            Response(raw=row.data, is_last=True) if request.target == PATH
            else Response(200, {}))
        method = "HEAD" if row.kind == "head-response" else "GET"
        with airnet.Device(site, stand_in.device) as device:
            device.head(f"{method} {PATH} HTTP/1.1")
            answer = device.receive(method)
            assert device.rest() == b""
        return answer.status, answer.headers["Connection"]

    walk(RESPONSES, honest, got, lambda row: (503, "close"))
