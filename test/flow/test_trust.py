"""Who is not who the other side takes him for gets nothing forwarded.

The witness is a byte counter on the landnet leg, which knows nothing of Provbox, and
the database.
"""

import pytest
from harness import pki
from harness.handset import OUTCOMES, Handset, order
from harness.schema import DEV


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


def ask(site, leaf):
    """One request of a device."""
    with site.device(leaf) as device:
        return device.get("/v1/device")


def assert_nothing_happened(site):
    assert site.counter.to_server_bytes == 0
    assert site.counter.connections == 0
    assert rows(site) == site.rows_before


def test_a_device_that_is_who_it_says_is_forwarded(edge):
    answer = ask(edge, edge.pki.device_leaf("good", DEV))
    assert answer.status == 200 and answer.json()["dev"] == DEV
    assert edge.counter.to_server_bytes > 0


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
