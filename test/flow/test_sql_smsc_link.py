"""What links ask of the database: numbers that they share, and what reports are worth."""

import datetime
import uuid

import pytest

HOUR = datetime.timedelta(hours=1)


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
            schema.queue(number=number)
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
        schema.queue(number=number)
    for link in "box/east", "box/west", "box/north":
        before[link] = lease(schema, link)
    # East is not there for longer than link_failover: only its numbers move.
    schema.table("update smsc_link set seen = now() - interval '31 seconds'"
                 " where name = 'box/east' returning 1")
    for number in numbers(120):
        schema.queue(number=number)
    west, north = lease(schema, "box/west"), lease(schema, "box/north")
    assert west | north == set(numbers(120))
    assert west > before["box/west"] and north > before["box/north"]
    # It is back, and has them again at once.
    lease(schema, "box/east", 0)
    for number in numbers(120):
        schema.queue(number=number)
    assert lease(schema, "box/west") == before["box/west"]
    assert lease(schema, "box/east") == before["box/east"]


def test_a_short_break_moves_nothing(schema):
    lease(schema, "box/east", 0)
    lease(schema, "box/west", 0)
    schema.table("update smsc_link set seen = now() - interval '25 seconds' returning 1")
    for number in numbers(60):
        schema.queue(number=number)
    assert len(lease(schema, "box/west")) < 60


def test_what_another_link_left_unacknowledged_is_sent_again_by_the_next(schema):
    schema.setting(link_failover="0 seconds")
    schema.offered()
    (leased,) = schema.rows("smsc", "smsc_lease", "box/east", 10, HOUR)
    first, second = schema.split(leased)
    schema.ack(first)
    schema.make_due()
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
        schema.make_due()
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
    assert schema.work() == ["dead"]
    row = schema.report_row(part, 1)
    assert (row["news"], row["state"]) == ("late", "delivered")
    assert schema.work() == ["done"]
    assert [e[2:4] for e in schema.events(request) if e[1] == "notice"] == [
        ("queued", "sending"), ("sending", "failed"), ("failed", "delivered")]


def test_what_an_operator_dropped_is_not_sent_again_by_a_report(schema):
    schema.setting(notice_retries=3)
    schema.offered()
    (part,) = schema.split(schema.lease()[0], total=1)
    (row,) = schema.table("select id from outbox where kind = 'sms'")
    assert schema.value("operator", "outbox_drop", row["id"], "not wanted") == "changed"
    assert schema.report(part, 2) == "failed"
    assert schema.work() == ["dropped"]


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
    assert schema.work() == ["done"]
