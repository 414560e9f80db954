"""The grant is checked before anything else, and the standing with every request.

What a gateway may do with a grant that is not its own is in test_withstand_gateway.py.
"""

import os
import signal

import pytest
from harness import openapi, process, protocol, schema
from harness.caller import Caller
from harness.schema import DEV, DEV2


@pytest.fixture
def caller(site):
    site.start("database", "server")
    with Caller(site, openapi.Api()) as made:
        yield made


def get_device(caller, status, reason=None, **headers):
    return caller.ask("GET", "/v1/device", status, reason=reason, **headers)


def test_a_minted_grant_opens(caller):
    caller.link.grant = caller.mint()
    assert get_device(caller, 200).json()["dev"] == DEV


def test_a_refused_grant_is_answered_before_the_body_is_read(caller):
    caller.link.client.connect()
    connection = caller.link.client.connection
    connection.putrequest("PUT", "/v1/requests/4d9f4e6a-2b7c-4c1e-9f30-0a1b2c3d4e5f",
                          skip_host=True)
    for name, value in (("Host", caller.site.pki.SRV), ("Content-Length", "10000"),
                        ("Content-Type", "application/json"), ("Provbox-Exchange", "0"),
                        ("Provbox-Grant", "AAAA")):
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.getresponse().status == 401


def test_an_old_epoch_is_refused_until_the_device_is_authenticated_again(caller):
    caller.authenticate()
    get_device(caller, 200)
    caller.site.schema.rows("operator", "device_block", DEV, "operator_decision")
    get_device(caller, 403, "device_blocked")
    caller.site.schema.rows("operator", "device_unblock", DEV)
    get_device(caller, 401, "grant_epoch")
    caller.authenticate()
    get_device(caller, 200)


def test_a_forged_standing_in_a_grant_opens_nothing(caller):
    """What counts is the standing in the row, read in the statement of the work."""
    caller.site.db.query("update provbox.device set standing = 'limited' where dev = %s", DEV)
    caller.link.grant = caller.mint(standing="active")
    get_device(caller, 200)
    caller.ask("GET", "/v1/catalogue", 403, reason="standing_limited")


def test_an_unknown_device_gets_a_proof_and_no_grant(caller):
    unknown = "urn:gsma:imei:35209900-999999-0"
    with Caller(caller.site, caller.api, dev=unknown) as stranger:
        information = stranger.authenticate(want_proof=True)
        assert information["standing"] == "unknown"
        assert "grant" not in information and information["proof"]
        stranger.link.grant = stranger.mint()
        get_device(stranger, 403, "device_unknown")
    (event,) = caller.site.db.query("select reason from provbox.event where dev = %s", unknown)
    assert event["reason"] == "device_unknown"


def test_a_blocked_device_gets_no_grant(caller):
    caller.site.schema.rows("operator", "device_block", DEV, "operator_decision")
    information = caller.authenticate(want_proof=True)
    assert (information["standing"], "grant" in information) == ("blocked", False)


def test_the_proof_is_over_what_was_asked(caller):
    body = caller.link.authentication(caller.leaf, DEV, want_proof=True)
    information = caller.ask("POST", "/v1/authentication", 200, body).json()
    _, claims = protocol.read_proof(information["proof"])
    grant = protocol.b64u_decode(information["grant"])
    for name in ("sid", "nG", "dev", "method", "cred", "cbA"):
        assert claims[name] == body[name]
    assert claims["srv"] == caller.site.pki.SRV
    assert claims["gw"] == protocol.b64u(
        bytes.fromhex(caller.site.pki.gateway_landnet.spki_hash()))
    assert claims["standing"] == information["standing"] == "unprovisioned"
    assert claims["gh"] == protocol.b64u(protocol.sha256(grant))


def test_a_zone_that_died_is_started_again(caller):
    caller.authenticate(want_proof=True)
    (zone,) = [pid for pid in caller.site.server.workers() if "zone" in process.command(pid)]
    os.kill(zone, signal.SIGKILL)
    assert caller.authenticate(want_proof=True)["proof"]


def test_two_devices_never_see_each_other(caller):
    caller.site.schema.import_devices(schema.device(DEV2, "+447700900124"))
    caller.authenticate()
    path = caller.offered("compass")
    with Caller(caller.site, caller.api, dev=DEV2) as other:
        other.authenticate()
        other.ask("GET", path, 404, reason="request_unknown")
        other.ask("GET", f"{path}/terms", 404, reason="request_unknown")
        mine = caller.site.schema.body("compass", dev=DEV2)
        assert other.ask("PUT", path, 201, mine).json()["id"] == path.split("/")[-1]
    assert caller.ask("GET", path, 200).json()["state"] == "offered"
