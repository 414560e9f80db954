"""First requests wait for the word of the verification service, and for nothing else."""

import uuid

import pytest
from harness import openapi, pki, wait
from harness.caller import Caller
from harness.schema import DEV
from harness.verification import Verification


@pytest.fixture
def verified(site):
    """A site whose first requests are verified outside; the service is `site.verification`."""
    site.verification = Verification(site.directory, site.pki)
    client = site.pki.billing.issue("verification-client", usages=[pki.CLIENT])
    token = site.directory / "token"
    pki.write_secret(token, f"{Verification.TOKEN}\n".encode())
    site.server.config.update({
        "verification_url": site.verification.url, "verification_trust": site.pki.billing.path,
        "verification_certificate": client.path, "verification_key": client.key_path,
        "verification_token_file": token, "verification_timeout": "500ms"})
    site.start("database")
    site.schema.setting(verification="service", backoff_first="100 milliseconds")
    return site


def put(caller, *items):
    """The path of a new request that waits."""
    path = caller.new_path()
    body = caller.site.schema.body(*(items or ["compass"]))
    assert caller.ask("PUT", path, 201, body).json()["state"] == "verifying"
    assert caller.ask("PUT", path, 200, body).json()["state"] != "received"
    return path


def becomes(caller, path, state, seconds=15):
    return wait.until(
        lambda: (now := caller.ask("GET", path, 200).json())["state"] == state and now,
        f"state {state}", seconds)


def test_a_first_request_is_asked_about_and_offered(verified):
    verified.start("verification", "server")
    with Caller(verified, openapi.Api()) as caller:
        caller.authenticate()
        path = put(caller)
        becomes(caller, path, "offered")
    (record,) = verified.verification.records()
    assert record["key"] == record["event"]["id"]
    assert set(record["event"]) == {"id", "user", "accounting", "device"}
    log = "".join(verified.logs().values())
    assert "Lovelace" not in log and Verification.TOKEN not in log


def test_a_refusal_ends_the_request(verified):
    verified.start("verification", "server")
    verified.verification.set_fault(
        answer={"result": "refused", "reason": "accounting_refused"})
    with Caller(verified, openapi.Api()) as caller:
        caller.authenticate()
        refused = becomes(caller, put(caller), "refused")
        assert refused["reason"] == "accounting_refused"


FAULTS = {
    "busy": {"status": 503}, "forbidden": {"status": 403}, "moved": {"status": 302},
    "accepted": {"status": 202}, "slow": {"delay_s": 1}, "cut": {"drop": True},
    "another": {"answer": {"id": "request/4711/verify"}}, "no": {"answer": {"result": "no"}},
    "more": {"answer": {"score": 7}}, "garbage": {"body": "verified"},
    "html": {"type": "text/html"}, "long": {"body": "{" + " " * 5000 + "}"},
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_what_is_no_answer_lets_nobody_in_and_is_asked_again(verified, fault):
    verified.start("verification", "server")
    verified.verification.set_fault(**fault)
    with Caller(verified, openapi.Api()) as caller:
        caller.authenticate()
        path = put(caller)
        verified.server.wait_event("effect_failed", kind="verify")
        assert caller.ask("GET", path, 200).json()["state"] == "verifying"
        verified.verification.set_fault()
        becomes(caller, path, "offered")
    assert len({record["key"] for record in verified.verification.records()}) == 1


def test_a_service_of_another_root_is_asked_nothing(verified):
    verified.server.config["verification_trust"] = verified.pki.landnet.path
    verified.start("verification", "server")
    with Caller(verified, openapi.Api()) as caller:
        caller.authenticate()
        path = put(caller)
        verified.server.wait_event("effect_failed", kind="verify", status=0)
        assert caller.ask("GET", path, 200).json()["state"] == "verifying"
    assert verified.verification.records() == []


def test_when_it_stays_away_the_request_fails(verified):
    verified.schema.setting(give_up="1 second")
    verified.server.expect_errors("effect_dead")
    verified.start("server")
    with Caller(verified, openapi.Api()) as caller:
        caller.authenticate()
        failed = becomes(caller, put(caller), "failed")
        assert failed["reason"] == "verification_unavailable"
    wait.until(lambda: verified.server.metrics()[
        'provbox_server_effects_total{kind="verify",outcome="dead"}'] == 1, "the counter")


def test_an_answer_after_the_cancel_changes_nothing(verified):
    verified.server.config["verification_timeout"] = "10s"
    verified.start("verification", "server")
    verified.verification.set_fault(delay_s=1.5)
    with Caller(verified, openapi.Api()) as caller:
        caller.authenticate()
        path = put(caller)
        wait.until(lambda: verified.db.query("select 1 from provbox.outbox where token is not null"),
                   "the question on its way")
        assert caller.ask("DELETE", path, 200).json()["state"] == "cancelled"
        wait.until(lambda: verified.db.query(
            "select 1 from provbox.event where reason = 'verification_late'"), "the late answer")
        assert caller.ask("GET", path, 200).json()["reason"] == "cancelled_by_device"
    assert verified.db.query("select 1 from provbox.notice") == []


def test_nobody_asks_and_the_request_expires(verified):
    verified.server.config["verification_url"] = ""
    verified.schema.setting(verification_lifetime="1 second")
    verified.start("server")
    with Caller(verified, openapi.Api()) as caller:
        caller.authenticate()
        assert becomes(caller, put(caller), "expired")["reason"] == "verification_expired"


def test_a_device_cancels_through_the_gateway_while_it_waits(verified):
    verified.start("server", "gateway")
    path, body = f"/v1/requests/{uuid.uuid4()}", verified.schema.body()
    with verified.device(verified.pki.device_leaf("good", DEV)) as device:
        assert device.put(path, body).json()["state"] == "verifying"
        assert device.put(path, body).status == 200
        assert device.put(path, verified.schema.body("torch")).status == 409
        for _ in range(2):
            answer = device.request("DELETE", path)
            assert (answer.status, answer.json()["reason"]) == (200, "cancelled_by_device")
        verified.schema.setting(open_requests=0)
        answer = device.put(f"/v1/requests/{uuid.uuid4()}", body)
        assert (answer.status, answer.headers["Retry-After"]) == (429, "60")
