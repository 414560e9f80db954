"""What a device must not reach or say: messages of the landnet, and fields of the gateway.

The witnesses are the server's own log, a byte counter before it, and a stand-in that
records every byte it was sent.
"""

import pytest
from harness import airnet, wait
from harness.schema import DEV
from harness.stand_in import AUTHENTICATION, StandIn

SID = "AAAAAAAAAAAAAAAAAAAAAA"


@pytest.fixture
def edge(site):
    site.start("database", "server")
    site.counter = site.relay_landnet()
    site.start("gateway")
    return site


@pytest.fixture
def stand_in(site):
    made = StandIn(site)
    site.start("gateway")
    yield made
    made.close()


def asked(site):
    return [line["route"] for line in site.server.events("request")]


# In the one form of a target, but of no device: the session goes on.
LANDNET = ["/v1/authentication", f"/v1/sessions/{SID}/end", "/v1/sessions", "/v1/control",
           "/v1/authentication?x=/v1/device", "/", "/v1", "/v1/devices", "/v1/device.json",
           "/v2/device", "/V1/device", "/metrics", "/status"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_messages_of_the_landnet_are_no_devices(edge, method):
    with airnet.Device(edge, edge.pki.device_leaf("good", DEV)) as device:
        assert device.ask("GET /v1/device HTTP/1.1").status == 200
        before = edge.counter.to_server_bytes
        for target in LANDNET:
            device.head(f"{method} {target} HTTP/1.1", "Content-Type: application/json",
                        "Content-Length: 2")
            device.send(b"{}")
            answer = device.receive()
            assert (answer.status, answer.json()["reason"]) == (404, "path_unknown"), target
        assert edge.counter.to_server_bytes == before
        assert device.ask("GET /v1/device HTTP/1.1").status == 200
    assert asked(edge) == [AUTHENTICATION, "/v1/device", "/v1/device"]


# Another spelling of something: refused before anybody is asked, and the session ends.
SPELLINGS = [
    "/v1/device/../authentication", "/v1/device/..", "/v1/./device", "/v1/device/.",
    "/v1/device/%2e%2e/authentication", "/v1/device/%2E%2E/authentication",
    "/v1/device/.%2e/authentication", "/v1/device/..;/authentication", "/v1/device;a=b",
    "/v1/device/..%2fauthentication", "/v1/device%2F..%2Fauthentication",
    "/v1/device/..%5cauthentication", "/v1/device\\..\\authentication",
    "//v1/authentication", "/v1//authentication", "/v1/device/", "//prov.example.com/v1/device",
    "/v1/%61uthentication", "/v1/authentication%00", "/v1/device%00", "/v1/device%0d%0aX: 1",
    "/v1/device%252e%252e/authentication%zz", "/v1/device#/v1/authentication",
    "https://prov.example.com:8443/v1/device", "http://prov.example.com/v1/authentication",
    "prov.example.com:8443", "*", "v1/device", "/v1/d\xe9vice", "/v1/device?a#b",
]


def test_other_spellings_reach_nobody(edge):
    leaf = edge.pki.device_leaf("good", DEV)
    for n, target in enumerate(SPELLINGS, 1):
        with airnet.Device(edge, leaf) as device:
            assert device.ask("GET /v1/device HTTP/1.1").status == 200
            answer = device.ask(f"GET {target} HTTP/1.1")
            assert (answer.status, answer.headers["Connection"]) == (400, "close"), target
            assert device.rest() == b""
        # The end is told to the server, and nothing else.
        wait.until(lambda: len(asked(edge)) == 3 * n, f"the end after {target}")
        assert asked(edge)[-3:] == [AUTHENTICATION, "/v1/device", "/v1/sessions/{sid}/end"]
    ended = edge.gateway.events("session_end", reason="client_failed")
    assert {line["detail"] for line in ended} == {"bad_target", "bad_line"}


SMUGGLED = [
    "Provbox-Grant: forged", "provbox-grant: forged", "PROVBOX-EXCHANGE: 7",
    "Provbox-Exchange: 7", "Provbox-Anything: forged", "X-Forwarded-For: 192.0.2.77",
    "X-Forwarded-Host: forged", "Forwarded: for=192.0.2.77", "X-WAP-MSISDN: +447700900999",
    "X-Real-IP: 192.0.2.77", "Via: 1.1 forged", "Cookie: forged=1", "Authorization: forged",
    "X-Up-Calling-Line-Id: 447700900999", "From: forged@example.com", "User-Agent: forged",
    "Connection: If-None-Match, Prefer, keep-alive", 'If-None-Match: "forged"',
    "Prefer: wait=forged", "Keep-Alive: timeout=7", "TE: trailers", "Trailer: Provbox-Grant",
    "Proxy-Connection: forged",
]
OWN_NAMES = {"host", "provbox-grant", "provbox-exchange"}


def test_fields_from_outside_do_not_arrive(stand_in):
    with airnet.Device(stand_in.site, stand_in.device) as device:
        answer = device.ask("GET /v1/device HTTP/1.1", *SMUGGLED, "Accept: application/json")
        assert answer.status == 200
        # Nor do those of the server that are not meant for devices.
        assert not [name for name in answer.headers if name.lower().startswith("provbox-")]
        assert "Server" not in answer.headers
    (request,) = stand_in.server.forwarded()
    assert {name.lower() for name in request.headers} == OWN_NAMES | {"accept"}
    assert request.headers.get_all("Provbox-Exchange") == ["1"]
    assert len(request.headers.get_all("Provbox-Grant")) == 1
    assert "forged" not in str(request.headers)
