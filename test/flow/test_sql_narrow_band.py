"""Whom notices reach, and when: lifetimes, quiet hours, the STOP list."""

import datetime

import psycopg2
import pytest
from harness.schema import DEV, NUMBER

HOUR = datetime.timedelta(hours=1)


# Lifetimes


def test_validity_ends_with_the_use(schema):
    schema.setting(part_validity="1 hour", notice_lifetime="10 minutes")
    schema.offered()
    schema.queue()
    terms, status = schema.lease()
    assert terms["validity"] == 3600
    assert 590 <= status["validity"] <= 600


def test_what_is_of_no_use_any_more_is_not_sent(schema):
    schema.queue()
    schema.table("update notice set useful_until = now() - interval '1 second' returning 1")
    assert schema.lease() == []
    assert schema.notices() == [("status", "expired", "notice_expired")]
    assert schema.work() == ["dropped"]


def test_a_part_without_report_is_sent_again_only_while_it_is_of_use(schema):
    schema.setting(part_validity="0 seconds")
    schema.queue()
    for _ in range(2):
        (leased,) = schema.lease()
        (part,) = schema.split(leased, total=1)
        schema.ack(part)
        schema.make_due()
    schema.table("update notice set useful_until = now() - interval '1 second' returning 1")
    assert schema.lease() == []
    assert schema.notices() == [("status", "expired", "notice_expired")]
    assert schema.report(part, 8) == "accepted"  # after all


@pytest.mark.parametrize("end, left", [
    ("answer", ("expired", "notice_not_needed")), ("cancel", ("failed", "withdrawn"))])
def test_terms_are_not_sent_after_their_end(schema, end, left):
    request = schema.offered()
    if end == "answer":
        schema.answer(request)
    else:
        schema.value("operator", "request_cancel", DEV, request, None)
    assert [row["text"] for row in schema.lease() if "Reply YES" in row["text"]] == []
    assert schema.notices("terms") == [("terms", *left)]


def test_what_an_operator_retries_is_of_use_again(schema):
    schema.queue()
    (part,) = schema.split(schema.lease()[0], total=1)
    assert schema.report(part, 16) == "failed"
    schema.table("update notice set useful_until = now() - interval '1 second' returning 1")
    (row,) = schema.table("select id from outbox where state = 'dead'")
    assert schema.value("operator", "outbox_revive", row["id"], None) == "changed"
    assert [leased["text"] for leased in schema.lease()] == ["news"]


def test_what_was_accepted_is_done_when_its_time_is_over(schema):
    schema.setting(notice_done="delivered")
    schema.queue()
    (part,) = schema.split(schema.lease()[0], total=1)
    schema.ack(part)
    schema.report(part, 8)
    schema.table("update notice set useful_until = now() - interval '1 second' returning 1")
    schema.make_due()
    assert schema.lease() == []
    assert (schema.notices(), schema.work()) == ([("status", "accepted", None)], ["done"])


# Quiet hours


@pytest.mark.parametrize("hours, zone, now, until", [
    ("none", "UTC", "2026-01-10 23:00+00", None),
    ("21:00-07:30", "UTC", "2026-01-10 20:59:59+00", None),
    ("21:00-07:30", "UTC", "2026-01-10 21:00+00", "2026-01-11 07:30+00"),
    ("21:00-07:30", "UTC", "2026-01-11 00:00+00", "2026-01-11 07:30+00"),
    ("21:00-07:30", "UTC", "2026-01-11 07:29:59+00", "2026-01-11 07:30+00"),
    ("21:00-07:30", "UTC", "2026-01-11 07:30+00", None),
    ("12:00-14:00", "UTC", "2026-01-10 13:00+00", "2026-01-10 14:00+00"),
    ("12:00-12:00", "UTC", "2026-01-10 12:00+00", None),
    # The night of the subscribers, not of the server.
    ("22:00-07:00", "Asia/Tokyo", "2026-01-10 14:00+00", "2026-01-10 22:00+00"),
    ("22:00-07:00", "America/New_York", "2026-01-11 02:59+00", None),
    # The night in which clocks are put forward is an hour shorter, and back an hour longer.
    ("22:00-07:00", "Europe/London", "2026-03-28 23:00+00", "2026-03-29 06:00+00"),
    ("22:00-07:00", "Europe/London", "2026-10-24 22:00+00", "2026-10-25 07:00+00"),
    # 01:30 is not there on that day.
    ("22:00-01:30", "Europe/London", "2026-03-28 23:00+00", "2026-03-29 01:30+00"),
])
def test_quiet_hours_are_those_of_a_wall_clock(schema, hours, zone, now, until):
    schema.setting(quiet_hours=hours, quiet_zone=zone)
    (row,) = schema.table("select quiet_until(%s::timestamptz) as found, %s::timestamptz as wanted",
                          now, until)
    assert row["found"] == row["wanted"]


@pytest.fixture
def at_night(schema):
    """It is quiet from an hour ago until in an hour."""
    (row,) = schema.table("select to_char(now() at time zone 'UTC' - interval '1 hour', 'HH24:MI')"
                          " || '-' || to_char(now() at time zone 'UTC' + interval '1 hour', 'HH24:MI')"
                          " as hours")
    schema.setting(quiet_hours=row["hours"])
    return schema


def test_what_is_not_urgent_waits_for_the_morning(at_night):
    schema = at_night
    schema.offered()
    schema.queue()
    assert [row["text"][:5] for row in schema.send_all()] == ["Terms"]
    (row,) = schema.table("select due_at - now() as wait, attempt from outbox o join notice n"
                          " on n.id = o.notice where n.kind = 'status'")
    assert datetime.timedelta(minutes=58) < row["wait"] <= HOUR and row["attempt"] == 0
    (event,) = schema.table("select reason, detail ->> 'notice_kind' as kind from event"
                            " where kind = 'notice_waits'")
    assert event == {"reason": "quiet_hours", "kind": "status"}
    # Whatever brings it back sooner, it waits on; and then it goes.
    schema.make_due()
    assert schema.lease() == []
    schema.setting(quiet_hours="none")
    schema.make_due()
    assert [row["text"] for row in schema.lease()] == ["news"]


def test_what_was_begun_is_not_torn_apart_by_the_night(at_night):
    schema = at_night
    schema.setting(quiet_hours="none")
    schema.queue()
    first, _ = schema.split(schema.lease()[0])
    schema.ack(first)
    schema.setting(quiet_hours="00:00-23:59")
    schema.make_due()
    assert [row["settled"] for row in schema.lease()] == [[1]]


def test_an_operator_says_which_kinds_wait(at_night):
    schema = at_night
    schema.setting(quiet_kinds="terms,reply")
    schema.offered()
    schema.queue()
    assert [row["text"] for row in schema.lease()] == ["news"]


@pytest.mark.parametrize("key, value", [
    ("quiet_hours", "21-7"), ("quiet_hours", "21:00-24:00"), ("quiet_hours", "21:00"),
    ("quiet_zone", "Europe/Nowhere"), ("quiet_kinds", "everything"), ("stop_kinds", "terms"),
    ("stop_kinds", "status,reply")])
def test_a_setting_that_would_do_harm_is_refused(schema, key, value):
    with pytest.raises(psycopg2.Error) as refused:
        schema.rows("operator", "setting_put", key, value)
    assert refused.value.pgcode == "22023"


# The STOP list


def number_events(schema):
    return [(row["actor"], row["reason"]) for row in schema.table(
        "select actor, reason from event where kind = 'number' order by id")]


@pytest.mark.parametrize("stop, start", [
    ("STOP", "START"), ("Stop.", "start"), ("STOPP", "START"), ("ΣΤΟΠ", "ΕΝΑΡΞΗ"),
    ("Διακοπή", "έναρξη"), ("СТОП", "старт"), ("stop 4711", "start")])
def test_a_subscriber_says_stop_and_start(schema, stop, start):
    assert schema.receive(stop) == ("stopped", None)
    schema.queue()
    assert schema.notices() == [("reply", "queued", None), ("status", "stopped", "number_stopped")]
    assert schema.receive(start) == ("started", None)
    schema.queue()
    assert schema.notices()[2:] == [("reply", "queued", None), ("status", "queued", None)]
    assert number_events(schema) == [("subscriber", "number_stopped"), ("subscriber", "number_allowed")]


def test_what_is_said_twice_is_answered_once(schema):
    for _ in range(3):
        assert schema.receive("STOP")[0] == "stopped"
    assert schema.receive("START", message="m1")[0] == "started"
    assert schema.receive("START", message="m1")[0] == "started"
    assert len(schema.notices()) == 2
    assert len(number_events(schema)) == 2


def test_terms_and_answers_reach_a_number_on_the_list(schema):
    schema.receive("STOP")
    request = schema.offered("compass", "unknown")
    schema.answer(request)
    assert schema.notices() == [
        ("reply", "queued", None), ("terms", "queued", None),
        ("status", "stopped", "number_stopped"), ("accepted", "queued", None)]
    assert schema.work() == ["due", "due", "dropped", "due"]


def test_what_was_queued_before_is_not_sent_after(schema):
    schema.queue()
    schema.receive("STOP")
    assert [row["text"][:20] for row in schema.lease()] == ["You will get no more"]
    assert schema.notices("status") == [("status", "stopped", "number_stopped")]
    assert schema.work()[0] == "dropped"


def test_strangers_come_on_no_list_and_get_no_answer(schema):
    assert schema.receive("STOP", sender="+447700900999")[0] == "no_offer"
    assert schema.receive("STOP", receiver="4321")[0] == "not_allowed"
    assert schema.table("select msisdn from number_stop") == []
    assert schema.notices() == []


def test_a_stop_ends_no_offer(schema):
    request = schema.offered()
    schema.send_all()
    assert schema.receive("STOP")[0] == "stopped"
    assert schema.receive("YES") == ("accepted", request)


def test_the_confirmation_is_in_the_language_of_the_number(schema):
    schema.offered(language="el")
    schema.receive("STOP")
    (row,) = schema.table("select language, text from notice where kind = 'reply'")
    assert row["language"] == "el" and row["text"].startswith("Δεν θα")


def test_an_operator_edits_the_list(schema):
    def put(function, number, note=None):
        return schema.value("operator", function, number, note)

    def listed(number=None):
        return [(row["number"], row["actor"]) for row in
                schema.rows("operator", "number_stop_list", number)]

    assert put("number_stop_put", NUMBER, "called us") is True
    assert put("number_stop_put", NUMBER) is False
    assert listed() == [(NUMBER[:3] + "*" * 7 + NUMBER[-3:], "operator")]
    assert listed(NUMBER) and listed("+447700900999") == []
    assert put("number_stop_drop", NUMBER) is True
    assert put("number_stop_drop", NUMBER) is False
    assert listed() == []
    assert number_events(schema) == [("operator", "number_stopped"), ("operator", "number_allowed")]
    with pytest.raises(psycopg2.Error):
        put("number_stop_put", "07700 900123")
