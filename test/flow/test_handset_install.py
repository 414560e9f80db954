"""What is provisioned is old or new at every moment, whatever interrupts it."""

import random
import time

import pytest
from harness.handset import Handset, order
from harness.schema import digest, feature, manifest

ACCEPT = ["wait state offered", "key SOFT1", "wait screen TERMS", "key YES"]


def module(version, padding=0, self_test="exit 0"):
    """A program with a version; padding makes it long."""
    return (f"#!/bin/sh\ncase $1 in\n--version) echo compass {version} ;;\n"
            f"--self-test) {self_test} ;;\nesac\nexit 0\n").encode() + b"#" * padding


@pytest.fixture
def edge(site):
    site.start("database", "billing", "smscsim", "server", "gateway")
    site.schema.setting(messages_per_hour=1000, requests_per_hour=1000)
    return site


def publish(site, version, **knobs):
    content = module(version, **knobs)
    site.schema.load(manifest([feature("compass", content, version=version)]), [content])
    return content


def provision(site, handset, version, **knobs):
    publish(site, version, **knobs)
    handset.used(*order(1), *ACCEPT, "wait screen DONE")


def installed(handset):
    """Version in force, by its manifest and by what the program itself says."""
    (found,) = handset.status()["features"]
    assert found["says"] == f"compass {found['version']}"
    return found["version"]


def test_killed_at_any_moment_it_is_old_or_new(edge):
    handset = Handset(edge)
    provision(edge, handset, "1.0")
    seen, continued = set(), 0
    dice = random.Random(20261121)
    longest_s = 0.03  # follows the speed of the machine, around the moment of the change
    for n in range(2, 16):
        before, after = f"{n - 1}.0", f"{n}.0"
        publish(edge, after, padding=2_000_000)
        run = handset.use(*order(1), *ACCEPT, "wait screen DONE")
        run.wait_event("state", to="fetching")
        time.sleep(dice.uniform(longest_s / 2, longest_s))
        run.kill()
        assert installed(handset) in (before, after)
        is_new = installed(handset) == after
        seen.add(is_new)
        longest_s *= 0.6 if is_new else 1.6
        # Switched on again it goes on by itself, without another key.
        if handset.status()["request"]:
            handset.used("wait screen DONE")
            continued += 1
        assert installed(handset) == after
    assert seen == {False, True}
    assert continued >= 3
    states = edge.db.query("select distinct state from provbox.request")
    assert [row["state"] for row in states] == ["done"]


def test_killed_while_the_terms_are_read_it_asks_again(edge):
    publish(edge, "1.0")
    handset = Handset(edge)
    run = handset.use(*order(1), "wait state offered", "key SOFT1", "wait screen TERMS")
    run.wait_event("screen", name="TERMS")
    run.kill()
    assert handset.status()["request"]
    handset.used(*ACCEPT, "wait screen DONE")
    assert installed(handset) == "1.0"
    assert edge.db.value("select count(*) from provbox.request") == 1
    assert handset.status()["request"] is None


def test_a_module_that_fails_its_self_test_leaves_the_old_one(edge):
    handset = Handset(edge)
    provision(edge, handset, "1.0")
    publish(edge, "2.0", self_test="exit 1")
    handset.used(*order(1), *ACCEPT, "wait screen ENDED",
                 "expect text It failed its self-test and was not installed.",
                 outcome="not_installed")
    assert installed(handset) == "1.0"
    item = edge.db.query("select state, reason from provbox.item order by request desc")[0]
    assert (item["state"], item["reason"]) == ("failed", "self_test_failed")


def test_a_module_that_hangs_in_its_self_test_leaves_the_old_one(edge):
    handset = Handset(edge, test_limit="300ms")
    provision(edge, handset, "1.0")
    publish(edge, "2.0", self_test="sleep 60")
    handset.used(*order(1), *ACCEPT, "wait screen ENDED", outcome="not_installed")
    assert installed(handset) == "1.0"


def test_a_module_that_is_another_version_leaves_the_old_one(edge):
    handset = Handset(edge)
    provision(edge, handset, "1.0")
    content = module("3.0")
    edge.schema.load(manifest([feature("compass", content, version="2.0")]), [content])
    handset.used(*order(1), *ACCEPT, "wait screen ENDED", outcome="not_installed")
    assert installed(handset) == "1.0"


def partial(handset, content, received):
    """The handset as it is when a download was cut after these bytes."""
    (handset.directory / "downloads").mkdir(exist_ok=True)
    part = handset.directory / "downloads" / f"{digest(content).hex()}.part"
    part.write_bytes(received)
    return part


def test_a_cut_download_goes_on_where_it_was(edge):
    content = publish(edge, "1.0", padding=600_000)
    handset = Handset(edge)
    part = partial(handset, content, content[:400_000])
    run = handset.used(*order(1), *ACCEPT, "wait screen DONE")
    assert run.events("download")[0]["from"] == "400000"
    assert edge.server.events("request", route="/v1/content/{sha256}", status=206)
    assert installed(handset) == "1.0"
    assert not part.exists()


def test_a_download_that_was_damaged_is_thrown_away(edge):
    content = publish(edge, "1.0", padding=600_000)
    handset = Handset(edge)
    part = partial(handset, content, b"x" * 400_000)
    handset.used(*order(1), *ACCEPT, "wait screen ENDED",
                 "expect text What arrived was not what was promised",
                 outcome="not_installed")
    assert handset.status()["features"] == []
    assert not part.exists()


def test_what_was_damaged_is_sent_again_when_the_user_wants_it(edge):
    content = publish(edge, "1.0", padding=600_000)
    handset = Handset(edge, again_limit="1m")
    partial(handset, content, b"x" * 400_000)
    run = handset.used(*order(1), *ACCEPT, "wait screen AGAIN",
                       "expect text What arrived was not what was promised",
                       "key SOFT1", "wait screen DONE")
    assert run.events("retransmission", item="compass", attempt=1, reason="digest_mismatch")
    assert [line["from"] for line in run.events("download")] == ["400000", "0"]
    assert installed(handset) == "1.0"
    assert edge.db.query("select actor, reason from provbox.event"
                         " where kind = 'retransmit'") == [
        {"actor": "device", "reason": "digest_mismatch"}]


def test_what_fails_again_and_again_reaches_the_cap(edge):
    edge.schema.setting(retransmissions=2)
    publish(edge, "1.0", self_test="exit 1")
    handset = Handset(edge, again_limit="1m")
    run = handset.used(*order(1), *ACCEPT, *["wait screen AGAIN", "key SOFT1"] * 3,
                       "wait screen ENDED",
                       "expect text It failed its self-test and was not installed.",
                       outcome="not_installed")
    assert len(run.events("download")) == 3
    assert run.events("retransmission_refused", reason="retransmission_limit")
    assert edge.db.query("select reason from provbox.item") == [{"reason": "self_test_failed"}]


def test_an_activation_for_a_feature_that_is_not_there_is_not_installed(edge):
    handset = Handset(edge)
    handset.used(*order(2), *ACCEPT, "wait screen ENDED", outcome="not_installed")
    assert handset.status()["features"] == []
