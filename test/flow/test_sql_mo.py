"""Answers by SMS: what counts, what is asked back, and what ends an offer."""

import json

import pytest
from harness.schema import DEV, DEV2, NUMBER, device


@pytest.fixture
def offered(schema):
    request = schema.offered()
    schema.send_all()
    return request


def replies(schema):
    return [row["text"] for row in schema.table(
        "select text from notice where kind = 'reply' order by id")]


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
    (proof,) = schema.table("select answer, channel, source from acceptance")
    assert proof == {"answer": "accept", "channel": "narrow_band",
                     "source": {"number": NUMBER, "message": "m-1", "smsc": "sim"}}
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
    assert schema.receive(f"NO {code}", message="m-2") == ("no_offer", None)
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
    wrong = "YES " + str((int(schema.code(offered)) - 1000 + 1) % 9000 + 1000)
    assert schema.receive(wrong)[0] == "wrong_code"
    assert schema.receive(wrong + "0")[0] == "wrong_code"
    assert state(schema, offered) == ("offered", None)
    assert schema.receive(wrong)[0] == "offer_ended"
    assert state(schema, offered) == ("refused", "too_many_wrong_codes")
    assert schema.receive(f"YES {schema.code(offered)}") == ("no_offer", None)
    assert len(replies(schema)) == 3


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


def test_an_answer_to_an_expired_offer_does_not_count(schema, offered):
    schema.table("update offer set expires = now() - interval '1 second' returning 1")
    assert schema.receive(f"YES {schema.code(offered)}") == ("no_offer", None)
    assert state(schema, offered) == ("offered", None)
    assert schema.value("server", "requests_expire", 10) == 1


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


def test_codes_of_one_number_are_different(schema):
    schema.setting(open_requests=300, requests_per_hour=300, messages_per_hour=300)
    body = schema.body()
    for _ in range(60):
        assert schema.put(body)[0] == 201
    codes = [row["code"] for row in schema.table("select code from offer")]
    assert len(set(codes)) == 60
    assert all(1000 <= int(code) <= 9999 for code in codes)
