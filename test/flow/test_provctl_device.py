"""provctl device: what an operator decides of one, and which names one."""

import pytest
from harness.schema import DEV, DEV2, GATEWAY, NUMBER, Schema


@pytest.fixture
def schema(database):
    return Schema(database)


def test_a_device_is_blocked_and_unblocked(provctl, schema):
    provctl.run("device", "block", DEV, "--reason", "reported stolen")
    shown = provctl.json("device", "show", DEV)
    assert shown["device"]["standing"] == "blocked"
    assert shown["events"][-1]["detail"] == {"note": "reported stolen"}
    out, _ = provctl.run("device", "show", DEV)
    assert "standing     blocked" in out and NUMBER not in out
    provctl.run("device", "unblock", DEV)
    assert provctl.json("device", "show", DEV)["device"]["standing"] == "unprovisioned"
    for command in ("show", "block", "unblock", "limit"):
        assert "no such device" in provctl.run("device", command, DEV2, status=1)[1]


@pytest.mark.parametrize("command", [
    ("device", "show", "{}"), ("device", "block", "{}"), ("device", "trust", "{}", "00" * 32),
    ("device", "trace", "{}"), ("notice", "send", "{}", "-"), ("request", "list", "--dev", "{}")],
    ids=lambda words: " ".join(words[:2]))
def test_what_is_no_identifier_is_told_from_no_device(provctl, command):
    for dev in ("foo", "35209900-176148-0", DEV.upper(), DEV[:-1] + "1", DEV + "0", DEV[:-1],
                "urn:device-id:meid:A000000000000F", "urn:device-id:meid:a000000000000g"):
        assert "urn:gsma:imei:TTTTTTTT-SSSSSS-0" in provctl.run(
            *(word.format(dev) for word in command), status=2)[1]


def test_a_meid_is_an_identifier(provctl):
    assert "no such device" in provctl.run(
        "device", "show", "urn:device-id:meid:a000000000000f", status=1)[1]


def test_a_device_is_limited_and_given_back(provctl, schema):
    schema.finished("compass")
    provctl.run("device", "limit", DEV, "--reason", "unpaid bill")
    shown = provctl.json("device", "show", DEV)
    assert (shown["device"]["standing"], shown["device"]["reason"]) == (
        "limited", "operator_decision")
    assert shown["events"][-1]["detail"] == {"note": "unpaid bill"}
    provctl.run("device", "unblock", DEV)
    assert provctl.json("device", "show", DEV)["device"]["standing"] == "active"


def test_an_operator_decides_between_two_credentials(provctl, schema):
    creds = [bytes([n]) * 32 for n in (1, 2)]
    for n, cred in enumerate(creds):
        schema.row("server", "authentication_read", DEV, cred, "certificate", GATEWAY,
                   bytes([n]) * 16)
    out, _ = provctl.run("device", "show", DEV)
    assert "standing     blocked" in out and "reason       device_clone" in out
    assert all(cred.hex() in out for cred in creds)
    assert "trust" in provctl.json("reason", "device_clone")[0]["advice"]
    assert "64 hex digits" in provctl.run("device", "trust", DEV, "me", status=1)[1]
    assert "no such device" in provctl.run("device", "trust", DEV2, creds[0].hex(), status=1)[1]
    provctl.run("device", "trust", DEV, creds[0].hex())
    shown = provctl.json("device", "show", DEV)["device"]
    assert (shown["standing"], shown["cred"], shown["credentials"]) == (
        "unprovisioned", creds[0].hex(), [])
