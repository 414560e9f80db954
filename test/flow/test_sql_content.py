"""Content in SQL: sent again, fetched from elsewhere, waited for, not to be had."""

import pytest
from harness.postgres import Database
from harness.schema import DEV2, MODULE, Schema, device, digest


@pytest.fixture
def schema(cluster):
    database = cluster.new_database(Database.install_schema)
    yield Schema(database)
    database.drop()


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
