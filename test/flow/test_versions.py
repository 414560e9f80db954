"""A gateway or server of the next version of the landnet protocol beside one of this."""

import pytest
from harness import landnet
from harness.schema import DEV
from harness.stand_in import AUTHENTICATION
from next_version import MORE, OURS, NextGateway, NextServer


@pytest.fixture
def next_server(site):
    made = NextServer(site)
    site.start("gateway")
    yield made
    made.close()


def test_a_server_of_the_next_version_answers_in_this_one(next_server):
    """A session from its authentication to its reported end."""
    assert next_server.ask().json()["standing"] == "active"
    assert next_server.ask("/v1/device").json() == {"forwarded": "/v1/device"}
    asked = [request.json()["v"] for request in next_server.server.requests
             if request.target == AUTHENTICATION]
    assert asked and set(asked) == {1}


@pytest.mark.parametrize("added", [MORE, {"v": OURS}, {"v": OURS, **MORE}],
                         ids=["a member more", "another version", "both"])
def test_an_answer_that_was_not_asked_for_is_no_information(next_server, added):
    """What a member means that is not known here may be a condition."""
    next_server.information = added
    answer = next_server.ask("/v1/device")
    assert (answer.status, answer.json()["reason"]) == (403, "authentication_failed")
    assert next_server.server.forwarded() == []
    site = next_server.site
    site.gateway.wait_event("session_end", reason="authentication_malformed")
    assert site.gateway.events("authentication_malformed")
    next_server.information = {}
    assert next_server.ask("/v1/device").status == 200


def test_a_server_that_no_longer_speaks_this_version_serves_no_session(site):
    server = NextServer(site, versions=(OURS,))
    try:
        site.start("gateway")
        assert server.ask("/v1/device").status == 403
        assert server.server.forwarded() == []
        site.gateway.wait_event("session_end", reason="authentication_malformed")
    finally:
        server.close()


def test_a_gateway_of_the_next_version_falls_back(site):
    """In one step, once for a connection, and without a trace of what was refused."""
    site.start("database", "server")
    leaf = site.pki.only_leaf(DEV)
    with site.landnet() as link:
        gateway = NextGateway(link)
        for _ in range(3):
            information = gateway.post(AUTHENTICATION, link.authentication(leaf, DEV))
            assert information.status == 200 and information.json()["v"] == 1
        (refusal,) = gateway.refusals
        assert (refusal["status"], refusal["versions"]) == (400, [1])
        link.grant = information.json()["grant"]
        assert link.request("GET", "/v1/device").json()["dev"] == DEV
        end = {name: value for name, value in link.authentication(leaf, DEV).items()
               if name in ("sid", "dev", "method", "cred")}
        path = f"/v1/sessions/{landnet.base64url(link.sid)}/end"
        gateway.version = OURS
        assert gateway.post(path, {"v": 1, **end, "reason": "client_closed"}).status == 204
        assert len(gateway.refusals) == 2
    assert len(site.server.events("request", reason="version_unsupported", status=400)) == 2
