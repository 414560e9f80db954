"""GET /.provbox/session: the server's proof for every standing, and nothing forwarded."""

import hashlib

import pytest
from harness import airnet, protocol, wait
from harness.schema import DEV
from harness.stand_in import AUTHENTICATION

UNKNOWN = "urn:gsma:imei:35209900-999999-0"
STANDINGS = {"active": DEV, "unprovisioned": DEV, "limited": DEV, "blocked": DEV,
             "unknown": UNKNOWN}
MAY = {"active": (200, 200), "unprovisioned": (200, 200), "limited": (200, 403)}


@pytest.fixture
def edge(site):
    site.start("database", "server")
    site.counter = site.relay_landnet()
    site.start("gateway")
    return site


def asked(site):
    return [line["route"] for line in site.server.events("request")]


def stored(site, kind):
    return [event["reason"] for event in
            site.db.query("select reason from provbox.event where kind = %s", kind)]


@pytest.mark.parametrize("standing", STANDINGS)
def test_the_proof_tells_the_standing(edge, standing):
    dev = STANDINGS[standing]
    if standing == "blocked":
        edge.schema.rows("operator", "device_block", DEV, "operator_decision")
    elif standing != "unknown":
        edge.db.query("update provbox.device set standing = %s where dev = %s", standing, dev)
    leaf = edge.pki.device_leaf("good", dev)
    with airnet.Device(edge, leaf) as device:
        answer = device.ask("GET /.provbox/session HTTP/1.1")
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["Cache-Control"] == "no-store"
        told = answer.json()
        assert set(told) == {"v", "sid", "gw", "nG", "standing", "proof"}
        _, claims = protocol.read_proof(told["proof"])
        assert told["standing"] == claims["standing"] == standing
        assert claims["dev"] == dev and claims["srv"] == edge.pki.SRV
        assert claims["cred"] == protocol.b64u(bytes.fromhex(leaf.fingerprint()))
        assert (claims["gh"] == protocol.b64u(hashlib.sha256(b"").digest())) == (
            standing in ("blocked", "unknown"))
        for name in ("sid", "gw", "nG"):
            assert told[name] == claims[name]
        if standing in MAY:
            for target, status in zip(("/v1/device", "/v1/catalogue"), MAY[standing]):
                assert device.ask(f"GET {target} HTTP/1.1").status == status
        else:
            assert answer.headers["Connection"] == "close"
            assert device.rest() == b""
    if standing in MAY:
        return
    edge.gateway.wait_event("session_end", reason=f"device_{standing}")
    wait.until(lambda: stored(edge, "session_end") == [f"device_{standing}"], "the stored end")
    assert stored(edge, "authentication_refused") == [f"device_{standing}"]
    # Stored before it is answered, and logged after that.
    wait.until(lambda: set(asked(edge)) == {AUTHENTICATION, "/v1/sessions/{sid}/end"},
               "the request for it")


def test_each_proof_has_a_nonce_of_its_own(edge):
    leaf = edge.pki.device_leaf("good", DEV)  # another one would be its clone
    with edge.device(leaf) as device:
        told = [device.get("/.provbox/session").json() for _ in range(3)]
    with edge.device(leaf) as device:
        other = device.get("/.provbox/session").json()
    claims = [protocol.read_proof(one["proof"])[1] for one in [*told, other]]
    assert len({one["nG"] for one in [*told, other]}) == 4
    assert len({one["sid"] for one in told}) == 1
    assert other["sid"] != told[0]["sid"]
    assert len({one["cbA"] for one in claims}) == 2
    assert asked(edge) == [AUTHENTICATION] * 4


def test_one_stored_event_for_each_session_of_a_stranger(edge):
    leaf = edge.pki.device_leaf("stranger", UNKNOWN)
    for n in (1, 2):
        with edge.device(leaf) as device:
            answer = device.get("/v1/catalogue")
            assert (answer.status, answer.json()["reason"]) == (403, "device_unknown")
            assert answer.headers["Connection"] == "close"
        wait.until(lambda: len(stored(edge, "session_end")) == n, "the stored end")
    rows = edge.db.query("select sid, kind from provbox.event where dev = %s", UNKNOWN)
    assert len(rows) == 4 and len({(row["sid"], row["kind"]) for row in rows}) == 4
    assert edge.db.value("select count(*) from provbox.device where dev = %s", UNKNOWN) == 0


OWN = [("POST", "/.provbox/session", 405), ("PUT", "/.provbox/session", 405),
       ("DELETE", "/.provbox/session", 405), ("HEAD", "/.provbox/session", 405),
       ("GET", "/.provbox/other", 404), ("GET", "/.provbox/session/more", 404),
       ("GET", "/.provbox/sessions", 404), ("POST", "/.provbox/v1/authentication", 404),
       ("GET", "/.provbox", 404), ("GET", "/.Provbox/session", 404)]


def test_nothing_below_provbox_is_forwarded(edge):
    with airnet.Device(edge, edge.pki.device_leaf("good", DEV)) as device:
        assert device.ask("GET /v1/device HTTP/1.1").status == 200
        before = edge.counter.to_server_bytes
        for method, target, status in OWN:
            device.head(f"{method} {target} HTTP/1.1", "Content-Length: 6")
            device.send(b"canary")
            answer = device.receive(method)
            assert answer.status == status, (method, target)
            if status == 405:
                assert answer.headers["Allow"] == "GET"
            elif method != "HEAD":
                assert answer.json()["reason"] == "path_unknown"
        assert edge.counter.to_server_bytes == before
        # What is refused is no reason to part.
        assert device.ask("GET /v1/device HTTP/1.1").status == 200
    assert asked(edge) == [AUTHENTICATION, "/v1/device", "/v1/device"]
