"""Billing events leave the outbox: at least once, always under one key."""

import time

import pytest
from harness import openapi, wait
from harness.caller import Caller


@pytest.fixture
def billed(site):
    site.start("database")
    site.schema.setting(backoff_first="100 milliseconds")
    site.server.config["billing_timeout"] = "500ms"
    return site


def outbox(site):
    rows = site.db.query("select state, attempt from provbox.outbox where kind = 'billing'")
    return [(row["state"], row["attempt"]) for row in rows]


def test_a_done_request_is_billed_once(billed):
    billed.start("billing", "server")
    with Caller(billed, openapi.Api()) as caller:
        caller.authenticate()
        path = caller.accepted("compass")
        assert billed.billing.records() == []
        caller.ask("PUT", f"{path}/items/compass/result", 200,
                   {"result": "installed", "version": "1.4.0"})
    (record,) = wait.until(billed.billing.records, "the billing event")
    event = record["event"]
    assert record["key"] == event["id"] and not record["repeated"]
    assert event["type"] == "com.example.provbox.provisioning.completed"
    assert event["data"]["accounting_reference"] == "acct-0123456789"
    assert event["data"]["items"] == [{"id": "compass", "kind": "module", "version": "1.4.0"}]
    assert "Lovelace" not in str(event) and "447700900123" not in str(event)
    wait.until(lambda: outbox(billed) == [("done", 1)], "the end of the effect")
    time.sleep(0.3)
    assert len(billed.billing.records()) == 1


@pytest.mark.parametrize("fault", [
    {"status": 503, "times": 2}, {"status": 429, "times": 1}, {"delay_s": 1, "times": 1},
    {"drop": True, "times": 1}], ids=["busy", "limited", "slow", "cut"])
def test_an_event_is_sent_again_under_its_key(billed, fault):
    billed.start("billing")
    billed.billing.set_fault(**fault)
    billed.schema.finished("compass")
    billed.start("server")
    wait.until(lambda: outbox(billed)[0][0] == "done", "the end of the effect", 15)
    assert outbox(billed) == [("done", fault["times"] + 1)]
    # The slow one is applied, though its answer comes too late.
    wanted = [False, True] if "delay_s" in fault else [False]
    wait.until(lambda: [r["repeated"] for r in billed.billing.records()] == wanted,
               f"repeated: {wanted}")
    assert {record["key"] for record in billed.billing.records()} == {
        billed.db.value("select key from provbox.outbox where kind = 'billing'")}


@pytest.mark.parametrize("status", [400, 302])
def test_a_refused_event_is_dead_at_once_and_raises_an_alarm(billed, status):
    billed.start("billing")
    billed.billing.set_fault(status=status)
    billed.server.expect_errors("effect_dead")
    billed.schema.finished("compass")
    billed.start("server")
    billed.server.wait_event("effect_dead", status=status)
    assert outbox(billed) == [("dead", 1)]
    metrics = wait.until(
        lambda: (m := billed.server.metrics())['provbox_server_outbox{kind="billing",state="dead"}'] and m,
        "the gauge")
    assert metrics['provbox_server_effects_total{kind="billing",outcome="dead"}'] == 1
    assert {"section": "outbox", "name": "billing dead", "value": "1"} in (
        billed.schema.rows("operator", "status_read"))
    time.sleep(0.3)
    assert len(billed.server.events("effect_dead")) == 1
    assert billed.billing.records() == []


def test_a_billing_server_of_another_name_or_root_gets_nothing(billed):
    billed.start("billing")
    billed.server.config["billing_trust"] = billed.pki.landnet.path
    billed.schema.finished("compass")
    billed.start("server")
    billed.server.wait_event("effect_failed", status=0)
    assert billed.billing.records() == []


def test_events_wait_while_no_billing_is_configured(billed):
    billed.server.config["billing_url"] = ""
    billed.schema.finished("compass")
    billed.start("server")
    wait.until(lambda: billed.server.metrics()['provbox_server_outbox{kind="billing",state="due"}'] == 1,
               "the gauge")
    assert outbox(billed) == [("due", 0)]


def test_the_queues_of_all_kinds_are_told(billed):
    """Messages among them, which others send."""
    billed.schema.offered()
    billed.schema.table("update outbox set state = 'dead' where kind = 'sms' returning 1")
    billed.start("server")
    metrics = wait.until(
        lambda: (m := billed.server.metrics())['provbox_server_outbox{kind="sms",state="dead"}']
        and m, "the gauge")
    kinds = [row["kind"] for row in billed.schema.rows("server", "queue_read")]
    assert {name for name in metrics if name.startswith("provbox_server_outbox{")} == {
        f'provbox_server_outbox{{kind="{kind}",state="{state}"}}'
        for kind in kinds for state in ("due", "dead")}
    assert metrics['provbox_server_outbox{kind="sms",state="due"}'] == 0


def test_the_age_of_what_is_due_is_told(billed):
    billed.server.config["billing_url"] = ""
    billed.schema.finished("compass")
    billed.schema.table("update outbox set created = created - interval '1 hour'"
                        " where kind = 'billing' returning 1")
    billed.start("server")
    oldest = 'provbox_server_outbox_oldest_seconds{kind="%s"}'
    wait.until(lambda: 3600 <= billed.server.metrics()[oldest % "billing"] < 3700, "the gauge")
    assert billed.server.metrics()[oldest % "mail"] == 0


def test_unanswered_offers_expire(billed):
    billed.schema.setting(terms_lifetime="1 second")
    billed.start("server")
    with Caller(billed, openapi.Api()) as caller:
        caller.authenticate()
        path = caller.offered("compass")
        wait.until(lambda: caller.ask("GET", path, 200).json()["state"] == "expired",
                   "the end of the offer")
        assert caller.ask("GET", path, 200).json()["reason"] == "offer_expired"
    billed.server.wait_event("requests_expired", n=1)
