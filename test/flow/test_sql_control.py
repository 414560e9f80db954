"""What gateways must be told at once, and credentials that are used twice."""

import json
import threading

import psycopg2
import pytest
from harness import wait
from harness.schema import DEV, DEV2, device

GATEWAYS = [bytes([n]) * 32 for n in range(2)]
CREDS = [bytes([n + 16]) * 32 for n in range(3)]


class Look:
    """A reader of the changes, as a worker of the server is."""

    def __init__(self, schema, limit=1000):
        self.schema, self.limit, self.cursor = schema, limit, None
        assert self.read() == []

    def read(self):
        row = self.schema.row("server", "changes_read", self.cursor, self.limit)
        self.cursor = row["cursor"]
        assert row["lines"] == "" or row["lines"].endswith("\n")
        return [(line["end"], line["reason"]) for line in map(json.loads, row["lines"].splitlines())]


class Session:
    def __init__(self, schema, sid, cred=0, gateway=0, dev=DEV):
        self.schema, self.dev = schema, dev
        self.sid, self.cred, self.gateway = bytes([sid]) * 16, CREDS[cred], GATEWAYS[gateway]

    def authenticate(self):
        row = self.schema.row("server", "authentication_read", self.dev, self.cred, "certificate",
                              self.gateway, self.sid)
        return row["standing"], row["reason"]

    def end(self, gateway=0):
        self.schema.value("server", "session_end", self.sid, self.dev, "certificate", self.cred,
                          GATEWAYS[gateway], "client_closed")


def shown(schema, dev=DEV):
    return schema.row("operator", "device_show", dev)


def events(schema, kind):
    return [(e["from_state"], e["to_state"], e["reason"]) for e in schema.table(
        "select * from event where kind = %s order by id", kind)]


def policy(schema, reason, outcome):
    schema.rows("operator", "policy_put", "device", reason, outcome)


# Changes

def test_each_change_is_told_once_with_what_becomes_of_sessions(schema):
    look = Look(schema)
    schema.value("operator", "device_block", DEV, None)
    assert look.read() == [(DEV, "device_blocked")]
    assert look.read() == []
    for call in (("device_unblock", DEV), ("device_limit", DEV, None),
                 ("device_trust", DEV, CREDS[0].hex())):
        schema.value("operator", *call)
        assert look.read() == [(DEV, "grant_epoch")], call
    schema.import_devices(device(cred=CREDS[1].hex()))
    assert look.read() == [(DEV, "grant_epoch")]
    schema.import_devices(device(model="Example Two", cred=CREDS[1].hex()))
    assert look.read() == []


def test_of_several_changes_the_last_is_told(schema):
    schema.import_devices(device(DEV2))
    look = Look(schema)
    schema.value("operator", "device_block", DEV2, None)
    schema.value("operator", "device_block", DEV, None)
    schema.value("operator", "device_unblock", DEV2)
    assert look.read() == [(DEV, "device_blocked"), (DEV2, "grant_epoch")]


def test_a_first_request_tells_the_new_standing(schema):
    look = Look(schema)
    schema.finished("compass")
    assert look.read() == [(DEV, "grant_epoch")]


def test_a_change_that_is_committed_late_is_told(schema):
    """Its epoch and its transaction are older than those of a change told before."""
    schema.import_devices(device(DEV2))
    late = schema.database.cluster.connect(schema.database.name)
    late.autocommit = False
    cursor = late.cursor()
    cursor.execute("select provbox.device_block(%s, null)", (DEV,))
    look = Look(schema)
    schema.value("operator", "device_block", DEV2, None)
    assert look.read() == [(DEV2, "device_blocked")]
    assert look.read() == []
    late.commit()
    assert look.read() == [(DEV, "device_blocked")]
    assert look.read() == []
    cursor.execute("select provbox.device_unblock(%s)", (DEV,))
    late.rollback()
    assert look.read() == []
    late.close()


def test_a_rule_and_a_crowd_are_told_in_one_line(schema):
    look = Look(schema, limit=2)
    policy(schema, "device_unknown", "limited")
    assert look.read() == [("*", "grant_epoch")]
    policy(schema, "device_clone", "limited")  # no grant depends on it
    assert look.read() == []
    rows = [device(f"urn:gsma:imei:35209900-40000{n}-0") for n in range(3)]
    schema.import_devices(*rows[:2])  # they may have had a grant by the rule
    assert look.read() == [(row["dev"], "grant_epoch") for row in rows[:2]]
    schema.import_devices(*(dict(row, cred=CREDS[0].hex()) for row in rows))
    assert look.read() == [("*", "grant_epoch")]
    policy(schema, "device_unknown", "prevent")
    look.read()
    schema.import_devices(device(DEV2))
    assert look.read() == []


def test_after_a_restart_of_the_database_everything_counts_as_changed(schema):
    look = Look(schema)
    started, snapshot = look.cursor.split(" ")
    look.cursor = f"{float(started) - 1} {snapshot}"
    assert look.read() == [("*", "grant_epoch")]
    assert look.read() == []


def test_what_is_over_is_forgotten(schema):
    schema.value("operator", "device_block", DEV, None)
    schema.import_devices(device(DEV2))
    Session(schema, 1, dev=DEV2).authenticate()
    assert schema.value("server", "control_forget", 10) == 0
    schema.table("update change set at = at - interval '11 minutes';"
                 "update live_credential set seen = seen - interval '11 minutes' returning 1")
    assert schema.value("server", "control_forget", 10) == 2
    assert schema.table("select from change") == schema.table("select from live_credential") == []


def test_no_grant_of_one_row_is_good_for_another(schema):
    """A device that is imported while the rule for unknown ones had given it a grant."""
    policy(schema, "device_unknown", "limited")
    epoch = schema.epoch(DEV2)
    assert schema.api("device_read", dev=DEV2, epoch=epoch, permission="care")[0] == 200
    schema.import_devices(device(DEV2, cred=CREDS[0].hex()))
    assert schema.api("device_read", dev=DEV2, epoch=epoch, permission="care")[:2] == (
        401, "grant_epoch")


# Limited

def test_an_operator_limits_blocks_and_gives_back(schema):
    schema.finished("compass")
    assert schema.value("operator", "device_limit", DEV, "unpaid bill")
    assert (shown(schema)["standing"], shown(schema)["reason"]) == ("limited", "operator_decision")
    assert schema.api("device_read", permission="care")[2]["standing"] == "limited"
    assert schema.put()[:2] == (403, "standing_limited")
    assert schema.value("operator", "device_block", DEV, None)
    assert schema.api("device_read", permission="care")[:2] == (403, "device_blocked")
    assert schema.value("operator", "device_unblock", DEV)
    assert shown(schema)["standing"] == "active"
    assert schema.value("operator", "device_unblock", DEV)
    assert shown(schema)["standing"] == "active"
    assert not schema.value("operator", "device_limit", DEV2, None)


# Clones

def test_sessions_with_one_credential_are_one_device(schema):
    for sid, gateway in ((1, 0), (2, 0), (3, 1), (1, 0)):
        assert Session(schema, sid, 0, gateway).authenticate() == ("unprovisioned", None)
    assert [line.split(" ")[0] for line in shown(schema)["credentials"]] == [CREDS[0].hex()]


def test_two_live_credentials_stop_both_until_an_operator_decides(schema):
    schema.finished("compass")
    first, second = Session(schema, 1, 0), Session(schema, 2, 1, gateway=1)
    assert first.authenticate() == ("active", None)
    look = Look(schema)
    assert second.authenticate() == ("blocked", "device_clone")
    assert look.read() == [(DEV, "device_blocked")]
    assert first.authenticate() == second.authenticate() == ("blocked", "device_blocked")
    assert schema.api("device_read")[:2] == (403, "device_blocked")
    assert events(schema, "standing")[1:] == [("active", "blocked", "device_clone")]
    assert events(schema, "clone") == [(None, None, "device_clone")]
    record = shown(schema)
    assert (record["standing"], record["reason"]) == ("blocked", "device_clone")
    assert [line.split(" ")[0] for line in record["credentials"]] == [
        CREDS[0].hex(), CREDS[1].hex()]
    assert schema.value("operator", "device_trust", DEV, CREDS[0].hex())
    assert first.authenticate() == ("active", None)
    assert second.authenticate() == ("blocked", "credential_mismatch")
    assert shown(schema)["credentials"] == []


def test_an_unblocked_device_is_judged_anew(schema):
    first, second = Session(schema, 1, 0), Session(schema, 2, 1)
    first.authenticate()
    second.authenticate()
    schema.value("operator", "device_unblock", DEV)
    assert second.authenticate() == ("unprovisioned", None)
    assert first.authenticate() == ("blocked", "device_clone")


def test_a_credential_is_live_until_its_last_session_has_ended(schema):
    old = [Session(schema, n, 0) for n in (1, 2)]
    for session in old:
        session.authenticate()
    old[0].end()
    old[1].end(gateway=1)  # not that gateway's session
    other = Session(schema, 3, 1)
    old[1].end()
    assert other.authenticate() == ("unprovisioned", None)
    assert Session(schema, 4, 2).authenticate() == ("blocked", "device_clone")


def test_another_gateway_ends_nobodys_session(schema):
    first = Session(schema, 1, 0)
    first.authenticate()
    first.end(gateway=1)
    assert Session(schema, 2, 1).authenticate() == ("blocked", "device_clone")


def test_a_credential_is_live_for_a_time_only(schema):
    Session(schema, 1, 0).authenticate()
    schema.setting(credential_life="0 seconds")
    assert Session(schema, 2, 1).authenticate() == ("unprovisioned", None)


def test_a_pinned_credential_cannot_be_stopped_by_another(schema):
    schema.import_devices(device(cred=CREDS[0].hex()))
    for _ in range(2):
        assert Session(schema, 1, 0).authenticate() == ("unprovisioned", None)
        assert Session(schema, 2, 1).authenticate() == ("blocked", "credential_mismatch")
    assert schema.table("select from live_credential") == []


@pytest.mark.parametrize("rule, before, after", [
    ("limited", "active", "limited"), ("limited", "unprovisioned", "limited"),
    ("register", "active", "unprovisioned"), ("register", "limited", "limited"),
    ("prevent", "limited", "blocked")])
def test_the_policy_for_clones(schema, rule, before, after):
    if before == "active":
        schema.finished("compass")
    elif before == "limited":
        schema.value("operator", "device_limit", DEV, None)
    policy(schema, "device_clone", rule)
    assert Session(schema, 1, 0).authenticate() == (before, None)
    assert Session(schema, 2, 1).authenticate() == (
        after, "device_clone" if after == "blocked" else None)
    assert len(events(schema, "clone")) == 1
    schema.value("operator", "device_trust", DEV, CREDS[0].hex())
    assert shown(schema)["standing"] == before


def test_two_credentials_at_the_same_time_are_two(schema):
    """Both transactions are open at once: the second waits, and sees the first."""
    first = schema.database.cluster.connect(schema.database.name, "provbox_server")
    first.autocommit = False
    cursor = first.cursor()
    cursor.execute("select standing from provbox.authentication_read(%s, %s, 'certificate', %s,"
                   " %s)", (DEV, CREDS[0], GATEWAYS[0], bytes(16)))
    results = []
    thread = threading.Thread(
        target=lambda: results.append(Session(schema, 2, 1).authenticate()))
    thread.start()
    wait.until(lambda: schema.table(
        "select pid from pg_stat_activity where datname = current_database()"
        " and wait_event_type = 'Lock'"), "a call that waits")
    first.commit()
    first.close()
    thread.join()
    assert results == [("blocked", "device_clone")]


@pytest.mark.parametrize("cred", ["", "ab", "AB" * 32, "ab" * 33])
def test_only_a_digest_can_be_trusted(schema, cred):
    with pytest.raises(psycopg2.errors.InvalidParameterValue):
        schema.value("operator", "device_trust", DEV, cred)
    assert not schema.value("operator", "device_trust", DEV2, "ab" * 32)
