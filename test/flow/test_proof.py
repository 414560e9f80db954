"""The gateway believes a server's authentication information only when all of it is right.

The server is a stand-in that answers with one thing wrong at a time. Whatever is
wrong, the device is refused as everybody else is, nothing of a request leaves, and a
handset of an honest server goes on.
"""

import hashlib
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from harness import pki, proof, wait
from harness.stand_in import AUTHENTICATION, StandIn

OTHER_DEV = "urn:gsma:imei:35209900-176149-0"
HONEST_NAME = "honest.example.com"
HONEST_SRV = f"{HONEST_NAME}:9443"


def honest_beside(site):
    """A stand-in that has nothing wrong, and a route to it."""
    p, port = site.pki, wait.free_port()
    site.gateway.config["route", HONEST_SRV] = {"address": [f"127.0.0.1:{port}"],
                                                "proof_root": p.proof.path}
    return StandIn(site, srv=HONEST_SRV, port=port,
                   tls=p.landnet.issue("honest", dns=[HONEST_NAME], usages=[pki.SERVER]),
                   leaf=p.proof.issue("honest-proof", uris=[f"https://{HONEST_SRV}/"]))


@pytest.fixture
def rogue(site):
    made, honest = StandIn(site), honest_beside(site)
    site.start("gateway")
    with site.device(site.pki.device_leaf("other", OTHER_DEV)) as made.handset:
        ask_honest(made)
        yield made
    made.close()
    honest.close()


def ask_honest(rogue):
    """On the session that was there before."""
    assert rogue.handset.get("/v1/device", headers={"Host": HONEST_SRV}).status == 200


def assert_refused(rogue, reason):
    answer = rogue.ask()
    assert (answer.status, answer.json()["reason"]) == (403, "authentication_failed")
    ended = rogue.site.gateway.wait_event("session_end")
    assert ended["reason"] == reason
    assert rogue.site.gateway.metrics()[
        f'provbox_gateway_session_ends_total{{reason="{reason}"}}'] == 1
    assert rogue.server.forwarded() == []
    ask_honest(rogue)


def test_a_good_proof_reaches_the_device(rogue):
    answer = rogue.ask()
    assert answer.status == 200
    assert set(answer.json()) == {"v", "sid", "gw", "nG", "standing", "proof"}
    assert rogue.ask("/v1/device").json() == {"forwarded": "/v1/device"}


WRONG_CLAIMS = {
    "gw": proof.base64url(bytes(32)),
    "srv": "other.example.com:8443",
    "sid": proof.base64url(bytes(16)),
    "nG": proof.base64url(bytes(32)),
    "dev": OTHER_DEV,
    "method": "key",
    "cred": proof.base64url(bytes(32)),
    "cbA": proof.base64url(bytes(32)),
    "standing": "limited",
}


@pytest.mark.parametrize("claim", WRONG_CLAIMS)
def test_a_claim_of_another_session_is_refused(rogue, claim):
    rogue.claims = {claim: WRONG_CLAIMS[claim]}
    assert_refused(rogue, "proof_mismatch")


def test_a_proof_over_another_grant_is_refused(rogue):
    rogue.claims = {"gh": proof.base64url(hashlib.sha256(b"another").digest())}
    assert_refused(rogue, "proof_grant_mismatch")


@pytest.mark.parametrize("claims", [
    {"v": 2}, {"v": "1"}, {"iat": None}, {"iat": "now"}, {"cbA": None}, {"more": 1},
    {"sid": "AAAAAAAAAAAAAAAAAAAAAB"}, {"nG": 7}, {"dev": None},
], ids=str)
def test_claims_of_another_form_are_refused(rogue, claims):
    rogue.claims = claims
    assert_refused(rogue, "proof_malformed")


@pytest.mark.parametrize("header", [
    {"alg": "none"}, {"alg": "HS256"}, {"alg": "ES384"}, {"typ": "JWT"}, {"typ": None},
    {"crit": ["exp"], "exp": 1}, {"jku": "https://evil.example.com/"}, {"x5c": []},
    {"x5c": None}, {"x5c": ["@@@@"]}, {"kid": None}, {"b64": False},
], ids=str)
def test_a_header_of_another_form_is_refused(rogue, header):
    rogue.header = header
    assert_refused(rogue, "proof_malformed")


def test_a_signature_by_hmac_over_the_public_key_is_refused(rogue):
    rogue.header, rogue.sign = {"alg": "HS256"}, {"signer": proof.hs256}
    assert_refused(rogue, "proof_malformed")


def test_a_signature_of_another_key_is_refused(rogue):
    rogue.sign = {"key": ec.generate_private_key(ec.SECP256R1())}
    assert_refused(rogue, "proof_signature")


def test_a_kid_of_another_key_is_refused(rogue):
    other = ec.generate_private_key(ec.SECP256R1())
    rogue.header = {"kid": proof.thumbprint(other.public_key())}
    assert_refused(rogue, "proof_malformed")


UNTRUSTED = {
    "another_root": lambda p: pki.Authority(p.directory, "other").issue(
        "leaf", uris=[f"https://{p.SRV}/"]),
    "another_server": lambda p: p.proof.issue("leaf", uris=["https://other.example.com:8443/"]),
    "another_port": lambda p: p.proof.issue("leaf", uris=[f"https://{p.SERVER_NAME}:8444/"]),
    "name_as_dns": lambda p: p.proof.issue("leaf", dns=[p.SERVER_NAME]),
    "name_in_common_name": lambda p: p.proof.issue("leaf", common_name=f"https://{p.SRV}/"),
    "two_names": lambda p: p.proof.issue(
        "leaf", uris=[f"https://{p.SRV}/", "https://other.example.com:8443/"]),
    "also_a_dns_name": lambda p: p.proof.issue(
        "leaf", uris=[f"https://{p.SRV}/"], dns=[p.SERVER_NAME]),
    "expired": lambda p: p.proof.issue(
        "leaf", uris=[f"https://{p.SRV}/"], not_after=pki.now() - pki.DAY / 2),
    "tls_certificate": lambda p: p.server_landnet,
}


@pytest.mark.parametrize("what", UNTRUSTED)
def test_a_proof_under_a_wrong_certificate_is_refused(rogue, what):
    rogue.leaf = UNTRUSTED[what](rogue.site.pki)
    assert_refused(rogue, "proof_untrusted")


def test_a_missing_proof_is_refused(rogue):
    rogue.information = {"proof": None}
    assert_refused(rogue, "proof_missing")


@pytest.mark.parametrize("information, reason", [
    ({"sid": proof.base64url(bytes(16))}, "authentication_mismatch"),
    ({"nG": proof.base64url(bytes(32))}, "authentication_mismatch"),
    ({"standing": "superuser"}, "authentication_malformed"),
    ({"more": 1}, "authentication_malformed"),
    ({"v": 2}, "authentication_malformed"),
    ({"grant": None}, "grant_missing"),
], ids=str)
def test_information_that_is_wrong_is_refused(rogue, information, reason):
    rogue.information = information
    assert_refused(rogue, reason)


def test_a_proof_of_an_earlier_session_is_refused(rogue):
    first = rogue.ask().json()["proof"]
    rogue.site.gateway.wait_event("session_end")
    rogue.information = {"proof": first}
    answer = rogue.ask()
    assert (answer.status, answer.json()["reason"]) == (403, "authentication_failed")
    rogue.site.gateway.wait_event("session_end", reason="proof_mismatch")


def test_a_proof_of_another_handset_is_refused(rogue):
    """Of a session that goes on, at the same server."""
    with rogue.site.device(rogue.site.pki.device_leaf("third", OTHER_DEV)) as third:
        rogue.information = {"proof": third.get("/.provbox/session").json()["proof"]}
        assert_refused(rogue, "proof_mismatch")


def test_an_answer_of_another_exchange_is_refused(rogue):
    rogue.number = "41"
    answer = rogue.ask("/v1/device")
    assert (answer.status, answer.json()["reason"]) == (503, "server_unavailable")
    rogue.site.gateway.wait_event("session_end", reason="landnet_desync")
    assert rogue.server.forwarded() == []


def test_nothing_is_forwarded_before_the_server_has_answered(rogue):
    rogue.delay_s = 0.5
    body = b"canary-1b2f" * 100
    began = time.monotonic()
    answer = rogue.ask("/v1/requests/1", "PUT", body)
    assert answer.status == 200
    first, second = rogue.server.requests[:2]
    assert first.target == AUTHENTICATION and b"canary" not in first.body
    assert second.body == body
    assert second.at - began >= rogue.delay_s
