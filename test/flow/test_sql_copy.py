"""Copies of the terms: to which addresses, with what in them, and that they change nothing."""

import datetime
import email.utils
import json

import psycopg2
import pytest
from harness.schema import DEV, NUMBER, TERMS, device, digest, request_key

EMAIL, FAX = "ada.lovelace@example.com", "+447700900321"


def copies(schema):
    return schema.table("select kind, key, payload from outbox where kind in ('mail', 'hook')"
                        " order by kind")


def lease_copies(schema):
    return schema.rows("server", "outbox_lease", ["mail", "hook"], "courier-1", 10,
                       datetime.timedelta(minutes=1))


def test_terms_go_to_the_addresses_of_the_record(schema):
    schema.import_devices(device(email=EMAIL, fax=FAX))
    request = schema.offered()
    hook, mail = copies(schema)
    head = f"{request_key(request)}/terms/"
    assert (hook["key"], mail["key"]) == (head + "fax", head + "mail")
    sha256 = digest(TERMS["en"].encode()).hex()
    assert hook["payload"].pop("made").endswith("Z")
    assert hook["payload"] == {
        "v": 1, "document": "terms", "request": request, "to": {"fax": FAX}, "language": "en",
        "version": "2026-11", "sha256": sha256, "text": TERMS["en"]}
    assert email.utils.parsedate_to_datetime(mail["payload"].pop("date"))
    text, note = mail["payload"].pop("text").split("\n\n-- \n")
    assert text == TERMS["en"] and "2026-11" in note and sha256 in note
    assert mail["payload"] == {"to": EMAIL, "language": "en", "subject": "The terms of your order"}
    story = schema.rows("operator", "request_show", DEV, request)
    told = {row["event"]: row["detail"] for row in story if row["event"].endswith("_queued")}
    assert (told["mail_queued"], told["hook_queued"]) == (
        {"address": "a***@example.com"}, {"fax": "+44*******321"})
    said = [{name: value for name, value in row.items() if name != "at"} for row in story]
    for secret in (EMAIL, FAX, schema.code(request)):
        assert secret not in json.dumps(said, default=str)
    assert f" {schema.code(request)}" not in json.dumps([hook["payload"], mail["payload"]])


def test_a_copy_is_in_the_language_of_its_terms(schema):
    schema.import_devices(device(email=EMAIL))
    schema.offered(language="el")
    (mail,) = copies(schema)
    assert mail["payload"]["subject"] == "Οι όροι της παραγγελίας σας"
    assert mail["payload"]["text"].startswith(TERMS["el"])
    assert (mail["payload"]["language"], "έκδοση 2026-11" in mail["payload"]["text"]) == ("el", True)


def test_copies_that_still_wait_are_withdrawn_with_the_request(schema):
    schema.import_devices(device(email=EMAIL, fax=FAX))
    request = schema.offered()
    assert schema.value("operator", "request_cancel", DEV, request, None) == "cancelled"
    assert schema.table("select distinct state, reason from outbox where kind in ('mail', 'hook')"
                        ) == [{"state": "dropped", "reason": "withdrawn"}]


@pytest.mark.parametrize("end", [
    lambda schema, request: schema.answer(request, "decline"),
    lambda schema, request: schema.receive("YES 1")], ids=["declined", "refused"])
def test_copies_of_terms_that_were_not_accepted_are_not_sent_later(schema, end):
    """The mail server was away when it mattered."""
    schema.setting(wrong_codes=1, backoff_first="0 seconds")
    schema.import_devices(device(email=EMAIL, fax=FAX))
    request = schema.offered()
    for row in lease_copies(schema):
        schema.value("server", "outbox_retry", row["id"], row["token"], "effect_failed", False)
    end(schema, request)
    assert lease_copies(schema) == []
    assert schema.table("select distinct state, reason from outbox where kind in ('mail', 'hook')"
                        ) == [{"state": "dropped", "reason": "withdrawn"}]
    assert ("courier", "mail_withdrawn", None, None, "withdrawn") in schema.events(request)


def test_copies_of_accepted_terms_are_sent_however_late(schema):
    schema.import_devices(device(email=EMAIL, fax=FAX))
    schema.finished("compass")
    assert len(lease_copies(schema)) == 2


def test_without_an_address_there_is_no_copy(schema):
    schema.offered()
    assert copies(schema) == []


def test_what_a_user_types_is_no_address(schema):
    """Members that are not documented are refused by the server; here they are ignored."""
    schema.put(schema.body(email="eve@example.com", fax=FAX))
    assert copies(schema) == []


def test_an_address_is_kept_changed_and_taken_away(schema):
    def known():
        shown = schema.row("operator", "device_show", DEV)
        return shown["email"], shown["fax"]

    schema.import_devices(device(email=EMAIL, fax=FAX))
    assert known() == ("a***@example.com", "+44*******321")
    assert schema.import_devices(device())[0]["outcome"] == "unchanged"
    assert schema.import_devices(device(email="eve@example.org"))[0]["outcome"] == "changed"
    assert known() == ("e***@example.org", "+44*******321")
    schema.import_devices(device(email="", fax=""))
    assert known() == (None, None)


@pytest.mark.parametrize("address", [
    "a@example.com", "a.b+c@mail.example.com", "o'hara@example.com", "a" * 64 + "@example.com",
    "1@a-b.example"])
def test_good_addresses(schema, address):
    assert schema.import_devices(device(email=address))[0]["outcome"] == "changed"


@pytest.mark.parametrize("address", [
    "a", "a@", "@example.com", "a@b", "a@example.com\nBcc: eve@example.org", "a b@example.com",
    "a@example.com ", "<a@example.com>", "a@example.com,b@example.com", '"a"@example.com',
    "a..b@example.com", ".a@example.com", "a.@example.com", "a@-example.com", "a@[192.0.2.1]",
    "ä@example.com", "a@exämple.com", "a" * 65 + "@example.com", "a@" + "b." * 130 + "com", 7])
def test_bad_addresses(schema, address):
    (row,) = schema.import_devices(device(email=address))
    assert (row["outcome"], row["problem"]) == ("refused", "email is no address")
    if isinstance(address, str):
        with pytest.raises(psycopg2.errors.CheckViolation):
            schema.table("update device set email = %s", address)


@pytest.mark.parametrize("number", [NUMBER[1:], "+44 7700", "fax", 7])
def test_bad_fax_numbers(schema, number):
    (row,) = schema.import_devices(device(fax=number))
    assert (row["outcome"], row["problem"]) == ("refused", "fax is not + and 7 to 15 digits")
