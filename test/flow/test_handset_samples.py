"""The sample features as a catalogue delivers them: a module, and an activation."""

import json
import subprocess

import pytest
from harness import paths
from harness.handset import Handset, order
from harness.schema import feature, manifest

SAMPLES = paths.BUILD / "contrib" / "modules"
ACTIVATION = paths.SOURCE / "contrib" / "modules" / "voicemail.json"
ACCEPT = ["wait state offered", "key SOFT1", "wait screen TERMS", "key YES"]


@pytest.fixture
def edge(site):
    site.start("database", "billing", "smscsim", "server", "gateway")
    return site


def publish(site, module, version, activation):
    contents = [module, activation]
    site.schema.load(manifest([
        feature("callscreen", module, version=version),
        feature("voicemail", activation, version="1.0.0", kind="activation"),
    ]), contents)


def handset_with_voicemail(site):
    return Handset(site, residents=[f"voicemail={SAMPLES / 'voicemail'}"])


def resident(handset):
    (found,) = handset.status()["resident"]
    return found["says"], found["status"]


def says_voicemail(handset, activation):
    program = handset.directory / "resident/voicemail/program"
    return subprocess.run([program, "--status", activation], check=True, text=True,
                          capture_output=True, timeout=10).stdout.strip()


def test_module_and_activation_in_one_request(edge):
    handset = handset_with_voicemail(edge)
    publish(edge, (SAMPLES / "callscreen").read_bytes(), "1.0.0", ACTIVATION.read_bytes())
    assert resident(handset) == ("voicemail 1.0.0", "off")
    handset.used(*order(1, 2), *ACCEPT, "wait screen DONE",
                 "expect text Callscreen 1.0.0: installed",
                 "expect text Voicemail 1.0.0: installed")
    status = handset.status()
    assert {f["id"]: f.get("says") for f in status["features"]} == {
        "callscreen": "callscreen 1.0.0", "voicemail": None}
    assert resident(handset) == ("voicemail 1.0.0", "on")

    # The program itself looks at the token: a file that is merely there is not enough.
    activation = handset.directory / "features/voicemail/current/activation.json"
    assert says_voicemail(handset, activation) == "on"
    tampered = json.loads(activation.read_text())
    tampered["token"] = "A" + tampered["token"][1:]
    activation.write_text(json.dumps(tampered))
    assert says_voicemail(handset, activation) == "off"
    assert resident(handset) == ("voicemail 1.0.0", "off")


def test_a_new_version_replaces_the_old_one(edge):
    handset = handset_with_voicemail(edge)
    for program, version in (("callscreen", "1.0.0"), ("callscreen-2", "2.0.0")):
        publish(edge, (SAMPLES / program).read_bytes(), version, ACTIVATION.read_bytes())
        handset.used(*order(1), *ACCEPT, "wait screen DONE")
        (found,) = handset.status()["features"]
        assert (found["version"], found["says"]) == (version, f"callscreen {version}")


def test_an_activation_with_another_token_turns_nothing_on(edge):
    handset = handset_with_voicemail(edge)
    wrong = json.loads(ACTIVATION.read_text())
    wrong["token"] = wrong["token"][1:] + "A"
    publish(edge, b"unused", "1.0.0", json.dumps(wrong).encode())
    handset.used(*order(2), *ACCEPT, "wait screen ENDED", outcome="not_installed")
    assert resident(handset) == ("voicemail 1.0.0", "off")
    assert handset.status()["features"] == []
