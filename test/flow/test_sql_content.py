"""Content in SQL: sent again, fetched from elsewhere, waited for, not to be had."""

import datetime
import json
import uuid

import psycopg2
import pytest
from harness.schema import DEV2, MODULE, device, digest, feature, manifest


ELSEWHERE = bytes(range(256)) * 1500
URL = "https://files.example.com/atlas"


def remote(url=URL, **content):
    """A feature whose content lies elsewhere."""
    there = feature("atlas", ELSEWHERE)
    there["content"].update(url=url, **content)
    return there


def lease(schema, seconds=60):
    return schema.rows("server", "outbox_lease", ["fetch"], "courier-1", 10,
                       datetime.timedelta(seconds=seconds))


def fetch(schema, row, content=ELSEWHERE, found=None):
    for n in range(0, -(-len(content) // 262144)):
        assert schema.value("server", "fetch_chunk_put", row["id"], row["token"], n,
                            content[n * 262144:(n + 1) * 262144],
                            datetime.timedelta(seconds=60))
    return schema.value("server", "fetch_end", row["id"], row["token"],
                        digest(content) if found is None else found)


def states(schema, request):
    _, _, body = schema.api("request_read", request, None)
    return body["state"], [(i["state"], i.get("reason")) for i in body["items"]]


# Retransmission

def again(schema, request, attempt, item="compass", reason="digest_mismatch", **knobs):
    return schema.api("retransmission_post", request, item, attempt, reason, **knobs)


def test_content_is_sent_again_up_to_the_cap(schema):
    schema.setting(retransmissions=2)
    request = schema.offered("compass", "voice-mail")
    assert again(schema, request, 1)[:2] == (409, "wrong_state")
    schema.answer(request)
    assert again(schema, request, 1)[:2] == (409, "wrong_state")
    schema.api("content_open", digest(MODULE))
    assert again(schema, request, 1, "voice-mail")[:2] == (409, "wrong_state")
    for attempt in (1, 2):
        assert again(schema, request, attempt + 1)[:2] == (409, "wrong_state")
        status, _, body = again(schema, request, attempt)
        assert (status, body["state"], body.get("reason")) == (200, "delivering", None)
        assert body["items"][0]["retransmissions"] == attempt
        # The same attempt again is the same retransmission.
        assert again(schema, request, attempt)[2] == body
        assert schema.api("content_open", digest(MODULE))[0] == 200
    assert schema.events(request).count(
        ("device", "retransmit", "delivering", "delivering", "digest_mismatch")) == 2
    # Over the cap the item has failed for the reason that the device had; the other goes on.
    assert again(schema, request, 3)[:2] == (409, "retransmission_limit")
    assert again(schema, request, 3)[:2] == (409, "retransmission_limit")
    _, _, body = schema.result(request, "voice-mail")
    assert body["state"] == "done"
    assert [(i["state"], i.get("reason")) for i in body["items"]] == [
        ("failed", "digest_mismatch"), ("installed", None)]
    assert again(schema, request, 1, "voice-mail")[:2] == (409, "result_final")


def test_the_cap_of_the_last_item_ends_the_request(schema):
    schema.setting(retransmissions=0)
    request = schema.offered("compass")
    schema.answer(request)
    schema.api("content_open", digest(MODULE))
    assert again(schema, request, 1, reason="self_test_failed")[:2] == (
        409, "retransmission_limit")
    _, _, body = schema.api("request_read", request, None)
    assert (body["state"], body["reason"]) == ("failed", "no_item_installed")
    assert body["items"][0]["reason"] == "self_test_failed"
    texts = [row["text"] for row in schema.table("select text from notice order by id")]
    assert texts[-1] == "This could not be set up: Compass"


def test_nobody_else_has_anything_sent_again(schema):
    request = schema.offered("compass")
    schema.answer(request)
    schema.api("content_open", digest(MODULE))
    schema.import_devices(device(DEV2))
    assert again(schema, request, 1, dev=DEV2)[:2] == (404, "request_unknown")
    assert again(schema, request, 1, "torch")[:2] == (404, "item_unknown")


# Content that lies elsewhere

def test_what_lies_elsewhere_is_published_unfetched_and_fetched_once(schema):
    wanted = manifest([remote(), feature("compass")])
    begun = schema.row("operator", "catalogue_begin", json.dumps(wanted))
    assert begun["missing"] == []
    assert lease(schema) == []
    schema.catalogue = schema.load(wanted, [])
    assert [(f["id"], f["url"], f["is_here"]) for f in
            schema.rows("operator", "catalogue_show", None)] == [
        ("atlas", URL, False), ("compass", None, True)]
    (row,) = lease(schema)
    assert (row["key"], row["payload"]) == (
        f"content/{digest(ELSEWHERE).hex()}",
        {"url": URL, "size": len(ELSEWHERE), "sha256": digest(ELSEWHERE).hex()})
    assert schema.value("server", "content_next", digest(ELSEWHERE)) == 0
    assert fetch(schema, row) == "done"
    assert schema.value("server", "content_next", digest(ELSEWHERE)) == -1
    assert schema.value("server", "fetch_end", row["id"], row["token"],
                        digest(ELSEWHERE)) is None
    schema.load(manifest([remote("https://other.example.com/")]), [])
    assert lease(schema) == []


def test_a_lease_that_went_to_another_stores_nothing(schema):
    schema.load(manifest([remote()]), [])
    (late,) = lease(schema, 0)
    (row,) = lease(schema)
    assert schema.value("server", "fetch_chunk_put", late["id"], late["token"], 0,
                        ELSEWHERE[:262144], datetime.timedelta(seconds=60)) is False
    assert schema.value("server", "fetch_end", late["id"], late["token"], b"") is None
    assert fetch(schema, row) == "done"


def test_what_was_loaded_meanwhile_is_there(schema):
    schema.load(manifest([remote()]), [])
    (row,) = lease(schema)
    assert schema.upload(ELSEWHERE) is True
    assert fetch(schema, row) == "done"


@pytest.mark.parametrize("found", [digest(b"other"), b""], ids=["other", "none"])
def test_what_is_not_right_is_dropped_and_told(schema, found):
    schema.catalogue = schema.load(manifest([remote()]), [])
    (row,) = lease(schema)
    assert fetch(schema, row, found=found) == "dead"
    assert schema.value("server", "content_next", digest(ELSEWHERE)) == 0
    (event,) = schema.table("select actor, reason, detail ->> 'url' as url from event"
                            " where kind = 'fetch_dead'")
    assert tuple(event.values()) == ("courier", "content_mismatch", URL)
    assert [f["is_here"] for f in schema.rows("operator", "catalogue_show", None)] == [False]
    # The right digest of rows that are not all there is not enough.
    schema.load(manifest([remote("https://other.example.com/")]), [])
    (row,) = lease(schema)
    assert schema.value("server", "fetch_end", row["id"], row["token"],
                        digest(ELSEWHERE)) == "dead"


def test_a_request_waits_for_its_content_and_the_rest_goes_on(schema):
    schema.catalogue = schema.load(manifest([remote(), feature("compass")]), [])
    request = schema.offered("atlas", "compass")
    (row,) = lease(schema)
    fetch(schema, row)
    waiting = schema.offered("compass")
    schema.answer(request)
    assert states(schema, request) == ("accepted", [("ready", None), ("ready", None)])
    schema.table("update content set is_complete = false where sha256 = %s returning 1",
                 digest(ELSEWHERE))
    request = schema.offered("atlas", "compass")
    schema.answer(request)
    assert states(schema, request) == ("accepted", [("requested", None), ("ready", None)])
    assert schema.result(request, "atlas")[:2] == (409, "wrong_state")
    assert again(schema, request, 1, "atlas")[:2] == (409, "wrong_state")
    assert schema.api("content_open", digest(ELSEWHERE))[0] == 200  # of the first request
    schema.result(request, "compass")
    assert states(schema, request)[0] == "delivering"
    assert schema.value("server", "items_settle") is False
    schema.table("update content set is_complete = true where sha256 = %s returning 1",
                 digest(ELSEWHERE))
    assert schema.value("server", "items_settle") is True
    assert states(schema, request)[1] == [("ready", None), ("installed", None)]
    # What was not accepted yet waits for its answer alone.
    assert states(schema, waiting) == ("offered", [("requested", None)])
    assert ("courier", "ready", "requested", "ready", None) in schema.events(request)


@pytest.mark.parametrize("url", [
    "http://files.example.com/a", "https://user@files.example.com/a", "https:///a",
    "https://files.example.com/a b", "file:///etc/passwd", "https://f.example.com/\u00e9"])
def test_places_that_are_none_are_refused(schema, url):
    with pytest.raises(psycopg2.errors.CheckViolation):
        schema.load(manifest([remote(url)]), [])


def test_an_operator_may_drop_a_fetch_and_begin_it_anew(schema):
    schema.catalogue = schema.load(manifest([remote(), feature("compass")]), [])
    (row,) = lease(schema)
    assert schema.value("operator", "outbox_drop", row["id"], "not wanted") == "changed"
    status, _, body = schema.put(schema.body("atlas", "compass"))
    assert (status, body["state"]) == (201, "offered")
    assert [(i["state"], i.get("reason")) for i in body["items"]] == [
        ("unavailable", "content_unavailable"), ("requested", None)]
    schema.load(manifest([remote(), feature("torch")]), [])
    (row,) = lease(schema)
    assert row["attempt"] == 1 and fetch(schema, row) == "done"


# What the subscriber is told

def told(schema):
    return [(row["language"], row["text"]) for row in schema.table(
        "select language, text from notice where kind = 'status' order by id")]


def test_who_waits_is_told_so_from_time_to_time(schema):
    schema.catalogue = schema.load(manifest([remote(), feature("compass")]), [])
    request = schema.offered("atlas", "compass", language="pl-PL")
    ready = schema.offered("compass")
    for one in (request, ready):
        schema.answer(one)
    assert schema.value("server", "status_notice") is False  # it is switched off
    schema.setting(status_interval="1 hour")
    assert schema.value("server", "status_notice") is False
    schema.table("update request set told = told - interval '61 minutes' returning 1")
    assert schema.value("server", "status_notice") is True
    assert schema.value("server", "status_notice") is False
    assert told(schema) == [("pl", "Wciąż realizujemy Twoje zamówienie: Atlas, Compass")]
    (row,) = lease(schema)
    fetch(schema, row)
    schema.value("server", "items_settle")
    schema.table("update request set told = told - interval '61 minutes' returning 1")
    assert schema.value("server", "status_notice") is False  # it is the device's turn


@pytest.mark.parametrize("language, words", [
    ("en", ["Not available for you: none\nDoes not go together with the rest: Strobe",
            "Ready to use: Torch", "This could not be set up: Compass"]),
    ("bg-BG", ["Не се предлага за Вас: none\nНе се съчетава с останалото: Strobe",
               "Готово за ползване: Torch", "Не можа да бъде настроено: Compass"]),
    ("fr", ["Not available for you: none\nDoes not go together with the rest: Strobe",
            "Ready to use: Torch", "This could not be set up: Compass"])])
def test_the_subscriber_is_told_what_became_of_each_item(schema, language, words):
    request = schema.offered("torch", "strobe", "none", "compass", language=language)
    schema.answer(request)
    schema.result(request, "torch")
    schema.result(request, "compass", "failed", None, "digest_mismatch")
    assert [text for _, text in told(schema)] == words


def test_when_nothing_can_be_had_the_request_ends_and_says_so(schema):
    _, _, body = schema.put(schema.body("none", "other-model"))
    assert (body["state"], body["reason"]) == ("refused", "no_item_available")
    assert told(schema) == [("en", "Not available for you: none, Other-Model")]


def test_long_lists_fit_into_a_message(schema):
    long = [{**feature(f"f{n}", models=["Another"]), "name": "Ж" * 40} for n in range(16)]
    clash = [{**feature(f"g{n}", conflicts=["compass"]), "name": "Ж" * 40} for n in range(15)]
    schema.catalogue = schema.load(manifest([feature("compass"), *long, *clash]), [])
    schema.put(schema.body("compass", *[f["id"] for f in long + clash], language="bg"))
    ((_, text),) = told(schema)
    assert len(text) > 1200
    assert schema.table("select message_fits(%s) as fits", text)[0]["fits"]


def test_reading_back_keeps_the_lease(schema):
    """It may take longer than the storing did; whose lease has gone reads nothing."""
    schema.load(manifest([remote()]), [])
    (row,) = lease(schema)
    seconds = datetime.timedelta(seconds=600)
    assert schema.value("server", "fetch_chunk_put", row["id"], row["token"], 0,
                        ELSEWHERE[:262144], datetime.timedelta(seconds=1))
    assert schema.value("server", "fetch_chunk_read", row["id"], row["token"], 0,
                        seconds) == ELSEWHERE[:262144]
    (kept,) = schema.table("select due_at - clock_timestamp() as rest from outbox"
                           " where id = %s", row["id"])
    assert kept["rest"] > datetime.timedelta(seconds=500)
    assert schema.value("server", "fetch_chunk_read", row["id"], str(uuid.uuid4()), 0,
                        seconds) is None
