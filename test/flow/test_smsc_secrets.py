"""Texts with secrets: sealed by who writes them, opened by who sends them, wiped after it."""

import secrets
import subprocess

import pytest
from harness import paths, pki, wait
from harness.schema import DEV, NUMBER
from harness.smscsim import Radio

CANARY = "Canary 4711 wire"


def key_line():
    return f"{secrets.token_hex(8)} {secrets.token_hex(32)}\n"


@pytest.fixture
def sealed_site(site):
    """A site whose provctl seals with the key of the link; nothing runs but the database."""
    site.keys = site.directory / "seal.keys"
    pki.write_secret(site.keys, key_line().encode())
    site.smsc.config["seal_key_file"] = site.keys
    site.start("database")
    site.provctl_conf = site.directory / "provctl.conf"
    site.provctl_conf.write_text(
        f'dsn = "{site.db.dsn("provbox_operator")}"\nseal_key_file = "{site.keys}"\n')
    return site


def provctl(site, *arguments, text="", status=0):
    done = subprocess.run([paths.program("provctl"), "-c", site.provctl_conf, *arguments], input=text,
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == status, done
    return done.stdout + done.stderr


def dump(site):
    """Everything that the database has on disk for a backup."""
    return subprocess.run(
        [paths.POSTGRES / "pg_dump", "--dbname", site.db.dsn("postgres")],
        capture_output=True, check=True, timeout=60).stdout


def holds(data, secret=CANARY):
    text = secret.encode()
    return text in data or text.hex().encode() in data


def notice(site):
    (row,) = site.schema.table("select n.state, n.sealed, n.text, length(n.sealed_sha256) as hash,"
                               " o.reason from notice n join outbox o on o.notice = n.id")
    return row


def test_a_secret_is_nowhere_but_on_the_handset(sealed_site):
    site = sealed_site
    site.smsc.config["log_level"] = "debug"
    assert "is queued" in provctl(site, "notice", "send", DEV, "-", text=CANARY + "\n")
    assert notice(site)["sealed"] and not holds(dump(site))
    site.start("smscsim", "bearerbox", "smsc")
    with Radio(site.smscsim.radio, NUMBER) as handset:
        assert bytes.fromhex(handset.next_part()["data"]).decode() == CANARY
        wait.until(lambda: notice(site)["state"] == "delivered", "delivery")
    row = notice(site)
    assert (row["sealed"], row["text"], row["hash"]) == (None, None, 32)
    assert not holds(dump(site))
    listed = provctl(site, "notice", "list", "--json") + provctl(site, "device", "show", DEV)
    assert "access" in listed and CANARY not in listed
    assert CANARY not in site.smsc.process.log()


def test_a_link_without_the_key_sends_nothing_until_it_has_it(sealed_site):
    site = sealed_site
    right = site.keys.read_bytes()
    provctl(site, "notice", "send", DEV, "-", text=CANARY)
    pki.write_secret(site.keys, key_line().encode())
    site.smsc.expect_errors("notice_unsendable")
    site.start("smscsim", "bearerbox", "smsc")
    site.smsc.wait_event("notice_unsendable", reason="seal_failed", why="not_opened")
    wait.until(lambda: notice(site)["reason"] == "seal_failed", "the reason")
    site.smsc.stop()
    pki.write_secret(site.keys, key_line().encode() + right)
    site.smsc.start()
    with Radio(site.smscsim.radio, NUMBER) as handset:
        assert bytes.fromhex(handset.next_part()["data"]).decode() == CANARY


@pytest.mark.parametrize("text, status", [("", 2), ("x" * 3061, 2), ("\n", 2)])
def test_a_text_that_is_none_is_refused(sealed_site, text, status):
    assert "a text is 1 to" in provctl(sealed_site, "notice", "send", DEV, "-", text=text, status=status)
    assert sealed_site.schema.table("select id from notice") == []


def test_without_a_key_or_a_device_nothing_is_stored(sealed_site):
    site = sealed_site
    other = "urn:gsma:imei:35209900-999999-0"
    assert "no such device" in provctl(site, "notice", "send", other, "-", text=CANARY, status=1)
    site.keys.chmod(0o640)
    assert "seal.keys" in provctl(site, "notice", "send", DEV, "-", text=CANARY, status=78)
    site.provctl_conf.write_text(f'dsn = "{site.db.dsn("provbox_operator")}"\n')
    assert "not configured" in provctl(site, "notice", "send", DEV, "-", text=CANARY, status=78)
    assert site.schema.table("select id from notice") == []
