"""What an operator does again: dead work of a request, a notice; and what is told of both."""

import datetime

import psycopg2
import pytest
from harness.schema import DEV, DEV2, NUMBER, device, digest, feature, manifest

MINUTE = datetime.timedelta(minutes=1)


def kill(schema, kind):
    """Have the oldest due work of a kind be given up."""
    row = schema.row("server", "outbox_lease", [kind], "w", 1, MINUTE)
    schema.value("server", "outbox_retry", row["id"], row["token"], "effect_refused", True)
    return row["id"]


def bury(schema):
    """Have Kannel refuse the notice that is due for good."""
    (leased,) = schema.lease()
    for part in schema.split(leased):
        schema.ack(part, 1)


def retried(schema, request):
    return [(row["kind"], row["outcome"]) for row in
            schema.rows("operator", "request_retry", DEV, request, None)]


def notice_of(schema, request, kind="terms"):
    return schema.table("select n.* from notice n join request r on r.rid = n.request"
                        " where r.id = %s and n.kind = %s order by n.id desc", request, kind)[0]


def resend(schema, notice, by="ada"):
    row = schema.row("operator", "notice_resend", notice, "asked by telephone", by)
    return row["outcome"], row["notice"]


# request retry

def test_all_that_is_dead_of_a_request_is_put_back(schema):
    schema.import_devices(device(email="ada@example.com"))
    request = schema.finished("compass")
    dead = [kill(schema, "mail"), kill(schema, "billing")]
    (alive,) = schema.table("select id from outbox where notice = %s",
                            notice_of(schema, request)["id"])
    keys = schema.table("select id, key from outbox where state = 'dead' order by id")
    assert retried(schema, request) == [("mail", "changed"), ("billing", "changed")]
    assert schema.table("select id, key from outbox where state = 'due' and attempt = 0"
                        " and id = any (%s) order by id", dead) == keys
    assert alive["id"] not in dead
    assert [event for event in schema.events(request) if event[0] == "operator"] == [
        ("operator", f"{kind}_retried", None, None, "retried_by_operator")
        for kind in ("mail", "billing")]
    assert retried(schema, request) == []
    assert schema.value("operator", "request_outlook", DEV, request) == "done"


def test_terms_of_an_open_request_are_put_back(schema):
    request = schema.offered()
    bury(schema)
    assert retried(schema, request) == [("sms", "changed")]
    assert notice_of(schema, request)["state"] == "queued"
    assert schema.value("operator", "request_outlook", DEV, request) == "open"


def test_a_request_that_ended_stays_ended(schema):
    """With a verification that was given up, and copies of terms that nobody can answer."""
    schema.import_devices(device(email="ada@example.com"))
    schema.setting(verification="service")
    unverified = schema.put()[2]["id"]
    kill(schema, "verify")
    schema.setting(verification="local")
    declined = schema.offered()
    kill(schema, "mail")
    schema.answer(declined, "decline")
    for request, kind, state in (unverified, "verify", "failed"), (declined, "mail", "declined"):
        assert retried(schema, request) == [(kind, "ended")]
        assert schema.value("operator", "request_outlook", DEV, request) == "ended"
        assert schema.table("select state from request where id = %s", request) == [
            {"state": state}]
    assert schema.value("operator", "request_outlook", DEV2, declined) is None
    assert schema.rows("operator", "request_retry", DEV2, declined, None) == []


def test_the_content_of_a_request_is_fetched_again(schema):
    there = feature("atlas", b"elsewhere")
    there["content"]["url"] = "https://files.example.com/atlas"
    schema.catalogue = schema.load(manifest([there]), [])
    request = schema.offered("atlas")
    schema.answer(request)
    kill(schema, "fetch")
    assert retried(schema, request) == [("fetch", "changed")]
    schema.upload(b"elsewhere")
    assert schema.value("server", "items_settle") is True
    assert schema.table("select state, reason from item") == [{"state": "ready", "reason": None}]


# notice show

def shown(schema, notice, is_whole=False):
    return schema.row("operator", "notice_show", notice, is_whole, "ada")


def test_a_notice_is_shown_with_each_attempt(schema):
    schema.setting(notice_retries=1)
    notice = notice_of(schema, schema.offered())
    (leased,) = schema.lease()
    first, second = schema.split(leased)
    schema.ack(first)
    schema.report(first, 8, "id:77 stat:ACCEPTD")
    schema.ack(second)
    schema.report(second, 2, "id:78 stat:UNDELIV")
    schema.table("update outbox set due_at = now() returning 1")
    schema.send_all()
    told = shown(schema, notice["id"])
    assert (told["number"], told["state"], told["parts"], told["retries"], told["work"],
            told["content"], told["text"]) == (
                "+44*******123", "accepted", 2, 1, "done", "clear", notice["text"])
    parts = schema.rows("operator", "notice_parts", notice["id"])
    assert [(p["part"], p["attempt"], p["state"]) for p in parts] == [
        (1, 1, "accepted"), (2, 1, "failed"), (2, 2, "accepted")]
    assert (parts[0]["answer"], parts[0]["smsc_message"], parts[0]["link"]) == (
        "id:77 stat:ACCEPTD", "smsc-1", "link-1")
    assert schema.rows("operator", "notice_show", 0, False, "ada") == []


def test_who_looks_at_a_number_is_told(schema):
    request = schema.offered()
    notice = notice_of(schema, request)["id"]
    shown(schema, notice)
    assert "number_shown" not in [event[1] for event in schema.events(request)]
    assert shown(schema, notice, True)["number"] == NUMBER
    (event,) = schema.table("select * from event where kind = 'number_shown'")
    assert (event["actor"], event["dev"], event["detail"]) == (
        "operator", DEV, {"notice": notice, "by": "ada"})


def test_a_secret_is_shown_to_nobody(schema):
    schema.import_devices(device(DEV2, "+447700900124"))
    notice = schema.row("operator", "notice_begin", DEV2)["notice"]
    assert shown(schema, notice)["content"] == "awaited"
    assert resend(schema, notice) == ("in_work", None)
    schema.value("operator", "notice_seal", notice, b"sealed")
    told = shown(schema, notice)
    assert (told["content"], told["text"]) == ("sealed", None)
    assert resend(schema, notice) == ("in_work", None)
    (leased,) = schema.lease()
    for part in schema.split(leased):
        schema.report(part, 8, "Your code is 4711")
    assert shown(schema, notice)["content"] == "wiped"
    assert {part["answer"] for part in schema.rows("operator", "notice_parts", notice)} == {None}
    assert resend(schema, notice) == ("wiped", None)


# notice resend

def test_a_notice_is_sent_once_more_beside_the_first(schema):
    request = schema.offered()
    first = notice_of(schema, request)
    assert resend(schema, first["id"]) == ("in_work", None)
    schema.send_all()
    outcome, again = resend(schema, first["id"])
    assert outcome == "queued" and again > first["id"]
    (leased,) = schema.lease()
    assert (leased["notice"], leased["text"], leased["msisdn"]) == (
        again, first["text"], NUMBER)
    assert schema.table("select state from notice where id = %s", first["id"]) == [
        {"state": "accepted"}]
    assert schema.api("request_read", request, None)[2]["offer"]["notice"] == "queued"
    (event,) = schema.table("select * from event where kind = 'notice_resent'")
    assert event["detail"] == {"notice": again, "of": first["id"], "by": "ada",
                               "note": "asked by telephone"}
    assert schema.receive(f"YES {schema.code(request)}")[0] == "accepted"


def test_what_failed_or_came_is_sent_once_more(schema):
    for word in (2, 1):
        notice = notice_of(schema, schema.offered())["id"]
        (leased,) = schema.lease()
        for part in schema.split(leased):
            schema.ack(part)
            schema.report(part, word)
        assert resend(schema, notice)[0] == "queued"
        schema.send_all()


def test_terms_that_cannot_be_answered_are_not_sent(schema):
    request = schema.offered()
    schema.send_all()
    schema.answer(request, "decline")
    assert resend(schema, notice_of(schema, request)["id"]) == ("ended", None)


def test_a_number_that_is_no_longer_the_devices_gets_nothing(schema):
    notice = notice_of(schema, schema.offered())["id"]
    schema.send_all()
    schema.import_devices(device(msisdn="+447700900124"))
    assert resend(schema, notice) == ("moved", None)
    assert resend(schema, 0) == (None, None)


def test_the_limits_hold_for_the_operator_too(schema):
    request = schema.finished("compass")
    schema.send_all()
    notice = notice_of(schema, request, "status")["id"]
    schema.value("operator", "number_stop_put", NUMBER, None)
    assert resend(schema, notice)[0] == "stopped"
    schema.setting(messages_per_hour=1)
    with pytest.raises(psycopg2.errors.InvalidParameterValue):
        resend(schema, notice)


# device trace

def trace(schema, dev=DEV, since=None, limit=None):
    return schema.rows("operator", "device_trace", dev, since, limit)


def test_a_trace_tells_all_requests_in_order(schema):
    schema.row("server", "authentication_read", DEV, digest(b"cert"), "certificate", bytes(32),
               bytes(16))
    first, second = schema.finished("compass"), schema.offered("torch")
    schema.send_all()
    schema.receive(f"YES {schema.code(second)}", message="m-1")
    kill(schema, "billing")
    schema.value("server", "session_end", bytes([1]) * 16, DEV, "certificate", digest(b"cert"),
                 bytes(32), "idle_timeout")
    lines = trace(schema)
    assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)
    assert len({line["key"] for line in lines}) == len(lines)
    assert {str(line["request"]) for line in lines} == {first, second, "None"}
    told = {(line["event"], line["subject"].split()[0], line["to_state"]) for line in lines}
    assert told >= {("credential_live", "session", None), ("session_end", "session", None),
                    ("import_added", "device", None), ("put", "request", "received"),
                    ("install", "compass", "installed"), ("notice", "notice", "accepted"),
                    ("part_sent", "notice", "sent"), ("part_reported", "notice", "accepted"),
                    ("message_received", "message", "accepted"), ("work_put", "outbox", "due"),
                    ("work", "outbox", "dead"), ("standing", "device", "active")}
    assert NUMBER not in str(lines) and "Terms of" not in str(lines)
    assert trace(schema, limit=3) == lines[-3:]
    assert trace(schema, since=lines[-3]["at"]) == lines[-2:]
    assert trace(schema, DEV2) == []


def test_a_trace_keeps_to_one_device(schema):
    schema.import_devices(device(DEV2, "+447700900124"))
    schema.finished("compass")
    other = schema.offered(dev=DEV2)
    assert {str(line["request"]) for line in trace(schema, DEV2)} == {other, "None"}
    assert other not in {str(line["request"]) for line in trace(schema)}
