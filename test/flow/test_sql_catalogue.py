"""Catalogue versions: loaded in pieces, seen in one step, kept by the requests made with them."""

import json

import psycopg2
import pytest
from harness.schema import ACTIVATION, MODULE, TERMS, digest, feature, manifest


def test_a_device_reads_what_fits_its_model(schema):
    status, _, body = schema.api("catalogue_read")
    assert (status, body["version"]) == (200, schema.catalogue)
    assert [f["id"] for f in body["features"]] == ["compass", "voice-mail", "torch", "strobe"]
    assert body["features"][1] == {
        "id": "voice-mail", "name": "Voice-Mail", "description": "", "kind": "activation",
        "uri": "https://prov.example.com:8443/voice-mail", "version": "1.4.0",
        "content": {"sha256": digest(ACTIVATION).hex(), "size": len(ACTIVATION),
                    "media_type": "application/octet-stream"}}


def test_an_empty_catalogue_says_so(schema):
    schema.table("update catalogue set is_current = false returning 1")
    assert schema.api("catalogue_read")[:2] == (404, "catalogue_empty")
    assert schema.put()[:2] == (409, "catalogue_changed")


def test_a_version_is_seen_only_when_published(schema):
    content = bytes(range(256)) * 2500
    new = manifest([feature("compass", content)])
    begun = schema.row("operator", "catalogue_begin", json.dumps(new))
    assert begun == {"version": schema.catalogue + 1, "published": False,
                     "missing": [digest(content).hex()]}
    with pytest.raises(psycopg2.errors.InvalidParameterValue):
        schema.rows("operator", "catalogue_publish", begun["version"])
    assert schema.api("catalogue_read")[2]["version"] == schema.catalogue
    size = (len(content), "application/octet-stream")
    assert schema.value("operator", "content_begin", digest(content), *size) == 0
    schema.rows("operator", "content_chunk_put", digest(content), 0, content[:262144])
    # An interrupted load goes on where it stopped.
    assert schema.row("operator", "catalogue_begin", json.dumps(new)) == begun
    assert schema.value("operator", "content_begin", digest(content), *size) == 1
    assert schema.finish(content) is False
    assert schema.upload(content) is True
    assert schema.value("operator", "content_begin", digest(content), *size) == -1
    schema.rows("operator", "catalogue_publish", begun["version"])
    _, _, body = schema.api("catalogue_read")
    assert body["version"] == begun["version"]
    assert [f["content"]["size"] for f in body["features"]] == [len(content)]
    assert schema.row("operator", "catalogue_begin", json.dumps(new)) == {
        "version": begun["version"], "published": True, "missing": []}


def test_content_that_is_not_what_it_should_be_is_dropped(schema):
    content = b"right" * 100
    schema.row("operator", "catalogue_begin", json.dumps(manifest([feature("new", content)])))
    schema.rows("operator", "content_chunk_put", digest(content), 0, b"wrong" * 100)
    assert schema.finish(content) is False
    assert schema.value("server", "content_chunk_read", digest(content), 0) is None
    for n, part in ((0, b"x" * 501), (0, b"short"), (1, b"x"), (-1, b"x")):
        with pytest.raises(psycopg2.errors.InvalidParameterValue):
            schema.rows("operator", "content_chunk_put", digest(content), n, part)
    assert schema.upload(content) is True
    with pytest.raises(psycopg2.errors.InvalidParameterValue):
        schema.rows("operator", "content_chunk_put", digest(content), 0, b"later" * 100)


def test_a_request_keeps_its_version(schema):
    request = schema.offered("compass")
    old = schema.catalogue
    new_terms = {"en": "New terms."}
    schema.catalogue = schema.load(manifest([feature("torch")], new_terms), [])
    assert schema.api("terms_read", request)[2]["text"] == TERMS["en"]
    schema.answer(request)
    assert schema.result(request, "compass")[2]["catalogue"] == old
    stale = schema.body("compass")
    stale["catalogue"] = old
    assert schema.put(stale)[:2] == (409, "catalogue_changed")
    assert schema.put(schema.body("torch"))[2]["state"] == "offered"


def test_an_older_version_can_come_back(schema):
    first = schema.catalogue
    schema.load(manifest([feature("torch")]), [])
    schema.rows("operator", "catalogue_publish", first)
    assert schema.api("catalogue_read")[2]["version"] == first
    listed = schema.rows("operator", "catalogue_list")
    assert [(row["version"], row["is_current"]) for row in listed] == [
        (first + 1, False), (first, True)]


@pytest.mark.parametrize("broken", [
    manifest([]),
    manifest([feature("Upper")]),
    manifest([feature("one", kind="service")]),
    manifest([feature("one"), feature("one")]),
    manifest(terms={"el": "Only Greek."}),
    manifest(terms={"en": ""}),
    manifest(terms={"en": "x" * 3041}),
    manifest(terms={"en": "Ж" * 1321}),
    manifest(terms={"en": "a bell \x07"}),
    manifest([feature("one", version="")]),
    manifest([feature("one", uri="ftp://prov.example.com/")]),
])
def test_a_manifest_that_is_wrong_leaves_nothing(schema, broken):
    with pytest.raises(psycopg2.Error) as error:
        schema.load(broken, [MODULE])
    assert error.value.pgcode[:2] in ("22", "23")
    assert schema.table("select count(*) as n from catalogue")[0]["n"] == 1


@pytest.mark.parametrize("text, fits", [
    ("a" * 3040, True), ("a" * 3041, False), ("€" * 1520, True), ("€" * 1521, False),
    ("Ж" * 1320, True), ("Ж" * 1321, False), ("😀" * 660, True), ("😀" * 661, False),
    ("two\nlines", True), ("a tab\t", False), ("", True)])
def test_what_fits_into_twenty_parts(schema, text, fits):
    assert schema.table("select message_fits(%s) as fits", text)[0]["fits"] is fits
