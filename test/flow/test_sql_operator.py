"""What an operator imports, sees and changes."""

import re

import psycopg2
import pytest
from harness.postgres import SQL
from harness.schema import DEV, DEV2, NUMBER, device


def test_import_adds_changes_and_refuses_row_by_row(schema):
    rows = schema.import_devices(
        device(), device(language="el"), device(DEV2, "+447700900124", cred="ab" * 32),
        device("urn:gsma:imei:35209900-176148-9"), device(DEV2, "07700900124"),
        device(DEV2, "+447700900124", cred="short"), {"dev": DEV2}, "no object")
    assert [(row["n"], row["outcome"]) for row in rows] == [
        (1, "unchanged"), (2, "changed"), (3, "added"), (4, "refused"), (5, "refused"),
        (6, "refused"), (7, "refused"), (8, "refused")]
    assert [row["problem"] for row in rows[3:6]] == [
        "dev is not urn:gsma:imei:TTTTTTTT-SSSSSS-0 or urn:device-id:meid: with 14 hex digits",
        "msisdn is not + and 7 to 15 digits",
        "cred is not 64 hex digits"]
    assert [row["outcome"] for row in schema.import_devices(
        device(DEV2, "+447700900124"), device(DEV2, "+447700900124", cred=""))] == [
            "unchanged", "changed"]


def test_an_import_changes_no_standing_and_the_epoch_only_with_the_credential(schema):
    schema.finished("compass")
    epoch = schema.epoch()
    schema.import_devices(device(model="Example Two"))
    assert schema.epoch() == epoch
    schema.import_devices(device(model="Example Two", cred="ab" * 32))
    (shown,) = schema.rows("operator", "device_show", DEV)
    assert (shown["standing"], shown["cred"]) == ("active", "ab" * 32)
    assert shown["epoch"] > epoch
    assert (shown["features"], shown["number"]) == (["compass 1.4.0"], "+44*******123")
    assert schema.rows("operator", "device_show", DEV2) == []


def test_lists_filter_and_mask(schema):
    done, open_one = schema.finished("compass"), schema.offered("torch")

    def listed(filters):
        return [str(row["id"]) for row in schema.rows("operator", "request_list", filters)]

    assert listed("{}") == [open_one, done]
    assert listed('{"state": "done,failed"}') == [done]
    assert listed('{"limit": 1}') == [open_one]
    assert listed(f'{{"dev": "{DEV2}"}}') == []
    assert listed(f'{{"id": "{done}"}}') == [done]
    notices = schema.rows("operator", "notice_list", f'{{"request": "{done}"}}')
    assert [row["kind"] for row in notices] == ["status", "accepted", "terms"]
    everything = str(notices) + str(schema.rows("operator", "request_list", "{}"))
    assert NUMBER not in everything and "Terms of" not in everything


def test_the_history_of_a_device(schema):
    schema.finished("compass")
    schema.value("operator", "device_block", DEV, "reported stolen")
    events = schema.rows("operator", "device_events", DEV, 1000)
    moves = [(e["actor"], e["from_state"], e["to_state"], e["reason"])
             for e in events if e["event"] == "standing"]
    assert moves == [("server", "unprovisioned", "active", "account_opened"),
                     ("operator", "active", "blocked", "operator_decision")]
    assert events[-1]["detail"] == {"note": "reported stolen"}
    assert events[0]["event"] == "import_added"


def test_status_tells_the_counts(schema):
    schema.finished("compass")
    status = {(row["section"], row["name"]): row["value"]
              for row in schema.rows("operator", "status_read")}
    assert status["schema", "version"] == str(len(list(SQL.glob("[0-9]*.sql"))))
    assert status["requests", "done"] == "1"
    assert status["devices", "active"] == "1"
    assert status["outbox", "billing due"] == "1"


def status(schema):
    return {(row["section"], row["name"]): row["value"]
            for row in schema.rows("operator", "status_read")}


def test_of_large_tables_status_counts_what_needs_somebody_and_tells_the_rest_from_statistics(schema):
    """That it counts the rest no more is seen by a table that is said to be larger than it is."""
    schema.import_devices(*(device(f"urn:gsma:imei:35209900-{n:06d}-0") for n in range(4)))
    schema.rows("operator", "device_block", "urn:gsma:imei:35209900-000001-0", "reported stolen")
    counts = {name: n for (section, name), n in status(schema).items() if section == "devices"}
    assert counts == {"unprovisioned": "4", "blocked": "1"}
    schema.table("analyze device; update pg_class set reltuples = 1234567, relpages ="
                 " pg_relation_size(oid) / 8192 where oid = 'device'::regclass")
    counts = {name: n for (section, name), n in status(schema).items() if section == "devices"}
    assert counts == {"unprovisioned": "about 988000", "blocked": "1", "active": "under 124"}
    # Open requests are counted, too, and all of a large table are told, here without statistics.
    schema.table("delete from pg_statistic where starelid = 'request'::regclass; update pg_class set"
                 " reltuples = 500000, relpages = greatest(pg_relation_size(oid) / 8192, 1)"
                 " where oid = 'request'::regclass")
    schema.put(dev=DEV)
    now = status(schema)
    assert now["requests", "offered"] == "1" and now["requests", "done"].startswith("under ")


@pytest.mark.parametrize("key, value, is_good", [
    ("terms_lifetime", "2 seconds", True), ("terms_lifetime", "soon", False),
    ("terms_lifetime", "-1 day", False), ("part_validity", "0", False),
    ("part_validity", "59 seconds", False), ("part_validity", "1 minute", True),
    ("credential_life", "9 minutes", False), ("backoff_first", "0", False),
    ("backoff_cap", "0", False), ("backoff_cap", "1 second", True),
    ("notice_lifetime", "59 seconds", False), ("notice_lifetime", "1 minute", True),
    ("link_failover", "4 seconds", False), ("link_failover", "5 seconds", True),
    ("verification_lifetime", "59 seconds", False), ("verification_lifetime", "1 minute", True),
    ("status_interval", "0", True), ("credential_life", "300000 years", False), ("open_requests", "7", True),
    ("open_requests", "-1", False), ("open_requests", "many", False),
    ("short_code", "12345", True), ("short_code", "a word", False),
    ("mo_smsc_ids", "a,b", True), ("mo_smsc_ids", "a b", False),
    ("notice_done", "never", False), ("no_such_key", "1", False),
    ("terms_lifetime", None, False)])
def test_settings_have_a_shape(schema, key, value, is_good):
    def put():
        schema.rows("operator", "setting_put", key, value)

    if is_good:
        put()
        assert {row["key"]: row["value"] for row in schema.rows("operator", "setting_list")}[
            key] == value
    else:
        with pytest.raises(psycopg2.errors.InvalidParameterValue):
            put()


def test_every_default_is_a_good_value(schema):
    for row in schema.rows("operator", "setting_list"):
        schema.rows("operator", "setting_put", row["key"], row["value"])
        assert row["meaning"]


def test_every_reason_has_words_and_advice(schema):
    reasons = schema.rows("operator", "reason_list", None)
    assert len(reasons) > 50
    assert all(row["meaning"].endswith(".") and row["advice"].endswith(".") for row in reasons)
    (row,) = schema.rows("operator", "reason_list", "user_mismatch")
    assert row["code"] == "user_mismatch"


def test_every_refused_certificate_in_a_log_can_be_looked_up(schema):
    table = (SQL.parents[1] / "base" / "tls.c").read_text().split("failure_names[")[1].split("};")[0]
    names = set(re.findall(r'= "(\w+)"', table))
    assert len(names) > 10
    assert names <= {row["code"] for row in schema.rows("operator", "reason_list", None)}


def test_versions_are_recorded_with_their_digest(schema):
    listed = schema.rows("operator", "schema_list")
    assert [row["name"] for row in listed] == sorted(p.name for p in SQL.glob("[0-9]*.sql"))
    assert [row["version"] for row in listed] == list(range(1, len(listed) + 1))
