"""What happens to a session when its device's standing changes under it."""

import uuid

import pytest
from harness import airnet, wait
from harness.schema import DEV
from harness.stand_in import AUTHENTICATION, StandIn
from rogue_server import Response


@pytest.fixture
def edge(site):
    """Requests come before the control stream tells what has changed: it never does."""
    site.start("database", "server", "gateway")
    site.db.query("alter table provbox.device disable trigger device_change")
    return site


@pytest.fixture
def stand_in(site):
    made = StandIn(site)
    site.start("gateway")
    yield made
    made.close()


def asked(site):
    return [line["route"] for line in site.server.events("request")]


def stored_ends(site):
    return [event["reason"] for event in
            site.db.query("select reason from provbox.event where kind = 'session_end'")]


def block(site):
    site.schema.rows("operator", "device_block", DEV, "operator_decision")


def unblock(site):
    site.schema.rows("operator", "device_unblock", DEV)


def raise_epoch(site):
    """Blocked and let in again: the standing of before, the epoch of after."""
    block(site)
    unblock(site)


def test_a_request_without_body_does_not_notice_a_new_epoch(edge):
    with edge.device(edge.pki.device_leaf("good", DEV)) as device:
        for _ in range(3):
            assert device.get("/v1/device").status == 200
            raise_epoch(edge)
    assert asked(edge) == ([AUTHENTICATION, "/v1/device"]
                           + ["/v1/device", AUTHENTICATION, "/v1/device"] * 2)
    refused = [line["reason"] for line in edge.server.events("request", status=401)]
    assert refused == ["grant_epoch"] * 2
    # One line for each request of the device, and its answer is what it got.
    assert [line["status"] for line in edge.gateway.events("request")] == ["200"] * 3
    assert len(edge.gateway.events("session_begin")) == 1
    # A refused grant is no reason to give up the connection.
    assert len(edge.gateway.events("landnet_open")) == 1


def test_a_request_with_a_body_ends_the_session_and_may_be_repeated(edge):
    leaf = edge.pki.device_leaf("good", DEV)
    path, body = f"/v1/requests/{uuid.uuid4()}", edge.schema.body("compass")
    with edge.device(leaf) as device:
        assert device.get("/v1/device").status == 200
        raise_epoch(edge)
        answer = device.put(path, body)
        assert (answer.status, answer.json()["reason"]) == (503, "server_unavailable")
        assert answer.headers["Connection"] == "close"
        assert int(answer.headers["Retry-After"]) >= 1
    edge.gateway.wait_event("session_end", reason="grant_epoch")
    assert edge.db.value("select count(*) from provbox.request") == 0
    with edge.device(leaf) as device:
        assert device.put(path, body).status == 201


def test_an_empty_body_is_none(edge):
    with airnet.Device(edge, edge.pki.device_leaf("good", DEV)) as device:
        assert device.ask("GET /v1/device HTTP/1.1").status == 200
        raise_epoch(edge)
        assert device.ask("GET /v1/device HTTP/1.1", "Content-Length: 0").status == 200


def test_the_first_feature_of_a_device_changes_its_standing_unnoticed(edge):
    """`done` makes the account: unprovisioned becomes active, and the epoch rises."""
    with edge.device(edge.pki.device_leaf("good", DEV)) as device:
        assert device.get("/.provbox/session").json()["standing"] == "unprovisioned"
        path = f"/v1/requests/{uuid.uuid4()}"
        assert device.put(path, edge.schema.body("compass")).status == 201
        terms = device.get(f"{path}/terms").json()
        assert device.put(f"{path}/answer",
                          {"answer": "accept", "sha256": terms["sha256"]}).status == 200
        result = device.put(f"{path}/items/compass/result",
                            {"result": "installed", "version": "1.4.0"})
        assert result.status == 200 and result.json()["state"] == "done"
        assert device.get(path).json()["state"] == "done"
        assert device.get("/v1/device").json()["standing"] == "active"
    assert len(edge.gateway.events("session_begin")) == 1
    assert asked(edge).count(AUTHENTICATION) == 2


@pytest.mark.parametrize("has_body", [False, True])
def test_a_device_that_is_blocked_while_connected(edge, has_body):
    leaf = edge.pki.device_leaf("good", DEV)
    with edge.device(leaf) as device:
        assert device.get("/v1/device").status == 200
        block(edge)
        answer = (device.put(f"/v1/requests/{uuid.uuid4()}", edge.schema.body("compass"))
                  if has_body else device.get("/v1/device"))
        assert (answer.status, answer.json()["reason"]) == (403, "device_blocked")
        assert answer.headers["Connection"] == "close"
    edge.gateway.wait_event("session_end", reason="device_blocked")
    wait.until(lambda: stored_ends(edge) == ["device_blocked"], "the stored end")
    assert edge.db.value("select count(*) from provbox.request") == 0
    unblock(edge)
    with edge.device(leaf) as device:
        assert device.get("/v1/device").status == 200


def test_a_device_that_is_removed_while_connected(edge):
    with edge.device(edge.pki.device_leaf("good", DEV)) as device:
        assert device.get("/v1/device").status == 200
        edge.db.query("delete from provbox.event where dev = %s", DEV)
        edge.db.query("delete from provbox.device where dev = %s", DEV)
        answer = device.get("/v1/device")
        assert (answer.status, answer.json()["reason"]) == (403, "device_unknown")
        assert answer.headers["Connection"] == "close"
    wait.until(lambda: stored_ends(edge) == ["device_unknown"], "the stored end")


def test_a_device_that_is_limited_while_connected(edge):
    """The new standing is the gateway's from the next authentication on."""
    with edge.device(edge.pki.device_leaf("good", DEV)) as device:
        assert device.get("/v1/catalogue").status == 200
        edge.db.query("update provbox.device set standing = 'limited', epoch = epoch + 1"
                      " where dev = %s", DEV)
        answer = device.get("/v1/catalogue")
        assert (answer.status, answer.json()["reason"]) == (403, "standing_limited")
        assert device.get("/v1/device").status == 200
    assert asked(edge)[2:] == ["/v1/catalogue", AUTHENTICATION, "/v1/device"]


REFUSALS = [
    b'{"reason":"grant_invalid"}', b'{"reason":"none"}', b'{"reason":1}', b"[]", b"",
    b'{"reason":"grant_epoch","reason":"grant_expired"}', b"\xff" * 4096,
]


@pytest.mark.parametrize("has_body", [False, True])
def test_a_401_of_the_server_never_reaches_a_device(stand_in, has_body):
    for body in REFUSALS:
        stand_in.respond = lambda request, body=body: Response(
            401, body, {"WWW-Authenticate": "Provbox-Grant", "X-Canary": "canary"})
        answer = (stand_in.ask("/v1/requests/1", "PUT", {"a": 1}) if has_body
                  else stand_in.ask("/v1/device"))
        assert (answer.status, answer.json()["reason"]) == (403, "authentication_failed"), body
        assert "WWW-Authenticate" not in answer.headers and "X-Canary" not in answer.headers
    assert len(stand_in.server.forwarded()) == len(REFUSALS)  # none was tried again
    reasons = {line["reason"] for line in stand_in.site.gateway.events("request")}
    assert reasons == {"grant_invalid"}


def test_a_grant_is_renewed_once_for_a_request(stand_in):
    """A server that refuses every grant is not asked for ever."""
    for reason in ("grant_epoch", "grant_expired"):
        stand_in.server.requests.clear()
        stand_in.respond = lambda request, reason=reason: Response(401, {"reason": reason})
        answer = stand_in.ask("/v1/device")
        assert (answer.status, answer.json()["reason"]) == (503, "server_unavailable")
        stand_in.site.gateway.wait_event("session_end", reason=reason)
        targets = [t for t in stand_in.server.targets() if "/end" not in t]
        assert targets == [AUTHENTICATION, "/v1/device"] * 2


def test_a_renewed_session_has_a_new_nonce_and_the_new_grant(stand_in):
    def respond(request):
        if request.headers["Provbox-Grant"] == first:
            stand_in.grant = b"another grant"
            return Response(401, {"reason": "grant_expired"})
        return Response(200, {"grant": request.headers["Provbox-Grant"]})

    stand_in.respond = respond
    with stand_in.site.device(stand_in.device) as device:
        first = None
        first = device.get("/v1/device").json()["grant"]
        second = device.get("/v1/device").json()["grant"]
    assert second not in (first, None)
    asked_twice = [r.json() for r in stand_in.server.requests if r.target == AUTHENTICATION]
    assert asked_twice[0]["sid"] == asked_twice[1]["sid"]
    assert asked_twice[0]["nG"] != asked_twice[1]["nG"]
