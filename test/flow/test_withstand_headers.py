"""What a handset writes into heads, and what arrives: a stand-in for the server records it.

The names that pass are few and known; everything else, in every spelling, ends at the gateway.
"""

import pytest
from harness import airnet, http, landnet, wire
from harness.http_table import rows
from harness.schema import DEV
from harness.stand_in import StandIn

FORGED = "forged"
OWN = {"host", "provbox-grant", "provbox-exchange"}
PASS = ["Accept", "Accept-Language", "Content-Type", "If-None-Match", "If-Range", "Prefer", "Range"]
GATEWAYS = ["Provbox-Grant", "Provbox-Exchange", "Provbox-Device", "Provbox-Standing"]
OTHERS = [
    "X-WAP-MSISDN", "X-WAP-Network-Client-MSISDN", "X-WAP-Profile", "X-WAP-Client-IP",
    "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "Forwarded",
    "Via", "X-Real-IP", "True-Client-IP", "X-Client-Cert", "X-SSL-Client-Verify", "SSL-Client-Cert",
    "Client-Cert", "X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override", "X-Method-Override",
    "X-Up-Calling-Line-Id", "MSISDN", "X-MSISDN", "X-IMEI", "Proxy", "Proxy-Authorization",
    "Authorization", "Cookie", "Origin", "Referer", "User-Agent", "From", "Early-Data",
    "Accept-Encoding", "Content-Encoding", "Content-Range", "If-Match", "Idempotency-Key", "Date",
    "Max-Forwards", "X-Request-ID", "Traceparent", "Cache-Control", "Pragma", "Destination",
]


def spellings(name):
    """One name, as others may read it: all of them are names by the grammar of HTTP."""
    plain = name.replace("-", "_")
    return [name, name.lower(), name.upper(), name.swapcase(), plain, plain.upper(),
            f"HTTP_{plain.upper()}", f"X-{name}", f"_{name}", f"{name}_", f"{name}-", f"{name}.",
            f"{name}~", f"'{name}'", name.replace("-", "--"), name.replace("-", "."),
            name.replace("-", "+"), name.replace("-", "!")]


@pytest.fixture
def stand_in(site):
    made = StandIn(site)
    site.start("gateway")
    yield made
    made.close()


def arrived(stand_in, *fields, line="GET /v1/device HTTP/1.1", body=b""):
    """The request of a handset with these fields, as the server got it."""
    with airnet.Device(stand_in.site, stand_in.device) as device:
        device.head(line, *fields)
        device.send(body)
        assert device.receive().status == 200
    request = stand_in.server.forwarded()[-1]
    own = {"Provbox-Grant": landnet.base64url(stand_in.grant), "Provbox-Exchange":
           request.headers["Provbox-Exchange"], "Host": stand_in.srv}
    for name, value in own.items():
        assert request.headers.get_all(name) == [value]
    assert request.headers["Provbox-Exchange"].isdigit()
    assert FORGED not in f"{request.method} {request.target} {request.headers} {request.body}"
    return request


def names(request):
    return {name.lower() for name in request.headers} - OWN


def test_no_spelling_of_a_field_of_the_gateway_arrives(stand_in):
    for name in GATEWAYS:
        request = arrived(stand_in, *(f"{n}: {FORGED}" for n in spellings(name)))
        assert names(request) == set()


def test_no_field_for_other_gateways_arrives(stand_in):
    for start in range(0, len(OTHERS), 5):
        fields = [f"{n}: {FORGED}" for name in OTHERS[start:start + 5]
                  for n in spellings(name)]
        assert names(arrived(stand_in, *fields, "Accept: */*")) == {"accept"}


# Before the colon, or of bytes that no name has.
NO_NAMES = ["{} ", "{}\t", "{}\x00", " {}", "\t{}", "{}\xa0", "{}\x0b", "\xef\xbb\xbf{}", "({})",
            "{}:", "{}/", "{}[0]", '"{}"', "{},{}", "{};", "{}@", "{}\r", "{}\x1b[2J", ""]


@pytest.mark.parametrize("name", ["Provbox-Grant", "X-Forwarded-For"])
def test_a_field_without_a_name_ends_the_session(stand_in, name):
    """A colon may stand in a value: what follows the first one is no name."""
    for form in NO_NAMES:
        with airnet.Device(stand_in.site, stand_in.device) as device:
            device.head("GET /v1/device HTTP/1.1", f"{form.format(name, name)}: {FORGED}")
            answer = device.receive()
            if form == "{}:":
                assert answer.status == 200
                assert names(stand_in.server.forwarded()[-1]) == set()
                continue
            assert (answer.status, answer.json()["reason"]) == (400, "bad_field"), form
            assert device.rest() == b""
    assert len(stand_in.server.forwarded()) == 1


def test_what_passes_passes_once_and_as_it_is(stand_in):
    """Of two of one name neither does: who chose would choose for somebody."""
    for name in PASS:
        request = arrived(stand_in, f"{name.upper()}:\t a, b;c=\"d\" \t")
        assert (names(request), request.headers[name]) == ({name.lower()}, 'a, b;c="d"')
        request = arrived(stand_in, f"{name}: {FORGED}", f"{name.lower()}: {FORGED}")
        assert names(request) == set()


def test_what_connection_names_is_of_this_hop(stand_in):
    """It takes out what it names, and nothing that the gateway itself writes."""
    for name in PASS:
        request = arrived(stand_in, f"{name}: {FORGED}", f"Connection: keep-alive, {name.upper()}")
        assert names(request) == set()
    request = arrived(stand_in, "Connection: Provbox-Grant, provbox-exchange, host, via")
    assert names(request) == set()
    for framing, body in (("Content-Length: 2", b"{}"),
                          ("Transfer-Encoding: chunked", b"2\r\n{}\r\n0\r\n\r\n")):
        request = arrived(stand_in, framing, f"Connection: {framing.split(':')[0]}",
                          line="PUT /v1/requests/1 HTTP/1.1", body=body)
        assert request.body == b"{}"


def test_no_trailer_arrives_and_none_is_a_field(stand_in):
    for name in [*GATEWAYS, *PASS, "Host", "Content-Length", "Transfer-Encoding", "X-WAP-MSISDN"]:
        request = arrived(
            stand_in, "Transfer-Encoding: chunked", f"Trailer: {name}",
            line="PUT /v1/requests/1 HTTP/1.1",
            body=f"2\r\n{{}}\r\n0\r\n{name}: {FORGED}\r\n{name}: {FORGED}\r\n\r\n".encode())
        assert (names(request), request.body) == ({"transfer-encoding"}, b"{}")


def test_another_host_on_a_kept_session_gets_nothing_of_the_first(stand_in):
    """Neither a grant nor an answer of it; nobody is asked, and the session ends."""
    for host in ("other.example.com:8443", stand_in.srv.replace(":8443", ":8444"), "127.0.0.1"):
        with airnet.Device(stand_in.site, stand_in.device) as device:
            assert device.ask("GET /v1/device HTTP/1.1").status == 200
            before = len(stand_in.server.forwarded())
            answer = device.ask("GET /v1/device HTTP/1.1", host=host)
            assert (answer.status, answer.json()["reason"]) == (403, "authentication_failed")
            assert device.rest() == b""
        assert len(stand_in.server.forwarded()) == before
    stand_in.site.gateway.wait_event("session_end", reason="route_unknown")


# From what a limited device may read to what it may not; and every target of the table.
AROUND = [
    "/v1/device/../catalogue", "/v1/device/..;/catalogue", "/v1/device/%2e%2e/catalogue",
    "/v1/device/%2E%2E%2Fcatalogue", "/v1/device%2f..%2fcatalogue", "/v1/device/..%5ccatalogue",
    "/v1/device\\..\\catalogue", "/v1//catalogue", "//v1/catalogue", "/v1/device//../catalogue",
    "/v1/catalogue%00", "/v1/device%00/../catalogue", "/v1/device/%C0%AE%C0%AE/catalogue",
    "/v1/device/%E0%80%AE%E0%80%AE/catalogue", "/v1/device/%u002e%u002e/catalogue",
    "/v1/device/.%00./catalogue", "/v1/%63atalogue", "/v1/device;/../catalogue",
    "https://prov.example.com:8443/v1/catalogue", "/v1/device#/../catalogue", "*",
]
TABLE = [row.data.split(b" ")[1].decode("latin-1") for row in rows("request")
         if row.result == "bad_target" and row.data.startswith(b"GET ") and b"\r H" not in row.data]


def test_no_spelling_of_a_path_leads_past_the_standing(site):
    """Neither at the gateway, nor at the server, which knows nothing of the gateway's checks."""
    site.start("database", "server")
    counter = site.relay_landnet()
    site.start("gateway")
    site.schema.value("operator", "device_limit", DEV, None)
    leaf = site.pki.device_leaf("limited", DEV)
    with airnet.Device(site, leaf) as device:
        assert device.ask("GET /v1/device HTTP/1.1").json()["standing"] == "limited"
        answer = device.ask("GET /v1/catalogue HTTP/1.1")
        assert (answer.status, answer.json()["reason"]) == (403, "standing_limited")
    counter.wait_quiet()
    before = counter.to_server_bytes
    for target in [*AROUND, *TABLE]:
        with airnet.Device(site, leaf) as device:
            answer = device.ask(f"GET {target} HTTP/1.1")
            assert (answer.status, answer.headers["Connection"]) == (400, "close"), target
    assert counter.to_server_bytes == before
    assert_server_refuses(site, leaf)


def assert_server_refuses(site, leaf):
    """Each target on a connection of its own, with a grant that is good for /v1/device."""
    with site.landnet() as gateway:
        grant = gateway.authenticate(leaf, DEV)["grant"]
    context = http.context(site.pki.landnet, site.pki.gateway_landnet)
    told = {}
    for target in ["/v1/device", "/v1/catalogue", *AROUND, *TABLE]:
        with wire.Wire(site.server_port, context, site.pki.SERVER_NAME) as gateway:
            gateway.send(f"GET {target} HTTP/1.1\r\nHost: {site.pki.SRV}\r\nProvbox-Exchange: 0"
                         f"\r\nProvbox-Grant: {grant}\r\n\r\n".encode("latin-1"))
            told[target] = gateway.receive().status
    assert (told.pop("/v1/device"), told.pop("/v1/catalogue")) == (200, 403)
    assert set(told.values()) == {400}, told


def test_the_server_takes_the_fields_of_a_gateway_once_and_as_they_are(site):
    """Missing, twice, in other spellings or with more in them: no handler is reached."""
    site.start("database", "server")
    leaf = site.pki.device_leaf("good", DEV)
    with site.landnet() as gateway:
        grant = gateway.authenticate(leaf, DEV)["grant"]
    number, granted = "Provbox-Exchange: 0", f"Provbox-Grant: {grant}"
    wrong = [
        [number], [granted], [], [number, number, granted], [number, granted, granted],
        ["Provbox_Exchange: 0", granted], [number, f"Provbox_Grant: {grant}"],
        [number, f"Connection: provbox-grant\r\n{granted}"], [number, f"{granted}, {grant}"],
        [number, f'Provbox-Grant: "{grant}"'], [number, f"{granted}="], [number, f"{granted}AAAA"],
        [number, f"Provbox-Grant: {grant.upper()}"], [number, "Provbox-Grant:"],
        *([f"Provbox-Exchange: {n}", granted] for n in (
            "00", "+0", "-0", "0x0", "0,0", "0 0", "1", "", "18446744073709551616", "0.0", "\u0660")),
    ]
    context = http.context(site.pki.landnet, site.pki.gateway_landnet)
    told = {}
    for fields in [[number, granted], *wrong]:
        with wire.Wire(site.server_port, context, site.pki.SERVER_NAME) as gateway:
            head = ["GET /v1/device HTTP/1.1", f"Host: {site.pki.SRV}", *fields, "", ""]
            gateway.send("\r\n".join(head).encode())
            told[str(fields)] = gateway.receive().status
    assert told.pop(str([number, granted])) == 200
    assert set(told.values()) == {400, 401}, told
    assert len(site.server.events("request", route="/v1/device", status="200")) == 1
