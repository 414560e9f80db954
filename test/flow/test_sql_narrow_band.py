"""Whom notices reach, and when: links that share the numbers, lifetimes, quiet hours, the STOP list, secrets."""

import datetime
import uuid

import psycopg2
import pytest
from harness.schema import DEV, NUMBER

SECRET = "the sealed bytes"
HOUR = datetime.timedelta(hours=1)


def notices(schema, kind=None):
    return [(row["kind"], row["state"], row["reason"]) for row in schema.table(
        "select kind, state, reason from notice where kind = coalesce(%s, kind) order by id", kind)]


def work(schema):
    return [row["state"] for row in schema.table(
        "select state from outbox where kind = 'sms' order by id")]


def make_due(schema):
    schema.table("update outbox set due_at = now() - interval '1 second' where state = 'due' returning 1")


def queue(schema, kind="status", number=NUMBER, text="news"):
    schema.table("select notice_put(null, %s, %s, 'en', %s)", number, kind, text)


def number_events(schema):
    return [(row["actor"], row["reason"]) for row in schema.table(
        "select actor, reason from event where kind = 'number' order by id")]


# Links that share the numbers


def lease(schema, link, limit=1000):
    """Numbers of which this link gets something to send."""
    return {row["msisdn"] for row in schema.rows("smsc", "smsc_lease", link, limit, HOUR)}


def numbers(n, first=0):
    return [f"+4477009{i:05}" for i in range(first, first + n)]


def test_links_share_the_numbers_and_each_keeps_its_own(schema):
    for link in "box/east", "box/west", "box/north":
        lease(schema, link, 0)
    shares = {}
    for _ in range(2):  # a number is with the same link each time
        for number in numbers(120):
            queue(schema, number=number)
        for link in "box/east", "box/west", "box/north":
            found = lease(schema, link)
            assert shares.setdefault(link, found) == found
    assert sum(map(len, shares.values())) == 120
    assert all(15 < len(share) < 80 for share in shares.values())


def test_numbers_of_a_link_that_is_away_go_to_the_others_and_come_back(schema):
    for link in "box/east", "box/west", "box/north":
        lease(schema, link, 0)
    before = {}
    for number in numbers(120):
        queue(schema, number=number)
    for link in "box/east", "box/west", "box/north":
        before[link] = lease(schema, link)
    # East is not there for longer than link_failover: only its numbers move.
    schema.table("update smsc_link set seen = now() - interval '31 seconds'"
                 " where name = 'box/east' returning 1")
    for number in numbers(120):
        queue(schema, number=number)
    west, north = lease(schema, "box/west"), lease(schema, "box/north")
    assert west | north == set(numbers(120))
    assert west > before["box/west"] and north > before["box/north"]
    # It is back, and has them again at once.
    lease(schema, "box/east", 0)
    for number in numbers(120):
        queue(schema, number=number)
    assert lease(schema, "box/west") == before["box/west"]
    assert lease(schema, "box/east") == before["box/east"]


def test_a_short_break_moves_nothing(schema):
    lease(schema, "box/east", 0)
    lease(schema, "box/west", 0)
    schema.table("update smsc_link set seen = now() - interval '25 seconds' returning 1")
    for number in numbers(60):
        queue(schema, number=number)
    assert len(lease(schema, "box/west")) < 60


def test_what_another_link_left_unacknowledged_is_sent_again_by_the_next(schema):
    schema.setting(link_failover="0 seconds")
    schema.offered()
    (leased,) = schema.rows("smsc", "smsc_lease", "box/east", 10, HOUR)
    first, second = schema.split(leased)
    schema.ack(first)
    make_due(schema)
    (again,) = schema.rows("smsc", "smsc_lease", "box/west", 10, HOUR)
    assert (again["settled"], again["concat_ref"]) == ([1], leased["concat_ref"])
    (renewed,) = schema.split(again)
    assert renewed != second
    # Reports on both attempts and through both links count.
    assert schema.report(first, 8) == "sending"
    assert schema.report(second, 8) == "accepted"
    assert [row["link"] for row in schema.table(
        "select link from notice_part order by part, attempt")] == ["box/east", "box/east", "box/west"]


def test_what_is_unreported_is_known_after_a_restart(schema):
    schema.offered()
    (leased,) = schema.rows("smsc", "smsc_lease", "box/east", 10, HOUR)
    first, second = schema.split(leased)
    schema.ack(first)
    schema.ack(second)
    schema.report(second, 8)
    (row,) = schema.rows("smsc", "smsc_unreported", "box/east", 10)
    assert row["uuid"] == first and 3500_000 < row["left_ms"] <= 3600_000
    assert schema.rows("smsc", "smsc_unreported", "box/west", 10) == []
    schema.setting(part_validity="0 seconds")
    assert schema.rows("smsc", "smsc_unreported", "box/east", 10) == []


@pytest.mark.parametrize("end", ["refused", "tried again", "dropped", "not needed"])
def test_what_bearerbox_has_counts_whatever_became_of_its_notice(schema, end):
    request = schema.offered()
    (leased,) = schema.rows("smsc", "smsc_lease", "box/east", 10, HOUR)
    first, second = schema.split(leased)
    schema.ack(first)
    (row,) = schema.table("select id from outbox where kind = 'sms'")
    if end in ("refused", "tried again"):
        schema.ack(second, 1)
    if end == "tried again":
        assert schema.value("operator", "outbox_revive", row["id"], "again") == "changed"
    if end == "dropped":
        assert schema.value("operator", "outbox_drop", row["id"], "enough") == "changed"
    if end == "not needed":
        assert schema.answer(request)[0] == 200
        make_due(schema)
        schema.rows("smsc", "smsc_lease", "box/east", 10, HOUR)
    (work,) = schema.table("select state from outbox where id = %s", row["id"])
    assert work["state"] == {"refused": "dead", "tried again": "due"}.get(end, "dropped")
    assert [row["uuid"] for row in schema.rows("smsc", "smsc_unreported", "box/east", 10)] == [first]
    schema.report(first, 8)
    assert schema.rows("smsc", "smsc_unreported", "box/east", 10) == []


# Reports


def test_a_report_says_whether_it_is_news(schema):
    def news(part, event):
        return schema.report_row(part, event)["news"]

    schema.offered()
    (part,) = schema.split(schema.lease()[0], total=1)
    assert news(str(uuid.uuid4()), 8) == "unknown"
    assert news("no uuid", 8) == "unknown"
    assert [news(part, event) for event in (8, 8, 4, 1, 1, 8, 16)] == [
        "new", "repeated", "repeated", "new", "repeated", "repeated", "repeated"]
    n = schema.table("select count(*) as n from event")
    for _ in range(20):
        assert news(part, 1) == "repeated"
    assert schema.table("select count(*) as n from event") == n


def test_the_truth_comes_late(schema):
    request = schema.offered()
    (leased,) = schema.lease()
    (part,) = schema.split(leased, total=1)
    assert schema.report(part, 16) == "failed"
    assert work(schema) == ["dead"]
    row = schema.report_row(part, 1)
    assert (row["news"], row["state"]) == ("late", "delivered")
    assert work(schema) == ["done"]
    assert [e[2:4] for e in schema.events(request) if e[1] == "notice"] == [
        ("queued", "sending"), ("sending", "failed"), ("failed", "delivered")]


def test_what_an_operator_dropped_is_not_sent_again_by_a_report(schema):
    schema.setting(notice_retries=3)
    schema.offered()
    (part,) = schema.split(schema.lease()[0], total=1)
    (row,) = schema.table("select id from outbox where kind = 'sms'")
    assert schema.value("operator", "outbox_drop", row["id"], "not wanted") == "changed"
    assert schema.report(part, 2) == "failed"
    assert work(schema) == ["dropped"]


def test_what_bearerbox_never_sent_is_sent_again(schema):
    """Its word for a part whose validity passed while the SMSC was away."""
    expired = "NACK/validity expired"
    schema.offered()
    first, second = schema.split(schema.lease()[0])
    schema.ack(first, 3)
    schema.ack(second, 3)
    schema.report(first, 8)
    assert schema.report(second, 16, expired) == "sending"
    (again,) = schema.lease()
    assert again["settled"] == [1]
    (renewed,) = schema.split(again)
    schema.ack(renewed)
    assert schema.report(second, 16, expired) == "sending"  # once more, of the first attempt
    assert schema.lease() == []
    assert schema.report(renewed, 8) == "accepted"
    assert schema.report(renewed, 16, expired) == "accepted"
    assert work(schema) == ["done"]


# Lifetimes


def test_validity_ends_with_the_use(schema):
    schema.setting(part_validity="1 hour", notice_lifetime="10 minutes")
    schema.offered()
    queue(schema)
    terms, status = schema.lease()
    assert terms["validity"] == 3600
    assert 590 <= status["validity"] <= 600


def test_what_is_of_no_use_any_more_is_not_sent(schema):
    queue(schema)
    schema.table("update notice set useful_until = now() - interval '1 second' returning 1")
    assert schema.lease() == []
    assert notices(schema) == [("status", "expired", "notice_expired")]
    assert work(schema) == ["dropped"]


def test_a_part_without_report_is_sent_again_only_while_it_is_of_use(schema):
    schema.setting(part_validity="0 seconds")
    queue(schema)
    for _ in range(2):
        (leased,) = schema.lease()
        (part,) = schema.split(leased, total=1)
        schema.ack(part)
        make_due(schema)
    schema.table("update notice set useful_until = now() - interval '1 second' returning 1")
    assert schema.lease() == []
    assert notices(schema) == [("status", "expired", "notice_expired")]
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
    assert notices(schema, "terms") == [("terms", *left)]


def test_what_an_operator_retries_is_of_use_again(schema):
    queue(schema)
    (part,) = schema.split(schema.lease()[0], total=1)
    assert schema.report(part, 16) == "failed"
    schema.table("update notice set useful_until = now() - interval '1 second' returning 1")
    (row,) = schema.table("select id from outbox where state = 'dead'")
    assert schema.value("operator", "outbox_revive", row["id"], None) == "changed"
    assert [leased["text"] for leased in schema.lease()] == ["news"]


def test_what_was_accepted_is_done_when_its_time_is_over(schema):
    schema.setting(notice_done="delivered")
    queue(schema)
    (part,) = schema.split(schema.lease()[0], total=1)
    schema.ack(part)
    schema.report(part, 8)
    schema.table("update notice set useful_until = now() - interval '1 second' returning 1")
    make_due(schema)
    assert schema.lease() == []
    assert (notices(schema), work(schema)) == ([("status", "accepted", None)], ["done"])


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
    queue(schema)
    assert [row["text"][:5] for row in schema.send_all()] == ["Terms"]
    (row,) = schema.table("select due_at - now() as wait, attempt from outbox o join notice n"
                          " on n.id = o.notice where n.kind = 'status'")
    assert datetime.timedelta(minutes=58) < row["wait"] <= HOUR and row["attempt"] == 0
    (event,) = schema.table("select reason, detail ->> 'notice_kind' as kind from event"
                            " where kind = 'notice_waits'")
    assert event == {"reason": "quiet_hours", "kind": "status"}
    # Whatever brings it back sooner, it waits on; and then it goes.
    make_due(schema)
    assert schema.lease() == []
    schema.setting(quiet_hours="none")
    make_due(schema)
    assert [row["text"] for row in schema.lease()] == ["news"]


def test_what_was_begun_is_not_torn_apart_by_the_night(at_night):
    schema = at_night
    schema.setting(quiet_hours="none")
    queue(schema)
    first, _ = schema.split(schema.lease()[0])
    schema.ack(first)
    schema.setting(quiet_hours="00:00-23:59")
    make_due(schema)
    assert [row["settled"] for row in schema.lease()] == [[1]]


def test_an_operator_says_which_kinds_wait(at_night):
    schema = at_night
    schema.setting(quiet_kinds="terms,reply")
    schema.offered()
    queue(schema)
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


@pytest.mark.parametrize("stop, start", [
    ("STOP", "START"), ("Stop.", "start"), ("STOPP", "START"), ("ΣΤΟΠ", "ΕΝΑΡΞΗ"),
    ("Διακοπή", "έναρξη"), ("СТОП", "старт"), ("stop 4711", "start")])
def test_a_subscriber_says_stop_and_start(schema, stop, start):
    assert schema.receive(stop) == ("stopped", None)
    queue(schema)
    assert notices(schema) == [("reply", "queued", None), ("status", "stopped", "number_stopped")]
    assert schema.receive(start) == ("started", None)
    queue(schema)
    assert notices(schema)[2:] == [("reply", "queued", None), ("status", "queued", None)]
    assert number_events(schema) == [("subscriber", "number_stopped"), ("subscriber", "number_allowed")]


def test_what_is_said_twice_is_answered_once(schema):
    for _ in range(3):
        assert schema.receive("STOP")[0] == "stopped"
    assert schema.receive("START", message="m1")[0] == "started"
    assert schema.receive("START", message="m1")[0] == "started"
    assert len(notices(schema)) == 2
    assert len(number_events(schema)) == 2


def test_terms_and_answers_reach_a_number_on_the_list(schema):
    schema.receive("STOP")
    request = schema.offered("compass", "unknown")
    schema.answer(request)
    assert notices(schema) == [
        ("reply", "queued", None), ("terms", "queued", None),
        ("status", "stopped", "number_stopped"), ("accepted", "queued", None)]
    assert work(schema) == ["due", "due", "dropped", "due"]


def test_what_was_queued_before_is_not_sent_after(schema):
    queue(schema)
    schema.receive("STOP")
    assert [row["text"][:20] for row in schema.lease()] == ["You will get no more"]
    assert notices(schema, "status") == [("status", "stopped", "number_stopped")]
    assert work(schema)[0] == "dropped"


def test_strangers_come_on_no_list_and_get_no_answer(schema):
    assert schema.receive("STOP", sender="+447700900999")[0] == "no_offer"
    assert schema.receive("STOP", receiver="4321")[0] == "not_allowed"
    assert schema.table("select msisdn from number_stop") == []
    assert notices(schema) == []


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


# Texts with secrets


def seal(schema):
    """The id of a notice whose text is sealed."""
    (begun,) = schema.rows("operator", "notice_begin", DEV)
    assert schema.lease() == []  # not before it has a text
    assert schema.value("operator", "notice_seal", begun["notice"], SECRET.encode()) == "queued"
    return begun["notice"]


def sealed(schema):
    (row,) = schema.table("select sealed, sealed_sha256 is not null as was from notice"
                          " where kind = 'access'")
    assert row["was"]
    return row["sealed"] and bytes(row["sealed"]).decode()


def test_a_sealed_text_is_there_until_its_last_report(schema):
    schema.setting(notice_done="delivered")
    seal(schema)
    (leased,) = schema.lease()
    assert (leased["text"], bytes(leased["sealed"])) == (None, SECRET.encode())
    (part,) = schema.split(leased, total=1)
    schema.ack(part)
    schema.report(part, 8)
    assert sealed(schema) == SECRET
    schema.report(part, 1)
    assert sealed(schema) is None


@pytest.mark.parametrize("end", ["fail", "refuse", "expire", "drop", "give_up"])
def test_a_sealed_text_goes_however_its_notice_ends(schema, end):
    notice = seal(schema)
    if end in ("fail", "refuse"):
        (part,) = schema.split(schema.lease()[0], total=1)
        if end == "fail":
            schema.report(part, 2)
        else:
            schema.ack(part, 1)
    elif end == "expire":
        schema.table("update notice set useful_until = now() returning 1")
        schema.lease()
    elif end == "drop":
        (row,) = schema.table("select id from outbox where notice = %s", notice)
        schema.value("operator", "outbox_drop", row["id"], "wrong")
    else:
        schema.lease()
        schema.setting(give_up="0 seconds")
        make_due(schema)
        schema.lease()
    assert sealed(schema) is None
    assert "due" not in work(schema)


def test_what_was_wiped_cannot_be_sent_again(schema):
    schema.setting(notice_retries=3)
    seal(schema)
    (part,) = schema.split(schema.lease()[0], total=1)
    schema.report(part, 8)
    assert work(schema) == ["done"]
    assert schema.report(part, 2) == "failed"  # a loss after the SMSC had it
    assert work(schema) == ["done"]
    schema.table("update outbox set state = 'dead' returning 1")
    (row,) = schema.table("select id from outbox")
    assert schema.value("operator", "outbox_revive", row["id"], None) == "wiped"


def test_a_receipt_that_quotes_a_secret_is_stored_without_it(schema):
    seal(schema)
    (part,) = schema.split(schema.lease()[0], total=1)
    schema.report(part, 8, f"id:7 stat:ACCEPTD err:000 Text:{SECRET[:20]}")
    assert schema.table("select answer from notice_part") == [
        {"answer": "id:7 stat:ACCEPTD err:000"}]
    (event,) = schema.table("select detail from event where to_state = 'accepted'")
    assert event["detail"]["answer"] == "id:7 stat:ACCEPTD err:000"


def test_a_text_is_given_once_and_to_devices_that_are_there(schema):
    notice = seal(schema)
    assert schema.value("operator", "notice_seal", notice, b"another") is None
    assert schema.rows("operator", "notice_begin", "urn:gsma:imei:35209900-999999-0") == []
    schema.offered()
    (terms,) = schema.table("select id from notice where kind = 'terms'")
    assert schema.value("operator", "notice_seal", terms["id"], b"another") is None
    schema.setting(messages_per_hour=1)
    with pytest.raises(psycopg2.Error):
        schema.rows("operator", "notice_begin", DEV)


def test_a_secret_may_be_what_a_number_does_not_get(schema):
    schema.setting(stop_kinds="status,access")
    schema.receive("STOP")
    (begun,) = schema.rows("operator", "notice_begin", DEV)
    assert schema.value("operator", "notice_seal", begun["notice"], b"x") == "stopped"
    assert sealed(schema) is None
    assert notices(schema, "access") == [("access", "stopped", "number_stopped")]
