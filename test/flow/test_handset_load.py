"""A load of whole provisionings: many devices at a time, each once, counted by what they did."""

import json
import signal
import subprocess

import pytest
from cryptography import x509
from harness import paths, wait
from harness.fleet import Fleet
from harness.schema import MODULE, TERMS, digest, feature, manifest

ALL = ("database", "billing", "smscsim", "bearerbox", "server", "smsc", "gateway")
WIDE = ("database", "billing", "smscsim", "server", "gateway")
PARTS = ["session", "catalogue", "offer", "terms", "answer", "content", "whole"]


def states(site):
    return {row["state"]: row["n"] for row in site.db.query(
        "select state, count(*) as n from provbox.request group by state")}


@pytest.mark.parametrize("way", ["sms", "online"])
def test_every_device_of_a_fleet_is_provisioned(site, way):
    site.start(*(ALL if way == "sms" else WIDE))
    if way == "sms":
        site.bearerbox.wait_online()
    fleet = Fleet(site, 12)
    report = fleet.load("--at-once", 4, *(["--online"] if way == "online" else []))

    assert (report["done"], report["failed"], report["reasons"]) == (12, 0, {})
    assert report["per_second"] == pytest.approx(12 / report["seconds"], rel=0.01)
    assert list(report["milliseconds"]) == PARTS
    for part in report["milliseconds"].values():
        assert part["devices"] == 12
        assert 0 < part["p50"] <= part["p90"] <= part["p99"] <= part["max"]
    assert states(site) == {"done": 12}
    answers = site.db.query("select distinct answer, channel from provbox.acceptance")
    assert answers == [{"answer": "accept",
                        "channel": "narrow_band" if way == "sms" else "wide_band"}]
    # Each said goodbye before it went.
    ends = wait.until(lambda: (found := site.gateway.process.events("session_end"))
                      and len(found) == 12 and found, "the ends of the sessions")
    assert {end["detail"] for end in ends} == {"eof"}
    wait.until(lambda: len(site.billing.records()) == 12, "the billing events")


def test_what_is_not_provisioned_is_counted_by_its_reason(site):
    site.start(*WIDE)
    fleet = Fleet(site, 6)
    blocked, moved = fleet.records[1], fleet.records[3]
    site.schema.rows("operator", "device_block", blocked["dev"], "stolen")
    site.schema.import_devices({**moved, "postcode": "SW1A 1AA"})
    report = fleet.load("--online", status=1)
    assert (report["done"], report["failed"]) == (4, 2)
    assert report["reasons"] == {"device_blocked": 1, "user_mismatch": 1}
    assert report["milliseconds"]["session"]["devices"] == 5
    assert report["milliseconds"]["whole"]["devices"] == 4
    assert states(site) == {"done": 4, "refused": 1}

    # Provisioned ones again; in words for people.
    text = fleet.run("load", "--online", "--count", 1)
    assert text.startswith("1 provisioned, 0 not, in ")
    text = fleet.run("load", "--online", "--count", 1, "--first", 2, status=1)
    assert "device_blocked" in text and "The operator has blocked this phone." in text


def test_content_that_is_not_what_was_promised_is_no_success(site):
    site.start(*WIDE)
    fleet = Fleet(site, 2)
    site.schema.load(manifest([feature("compass", MODULE), feature("torch", b"light")],
                              TERMS), [MODULE, b"light"])
    site.db.query("update provbox.content_chunk set bytes = 'night' where sha256 = %s",
                  digest(b"light"))
    report = fleet.load("--online", "--item", "torch", status=1)
    assert report["reasons"] == {"digest_mismatch": 2}
    assert fleet.load("--online", "--item", "compass")["done"] == 2


def test_a_rate_is_kept(site):
    site.start(*WIDE)
    fleet = Fleet(site, 5)
    report = fleet.load("--online", "--rate", 2)
    assert report["done"] == 5
    assert report["seconds"] >= 1.9  # the fifth begins after two seconds


def test_a_rate_that_cannot_be_kept_is_told(site):
    site.start(*WIDE)
    fleet = Fleet(site, 20)
    report = fleet.load("--online", "--rate", 1000, "--at-once", 1)
    assert report["done"] == 20
    assert 1 <= report["late"] < 20


def test_a_load_that_is_interrupted_accounts_for_every_device(site):
    site.start(*WIDE)  # nothing sends the terms: devices wait for them
    fleet = Fleet(site, 6)
    load = subprocess.Popen(fleet.argv("load", "--json", "--count", 6, "--at-once", 2),
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    wait.until(lambda: states(site) == {"offered": 2}, "two offers")
    load.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        load.wait(0.5)  # those under way may end
    load.send_signal(signal.SIGINT)
    out, _ = load.communicate(timeout=20)
    report = json.loads(out)
    assert load.returncode == 1
    assert (report["done"], report["failed"], report["not_begun"]) == (0, 2, 4)
    assert report["reasons"] == {"interrupted": 2}
    assert report["milliseconds"]["offer"]["devices"] == 2


def test_what_cannot_be_a_load_is_said(site):
    site.start("database", "smscsim")
    fleet = Fleet(site, 1)
    missing = subprocess.run(
        [paths.program("handset"), "load", "--dir", fleet.directory, "--count", "2",
         "--first", "1", "--online"], capture_output=True, text=True, timeout=60)
    assert missing.returncode == 1
    assert "devices/000002.key" in missing.stderr
    for words, said in ((["--count", "0"], "--count: is no number from 1 to 999999"),
                        (["--first", "999999", "--count", "2"], "no serials over 999999"),
                        (["--at-once", "100000000"], "--at-once: is no number")):
        done = subprocess.run([paths.program("handset"), "load", "--dir", fleet.directory, *words],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode != 0 and said in done.stderr, done.stderr


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_fleet_that_was_broken_off_is_made_whole(site, is_killed):
    """Within a certificate: by a file that may not grow, or by the signal that says so."""
    site.start("database")
    fleet = Fleet(site, 1)
    argv = fleet.argv("fleet", *fleet.words(), "--count", 2)
    done = subprocess.run(["prlimit", "--fsize=600", *argv], capture_output=True, text=True,
                          timeout=60, restore_signals=is_killed)
    if is_killed:
        assert done.returncode == -signal.SIGXFSZ
    else:
        assert done.returncode == 1
        assert "devices/000002.crt: File too large" in done.stderr
    fleet.run("fleet", *fleet.words(), "--count", 2)
    made = (fleet.directory / "devices" / "000002.crt").read_bytes()
    x509.load_pem_x509_certificate(made)
