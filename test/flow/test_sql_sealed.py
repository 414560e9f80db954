"""Texts with secrets: sealed in the row, and wiped at the last report."""

import psycopg2
import pytest
from harness.schema import DEV

SECRET = "the sealed bytes"


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
        schema.make_due()
        schema.lease()
    assert sealed(schema) is None
    assert "due" not in schema.work()


def test_what_was_wiped_cannot_be_sent_again(schema):
    schema.setting(notice_retries=3)
    seal(schema)
    (part,) = schema.split(schema.lease()[0], total=1)
    schema.report(part, 8)
    assert schema.work() == ["done"]
    assert schema.report(part, 2) == "failed"  # a loss after the SMSC had it
    assert schema.work() == ["done"]
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
    assert schema.notices("access") == [("access", "stopped", "number_stopped")]
