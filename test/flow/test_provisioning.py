"""A handset is provisioned from one end to the other, on every real process.

The terms come as short messages and are answered from the keypad; the module is fetched
and executed; billing hears of it once.
"""

import pytest
from harness import paths, wait
from harness.handset import Handset, order
from harness.schema import MODULE, TERMS, digest, feature, manifest

ALL = ("database", "billing", "smscsim", "bearerbox", "server", "smsc", "gateway")
COMPASS = 1
EXAMPLE = paths.SOURCE / "contrib" / "catalogue"


@pytest.fixture
def whole(site):
    site.start(*ALL)
    site.bearerbox.wait_online()
    return site


def stored(site, column):
    return site.db.value(f"select {column} from provbox.request")


@pytest.mark.parametrize("language", TERMS)
def test_a_module_is_ordered_accepted_installed_and_billed(whole, language):
    handset = Handset(whole, language=language)
    handset.used(*order(COMPASS), "wait screen TERMS", "key YES", "wait screen DONE")

    assert stored(whole, "state") == "done"
    (message, *_) = handset.messages()
    notice = whole.db.query("select text from provbox.notice order by id")[0]["text"]
    assert message["text"] == notice and notice.startswith(TERMS[language] + "\n")
    assert message["parts"] > 1
    assert message["encoding"] == {"en": "gsm7", "el": "ucs2"}[language]
    (feature,) = handset.status()["features"]
    assert (feature["id"], feature["says"]) == ("compass", "compass 1.4.0")
    assert feature["sha256"] == digest(MODULE).hex()
    (record,) = wait.until(whole.billing.records, "the billing event")
    assert not record["repeated"]


def test_a_resident_feature_is_off_before_and_on_after(whole):
    activation = (EXAMPLE / "voice-mail.json").read_bytes()
    whole.schema.load(manifest([feature("voice-mail", activation, kind="activation")]),
                      [activation])
    handset = Handset(whole, residents=[f"voice-mail={EXAMPLE / 'resident' / 'voice-mail'}"])
    assert handset.status()["resident"][0]["status"] == "off"
    handset.used(*order(1), "wait screen TERMS", "key YES", "wait screen DONE")
    assert handset.status()["resident"][0]["status"] == "on"


def test_declined_terms_end_the_request(whole):
    handset = Handset(whole)
    run = handset.used(*order(COMPASS), "wait screen TERMS", "key NO", "wait screen ENDED",
                       outcome="declined")
    assert (stored(whole, "state"), stored(whole, "reason")) == ("declined", "terms_declined")
    assert "(terms_declined)" in run.log()
    assert whole.billing.records() == []


def test_wrong_user_information_ends_the_request(whole):
    handset = Handset(whole)
    handset.used(*order(COMPASS, family_name="Byron"), "wait screen ENDED",
                 "expect text Your name or postcode is not what the operator knows.",
                 outcome="refused")
    assert (stored(whole, "state"), stored(whole, "reason")) == ("refused", "user_mismatch")
