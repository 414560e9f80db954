"""The device API in SQL: who may come in, and one request from put to done."""

import datetime
import threading
import time
import uuid

import pytest
from harness.schema import (CRED, DEV, DEV2, GATEWAY, MODULE, NUMBER, TERMS, device,
                            digest)


def authenticate(schema, dev=DEV, cred=CRED, sid=bytes(16)):
    """(standing, outcome, reason); the epoch is that of the device, or of the rule."""
    row = schema.row("server", "authentication_read", dev, cred, "certificate", GATEWAY, sid)
    assert row.pop("epoch") == schema.epoch(dev)
    return tuple(row.values())


def reasons(schema, dev):
    return [row["reason"] for row in schema.table(
        "select reason from event where dev = %s and kind = 'authentication_refused'"
        " order by id", dev)]


def both(first, second):
    """Run two calls at once and return what they returned."""
    answers = {}
    start = threading.Barrier(2)

    def run(name, call):
        start.wait()
        answers[name] = call()

    threads = [threading.Thread(target=run, args=pair)
               for pair in (("first", first), ("second", second))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers["first"], answers["second"]


# Standing

def test_a_known_device_gets_a_grant(schema):
    assert authenticate(schema) == ("unprovisioned", "grant", None)
    assert reasons(schema, DEV) == []


def test_an_unknown_device_ends_in_one_event_a_session(schema):
    for sid in (b"a" * 16, b"a" * 16, b"b" * 16):
        assert authenticate(schema, DEV2, sid=sid) == ("unknown", "no_grant", "device_unknown")
    assert reasons(schema, DEV2) == ["device_unknown", "device_unknown"]


def test_refused_authentications_do_not_fill_the_database(schema):
    schema.setting(authentication_events_per_hour=3)
    for n in range(6):
        authenticate(schema, DEV2, sid=bytes([n] * 16))
    assert len(reasons(schema, DEV2)) == 3


def test_a_blocked_device_gets_no_grant_and_its_standing_back(schema):
    assert schema.value("operator", "device_block", DEV, "stolen")
    assert authenticate(schema) == ("blocked", "no_grant", "device_blocked")
    assert schema.api("device_read")[:2] == (403, "device_blocked")
    assert reasons(schema, DEV) == ["device_blocked"]
    assert schema.value("operator", "device_unblock", DEV)
    assert authenticate(schema) == ("unprovisioned", "grant", None)
    assert not schema.value("operator", "device_block", DEV2, None)


def test_a_pinned_credential_is_the_only_one(schema):
    schema.import_devices(device(cred=CRED.hex()))
    assert authenticate(schema) == ("unprovisioned", "grant", None)
    assert authenticate(schema, cred=b"x" * 32) == ("blocked", "no_grant", "credential_mismatch")
    assert reasons(schema, DEV) == ["credential_mismatch"]


def test_the_policy_for_unknown_devices(schema):
    put = ("device", "device_unknown")
    schema.rows("operator", "policy_put", *put, "limited")
    assert authenticate(schema, DEV2) == ("limited", "grant", None)
    assert schema.api("device_read", dev=DEV2, permission="care")[0] == 200
    assert schema.api("device_read", dev=DEV2)[:2] == (403, "standing_limited")
    assert schema.put(dev=DEV2, permission="care")[:2] == (403, "standing_limited")
    schema.rows("operator", "policy_put", *put, "register")
    assert authenticate(schema, DEV2) == ("unprovisioned", "grant", None)
    # Nothing is known of it that could be verified.
    assert schema.put(schema.body(dev=DEV2), dev=DEV2)[2]["reason"] == "device_mismatch"


def test_the_order_of_the_gate(schema):
    def read(**knobs):
        return schema.api("device_read", **knobs)[:2]

    assert read(dev=DEV2, epoch=77) == (403, "device_unknown")
    assert read(epoch=77) == (401, "grant_epoch")
    before = schema.epoch()
    schema.table("update device set standing = 'limited' returning 1")
    assert schema.epoch() > before
    assert read(epoch=before) == (401, "grant_epoch")
    assert read() == (403, "standing_limited")
    assert read(permission="care") == (200, None)
    schema.table("update device set standing = 'blocked' returning 1")
    assert read(epoch=before) == (403, "device_blocked")


def test_every_function_of_the_api_asks_the_gate(schema):
    request = str(uuid.uuid4())
    calls = [("device_read",), ("catalogue_read",), ("request_read", request, None),
             ("request_delete", request), ("terms_read", request),
             ("request_put", request, digest(b"{}"), "{}"),
             ("answer_put", request, "accept", digest(b""), "here", GATEWAY, CRED),
             ("item_result_put", request, "compass", "installed", None, None),
             ("retransmission_post", request, "compass", 1, "digest_mismatch"),
             ("content_open", digest(MODULE))]
    for call in calls:
        assert schema.api(*call, epoch=999)[:2] == (401, "grant_epoch"), call
    gated = schema.table(
        "select proname from pg_proc where pronamespace = 'provbox'::regnamespace"
        " and prorettype = 'api_result'::regtype and prosecdef")
    untried = {row["proname"] for row in gated} ^ {call[0] for call in calls}
    assert not untried, f"in one alone of `calls` and the schema: {untried}"


def test_a_session_ends_once(schema):
    end = (bytes(16), DEV, "certificate", CRED, GATEWAY)
    assert schema.value("server", "session_end", *end, "idle_timeout") is True
    assert schema.value("server", "session_end", *end, "client_closed") is False
    other = (b"b" * 16, *end[1:], "a reason from the future")
    assert schema.value("server", "session_end", *other) is True
    stored = schema.table("select reason, detail ->> 'reason' as said from event"
                          " where kind = 'session_end' order by id")
    assert [tuple(row.values()) for row in stored] == [
        ("idle_timeout", "idle_timeout"), ("reason_unlisted", "a reason from the future")]


# From put to done

def test_a_first_request_makes_an_account_and_a_billing_event(schema):
    epoch = schema.epoch()
    request = schema.finished("compass", "voice-mail")
    _, _, body = schema.api("request_read", request, None)
    assert body["state"] == "done" and "reason" not in body
    assert {item["state"] for item in body["items"]} == {"installed"}
    (record,) = schema.table("select * from device where dev = %s", DEV)
    assert record["standing"] == "active" and record["epoch"] > epoch
    (account,) = schema.table("select * from account")
    assert (account["dev"], account["accounting_reference"], str(account["request"])) == (
        DEV, "acct-0123456789", request)
    (billing,) = schema.rows("server", "outbox_lease", ["billing"], "courier-1", 10,
                             datetime.timedelta(seconds=5))
    event = billing["payload"]
    assert event["id"] == billing["key"]
    assert (event["specversion"], event["type"], event["subject"]) == (
        "1.0", "com.example.provbox.provisioning.completed", request)
    assert event["data"]["items"] == [
        {"id": "compass", "kind": "module", "version": "1.4.0"},
        {"id": "voice-mail", "kind": "activation", "version": "1.4.0"}]
    assert "Lovelace" not in str(event) and NUMBER not in str(event) and DEV not in str(event)
    texts = [row["text"] for row in schema.table("select text from notice order by id")]
    assert texts[1:] == ["You accepted the terms. On its way: Compass, Voice-Mail",
                         "Ready to use: Compass, Voice-Mail"]
    _, _, shown = schema.api("device_read")
    assert shown["number"] == "+44*******123"
    assert [feature["id"] for feature in shown["features"]] == ["compass", "voice-mail"]


def test_a_second_request_is_not_verified_again_and_opens_no_account(schema):
    schema.finished("compass")
    epoch = schema.epoch()
    request = schema.offered("voice-mail", given_name="Someone", family_name="Else")
    assert ("server", "offer", "received", "offered", None) in schema.events(request)
    schema.answer(request)
    assert schema.result(request, "voice-mail")[2]["state"] == "done"
    assert schema.epoch() == epoch
    assert len(schema.table("select 1 as n from account")) == 1
    wrong = schema.body("torch")
    wrong["device"]["dev"] = DEV2
    assert schema.put(wrong)[2]["reason"] == "device_mismatch"


def test_every_change_is_billed_with_the_move_that_made_it(schema):
    """One transaction makes a request done and writes its billing event."""
    requests = [schema.finished("compass"), schema.finished("voice-mail")]
    billed = schema.table("select o.payload ->> 'subject' as request, o.xmin = e.xmin as at_once"
                          " from outbox o join event e on e.request = o.request"
                          " where o.kind = 'billing' and e.kind = 'complete' order by o.id")
    assert [tuple(row.values()) for row in billed] == [(id, True) for id in requests]


def test_the_terms_go_to_the_number_of_the_record_unchanged(schema):
    for language, answer in (("en", "Reply YES {0} or NO {0}"),
                             ("el-GR", "Απαντήστε ΝΑΙ {0} ή ΟΧΙ {0}")):
        request = schema.offered("compass", language=language, number="+447700900999")
        (notice,) = schema.table("select n.* from notice n join request r on r.rid = n.request"
                                 " where r.id = %s", request)
        terms = TERMS[language[:2]]
        assert notice["text"] == terms + "\n" + answer.format(schema.code(request))
        offer = schema.api("request_read", request, None)[2]["offer"]
        assert offer["code_hint"] == schema.code(request)[-2:]
        assert (notice["msisdn"], notice["kind"], notice["state"]) == (NUMBER, "terms", "queued")
        status, _, read = schema.api("terms_read", request)
        assert (status, read["text"], read["sha256"]) == (200, terms, digest(terms.encode()).hex())
    assert schema.offered("compass", language="xx")
    assert schema.table("select language from offer order by made desc")[0]["language"] == "en"


def test_the_same_request_twice_is_one(schema):
    request, body = str(uuid.uuid4()), schema.body()
    assert schema.put(body, request)[0] == 201
    status, _, again = schema.put(body, request)
    assert (status, again["state"]) == (200, "offered")
    assert schema.put(schema.body("torch"), request)[:2] == (409, "request_conflict")
    schema.import_devices(device(DEV2, "+447700900124"))
    assert schema.put(schema.body(dev=DEV2), request, dev=DEV2)[0] == 201
    assert schema.table("select count(*) as n from request")[0]["n"] == 2
    assert schema.table("select count(*) as n from notice")[0]["n"] == 2


def test_another_devices_request_is_not_there(schema):
    schema.import_devices(device(DEV2, "+447700900124"))
    request = schema.offered()
    assert schema.api("request_read", request, None, dev=DEV2)[:2] == (404, "request_unknown")
    assert schema.api("terms_read", request, dev=DEV2)[:2] == (404, "request_unknown")
    assert schema.answer(request, dev=DEV2)[:2] == (404, "request_unknown")
    assert schema.result(request, "compass", dev=DEV2)[:2] == (404, "request_unknown")
    schema.answer(request)
    assert schema.api("content_open", digest(MODULE), dev=DEV2)[:2] == (404, "content_unknown")


def test_two_puts_at_once_are_one_request(schema):
    request, body = str(uuid.uuid4()), schema.body()
    first, second = both(lambda: schema.put(body, request), lambda: schema.put(body, request))
    assert sorted((first[0], second[0])) == [200, 201]
    assert first[2]["id"] == second[2]["id"] == request


def test_two_answers_at_once_are_one_answer(schema):
    schema.setting(open_requests=10)
    for _ in range(5):
        request = schema.offered()
        first, second = both(lambda: schema.answer(request, "accept"),
                             lambda: schema.answer(request, "decline"))
        assert sorted(((first[0], first[1]), (second[0], second[1])),
                      key=str) == [(200, None), (409, "answer_final")]
        assert schema.table("select count(*) as n from acceptance a join request r"
                            " on r.rid = a.request where id = %s", request)[0]["n"] == 1


def test_sms_and_wide_band_at_once_are_one_answer(schema):
    request = schema.offered()
    schema.send_all()
    text = f"NO {schema.code(request)}"
    wide, narrow = both(lambda: schema.answer(request)[:2], lambda: schema.receive(text)[0])
    assert (wide, narrow) in (((200, None), "answered"), ((409, "answer_final"), "declined"))


@pytest.mark.parametrize("change, reason", [
    (lambda b: b["user"].update(given_name="Eve"), "user_mismatch"),
    (lambda b: b["user"].update(postcode="SW1A 2AA"), "user_mismatch"),
    (lambda b: b["device"].update(model="Example Two"), "device_mismatch"),
    (lambda b: b["device"].update(dev=DEV2), "device_mismatch"),
    (lambda b: b.update(items=["no-such-feature", "other-model"]), "no_item_available"),
])
def test_what_cannot_be_verified_is_refused(schema, change, reason):
    body = schema.body()
    change(body)
    status, _, answered = schema.put(body)
    assert (status, answered["state"], answered["reason"]) == (201, "refused", reason)
    assert "offer" not in answered
    assert schema.api("terms_read", answered["id"])[:2] == (404, "terms_unknown")
    assert schema.answer(answered["id"])[:2] == (409, "wrong_state")
    assert schema.table("select 1 as n from notice where kind = 'terms'") == []


def test_user_information_compares_without_case_and_spaces(schema):
    assert schema.offered(given_name=" aDA ", family_name="LOVELACE", postcode="sw1a  1aa")


@pytest.mark.parametrize("change", [
    lambda b: b.pop("user"),
    lambda b: b["user"].pop("postcode"),
    lambda b: b["user"].update(given_name=7),
    lambda b: b["user"].update(given_name=""),
    lambda b: b["user"].update(family_name="x" * 101),
    lambda b: b["user"].update(family_name="line\nfeed"),
    lambda b: b["user"].update(language="EN"),
    lambda b: b["device"].update(firmware=None),
    lambda b: b.update(items=[]),
    lambda b: b.update(items="compass"),
    lambda b: b.update(items=[1]),
    lambda b: b.update(items=["compass", "compass"]),
    lambda b: b.update(items=[f"f{n}" for n in range(33)]),
    lambda b: b.update(items=["../etc"]),
    lambda b: b.update(catalogue="1"),
    lambda b: b.update(catalogue=1.5),
    lambda b: b.update(catalogue=10 ** 12),
    lambda b: b.pop("catalogue"),
    lambda b: b.pop("items"),
])
def test_a_body_of_another_shape_makes_no_request(schema, change):
    body = schema.body()
    change(body)
    assert schema.put(body)[:2] == (400, "body_invalid")
    assert schema.table("select 1 as n from request") == []


@pytest.mark.parametrize("reference, is_good", [
    ("acct-0123456789", True), ("A.b_c~d-", True), ("x" * 64, True), ("12345678", True),
    ("1234567", False), ("x" * 65, False), ("with space", False), ("4111111111111111", False),
    ("4111-1111-1111-1111", False), ("acct-4111.1111.1111.1111", False), ("1" * 20, True),
    ("5105105105105100x", False), ("", False)])
def test_an_accounting_reference_is_a_token_and_no_card_number(schema, reference, is_good):
    status, reason, _ = schema.put(schema.body(reference=reference))
    assert (status, reason) == ((201, None) if is_good else (400, "accounting_reference_invalid"))
    assert len(schema.table("select 1 as n from request")) == is_good


def test_text_from_outside_is_data(schema):
    evil = "'; drop table provbox.request; --"
    status, _, body = schema.put(schema.body(family_name=evil))
    assert (status, body["reason"]) == (201, "user_mismatch")
    (row,) = schema.table("select body #>> '{user,family_name}' as name from request")
    assert row["name"] == evil
    request = schema.offered("compass", "torch")
    schema.answer(request)
    assert schema.result(request, evil)[:2] == (404, "item_unknown")
    assert schema.result(request, "compass", "failed", None, evil)[0] == 200
    (told,) = schema.table("select detail ->> 'said' as said, reason from event"
                           " where kind = 'fail' and item is not null")
    assert tuple(told.values()) == (evil, "install_failed")
    schema.send_all()
    assert schema.receive(evil) == ("no_offer", None)
    (stored,) = schema.table("select text from mo")
    assert stored["text"] == evil


# Items

def test_items_that_cannot_be_provided_leave_the_others(schema):
    status, _, body = schema.put(schema.body("compass", "no-such", "torch", "strobe",
                                             "other-model"))
    assert (status, body["state"]) == (201, "offered")
    assert [(i["id"], i["state"], i.get("reason")) for i in body["items"]] == [
        ("compass", "requested", None), ("no-such", "unavailable", "feature_unknown"),
        ("torch", "requested", None), ("strobe", "conflict", "conflict_requested"),
        ("other-model", "unavailable", "model_unfit")]
    texts = [row["text"] for row in schema.table("select text from notice order by id")]
    assert texts[1:] == ["Not available for you: no-such, Other-Model\n"
                         "Does not go together with the rest: Strobe"]


def test_an_installed_feature_keeps_its_conflicts_out(schema):
    schema.finished("strobe")
    _, _, body = schema.put(schema.body("torch", "strobe"))
    assert [(i["id"], i["state"], i.get("reason")) for i in body["items"]] == [
        ("torch", "conflict", "conflict_installed"), ("strobe", "requested", None)]


def test_the_last_result_is_the_confirmation(schema):
    request = schema.offered("compass", "torch")
    assert schema.result(request, "compass")[:2] == (409, "wrong_state")
    schema.answer(request)
    assert schema.result(request, "compass", "failed", None, "storage_full")[2]["state"] == (
        "delivering")
    assert schema.result(request, "compass", "failed", None, "storage_full")[0] == 200
    assert schema.result(request, "compass")[:2] == (409, "result_final")
    assert schema.result(request, "compass", "else")[:2] == (400, "body_invalid")
    _, _, body = schema.result(request, "torch")
    assert body["state"] == "done"
    assert [(i["state"], i.get("reason")) for i in body["items"]] == [
        ("failed", "storage_full"), ("installed", None)]
    assert schema.result(request, "torch")[0] == 200
    assert len(schema.table("select 1 as n from outbox where kind = 'billing'")) == 1


def test_nothing_installed_is_a_failed_request_that_is_not_billed(schema):
    request = schema.offered("compass")
    schema.answer(request)
    _, _, body = schema.result(request, "compass", "failed", None, "device_blocked")
    assert (body["state"], body["reason"]) == ("failed", "no_item_installed")
    assert body["items"][0]["reason"] == "install_failed"
    assert schema.table("select 1 as n from outbox where kind = 'billing'") == []
    assert schema.table("select standing from device")[0]["standing"] == "unprovisioned"
    assert schema.table("select 1 as n from account") == []


# Answers

def test_an_answer_counts_once(schema):
    request = schema.offered()
    assert schema.answer(request, "maybe")[:2] == (400, "body_invalid")
    assert schema.answer(request, language="el")[:2] == (409, "terms_mismatch")
    assert schema.answer(request)[2]["state"] == "accepted"
    assert schema.answer(request)[0] == 200
    assert schema.answer(request, "decline")[:2] == (409, "answer_final")
    (proof,) = schema.table("select * from acceptance")
    assert (proof["answer"], proof["terms_version"], proof["language"], proof["channel"]) == (
        "accept", "2026-11", "en", "wide_band")
    assert bytes(proof["terms_sha256"]) == digest(TERMS["en"].encode())
    assert (proof["how"], proof["source"]) == ("online", {
        "dev": DEV, "session": "AAECAwQFBgcICQoLDA0ODw", "gw": GATEWAY.hex(), "cred": CRED.hex()})


def test_an_offer_expires(schema):
    schema.setting(terms_lifetime="0.2 seconds")
    late, swept = schema.offered(), schema.offered("torch")
    assert schema.api("request_read", late, None)[2]["expires"]
    time.sleep(0.3)
    assert schema.answer(late)[:2] == (409, "offer_expired")
    assert schema.value("server", "requests_expire", 10) == 1
    assert schema.value("server", "requests_expire", 10) == 0
    assert schema.answer(swept)[:2] == (409, "offer_expired")
    for request, actor in ((late, "server"), (swept, "courier")):
        assert (actor, "expire", "offered", "expired", "offer_expired") in schema.events(request)


def test_requests_and_messages_are_limited(schema):
    for _ in range(4):
        schema.offered()
    assert schema.put()[:2] == (429, "too_many_requests")
    schema.setting(open_requests=100, messages_per_hour=4)
    assert schema.put()[:2] == (429, "too_many_messages")
    schema.setting(messages_per_hour=100, requests_per_hour=4)
    assert schema.put()[:2] == (429, "too_many_requests")
    assert len(schema.table("select 1 as n from request")) == 4


def test_a_notice_over_the_limit_is_left_out_and_told(schema):
    request = schema.offered()
    schema.setting(messages_per_hour=1)
    assert schema.answer(request)[2]["state"] == "accepted"
    assert ("server", "notice_left_out", None, None, "message_limit") in schema.events(request)


def test_reading_waits_for_a_change(schema):
    request = schema.offered()
    who = DEV, schema.epoch(), "provision"
    tag = schema.row("server", "request_read", *who, request, None)["etag"]
    assert schema.api("request_read", request, tag) == (304, None, None)
    schema.answer(request)
    row = schema.row("server", "request_read", *who, request, tag)
    assert row["status"] == 200 and row["etag"] != tag


# Content

def test_content_is_for_accepted_items_only(schema):
    wanted = digest(MODULE)
    assert schema.api("content_open", wanted)[:2] == (404, "content_unknown")
    request = schema.offered("compass", "voice-mail")
    assert schema.api("content_open", wanted)[:2] == (404, "content_unknown")
    schema.answer(request)
    status, _, body = schema.api("content_open", wanted)
    assert (status, body) == (200, {"size": len(MODULE),
                                    "media_type": "application/octet-stream"})
    _, _, body = schema.api("request_read", request, None)
    assert (body["state"], [i["state"] for i in body["items"]]) == (
        "delivering", ["delivering", "ready"])
    told = len(schema.events(request))
    assert schema.api("content_open", wanted)[0] == 200
    assert len(schema.events(request)) == told
    assert schema.value("server", "content_chunk_read", wanted, 0) == MODULE
    assert schema.value("server", "content_chunk_read", wanted, 1) is None
    schema.result(request, "compass", "failed")
    assert schema.api("content_open", wanted)[:2] == (404, "content_unknown")
