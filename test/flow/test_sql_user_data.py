"""What is held of a person is told, and erased: no byte of it is in a dump afterwards."""

import datetime
import json
import subprocess

import psycopg2
import pytest
from harness import paths
from harness.schema import DEV, DEV2, NUMBER, device

# What is looked for in a dump of the database.
FORMER, FAX = "+447700900155", "+447700900156"
CANARIES = {
    "number": NUMBER[1:], "former": FORMER[1:], "fax": FAX[1:], "given": "Zerubbabel",
    "family": "Quillfeather", "postcode": "ZQ9 7XJ", "email": "quill@example.com",
    "reference": "acct-billed-77", "open": "acct-never-billed-78", "note": "quill-note",
    "report": "quill-report", "failure": "quill-failure", "said": "quill-said",
    "stray": "quill-stray"}
PERSON = {"given_name": CANARIES["given"], "family_name": CANARIES["family"],
          "postcode": CANARIES["postcode"]}
MINUTE = datetime.timedelta(minutes=1)


def record(dev=DEV, number=NUMBER):
    return device(dev, number, **PERSON, email=CANARIES["email"], fax=FAX)


def order(schema, *items, reference=CANARIES["reference"], dev=DEV):
    return schema.offered(*items, reference=reference, dev=dev, **PERSON)


def live_through(schema):
    """Everything that leaves something of a person; the request that is done, and an open one."""
    schema.import_devices(record(number=FORMER))
    done = order(schema, "compass")
    schema.import_devices(record())
    for leased in schema.lease():
        for part in schema.split(leased):
            schema.ack(part)
            schema.report(part, 8, CANARIES["report"])
    schema.receive(f"Yes {schema.code(done)}", sender=FORMER)
    schema.result(done, "compass")
    failed = order(schema, "torch")
    schema.answer(failed)
    schema.result(failed, "torch", "failed", None, CANARIES["said"])
    mail = schema.row("server", "outbox_lease", ["mail"], "w", 1, MINUTE)
    schema.value("server", "outbox_retry", mail["id"], mail["token"], CANARIES["failure"], True)
    schema.receive(CANARIES["stray"])
    schema.receive("STOP")
    schema.value("operator", "device_block", DEV, CANARIES["note"])
    schema.value("operator", "device_unblock", DEV)
    schema.value("operator", "notice_seal", schema.row("operator", "notice_begin", DEV)["notice"],
                 b"sealed")
    return done, order(schema, "voice-mail", reference=CANARIES["open"])


def dump(schema):
    """All data of the database, but for the key that pg_dump draws for each run."""
    text = subprocess.run([paths.POSTGRES / "pg_dump", schema.database.dsn("postgres")],
                          check=True, capture_output=True, text=True).stdout
    return "\n".join(line for line in text.splitlines() if "restrict " not in line)


def found(text, canaries=None):
    return {name for name in canaries or CANARIES if CANARIES[name].lower() in text.lower()}


def erase(schema, who=DEV, is_cancelling=False):
    return schema.row("operator", "user_erase", who, is_cancelling, "grace")


def agreement(schema, request):
    return schema.row("operator", "agreement_read", DEV, request)


def test_nothing_of_a_person_is_left(schema):
    done, open_one = live_through(schema)
    proof = agreement(schema, done)
    assert found(dump(schema)) == set(CANARIES)
    row = erase(schema, is_cancelling=True)
    assert (row["outcome"], row["devices"], row["requests"], row["messages"]) == (
        "erased", 1, 3, 3)
    left = dump(schema)
    # What billing was told, and nothing of it but the reference. Not even a masked number.
    assert found(left) == {"reference"} and "*****" not in left
    (billed,) = schema.table("select payload #>> '{data,accounting_reference}' as reference"
                             " from outbox where kind = 'billing'")
    assert billed["reference"] == CANARIES["reference"]
    after = agreement(schema, done)
    kept = {"answer", "at", "channel", "how", "language", "terms_version", "terms_sha256", "text",
            "is_intact"}
    assert {name: after[name] for name in kept} == {name: proof[name] for name in kept}
    assert set(after["source"]) == {"message", "smsc", "short_code"}
    assert [row["state"] for row in schema.table("select state from request order by rid")] == [
        "done", "failed", "cancelled"]


def test_the_erasure_is_told_without_the_data(schema):
    live_through(schema)
    erase(schema, is_cancelling=True)
    (event,) = schema.table("select * from event where kind = 'user_erased'")
    assert (event["dev"], event["actor"], event["reason"]) == (DEV, "operator", "user_erased")
    assert event["detail"] | {"notices": 0} == {
        "by": "grace", "requests": 3, "notices": 0, "messages": 3, "is_cancelled": True}


def test_nothing_more_is_sent(schema):
    live_through(schema)
    erase(schema, is_cancelling=True)
    assert schema.lease() == []
    assert schema.rows("server", "outbox_lease", ["mail", "hook", "verify"], "w", 9, MINUTE) == []
    assert len(schema.rows("server", "outbox_lease", ["billing"], "w", 9, MINUTE)) == 1
    assert {row["state"] for row in schema.table(
        "select state from outbox where kind <> 'billing'")} <= {"done", "dropped"}


def test_a_notice_that_waited_for_its_text_is_not_sent(schema):
    schema.import_devices(record())
    notice = schema.row("operator", "notice_begin", DEV)["notice"]
    erase(schema)
    assert schema.value("operator", "notice_seal", notice, b"sealed") is None
    assert schema.table("select 1 from outbox where notice = %s", notice) == []


def test_what_comes_late_brings_nothing_back(schema):
    """A report of what was sent before, an answer, and dead work that is looked for."""
    schema.import_devices(record())
    order(schema)
    (leased,) = schema.lease()
    parts = schema.split(leased)
    mail = schema.row("server", "outbox_lease", ["mail"], "w", 1, MINUTE)
    erase(schema, is_cancelling=True)
    row = schema.report_row(parts[0], 2, CANARIES["report"])
    assert row == {"news": "unknown", "state": None}
    assert schema.value("smsc", "smsc_retry", leased["notice"], leased["token"],
                        CANARIES["failure"], True) is None
    assert schema.value("server", "outbox_retry", mail["id"], mail["token"],
                        CANARIES["failure"], True) is None
    assert schema.row("operator", "notice_resend", leased["notice"], None, "x") == {
        "outcome": "erased", "notice": None}
    assert schema.row("operator", "notice_show", leased["notice"], True, "x")["content"] == "erased"
    assert found(dump(schema)) == set()


def test_the_next_subscriber_of_the_device_is_verified(schema):
    schema.finished("compass")
    erase(schema)
    (shown,) = schema.rows("operator", "device_show", DEV)
    assert (shown["standing"], shown["account"], shown["number"], shown["features"]) == (
        "unprovisioned", None, None, ["compass 1.4.0"])
    assert schema.put()[2]["reason"] == "user_mismatch"
    schema.import_devices(device(given_name="Alan"))
    assert schema.put()[2]["reason"] == "user_mismatch"
    assert schema.put(schema.body(given_name="Alan"))[2]["state"] == "offered"


def test_a_device_that_was_stopped_comes_back_without_its_account(schema):
    schema.finished("compass")
    schema.value("operator", "device_block", DEV, None)
    erase(schema)
    schema.value("operator", "device_unblock", DEV)
    assert schema.row("operator", "device_show", DEV)["standing"] == "unprovisioned"


def test_an_open_request_refuses_the_erasure(schema):
    live_through(schema)
    before = dump(schema)
    assert erase(schema) == {"outcome": "open", "devices": None, "requests": 1, "notices": None,
                             "messages": None}
    assert dump(schema) == before


def test_a_number_that_another_device_has_is_left_to_it(schema):
    schema.import_devices(record(), device(DEV2))
    mine, other = order(schema), schema.offered(dev=DEV2)
    schema.send_all()
    schema.receive(f"NO {schema.code(mine)}", message="m-mine")
    schema.receive("what?", message="m-nobody")
    schema.value("operator", "number_stop_put", NUMBER, None)
    assert erase(schema)["outcome"] == "erased"
    assert [row["dev"] for row in schema.table(
        "select dev from notice where msisdn is not null")] == [DEV2] * len(
            schema.table("select 1 from notice where dev = %s", DEV2))
    assert schema.table("select id, sender from mo order by id") == [
        {"id": "m-mine", "sender": None}, {"id": "m-nobody", "sender": NUMBER}]
    assert len(schema.rows("operator", "number_stop_list", NUMBER)) == 1
    assert schema.table("select r.id::text from offer o join request r on r.rid = o.request"
                        " where o.msisdn is not null") == [{"id": other}]
    assert found(dump(schema), ["given", "family", "postcode", "email", "fax"]) == set()


def test_a_number_is_erased_with_all_its_devices(schema):
    schema.import_devices(record(), record(DEV2))
    for dev in DEV, DEV2:
        order(schema, dev=dev)
    row = erase(schema, NUMBER, is_cancelling=True)
    assert (row["devices"], row["requests"]) == (2, 2)
    assert found(dump(schema)) == set()
    assert erase(schema, NUMBER)["outcome"] is None


def test_a_number_without_a_device_is_erased_alone(schema):
    stranger = "+447700900188"
    schema.receive(CANARIES["stray"], sender=stranger)
    schema.value("operator", "number_stop_put", "+447700900189", None)
    assert erase(schema, stranger)["messages"] == 1
    assert erase(schema, "+447700900189")["outcome"] == "erased"
    text = dump(schema)
    assert stranger[1:] not in text and "447700900189" not in text and not found(text, ["stray"])
    assert erase(schema, "+447700900190")["outcome"] is None
    assert erase(schema, DEV2)["outcome"] is None
    assert schema.table("select dev from event where kind = 'user_erased'") == [
        {"dev": None}, {"dev": None}]


# The legal record

@pytest.mark.parametrize("change", [
    "update acceptance set source = source - 'number'",
    "insert into erasure (by) values ('x'); update acceptance set answer = 'accept'",
    "insert into erasure (by) values ('x'); update acceptance set source = '{}'",
    "insert into erasure (by) values ('x'); delete from acceptance",
    "insert into erasure (xid, by) values ('1', 'x');"
    " update acceptance set source = source_kept(source)"])
def test_only_an_erasure_changes_a_record(schema, change):
    """And only its source, to what an erasure leaves of it."""
    request = schema.offered()
    schema.send_all()
    schema.receive("no")
    before = agreement(schema, request)
    with pytest.raises(psycopg2.Error) as error:
        schema.table(f"set role provbox_owner; {change}")
    assert error.value.pgcode == "PB003"
    assert agreement(schema, request) == before


# Export

def test_all_that_is_held_is_told(schema):
    done, open_one = live_through(schema)
    told = schema.value("operator", "user_export", DEV, "grace")
    assert found(json.dumps(told)) == set(CANARIES)
    assert [request["id"] for request in told["requests"]][::2] == [done, open_one]
    assert {name: len(rows) for name, rows in told.items() if name in (
        "devices", "accounts", "offers", "answers", "messages", "stop_list")} == {
            "devices": 1, "accounts": 1, "offers": 3, "answers": 2, "messages": 3, "stop_list": 1}
    assert any(notice["is_sealed"] for notice in told["notices"])
    (event,) = schema.table("select dev, detail from event where kind = 'user_exported'")
    assert event == {"dev": DEV, "detail": {"by": "grace"}}
    by_number = schema.value("operator", "user_export", NUMBER, "grace")
    assert {name: by_number[name] for name in ("requests", "notices", "messages", "answers")} == {
        name: told[name] for name in ("requests", "notices", "messages", "answers")}


def test_what_is_billed_in_files_is_told_too(schema):
    schema.import_devices(device(DEV2, "+447700900124"))
    schema.setting(billing_delivery="file", billing_file_interval="0 seconds")
    told = []
    for items in ["compass"], ["torch"]:
        told.append(schema.finished(*items))
        if not told[1:]:
            schema.value("server", "billing_file_cut")
    billed = schema.value("operator", "user_export", DEV, "x")["billed"]
    assert sorted(row["event"]["subject"] for row in billed) == sorted(told)
    assert schema.value("operator", "user_export", DEV2, "x")["billed"] == []


def test_an_export_keeps_to_one_person(schema):
    schema.import_devices(device(DEV2, "+447700900124", **PERSON))
    order(schema, dev=DEV2)
    schema.offered()
    assert found(json.dumps(schema.value("operator", "user_export", DEV, "x")),
                 ["given", "family", "postcode"]) == set()
    assert schema.value("operator", "user_export", "+447700900190", "x") is None
    assert schema.value("operator", "user_export", "nobody", "x") is None


def test_what_an_export_tells_after_an_erasure(schema):
    live_through(schema)
    erase(schema, is_cancelling=True)
    told = schema.value("operator", "user_export", DEV, "x")
    assert found(json.dumps(told)) == {"reference"}
    assert told["messages"] == [] and told["accounts"] == [] and len(told["answers"]) == 2
