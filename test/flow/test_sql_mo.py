"""Answers by SMS: what counts, what is asked back, and what ends an offer."""

import json

import pytest
from harness.schema import DEV, DEV2, NUMBER, device

ACCEPTED_BEFORE = "You accepted these terms before. Nothing has changed."
DECLINED_BEFORE = "You declined these terms before. Nothing has changed."
EXPIRED = "These terms were not answered in time. Please order again."
ENDED = "This offer has ended. Please order again."


@pytest.fixture
def offered(schema):
    request = schema.offered()
    schema.send_all()
    return request


def replies(schema):
    return [row["text"] for row in schema.table(
        "select text from notice where kind = 'reply' order by id")]


def refused(schema):
    """(request, reason) of each answer that did not count, oldest first."""
    return [(row["id"], row["reason"]) for row in schema.table(
        "select r.id::text, e.reason from event e left join request r on r.rid = e.request"
        " where e.kind = 'answer_refused' order by e.id")]


def another_code(code):
    return str((int(code) - 1000 + 1) % 9000 + 1000)


def state(schema, request):
    _, _, body = schema.api("request_read", request, None)
    return body["state"], body.get("reason")


@pytest.mark.parametrize("text, answer, code", [
    ("YES", "accept", None), ("yes 4711", "accept", "4711"), ("  Yes \n 4711 ", "accept", "4711"),
    ("NO 4711", "decline", "4711"), ("no.", "decline", None), ("Yes, 4711!", "accept", "4711"),
    ("YES4711", "accept", "4711"), ("JA", "accept", None), ("Nein", "decline", None),
    ("ΝΑΙ 4711", "accept", "4711"), ("Όχι", "decline", None), ("ΟΧΙ", "decline", None),
    ("Tak", "accept", None), ("NIE 1", "decline", "1"), ("ДА 4711", "accept", "4711"),
    ("не", "decline", None), ("YES 47111", "accept", "47111"),
    ("", None, None), ("4711", None, None), ("maybe", None, None), ("YES please", None, None),
    ("YES 4711 5822", None, None), ("YES NO", None, None), ("y", None, None),
    ("YES 47 11", None, None), ("YES ١٢٣٤", None, None), ("YES 12345678901", None, None),
])
def test_what_a_message_says(schema, text, answer, code):
    (said,) = schema.table("select * from mo_parse(%s)", text)
    if answer:
        assert said == {"answer": answer, "code": code}
    else:
        assert said["answer"] is None


def test_yes_with_the_code_accepts(schema, offered):
    code = schema.code(offered)
    assert schema.receive(f"YES {code}", message="m-1") == ("accepted", offered)
    assert state(schema, offered) == ("accepted", None)
    (proof,) = schema.table("select answer, channel, how, source from acceptance")
    assert proof == {"answer": "accept", "channel": "narrow_band", "how": "code",
                     "source": {"number": NUMBER, "message": "m-1", "smsc": "sim",
                                "short_code": "1234", "said": f"YES {code}"}}
    assert ("subscriber", "accept", "offered", "accepted", None) in schema.events(offered)
    story = schema.rows("operator", "request_show", DEV, offered)
    assert NUMBER not in json.dumps(story, default=str)


def test_a_bare_no_declines_the_only_offer(schema, offered):
    assert schema.receive("no") == ("declined", offered)
    assert state(schema, offered) == ("declined", "terms_declined")


def test_the_same_message_counts_once(schema, offered):
    code = schema.code(offered)
    assert schema.receive(f"NO {code}", message="m-1") == ("declined", offered)
    assert schema.receive(f"NO {code}", message="m-1") == ("declined", offered)
    assert schema.receive(f"NO {code}", message="m-2") == ("answered", offered)
    assert schema.table("select count(*) as n from mo")[0]["n"] == 2


def test_a_bare_yes_to_two_offers_is_asked_back(schema, offered):
    other = schema.offered("torch")
    schema.send_all()
    assert schema.receive("YES") == ("code_needed", None)
    (reply,) = replies(schema)
    assert reply.splitlines()[1:] == [
        f"Compass: Reply YES {schema.code(offered)} or NO {schema.code(offered)}",
        f"Torch: Reply YES {schema.code(other)} or NO {schema.code(other)}"]
    assert schema.receive(f"YES {schema.code(other)}") == ("accepted", other)
    assert state(schema, offered) == ("offered", None)
    assert schema.receive("YES") == ("accepted", offered)


def test_three_wrong_codes_end_the_offer(schema, offered):
    wrong = f"YES {another_code(schema.code(offered))}"
    assert schema.receive(wrong)[0] == "wrong_code"
    assert schema.receive(wrong + "0")[0] == "wrong_code"
    assert state(schema, offered) == ("offered", None)
    assert schema.receive(wrong)[0] == "offer_ended"
    assert state(schema, offered) == ("refused", "too_many_wrong_codes")
    assert schema.receive(f"YES {schema.code(offered)}") == ("offer_ended", offered)
    assert len(replies(schema)) == 4
    assert replies(schema)[2] == replies(schema)[3] == ENDED


def test_an_answer_before_the_terms_have_left_does_not_count(schema):
    request = schema.offered()
    text = f"YES {schema.code(request)}"
    assert schema.receive(text) == ("too_early", request)
    first, second = schema.split(schema.lease()[0])
    schema.ack(first)
    assert schema.receive(text) == ("too_early", request)
    schema.ack(second)
    # No delivery report is waited for.
    assert schema.receive(text) == ("accepted", request)


def test_an_answer_counts_whatever_the_report_says(schema):
    request = schema.offered()
    parts = schema.split(schema.lease()[0])
    for part in parts:
        schema.ack(part)
    for part in parts:
        schema.report(part, 2)
    assert schema.api("request_read", request, None)[2]["offer"]["notice"] == "failed"
    assert schema.receive(f"YES {schema.code(request)}") == ("accepted", request)


def test_a_report_that_overtakes_acknowledgements_does_not_hold_the_answer(schema):
    request = schema.offered()
    first, second = schema.split(schema.lease()[0])
    schema.ack(first)
    schema.report(first, 2)
    assert schema.receive(f"YES {schema.code(request)}") == ("too_early", request)
    schema.ack(second)
    assert schema.receive(f"YES {schema.code(request)}") == ("accepted", request)


@pytest.mark.parametrize("is_swept", [True, False])
def test_an_answer_to_an_expired_offer_is_told_so(schema, offered, is_swept):
    schema.table("update offer set expires = now() - interval '1 second' returning 1")
    if is_swept:
        assert schema.value("server", "requests_expire", 10) == 1
    assert schema.receive(f"YES {schema.code(offered)}") == ("offer_expired", offered)
    assert schema.receive("YES") == ("offer_expired", offered)
    assert state(schema, offered) == ("expired", "offer_expired")
    assert schema.table("select * from acceptance") == []
    assert replies(schema) == [EXPIRED] * 2
    assert refused(schema) == [(offered, "mo_offer_expired")] * 2
    assert schema.value("server", "requests_expire", 10) == 0


def test_an_expired_offer_leaves_the_open_one_to_a_bare_yes(schema, offered):
    other = schema.offered("torch")
    schema.send_all()
    schema.table("update offer set expires = now() - interval '1 second' where code = %s"
                 " returning 1", schema.code(offered))
    assert schema.receive(f"YES {schema.code(offered)}") == ("offer_expired", offered)
    assert schema.receive("YES") == ("accepted", other)


@pytest.mark.parametrize("answer, word, told", [
    ("accept", "YES", ACCEPTED_BEFORE), ("accept", "NO", ACCEPTED_BEFORE),
    ("decline", "NO", DECLINED_BEFORE), ("decline", "YES", DECLINED_BEFORE)])
def test_who_answers_again_is_told_the_answer_that_counts(schema, offered, answer, word, told):
    assert schema.answer(offered, answer)[0] == 200
    before = state(schema, offered)
    assert schema.receive(f"{word} {schema.code(offered)}") == ("answered", offered)
    assert schema.receive(word) == ("answered", offered)
    assert state(schema, offered) == before
    assert replies(schema) == [told] * 2
    assert refused(schema) == [(offered, "mo_answered")] * 2
    assert [row["answer"] for row in schema.table("select answer from acceptance")] == [answer]


def test_a_cancelled_offer_is_told_as_ended(schema, offered):
    assert schema.value("operator", "request_cancel", DEV, offered, None) == "cancelled"
    assert schema.receive("YES") == ("offer_ended", offered)
    assert replies(schema) == [ENDED]
    assert refused(schema) == [(offered, "mo_offer_ended")]


def test_an_offer_is_remembered_for_some_time(schema, offered):
    assert schema.answer(offered, "decline")[0] == 200
    schema.setting(answer_memory="1 hour")
    assert schema.receive("NO") == ("answered", offered)
    schema.table("update offer set made = made - interval '61 minutes' returning 1")
    assert schema.receive("NO") == ("no_offer", None)
    assert schema.receive(f"NO {schema.code(offered)}") == ("no_offer", None)
    assert len(replies(schema)) == 1


def test_a_code_that_was_answered_is_no_wrong_code(schema, offered):
    other = schema.offered("torch")
    schema.send_all()
    assert schema.receive(f"YES {schema.code(offered)}") == ("accepted", offered)
    assert schema.receive(f"YES {schema.code(offered)}") == ("answered", offered)
    assert schema.table("select wrong_codes from offer where is_open") == [{"wrong_codes": 0}]
    assert state(schema, other) == ("offered", None)


def test_after_too_many_wrong_codes_none_of_the_number_counts(schema, offered):
    schema.setting(wrong_codes=100, wrong_codes_per_hour=2)
    code = schema.code(offered)
    wrong = f"YES {another_code(code)}"
    assert [schema.receive(wrong)[0] for _ in range(3)] == [
        "wrong_code", "wrong_code", "too_many_codes"]
    assert schema.receive(f"YES {code}") == ("too_many_codes", None)
    assert state(schema, offered) == ("offered", None)
    assert len(replies(schema)) == 2
    assert refused(schema) == [(offered, "mo_wrong_code")] * 2 + [
        (offered, "mo_too_many_codes")] * 2
    # The subscriber is not locked out of it on the device, nor for ever.
    schema.table("update mo set received = received - interval '61 minutes' returning 1")
    assert schema.receive(f"YES {code}") == ("accepted", offered)


def test_wrong_codes_of_another_number_lock_nobody_out(schema, offered):
    schema.import_devices(device(DEV2, "+447700900124"))
    schema.offered(dev=DEV2)
    schema.send_all()
    schema.setting(wrong_codes=100, wrong_codes_per_hour=1)
    code = schema.code(offered)
    for _ in range(2):
        schema.receive(f"YES {another_code(code)}", sender="+447700900124")
    assert schema.receive(f"YES {code}") == ("accepted", offered)


def test_a_bare_answer_counts_over_listed_links_only(schema, offered):
    """Where senders can be made up, the code shows who has read the message."""
    schema.setting(bare_smsc_ids="trusted,sim2")
    assert schema.receive("YES") == ("code_needed", None)
    assert schema.receive("YES", link=None) == ("code_needed", None)
    assert schema.code(offered) in replies(schema)[0]
    assert schema.receive(f"NO {another_code(schema.code(offered))}") == ("wrong_code", None)
    assert state(schema, offered) == ("offered", None)
    assert schema.receive("YES", link="sim2") == ("accepted", offered)
    schema.setting(bare_smsc_ids="-")
    last = schema.offered()
    schema.send_all()
    assert schema.receive("YES", link="sim2") == ("code_needed", None)
    assert schema.receive(f"YES {schema.code(last)}") == ("accepted", last)


def test_an_answer_from_another_number_is_an_event(schema, offered):
    schema.import_devices(device(DEV2, "+447700900124"))
    yes = f"YES {schema.code(offered)}"
    assert schema.receive(yes, sender="+447700900124", message="m-1") == ("no_offer", None)
    assert schema.receive(yes, sender="+447700900999", message="m-2") == ("no_offer", None)
    assert schema.table(
        "select dev, request, actor, reason, detail from event"
        " where kind = 'answer_refused' order by id") == [
            {"dev": dev, "request": None, "actor": "subscriber", "reason": "mo_no_offer",
             "detail": {"message": message, "number": number, "short_code": "1234",
                        "smsc": "sim"}}
            for dev, message, number in ((DEV2, "m-1", "+44*******124"),
                                         (None, "m-2", "+44*******999"))]
    assert state(schema, offered) == ("offered", None)
    assert replies(schema) == []


def test_a_link_that_may_not_answer_is_an_event_and_a_flood_of_them_is_not(schema, offered):
    schema.setting(mo_smsc_ids="sim", messages_per_hour=3)
    yes = f"YES {schema.code(offered)}"
    for _ in range(5):
        assert schema.receive(yes, link="elsewhere") == ("not_allowed", None)
    assert refused(schema) == [(offered, "mo_not_allowed")] * 3
    (told,) = schema.table("select distinct detail - 'message' as detail from event"
                           " where kind = 'answer_refused'")
    assert told["detail"] == {"number": "+44*******123", "short_code": "1234",
                              "smsc": "elsewhere"}
    assert (state(schema, offered), replies(schema)) == (("offered", None), [])


def test_strangers_and_other_links_do_not_count_and_get_no_reply(schema, offered):
    yes = f"YES {schema.code(offered)}"
    schema.setting(mo_smsc_ids="sim,sim2")
    assert schema.receive(yes, sender="+447700900999") == ("no_offer", None)
    assert schema.receive("hello", sender="+447700900999") == ("no_offer", None)
    assert schema.receive(yes, receiver="9999") == ("not_allowed", None)
    assert schema.receive(yes, link="elsewhere") == ("not_allowed", None)
    assert schema.receive(yes, link=None) == ("not_allowed", None)
    assert schema.receive(yes, sender="Operator") == ("not_allowed", None)
    assert schema.receive(yes, sender=None) == ("not_allowed", None)
    assert replies(schema) == []
    assert schema.receive(yes, link="sim2") == ("accepted", offered)


@pytest.mark.parametrize("sender", ["+447700900123", "447700900123", "00447700900123"])
def test_a_number_is_the_same_in_each_spelling(schema, offered, sender):
    assert schema.receive("YES", sender=sender) == ("accepted", offered)


def test_what_is_not_understood_is_answered_once_there_is_an_offer(schema, offered):
    assert schema.receive("what is this?") == ("not_understood", None)
    assert len(replies(schema)) == 1
    assert schema.code(offered) in replies(schema)[0]
    assert ("subscriber", "answer_refused", None, None, "mo_not_understood") in (
        schema.events(offered))


def test_a_flood_is_stored_and_ignored(schema, offered):
    schema.setting(messages_per_hour=3)
    outcomes = [schema.receive("hello?")[0] for _ in range(5)]
    assert outcomes == ["not_understood"] * 3 + ["too_many"] * 2
    # The terms and two replies are three messages: the third reply was left out.
    assert len(replies(schema)) == 2


def test_a_code_is_for_its_number_only(schema, offered):
    schema.import_devices(device(DEV2, "+447700900124"))
    other = schema.offered(dev=DEV2)
    schema.send_all()
    code = schema.code(offered)
    if code == schema.code(other):
        pytest.skip("both offers drew the same code")
    assert schema.receive(f"YES {code}", sender="+447700900124") == ("wrong_code", None)
    assert state(schema, offered) == ("offered", None)


def test_codes_of_one_number_are_different_and_in_no_order(schema):
    schema.setting(open_requests=300, requests_per_hour=300, messages_per_hour=300)
    body = schema.body()
    for _ in range(60):
        assert schema.put(body)[0] == 201
    codes = [row["code"] for row in schema.table("select code from offer order by made")]
    assert len(set(codes)) == 60
    assert all(1000 <= int(code) <= 9999 for code in codes)
    assert codes != sorted(codes)
