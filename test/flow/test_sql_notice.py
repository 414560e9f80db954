"""Notices: their parts on the way to the SMSC, acknowledgements, reports, and what is sent again."""

import uuid

import psycopg2
import pytest
from harness.schema import NUMBER, SHORT_CODE


def state(schema, request):
    (row,) = schema.table("select n.state, n.reason, o.state as work, o.attempt from notice n"
                          " join outbox o on o.notice = n.id join request r on r.rid = n.request"
                          " where r.id = %s and n.kind = 'terms'", request)
    return row["state"], row["work"], row["reason"]


def test_a_notice_is_done_when_the_smsc_has_every_part(schema):
    request = schema.offered()
    (row,) = schema.lease()
    assert (row["msisdn"], row["sender"], row["attempt"], row["parts"], row["settled"]) == (
        NUMBER, SHORT_CODE, 1, None, [])
    first, second = schema.split(row)
    assert state(schema, request) == ("sending", "due", None)
    assert schema.ack(first) == "sending"
    assert schema.ack(second, 3) == "sending"
    assert schema.lease() == []
    assert schema.report(first, 8) == "sending"
    assert schema.report(second, 8) == "accepted"
    assert state(schema, request) == ("accepted", "done", None)
    assert schema.report(first, 1) == "accepted"
    assert schema.report(second, 1) == "delivered"
    assert schema.api("request_read", request, None)[2]["offer"]["notice"] == "delivered"
    assert [e[1:4] for e in schema.events(request) if e[0] == "smsc"] == [
        ("notice", "queued", "sending"), ("notice_acked", None, None),
        ("notice", "sending", "accepted"), ("notice", "accepted", "delivered")]


def test_a_device_is_told_of_no_notice_that_it_does_not_see(schema):
    def revision():
        return schema.table("select revision from request")[0]["revision"]

    request = schema.offered()
    seen = revision()
    schema.send_all()
    assert revision() > seen  # the terms are what it waits for
    schema.answer(request)
    seen = revision()
    (begun,) = schema.lease()  # that work has begun
    for part in schema.split(begun):
        schema.ack(part)
        schema.report(part, 8)
    assert revision() == seen
    schema.report(part, 2)
    assert revision() == seen
    schema.result(request, "compass")
    assert [e[3] for e in schema.events(request) if e[1] == "notice"].count("accepted") == 2


def test_delivery_can_be_what_ends_it(schema):
    schema.setting(notice_done="delivered")
    request = schema.offered()
    parts = schema.split(schema.lease()[0])
    for part in parts:
        schema.ack(part)
        schema.report(part, 8)
    assert state(schema, request) == ("accepted", "due", None)
    schema.make_due()
    assert schema.lease() == []  # every part was reported: none is sent again
    for part in parts:
        schema.report(part, 1)
    assert state(schema, request) == ("delivered", "done", None)


def test_reports_may_come_first_twice_and_late(schema):
    request = schema.offered()
    (part,) = schema.split(schema.lease()[0], total=1)
    assert schema.report(part, 8) == "accepted"
    assert schema.table("select acked is not null as it from notice")[0]["it"] is True
    assert schema.ack(part) == "accepted"
    assert schema.ack(part, 1) == "accepted"
    assert schema.report(part, 8) == "accepted"
    assert schema.report(part, 1) == "delivered"
    assert schema.report(part, 8) == "delivered"
    assert schema.report(part, 2) == "delivered"
    assert state(schema, request) == ("delivered", "done", None)


@pytest.mark.parametrize("told", [
    [(0, None, None), (None, 8, "ACK/"), (None, 1, "stat:DELIVRD")],
    [(None, 1, "stat:DELIVRD"), (None, 4, "ACK/"), (3, None, None)],
], ids=["in order", "in any order"])
def test_what_comes_at_once_counts_as_one_after_the_other(schema, told):
    """Acknowledgement and reports of a part in one call, beside those of other parts."""
    request, other = schema.offered("compass"), schema.offered("torch")
    (part,), (first, second) = (schema.split(leased, total=n)
                                for leased, n in zip(schema.lease(), (1, 2)))
    rows = schema.news(*((part, *news) for news in told), (first, None, 8, ""),
                       (first, None, 8, ""), (second, 0, None, None), (str(uuid.uuid4()), 0, None, None))
    assert [(row["news"], row["state"]) for row in rows] == [
        *[("new", "delivered")] * 3, ("new", "sending"), ("repeated", "sending"),
        ("new", "sending"), ("unknown", None)]
    assert state(schema, request) == ("delivered", "done", None)
    assert state(schema, other) == ("sending", "due", None)
    assert [(e["kind"], e["to_state"], e["detail"].get("answer")) for e in schema.table(
        "select e.* from event e join request r on r.rid = e.request"
        " where r.id = %s and actor = 'smsc' order by e.id", request)] == [
        ("notice", "sending", None), ("notice_acked", None, None), ("notice", "accepted", "ACK/"),
        ("notice", "delivered", "stat:DELIVRD")]
    assert schema.table("select ack is not null as it, answer from notice_part where uuid = %s",
                        part) == [{"it": True, "answer": "stat:DELIVRD"}]


def test_a_message_stays_as_long_as_its_parts(schema):
    """Not even the owner of the tables takes one away: its row in the outbox holds it."""
    schema.offered()
    schema.send_all()
    with pytest.raises(psycopg2.errors.ForeignKeyViolation):
        schema.table("delete from notice")
    with pytest.raises(psycopg2.errors.NotNullViolation):
        schema.table("update notice_part set notice = null")


def test_what_nobody_knows_changes_nothing(schema):
    schema.offered()
    assert schema.ack(str(uuid.uuid4())) is None
    assert schema.report(str(uuid.uuid4()), 8) is None
    assert schema.report("'; drop table provbox.notice; --", 8) is None
    (row,) = schema.lease()
    assert schema.record({**row, "token": uuid.uuid4()}, 1, [1], [str(uuid.uuid4())]) is False
    assert schema.table("select 1 as n from notice_part") == []


def test_after_a_lost_link_only_what_was_not_acknowledged_is_sent_again(schema):
    schema.offered()
    (row,) = schema.lease()
    first, second, third = schema.split(row, total=3)
    schema.ack(second)
    assert schema.value("smsc", "smsc_unacked", "link-2") == 0
    assert schema.value("smsc", "smsc_unacked", "link-1") == 1
    (again,) = schema.lease()
    assert (again["settled"], again["parts"], again["concat_ref"]) == ([2], 3, row["concat_ref"])
    assert schema.record(row, 3, [1], [str(uuid.uuid4())]) is False  # the lease has gone
    renewed = schema.split(again, total=3)
    assert len(renewed) == 2
    for part in renewed:
        schema.ack(part)
    assert schema.value("smsc", "smsc_unacked", "link-1") == 0
    # A report for the first attempt is still a report for the notice.
    assert schema.report(first, 8) == "sending"
    attempts = schema.table("select part, attempt, state from notice_part order by part, attempt")
    assert [tuple(a.values()) for a in attempts] == [
        (1, 1, "accepted"), (1, 2, "acked"), (2, 1, "acked"), (3, 1, "sent"), (3, 2, "acked")]


def test_a_busy_link_is_tried_again_and_a_refusing_one_is_not(schema):
    busy, refused = schema.offered("compass"), schema.offered("torch")
    first, second = schema.lease()
    assert schema.ack(schema.split(first, total=1)[0], 2) == "sending"
    assert schema.lease() == []
    schema.make_due()
    assert schema.ack(schema.split(second, total=1)[0], 1) == "failed"
    (again,) = schema.lease()
    assert (again["notice"], again["attempt"]) == (first["notice"], 2)
    assert state(schema, busy) == ("sending", "due", None)
    assert state(schema, refused) == ("failed", "dead", "message_refused")
    assert ("smsc", "sms_dead", None, None, "message_refused") in schema.events(refused)
    assert schema.api("request_read", refused, None)[2]["state"] == "offered"


@pytest.mark.parametrize("report, reason", [
    (16, "message_rejected"), (2, "message_undelivered"), (32, "message_undelivered")])
def test_what_the_smsc_fails_is_tried_as_often_as_configured(schema, report, reason):
    schema.setting(notice_retries=1)
    request = schema.offered()
    first, second = schema.split(schema.lease()[0])
    for part in (first, second):
        schema.ack(part)
    assert schema.report(first, 8) == "sending"
    assert schema.report(second, report, "NACK/0x0000000b") == "sending"
    schema.make_due()
    (again,) = schema.lease()
    assert again["settled"] == [1]
    (part,) = schema.split(again)
    schema.ack(part)
    assert schema.report(part, report) == "failed"
    assert state(schema, request) == ("failed", "dead", reason)
    schema.make_due()
    assert schema.lease() == []


def test_a_message_that_is_lost_after_the_smsc_had_it_is_told(schema):
    request = schema.offered()
    (part,) = schema.split(schema.lease()[0], total=1)
    schema.ack(part)
    assert schema.report(part, 8) == "accepted"
    assert schema.report(part, 2) == "failed"
    assert state(schema, request) == ("failed", "done", "message_undelivered")


def sent_twice(schema):
    """Both attempts at the two parts of its terms: of the first nobody had heard anything."""
    first = schema.split(schema.lease()[0])
    schema.make_due()
    return first, schema.split(schema.lease()[0])


FAILURES = [
    pytest.param(lambda schema, part: schema.report(part, 2), id="undelivered"),
    pytest.param(lambda schema, part: schema.report(part, 16), id="rejected"),
    pytest.param(lambda schema, part: schema.ack(part, 1), id="refused"),
    pytest.param(lambda schema, part: schema.ack(part, 2), id="deferred")]


@pytest.mark.parametrize("fail", FAILURES)
def test_an_attempt_too_many_fails_nothing(schema, fail):
    """The SMSC has what was sent first, and wants no more of it."""
    request = schema.offered()
    first, second = sent_twice(schema)
    for part in first:
        schema.report(part, 8)
    assert state(schema, request) == ("accepted", "done", None)
    assert fail(schema, second[0]) == "accepted"
    assert state(schema, request) == ("accepted", "done", None)
    assert schema.report(first[0], 2) == "failed"


@pytest.mark.parametrize("fail", FAILURES)
def test_one_attempt_that_goes_on_is_enough(schema, fail):
    request = schema.offered()
    first, second = sent_twice(schema)
    schema.report(first[0], 8)
    assert fail(schema, second[0]) == "sending"
    assert state(schema, request) == ("sending", "due", None)
    schema.ack(second[1], 0)
    assert schema.report(second[1], 8) == "accepted"
    assert state(schema, request) == ("accepted", "done", None)


def test_what_the_smsc_has_by_now_is_not_sent_when_it_is_tried_again(schema):
    """And its work ends: it was dead when the report came."""
    request = schema.offered()
    first, second = schema.split(schema.lease()[0])
    schema.report(first, 8)
    schema.ack(second, 1)
    schema.report(second, 8)
    assert state(schema, request) == ("failed", "dead", "message_refused")
    (row,) = schema.rows("operator", "outbox_list", "{}")
    assert schema.value("operator", "outbox_revive", row["id"], None) == "changed"
    assert state(schema, request) == ("accepted", "done", None)
    assert schema.lease() == []


def test_a_part_without_any_report_is_sent_again_after_its_validity(schema):
    schema.offered()
    first, second = schema.split(schema.lease()[0])
    schema.ack(first)
    schema.ack(second)
    schema.report(second, 8)
    schema.make_due()
    assert schema.lease() == []  # bearerbox has it, and its time is not over
    assert schema.table("select due_at > now() + interval '59 minutes' as it from outbox")[0]["it"]
    schema.setting(part_validity="0 seconds")
    schema.make_due()
    (again,) = schema.lease()
    assert again["settled"] == [2]


def test_a_text_that_cannot_be_split_is_given_up(schema):
    request = schema.offered()
    (row,) = schema.lease()
    assert schema.value("smsc", "smsc_retry", row["notice"], row["token"], "link_down",
                        False) == "due"
    schema.make_due()
    (row,) = schema.lease()
    assert schema.value("smsc", "smsc_retry", row["notice"], row["token"], "message_too_long",
                        True) == "dead"
    assert state(schema, request) == ("failed", "dead", "message_too_long")


def test_the_reference_counts_per_number(schema):
    request = schema.finished("compass")
    schema.import_devices({**schema_device(schema), "msisdn": "+447700900200"})
    other = schema.offered("torch")
    refs = schema.table("select msisdn, concat_ref from notice order by id")
    assert [tuple(row.values()) for row in refs] == [
        (NUMBER, 0), (NUMBER, 1), (NUMBER, 2), ("+447700900200", 0)]
    schema.table("update number_ref set ref = 255 returning 1")
    schema.answer(other)
    assert schema.table("select concat_ref from notice order by id desc")[0]["concat_ref"] == 0
    assert request != other


def schema_device(schema):
    (row,) = schema.table("select dev, msisdn, model, given_name, family_name, postcode"
                          " from device")
    return row


def test_wording_follows_the_language(schema):
    request = schema.offered("compass", language="el")
    schema.answer(request, language="el")
    last = schema.table("select text, language from notice order by id desc limit 1")[0]
    assert last == {"text": "Αποδεχτήκατε τους όρους. Καθ' οδόν: Compass", "language": "el"}


def test_every_template_exists_in_every_language(schema):
    missing = schema.table(
        "select k.kind, l.language from (select distinct kind from template) k"
        " cross join (select distinct language from template) l"
        " except select kind, language from template")
    assert missing == []
