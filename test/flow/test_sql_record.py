"""The legal record of an answer: text, version, hash, when, how and from where, for ever."""

import psycopg2
import pytest
from harness.schema import DEV, TERMS, digest, manifest


def agreement(schema, request):
    return schema.row("operator", "agreement_read", DEV, request)


def test_each_way_of_answering_is_told_apart(schema):
    requests = {how: schema.offered(item) for how, item in
                (("code", "compass"), ("online", "torch"), ("bare", "voice-mail"))}
    schema.send_all()
    schema.receive(f"NO {schema.code(requests['code'])}", message="m-1")
    schema.answer(requests["online"])
    schema.receive("Yes.", message="m-2")
    told = {how: agreement(schema, request) for how, request in requests.items()}
    assert {how: (row["answer"], row["channel"], row["how"]) for how, row in told.items()} == {
        "code": ("decline", "narrow_band", "code"), "online": ("accept", "wide_band", "online"),
        "bare": ("accept", "narrow_band", "bare")}
    assert told["bare"]["source"] == {"number": "+44*******123", "message": "m-2", "smsc": "sim",
                                      "short_code": "1234", "said": "Yes."}


def test_the_text_is_the_one_that_was_offered(schema):
    """Whatever the catalogue says by now."""
    request = schema.offered(language="el")
    schema.load(manifest(terms={"en": "Other terms.", "el": "Άλλοι όροι."}), [])
    schema.answer(request, language="el")
    told = agreement(schema, request)
    assert (told["language"], told["terms_version"], told["text"], told["is_intact"]) == (
        "el", "2026-11", TERMS["el"], True)
    assert told["terms_sha256"] == digest(TERMS["el"].encode()).hex()


def test_no_answer_no_record(schema):
    assert schema.rows("operator", "agreement_read", DEV, schema.offered()) == []


@pytest.mark.parametrize("change", [
    "update acceptance set answer = 'decline'", "delete from acceptance",
    "truncate acceptance", "update terms set version = '2027-01'", "delete from terms",
    "truncate terms cascade"])
def test_the_record_is_never_changed(schema, change):
    """Not by whoever owns it, either, without taking the trigger off first."""
    schema.answer(schema.offered())
    with pytest.raises(psycopg2.Error) as error:
        schema.table(f"set role provbox_owner; {change}")
    assert error.value.pgcode == "PB003"


def test_terms_that_were_tampered_with_are_seen(schema):
    """Beside the triggers, as somebody with the rights of the database's owner could."""
    request = schema.offered()
    schema.answer(request)
    schema.table("alter table terms disable trigger terms_change;"
                 " update terms set text = 'You owe us everything.', sha256 = sha256(convert_to("
                 "'You owe us everything.', 'UTF8')) where language = 'en' returning 1")
    assert agreement(schema, request)["is_intact"] is False
