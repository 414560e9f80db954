"""Who is not who the other side takes him for gets nothing forwarded.

The witness is a byte counter on the landnet leg, which knows nothing of Provbox, and
the database.
"""

import ssl
import uuid

import pytest
from harness import pki
from harness.handset import OUTCOMES, Handset, order
from harness.schema import DEV

MARK = "canary-7d0c"
OTHER = "urn:gsma:imei:35209900-176149-0"


@pytest.fixture
def edge(site):
    """Gateway and server with a counter between them, and a device that may do all."""
    site.start("database", "server")
    site.counter = site.relay_landnet()
    site.start("gateway")
    site.rows_before = rows(site)
    return site


def rows(site):
    """How many rows each table has that a session or a request could have written."""
    return {table: site.db.value(f"select count(*) from provbox.{table}")
            for table in ("request", "event", "outbox", "notice")}


def ask(site, leaf, body=None):
    """One request of a device; None when the session does not carry it."""
    with site.device(leaf) as device:
        try:
            if body is None:
                return device.get("/v1/device")
            return device.put(f"/v1/requests/{uuid.uuid4()}", body)
        except (ssl.SSLError, ConnectionError):
            return None


def assert_nothing_happened(site):
    assert site.counter.to_server_bytes == 0
    assert site.counter.connections == 0
    assert rows(site) == site.rows_before


def test_a_device_that_is_who_it_says_is_forwarded(edge):
    answer = ask(edge, edge.pki.device_leaf("good", DEV))
    assert answer.status == 200 and answer.json()["dev"] == DEV
    assert edge.counter.to_server_bytes > 0


# what is wrong: how its certificate is made
REFUSED = {
    "wrong_ca": lambda p: pki.Authority(p.directory, "stranger").issue(
        "wrong-ca", uris=[DEV], usages=[pki.CLIENT]),
    "no_certificate": lambda p: None,
    "self_signed_under_the_same_name": lambda p: pki.Authority(
        p.directory / "copy", "device").issue("forged", uris=[DEV], usages=[pki.CLIENT]),
    "expired": lambda p: p.device_leaf("expired", DEV, not_after=pki.now() - pki.DAY / 2),
    "not_yet_valid": lambda p: p.device_leaf("early", DEV, not_before=pki.now() + pki.DAY),
    "no_extended_key_usage": lambda p: p.device_leaf("no-eku", DEV, usages=()),
    "server_certificate": lambda p: p.device_leaf("server", DEV, usages=[pki.SERVER]),
    "landnet_certificate": lambda p: p.gateway_landnet,
    "identifier_in_common_name": lambda p: p.device_leaf("cn", DEV, uris=[], common_name=DEV),
    "two_identifiers": lambda p: p.device_leaf("two", DEV, uris=[DEV, OTHER]),
    "identifier_as_dns_name": lambda p: p.device_leaf(
        "dns", DEV, uris=[], dns=["35209900-176148-0.imei.example.com"]),
    "wrong_check_digit": lambda p: p.device_leaf("digit", "urn:gsma:imei:35209900-176148-7"),
    "other_scheme": lambda p: p.device_leaf("scheme", "https://example.com/35209900-176148-0"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_device_with_a_wrong_certificate_reaches_nothing(edge, what):
    answer = ask(edge, REFUSED[what](edge.pki))
    if answer is not None:
        assert (answer.status, answer.json()["reason"]) == (403, "authentication_failed")
    assert_nothing_happened(edge)
    edge.gateway.wait_event("session_end")


def test_a_revoked_device_reaches_nothing(site):
    revoked = site.pki.device_leaf("revoked", DEV)
    site.pki.device.revoke(revoked)
    site.start("database", "server")
    site.counter = site.relay_landnet()
    site.start("gateway")
    site.rows_before = rows(site)
    assert ask(site, revoked, {"mark": MARK}) is None
    assert_nothing_happened(site)
    assert ask(site, site.pki.device_leaf("good", DEV)).status == 200


def routes(site):
    """The routes of the server that were asked, in order."""
    return [line["route"] for line in site.server.events("request")]


def test_a_device_tells_nothing_to_a_server_without_proof(edge):
    """The gateway believes the proof, the device does not: it has another root."""
    other = pki.Authority(edge.pki.directory, "other-proof")
    handset = Handset(edge, radio="", proof_root=other.path)
    run = handset.used("wait screen ENDED 5", outcome="not_proven")
    assert "(proof_untrusted)" in run.log()
    edge.gateway.wait_event("session_end")
    assert edge.db.value("select count(*) from provbox.request") == 0
    assert set(routes(edge)) <= {"/v1/authentication", "/v1/sessions/{sid}/end"}


def test_a_device_has_every_new_connection_proven(edge):
    """What proved itself goes; what comes in its place has the gateway's belief alone."""
    handset = Handset(edge, radio="", retries=20)
    run = handset.use(*order(1), "wait state offered", "wait screen ENDED")
    run.wait_event("state", to="offered")
    other = pki.Authority(edge.pki.directory, "other-proof")
    leaf = other.issue("other-proof-leaf", uris=[f"https://{edge.pki.SRV}/"])
    edge.server.config.update(proof_certificate=leaf.path, proof_key=leaf.key_path)
    edge.gateway.config["route", edge.pki.SRV]["proof_root"] = other.path
    edge.gateway.stop()
    edge.server.restart()
    heard = len(routes(edge))
    edge.gateway.start()
    assert run.wait(20) == OUTCOMES["not_proven"], run.tail()
    assert "(proof_untrusted)" in run.log()
    assert set(routes(edge)[heard:]) <= {"/v1/authentication", "/v1/sessions/{sid}/end"}


def test_a_device_tells_nothing_to_a_gateway_of_another_root(edge):
    other = pki.Authority(edge.pki.directory, "other-airnet")
    handset = Handset(edge, radio="", airnet_root=other.path)
    handset.used("wait screen ENDED 5", outcome="not_authenticated")
    assert_nothing_happened(edge)


def test_a_device_tells_nothing_to_a_gateway_of_another_name(edge):
    handset = Handset(edge, radio="", gateway_name="other.example.com")
    handset.used("wait screen ENDED 5", outcome="not_authenticated")
    assert_nothing_happened(edge)
