"""The example catalogue on a handset: its modules work, its activation alone activates."""

import json
import subprocess

import pytest
from harness import paths
from harness.handset import Handset, order
from harness.schema import feature, manifest

EXAMPLE = paths.SOURCE / "contrib" / "catalogue"
FEATURES = {f["id"]: f for f in json.loads((EXAMPLE / "manifest.json").read_text())["features"]}
COMPASS, CONVERTER, VOICE_MAIL = 1, 2, 3
ACCEPT = ["wait state offered", "key SOFT1", "wait screen TERMS", "key YES"]


@pytest.fixture
def edge(site):
    site.start("database", "billing", "smscsim", "server", "gateway")
    return site


def publish(site, **changed):
    """Load the example; `changed` gives a feature another version or content."""
    features, contents = [], []
    for name, known in FEATURES.items():
        change = changed.get(name.replace("-", "_"), {})
        content = change.get("content", (EXAMPLE / known["file"]).read_bytes())
        features.append(feature(name, content, kind=known["kind"],
                                version=change.get("version", known["version"])))
        contents.append(content)
    site.schema.load(manifest(features), contents)


def handset_with_voice_mail(site):
    return Handset(site, residents=[f"voice-mail={EXAMPLE / 'resident' / 'voice-mail'}"])


def resident(handset):
    (found,) = handset.status()["resident"]
    return found["says"], found["status"]


def says(handset, program, *arguments):
    return subprocess.run([handset.directory / program, *arguments], check=True, text=True,
                          capture_output=True, timeout=10).stdout.strip()


def test_module_and_activation_in_one_request(edge):
    handset = handset_with_voice_mail(edge)
    publish(edge)
    assert resident(handset) == ("voice-mail 3.1.0", "off")
    handset.used(*order(COMPASS, CONVERTER, VOICE_MAIL), *ACCEPT, "wait screen DONE",
                 "expect text Compass 1.4.0: installed",
                 "expect text Voice-Mail 3.1.0: installed")
    assert {f["id"]: f.get("says") for f in handset.status()["features"]} == {
        "compass": "compass 1.4.0", "converter": "converter 2.0.1", "voice-mail": None}
    assert says(handset, "features/compass/current/program", "225") == "SW"
    assert says(handset, "features/converter/current/program", "26") == "41.842"
    assert resident(handset) == ("voice-mail 3.1.0", "on")

    # The program itself looks at the activation: a file that is merely there is not enough.
    activation = handset.directory / "features/voice-mail/current/activation.json"
    activation.write_bytes(activation.read_bytes().replace(b"20", b"99"))
    assert says(handset, "resident/voice-mail/program", "--status", activation) == "off"
    assert resident(handset) == ("voice-mail 3.1.0", "off")


def test_a_new_version_replaces_the_old_one(edge):
    handset = Handset(edge)
    old = (EXAMPLE / "compass").read_bytes()
    for version in ("1.4.0", "2.0.0"):
        content = old.replace(b"1.4.0", version.encode())
        publish(edge, compass={"version": version, "content": content})
        handset.used(*order(COMPASS), *ACCEPT, "wait screen DONE")
        (found,) = handset.status()["features"]
        assert (found["version"], found["says"]) == (version, f"compass {version}")


def test_a_changed_activation_turns_nothing_on(edge):
    handset = handset_with_voice_mail(edge)
    right = (EXAMPLE / "voice-mail.json").read_bytes()
    publish(edge, voice_mail={"content": right.replace(b"20", b"99")})
    handset.used(*order(VOICE_MAIL), *ACCEPT, "wait screen ENDED", outcome="not_installed")
    assert resident(handset) == ("voice-mail 3.1.0", "off")
    assert handset.status()["features"] == []
