"""Verification by a service of others, cancelling, and what is withdrawn."""

import datetime
import json
import threading
import uuid

import psycopg2
import pytest
from harness.postgres import Database
from harness.schema import DEV, DEV2, Schema, device, request_key


@pytest.fixture
def schema(cluster):
    database = cluster.new_database(Database.install_schema)
    made = Schema(database)
    made.setting(verification="service")
    yield made
    database.drop()


def verifying(schema, *items):
    """The id of a new request that waits for the service."""
    status, _, body = schema.put(schema.body(*items))
    assert (status, body["state"]) == (201, "verifying")
    return body["id"]


def lease(schema, seconds=60.0):
    """The only row that is due."""
    (row,) = schema.rows("server", "outbox_lease", ["verify"], "courier-1", 10,
                         datetime.timedelta(seconds=seconds))
    return row


def tell(schema, row, result="verified", reason=None):
    return schema.value("server", "verification_result", row["id"], row["token"], result, reason)


def state(schema, request):
    (row,) = schema.table("select state, reason from request where id = %s", request)
    return row["state"], row["reason"]


def outbox(schema, kind="verify"):
    return schema.table("select state, reason, payload, token is null as is_free from outbox"
                        " where kind = %s order by id", kind)


def notices(schema):
    return [(row["kind"], row["state"], row["text"].split(".")[0]) for row in schema.table(
        "select kind, state, text from notice order by id")]


def delete(schema, request, **knobs):
    status, reason, body = schema.api("request_delete", request, **knobs)
    return status, body["state"] if body else reason


NOT_VERIFIED = ("status", "queued", "Your details could not be confirmed")
NOT_CHECKED = ("status", "queued", "Your details could not be checked in time")


def test_a_first_request_waits_for_the_service_and_nothing_is_offered_before(schema):
    request = verifying(schema)
    row = lease(schema)
    assert row["key"] == f"{request_key(request)}/verify"
    assert row["payload"] == {
        "id": row["key"], "accounting": {"reference": "acct-0123456789"},
        "user": {"given_name": "Ada", "family_name": "Lovelace", "postcode": "SW1A 1AA"},
        "device": {"dev": DEV, "model": "Example One"}}
    assert notices(schema) == []
    assert schema.answer(request)[:2] == (409, "wrong_state")
    assert schema.api("terms_read", request)[:2] == (404, "terms_unknown")
    assert tell(schema, row) == "done"
    assert state(schema, request) == ("offered", None)
    assert [kind for kind, _, _ in notices(schema)] == ["terms"]
    story = [event[:4] for event in schema.events(request)]
    assert story.index(("server", "verify_queued", None, None)) < story.index(
        ("courier", "verify_answered", None, None)) < story.index(
            ("server", "offer", "verifying", "offered"))
    assert schema.answer(request)[2]["state"] == "accepted"


def test_the_service_is_asked_before_the_first_provisioning_alone(schema):
    request = verifying(schema)
    tell(schema, lease(schema))
    schema.answer(request)
    schema.result(request, "compass")
    assert schema.put(schema.body("torch"))[2]["state"] == "offered"
    assert len(outbox(schema)) == 1
    schema.setting(verification="local")
    schema.table("delete from account returning 1")
    assert schema.put(schema.body("strobe"))[2]["state"] == "offered"


def test_what_the_stored_data_refuse_is_told_to_nobody(schema):
    _, _, body = schema.put(schema.body(family_name="Byron"))
    assert (body["state"], body["reason"]) == ("refused", "user_mismatch")
    assert outbox(schema) == []


def test_the_same_put_while_verifying_is_the_same_request(schema):
    body = schema.body()
    _, _, first = schema.put(body)
    assert schema.put(body, request=first["id"]) == (200, None, first)
    assert schema.put(schema.body("torch"), request=first["id"])[:2] == (409, "request_conflict")
    assert len(outbox(schema)) == 1


@pytest.mark.parametrize("said, reason", [
    ("user_mismatch", "user_mismatch"), ("accounting_refused", "accounting_refused"),
    (None, "verification_refused"), ("no_such_word", "verification_refused"),
    ("done", "verification_refused"), ("internal", "verification_refused")])
def test_a_refusal_ends_the_request_and_is_told(schema, said, reason):
    request = verifying(schema)
    assert tell(schema, lease(schema), "refused", said) == "done"
    assert state(schema, request) == ("refused", reason)
    assert notices(schema) == [NOT_VERIFIED]
    assert tell_again_is_nothing(schema)


def tell_again_is_nothing(schema):
    (row,) = schema.table("select id, token from outbox where kind = 'verify'")
    return tell(schema, row, "verified") is None


def test_only_the_word_of_the_leased_row_counts(schema):
    request = verifying(schema)
    row = lease(schema)
    assert tell(schema, {**row, "token": str(uuid.uuid4())}) is None
    with pytest.raises(psycopg2.Error) as error:
        tell(schema, row, "maybe")
    assert error.value.pgcode == "22023"
    assert state(schema, request) == ("verifying", None)
    (other,) = schema.table("insert into outbox (kind, key, request, token) select 'billing', 'x', rid,"
                            " gen_random_uuid() from request returning id, token")
    assert tell(schema, other) is None
    assert state(schema, request) == ("verifying", None)


def test_what_was_asked_is_wiped_with_its_end(schema):
    for end in (lambda row, _: tell(schema, row),
                lambda row, _: tell(schema, row, "refused"),
                lambda row, _: schema.value("server", "outbox_retry", row["id"], row["token"],
                                            "effect_refused", True),
                lambda row, _: schema.value("operator", "outbox_drop", row["id"], "not wanted"),
                lambda _, request: delete(schema, request)):
        request = verifying(schema)
        row = lease(schema)
        assert "Lovelace" in json.dumps(row["payload"])
        end(row, request)
        assert state(schema, request)[0] != "verifying"
        delete(schema, request)
        assert all(row["payload"] == {} for row in outbox(schema))
    assert "Lovelace" not in str(schema.table("select * from event"))


@pytest.mark.parametrize("is_silent", [True, False])
def test_silence_and_failure_are_asked_again_and_end_with_the_request(schema, is_silent):
    def fail(row):
        return schema.value("server", "outbox_retry", row["id"], row["token"], "effect_failed", False)

    schema.setting(backoff_first="0 seconds")
    request = verifying(schema)
    for _ in range(2):
        assert fail(lease(schema)) == "due"
        assert state(schema, request) == ("verifying", None)
    row = lease(schema, seconds=0)
    schema.setting(give_up="0 seconds")
    if is_silent:
        assert schema.rows("server", "outbox_lease", ["verify"], "w", 10,
                           datetime.timedelta(seconds=1)) == []
    else:
        assert fail(row) == "dead"
    assert state(schema, request) == ("failed", "verification_unavailable")
    assert notices(schema) == [NOT_CHECKED]
    (dead,) = outbox(schema)
    assert (dead["state"], dead["reason"]) == ("dead", "given_up")
    assert ("courier", "verify_dead", None, None, "given_up") in schema.events(request)


def test_who_said_why_it_failed_has_the_last_word(schema):
    """A row is not given up between two attempts: nobody would hear of it."""
    schema.setting(backoff_first="0 seconds")
    verifying(schema)
    row = lease(schema)
    schema.value("server", "outbox_retry", row["id"], row["token"], "effect_failed", False)
    schema.setting(give_up="0 seconds")
    row = lease(schema)
    assert schema.value("server", "outbox_retry", row["id"], row["token"], "effect_failed",
                        False) == "dead"


def test_verifications_are_given_up_one_at_a_time(schema):
    """A lease holds one request at most: two would be an order of locks of its own."""
    schema.setting(give_up="0 seconds")
    for item in ("compass", "torch"):
        verifying(schema, item)
    schema.table("update outbox set attempt = 1, token = gen_random_uuid() returning 1")
    for n in (1, 2):
        assert schema.rows("server", "outbox_lease", ["verify"], "w", 10,
                           datetime.timedelta(seconds=1)) == []
        assert [row["state"] for row in outbox(schema)].count("dead") == n


def test_a_dropped_or_dead_question_is_the_end_of_its_request(schema):
    request = verifying(schema)
    row = lease(schema)
    assert schema.value("operator", "outbox_drop", row["id"], "the service is gone") == "changed"
    assert state(schema, request) == ("failed", "dropped_by_operator")
    request = verifying(schema)
    row = lease(schema)
    schema.value("server", "outbox_retry", row["id"], row["token"], "effect_refused", True)
    assert state(schema, request) == ("failed", "verification_unavailable")
    assert schema.value("operator", "outbox_revive", row["id"], None) == "ended"


def test_a_device_that_is_stopped_meanwhile_is_offered_nothing(schema):
    request = verifying(schema)
    row = lease(schema)
    schema.value("operator", "device_block", DEV, None)
    assert tell(schema, row) == "done"
    assert state(schema, request) == ("refused", "device_blocked")
    assert notices(schema) == []


def test_a_verification_expires(schema):
    late = verifying(schema)
    schema.setting(verification_lifetime="0 seconds")
    row = lease(schema)
    assert schema.value("server", "requests_expire", 10) == 1
    assert schema.value("server", "requests_expire", 10) == 0
    assert state(schema, late) == ("expired", "verification_expired")
    assert notices(schema) == [NOT_CHECKED]
    (withdrawn,) = outbox(schema)
    assert (withdrawn["state"], withdrawn["reason"], withdrawn["is_free"]) == (
        "dropped", "withdrawn", True)
    assert tell(schema, row) == "late"
    assert state(schema, late) == ("expired", "verification_expired")


def test_a_cancelled_verification_is_withdrawn_and_its_late_answer_changes_nothing(schema):
    for result in ("verified", "refused"):
        request = verifying(schema)
        row = lease(schema)
        assert delete(schema, request) == delete(schema, request) == (200, "cancelled")
        assert tell(schema, row, result) == "late"
        assert state(schema, request) == ("cancelled", "cancelled_by_device")
        assert ("courier", "verify_answered", None, None, "verification_late") in schema.events(
            request)
        assert ("device", "verify_withdrawn", None, None, "withdrawn") in schema.events(request)
    assert notices(schema) == []


def test_a_cancelled_offer_sends_nothing_that_was_not_begun(schema):
    schema.setting(verification="local")
    request = schema.offered()
    (leased,) = schema.lease()
    assert delete(schema, request) == (200, "cancelled")
    assert [(kind, now) for kind, now, _ in notices(schema)] == [("terms", "failed")]
    (row,) = outbox(schema, "sms")
    assert (row["state"], row["reason"]) == ("dropped", "withdrawn")
    assert schema.record(leased, 1, [1], [str(uuid.uuid4())]) is False
    assert schema.lease() == []
    begun = schema.offered("torch")
    (leased,) = schema.lease()
    (part,) = schema.split(leased, 1)
    assert delete(schema, begun) == (200, "cancelled")
    assert schema.ack(part) == "sending" and schema.report(part, 8) == "accepted"
    assert schema.receive("YES")[0] == "offer_ended"
    assert schema.answer(begun)[:2] == (409, "wrong_state")


def test_copies_of_the_terms_are_withdrawn_too(schema):
    schema.setting(verification="local")
    schema.import_devices(device(email="ada@example.com", fax="+447700900125"))
    assert delete(schema, schema.offered()) == (200, "cancelled")
    for kind in ("mail", "hook"):
        (row,) = outbox(schema, kind)
        assert (row["state"], row["reason"]) == ("dropped", "withdrawn")


@pytest.mark.parametrize("who", ["device", "operator"])
def test_who_cancels_what(schema, who):
    """An operator until the end, a device until something is delivered."""
    schema.setting(verification="local")

    def cancel(request):
        if who == "device":
            return delete(schema, request)[1]
        return schema.value("operator", "request_cancel", DEV, request, None)

    offered, accepted = schema.offered(), schema.offered("torch")
    schema.answer(accepted)
    assert cancel(offered) == cancel(accepted) == "cancelled"
    assert {state(schema, request)[1] for request in (offered, accepted)} == {
        f"cancelled_by_{who}"}
    assert ("accepted", "failed") in {(kind, now) for kind, now, _ in notices(schema)}
    delivering = schema.offered("compass", "voice-mail")
    schema.answer(delivering)
    schema.result(delivering, "compass")
    assert cancel(delivering) == ("cancel_too_late" if who == "device" else "cancelled")
    done = schema.finished("compass")
    assert cancel(done) == ("cancel_too_late" if who == "device" else "done")
    assert state(schema, done) == ("done", None)


def test_nobody_cancels_the_request_of_another(schema):
    request = verifying(schema)
    assert schema.api("request_delete", str(uuid.uuid4()))[:2] == (404, "request_unknown")
    schema.import_devices(device(DEV2, "+447700900124"))
    assert schema.api("request_delete", request, dev=DEV2)[:2] == (404, "request_unknown")
    assert state(schema, request) == ("verifying", None)


def test_an_answer_and_a_cancel_at_once_have_one_end(schema):
    for _ in range(8):
        schema.setting(open_requests=100)
        request = verifying(schema)
        row = lease(schema)
        start, said = threading.Barrier(2), {}

        def run(name, call, start=start, said=said):
            start.wait()
            said[name] = call()

        threads = [threading.Thread(target=run, args=(name, call)) for name, call in (
            ("answer", lambda row=row: tell(schema, row)),
            ("cancel", lambda request=request: delete(schema, request)))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert said["cancel"] == (200, "cancelled") and said["answer"] in ("done", "late")
        assert state(schema, request)[0] == "cancelled"
        assert {kind["state"] for kind in schema.table(
            "select state from outbox where request = (select rid from request where id = %s)",
            request)} <= {"done", "dropped"}
