"""In which language a subscriber is spoken to, and understood."""

import psycopg2
import pytest
from harness.schema import MODULE, TERMS, manifest


def last(schema, kind):
    (row,) = schema.table("select text, language from notice where kind = %s"
                          " order by id desc limit 1", kind)
    return row["text"], row["language"]


@pytest.mark.parametrize("wanted, got, line", [
    ("el", "el", "Απαντήστε ΝΑΙ {} ή ΟΧΙ {}"), ("el-CY", "el", "Απαντήστε ΝΑΙ {} ή ΟΧΙ {}"),
    ("en-GB", "en", "Reply YES {} or NO {}"), ("fr", "en", "Reply YES {} or NO {}"),
    ("pl", "en", "Reply YES {} or NO {}")])
def test_terms_and_answer_line_are_in_one_language(schema, wanted, got, line):
    request = schema.offered(language=wanted)
    code = schema.code(request)
    assert last(schema, "terms") == (f"{TERMS[got]}\n{line.format(code, code)}", got)
    _, _, terms = schema.api("terms_read", request)
    assert (terms["language"], terms["text"]) == (got, TERMS[got])


def test_the_default_of_the_manifest_is_what_is_left(schema):
    schema.catalogue = schema.load({**manifest(), "default_language": "el"}, [MODULE])
    schema.offered(language="fr")
    assert last(schema, "terms")[1] == "el"


def test_notices_and_replies_are_in_the_users_language(schema):
    """Whatever language the terms had to be in."""
    request = schema.offered(language="pl")
    schema.send_all()
    assert schema.receive("co?") == ("not_understood", None)
    text, language = last(schema, "reply")
    assert text.startswith("Odpowiedz, podając kod oferty.") and language == "pl"
    assert f"Odpowiedz TAK {schema.code(request)}" in text
    assert schema.receive("Tak") == ("accepted", request)
    assert last(schema, "accepted") == ("Warunki zostały przyjęte. W drodze: Compass", "pl")
    assert schema.receive("NIE") == ("answered", request)
    assert last(schema, "reply") == ("Te warunki zostały już przyjęte. Nic się nie zmieniło.", "pl")


def test_without_a_wording_it_is_english(schema):
    schema.offered(language="fr")
    schema.send_all()
    schema.receive("NO 1")
    assert last(schema, "reply") == (
        "No offer has this code. Please check it and answer again.", "en")


@pytest.mark.parametrize("word", ["ΝΑΙ", "ναι", "JA", "да", "YES"])
def test_a_word_of_any_language_answers(schema, word):
    request = schema.offered(language="de")
    schema.send_all()
    assert schema.receive(f"{word} {schema.code(request)}") == ("accepted", request)


def test_an_operator_adds_a_language(schema):
    schema.rows("operator", "wording_put", "answer_line", "es", "Responda SI {code} o NO {code}")
    schema.rows("operator", "word_put", " Si ", "es", "accept")
    schema.rows("operator", "word_put", "SÍ", "es", "accept")
    schema.rows("operator", "word_put", "no", "es", "decline")
    schema.catalogue = schema.load(manifest(terms={"en": "Terms.", "es": "Términos."}), [MODULE])
    request = schema.offered(language="es-MX")
    schema.send_all()
    code = schema.code(request)
    assert last(schema, "terms") == (f"Términos.\nResponda SI {code} o NO {code}", "es")
    assert schema.receive(f"sí {code}") == ("accepted", request)
    assert {"word": "si", "language": "es", "answer": "accept"} in schema.rows(
        "operator", "word_list")
    shown = schema.rows("operator", "catalogue_terms", None)
    assert [(row["language"], row["is_default"], row["text"]) for row in shown] == [
        ("en", True, "Terms."), ("es", False, "Términos.")]


@pytest.mark.parametrize("kind, language, text", [
    ("answer_line", "es", "Responda SI"), ("answer_line", "es", "Responda SI {code} {items}"),
    ("wrong_code", "es", "Otra vez {code}"), ("greeting", "es", "Hola"),
    ("wrong_code", "spanish!", "Otra vez"), ("wrong_code", "es", ""),
    ("wrong_code", "es", "x" * 301), ("mail_subject", "es", "Otra\r\nBcc: eve@example.org")])
def test_a_wording_that_would_not_work_is_refused(schema, kind, language, text):
    with pytest.raises(psycopg2.errors.InvalidParameterValue):
        schema.rows("operator", "wording_put", kind, language, text)


@pytest.mark.parametrize("word, answer", [
    ("no", "accept"), ("Stop", "decline"), ("si senor", "accept"), ("4711", "accept"),
    ("si.", "accept"), ("", "accept"), ("si", "perhaps")])
def test_a_word_that_would_not_work_is_refused(schema, word, answer):
    with pytest.raises(psycopg2.errors.InvalidParameterValue):
        schema.rows("operator", "word_put", word, "es", answer)
