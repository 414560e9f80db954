"""The operator's work with provctl: to try again, to look, to follow, to tell and to erase."""

import getpass
import json
import os
import pty
import signal
import subprocess

import pytest
from harness import wait
from harness.provctl import PROVCTL, Provctl
from harness.schema import DEV, DEV2, NUMBER


@pytest.fixture
def provctl(schema):
    return Provctl(schema.database.dsn("provbox_operator"))


def notice_of(provctl, request, kind):
    return next(str(row["id"]) for row in provctl.json("notice", "list", "--request", request)
                if row["kind"] == kind)


# request retry

def test_a_request_is_tried_again(provctl, schema):
    request = schema.finished("compass")
    schema.table("select outbox_bury(id, 'courier', 'given_up', null) from outbox"
                 " where kind = 'billing'")
    tried = provctl.json("request", "retry", request, "--reason", "billing is back")
    assert [(row["kind"], row["outcome"]) for row in tried["tried"]] == [("billing", "changed")]
    assert (tried["outlook"], tried["advice"]) == ("done", "the request is done")
    assert "nothing of the request is dead" in provctl.run("request", "retry", request, status=1)[1]
    (step,) = [step for step in provctl.json("request", "show", request)["story"]
               if step["event"] == "billing_retried"]
    assert step["detail"]["note"] == "billing is back"


def test_for_what_has_ended_a_new_order_is_advised(provctl, schema):
    schema.setting(verification="service")
    request = schema.put()[2]["id"]
    schema.table("select outbox_bury(id, 'courier', 'given_up', null) from outbox")
    out, errors = provctl.run("request", "retry", request, status=1)
    assert "verify" in out and "ended" in out
    assert "nothing was put back" in errors and "must be ordered anew" in errors
    assert provctl.json("request", "show", request)["request"]["state"] == "failed"
    provctl.run("request", "retry", "not-a-uuid", status=2)


# notice

def test_a_notice_is_shown(provctl, schema):
    request = schema.offered()
    schema.send_all()
    notice = notice_of(provctl, request, "terms")
    shown = provctl.json("notice", "show", notice)
    assert (shown["notice"]["number"], shown["notice"]["state"]) == ("+44*******123", "accepted")
    assert shown["notice"]["text"].startswith("Terms of") and len(shown["parts"]) == 2
    out, _ = provctl.run("notice", "show", notice)
    assert "state         accepted" in out and "link-1" in out and NUMBER not in out
    assert NUMBER in provctl.run("notice", "show", notice, "--number")[0]
    (step,) = [step for step in provctl.json("request", "show", request)["story"]
               if step["event"] == "number_shown"]
    assert step["detail"]["by"].startswith(os.environ.get("SUDO_USER") or getpass.getuser())
    assert "no such notice" in provctl.run("notice", "show", "999999", status=1)[1]
    provctl.run("notice", "show", "one", status=2)


def test_a_notice_is_sent_again(provctl, schema):
    request = schema.offered()
    schema.send_all()
    notice = notice_of(provctl, request, "terms")
    again = provctl.json("notice", "resend", notice)
    assert again == {"notice": int(notice_of(provctl, request, "terms")), "state": "queued"}
    assert "it is being sent" in provctl.run("notice", "resend", str(again["notice"]), status=1)[1]
    schema.answer(request, "decline")
    assert "orders anew" in provctl.run("notice", "resend", notice, status=1)[1]
    assert "no such notice" in provctl.run("notice", "resend", "999999", status=1)[1]
    provctl.run("notice", "resend", "one", status=2)


def test_a_secret_that_was_wiped_is_not_sent_again(provctl, schema):
    notice = schema.row("operator", "notice_begin", DEV)["notice"]
    schema.value("operator", "notice_seal", notice, b"sealed")
    schema.send_all()
    assert "was wiped" in provctl.run("notice", "resend", str(notice), status=1)[1]
    assert provctl.json("notice", "show", str(notice))["notice"]["content"] == "wiped"


# device trace

def test_a_device_is_traced(provctl, schema):
    request = schema.finished("compass")
    schema.send_all()
    lines = provctl.json("device", "trace", DEV)
    assert {"put", "install", "complete", "notice_acked", "part_sent", "work_put"} <= {
        line["event"] for line in lines}
    out, _ = provctl.run("device", "trace", DEV)
    assert len(out.splitlines()) == 1 + len(lines)
    assert out.split()[:3] == ["at", "actor", "event"] and request in out and NUMBER not in out
    assert [line["key"] for line in provctl.json("device", "trace", DEV, "--limit=2")] == [
        line["key"] for line in lines[-2:]]
    assert "nothing is known" in provctl.run("device", "trace", DEV2, status=1)[1]
    provctl.run("device", "trace", DEV, "--limit", "many", status=2)


class Follower:
    """A trace that goes on; what it has printed is taken line by line."""

    def __init__(self, provctl, folder, *options):
        self.path, self.n_taken = folder / "trace", 0
        with open(self.path, "w") as out:
            self.process = subprocess.Popen(
                [PROVCTL, "device", "trace", DEV, "--follow", f"--dsn={provctl.dsn}", *options],
                stdout=out)

    def lines_until(self, word):
        """Lines that were not taken before, when one of them has this word in it."""
        def lines():
            text = self.path.read_text()
            new = text[:text.rfind("\n") + 1].splitlines()[self.n_taken:]
            return new if any(word in line for line in new) else None

        new = wait.until(lines, f"a line with {word}", timeout_s=30)
        self.n_taken += len(new)
        return new

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(timeout=30) == -signal.SIGINT


def test_a_trace_goes_on_with_what_comes(provctl, schema, tmp_path):
    """Each line once, also of a transaction that took its time."""
    schema.offered()
    late = schema.database.cluster.connect(schema.database.name)
    late.autocommit = False
    with Follower(provctl, tmp_path, "--json") as follower:
        lines = follower.lines_until("work_put")
        late.cursor().execute("set search_path = provbox; select event_put(%s, null, 'came_late',"
                              " 'operator', null, null)", (DEV,))
        schema.value("operator", "device_block", DEV, "first")
        lines += follower.lines_until("blocked")
        late.commit()
        lines += follower.lines_until("came_late")
        schema.value("operator", "device_unblock", DEV)
        lines += follower.lines_until('"unprovisioned"')
    late.close()
    told = [json.loads(line) for line in lines]
    assert len({line["key"] for line in told}) == len(told)
    assert [line["event"] for line in told[-3:]] == ["standing", "came_late", "standing"]


def test_a_limited_trace_does_not_bring_the_rest_later(provctl, schema, tmp_path):
    schema.offered()
    with Follower(provctl, tmp_path, "--limit=1") as follower:
        first = follower.lines_until("20")
        schema.value("operator", "device_block", DEV, None)
        rest = follower.lines_until("blocked")
    assert (len(first), len(rest)) == (2, 1)


# user

def test_a_user_is_told_and_erased(provctl, schema):
    schema.finished("compass")
    told = provctl.json("user", "export", NUMBER)
    assert told["devices"][0]["family_name"] == "Lovelace"
    assert "nobody can be asked" in provctl.run("user", "erase", NUMBER, status=2)[1]
    open_one = schema.offered("torch")
    assert "requests are open, 1 of them" in provctl.run("user", "erase", NUMBER, "--yes",
                                                         status=1)[1]
    assert provctl.json("user", "erase", NUMBER, "--yes", "--cancel") == {
        "outcome": "erased", "devices": 1, "requests": 2, "notices": 4, "messages": 0}
    assert provctl.json("request", "show", open_one)["request"]["state"] == "cancelled"
    assert "nothing is held" in provctl.run("user", "erase", NUMBER, "--yes", status=1)[1]
    assert "nothing is held" in provctl.run("user", "export", NUMBER, status=1)[1]
    shown = provctl.json("device", "show", DEV)
    assert shown["device"]["family_name"] is None
    (event,) = [event for event in shown["events"] if event["event"] == "user_erased"]
    assert event["actor"] == "operator" and event["detail"]["by"]
    assert "Lovelace" not in json.dumps(shown)


@pytest.mark.parametrize("answer, status", [(NUMBER, 0), ("yes", 1), ("", 1)])
def test_an_erasure_is_confirmed(provctl, schema, answer, status):
    ours, theirs = pty.openpty()
    process = subprocess.Popen([PROVCTL, "user", "erase", NUMBER, f"--dsn={provctl.dsn}"],
                               stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    os.write(ours, answer.encode() + b"\n")
    out, errors = process.communicate(timeout=30)
    for end in ours, theirs:
        os.close(end)
    assert process.returncode == status
    assert f"Type {NUMBER} again".encode() in errors
    (shown,) = schema.rows("operator", "device_show", DEV)
    assert (shown["number"] is None) == (status == 0)
    assert (b"outcome" in out) == (status == 0)


def test_an_erasure_that_is_interrupted_is_none(provctl, schema):
    """Also where the server would only have to wait a little longer."""
    schema.finished("compass")
    other = schema.database.cluster.connect(schema.database.name)
    other.autocommit = False
    other.cursor().execute("select from provbox.request for update")
    process = subprocess.Popen([PROVCTL, "user", "erase", NUMBER, "--yes", f"--dsn={provctl.dsn}"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def has_session():
        return schema.table("select pid from pg_stat_activity where usename = 'provbox_operator'"
                            " and wait_event_type = 'Lock'")

    wait.until(has_session, "an erasure that waits")
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30) == (b"", b"") and process.returncode == -signal.SIGINT
    wait.until(lambda: not has_session(), "the end of its session")
    other.close()
    (shown,) = schema.rows("operator", "device_show", DEV)
    assert shown["number"] is not None
    assert schema.table("select id from event where kind = 'user_erased'") == []
