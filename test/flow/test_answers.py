"""Answers on their whole way: over the air, a real bearerbox and the link, and beside the
device's own. The rules themselves: test_sql_mo.py."""

import threading

import pytest
from harness import wait
from harness.schema import NUMBER, SHORT_CODE, TERMS
from harness.smscsim import Radio
from test_smsc_link import text_on


@pytest.fixture
def handset(site):
    site.start("database", "smscsim", "bearerbox", "smsc")
    site.bearerbox.wait_online()
    with Radio(site.smscsim.radio, NUMBER) as radio:
        yield radio


def offered(site, handset, language="en"):
    """A request whose terms have come to the handset, and the code in them."""
    request = site.schema.offered(language=language)
    text, _ = text_on(handset)
    assert text.startswith(TERMS[language])
    wait.until(lambda: site.schema.table("select 1 as n from notice n join request r on rid = request"
                                         " where r.id = %s and acked is not null", request),
               "all parts at bearerbox")
    return request, site.schema.code(request)


def wait_outcomes(site, expected):
    """What came of all messages from handsets, in their order."""
    def told():
        return [row["outcome"] for row in
                site.schema.table("select outcome from mo order by received")]

    wait.until(lambda: len(told()) >= len(expected) and None not in told(), str(expected))
    assert told() == expected


@pytest.mark.long
def test_links_are_told_by_the_names_that_kannel_gives_them(site, handset):
    site.schema.setting(mo_smsc_ids="elsewhere")
    request, code = offered(site, handset)
    handset.send(SHORT_CODE, f"YES {code}")
    wait_outcomes(site, ["not_allowed"])
    ours = site.bearerbox.SMSC_ID
    site.schema.setting(mo_smsc_ids=f"elsewhere,{ours}", bare_smsc_ids="elsewhere")
    handset.send("4321", f"YES {code}")
    wait_outcomes(site, ["not_allowed"] * 2)
    handset.send(SHORT_CODE, "YES")
    wait_outcomes(site, ["not_allowed"] * 2 + ["code_needed"])
    assert f"YES {code}" in text_on(handset)[0]
    handset.send(SHORT_CODE, f"YES {code}")
    wait_outcomes(site, ["not_allowed"] * 2 + ["code_needed", "accepted"])
    source = site.schema.row("operator", "agreement_read", None, request)["source"]
    assert (source["smsc"], source["short_code"]) == (ours, SHORT_CODE)


@pytest.mark.long
def test_who_answers_again_by_message_reads_the_first_answer(site, handset):
    """In letters that only UCS-2 has."""
    request, code = offered(site, handset, "el")
    assert site.schema.answer(request, language="el")[0] == 200
    text_on(handset)  # what is on its way
    handset.send(SHORT_CODE, f"NO {code}")
    text, (part,) = text_on(handset)
    assert (text, part["dcs"]) == (
        "Έχετε ήδη αποδεχτεί αυτούς τους όρους. Τίποτα δεν άλλαξε.", 8)
    wait_outcomes(site, ["answered"])


def test_of_two_answers_at_once_one_counts_and_the_other_is_told(site, handset):
    """By the device and by message, several times over; whoever is first."""
    for _ in range(4):
        request, code = offered(site, handset)
        before = len(site.schema.table("select 1 as n from mo"))
        wide = []
        device = threading.Thread(target=lambda: wide.append(site.schema.answer(request)[:2]))
        device.start()
        handset.send(SHORT_CODE, f"NO {code}")
        device.join()
        wait.until(lambda: len(site.schema.table(
            "select 1 as n from mo where outcome is not null")) > before, "the message")
        (last,) = site.schema.table("select outcome from mo order by received desc limit 1")
        agreement = site.schema.row("operator", "agreement_read", None, request)
        if wide == [(200, None)]:
            assert (agreement["answer"], last["outcome"]) == ("accept", "answered")
            texts = {text_on(handset)[0], text_on(handset)[0]}
            assert "You accepted these terms before. Nothing has changed." in texts
            site.schema.value("operator", "request_cancel", agreement["source"]["dev"], request,
                              None)
        else:
            assert wide == [(409, "answer_final")]
            assert (agreement["answer"], last["outcome"]) == ("decline", "declined")
