"""The operator's command line, on a database of its own."""

import datetime
import subprocess

import pytest
from harness.postgres import SQL
from harness.provctl import PROVCTL, RFC3339, Provctl
from harness.schema import (CRED, DEV, DEV2, GATEWAY, NUMBER, TERMS, Schema, device, digest)

COMMANDS = ["db init", "db upgrade", "db status", "device import", "device show", "device block",
            "device unblock", "device limit", "device trust", "device trace", "catalogue load", "catalogue list",
            "catalogue show", "catalogue terms", "request list", "request show", "request cancel",
            "request retry", "outbox list",
            "outbox retry", "outbox drop", "notice list", "notice show", "notice resend", "notice send",
            "number stop", "number allow", "number list", "user export", "user erase", "reason",
            "wording list", "wording put", "word list", "word put", "setting list", "setting put", "policy list", "policy put", "doctor", "status"]


@pytest.fixture
def schema(database):
    return Schema(database)


def test_who_closes_its_standard_files_closes_nothing_else(provctl):
    """What is printed would be written to PostgreSQL otherwise."""
    done = subprocess.run(["sh", "-c", 'exec "$@" <&- >&-', "sh", PROVCTL, "request", "list",
                           f"--dsn={provctl.dsn}"], stderr=subprocess.PIPE, text=True, timeout=20)
    assert (done.returncode, done.stderr) == (0, "")


# Requests

def test_a_request_tells_its_story(provctl, schema):
    request = schema.offered("compass")
    schema.send_all()
    schema.receive(f"YES {schema.code(request)}")
    schema.result(request, "compass")
    shown = provctl.json("request", "show", request)
    assert shown["request"]["state"] == "done"
    story = [(row["actor"], row["event"], row["to_state"]) for row in shown["story"]]
    assert [step for step in story if step[0] in ("device", "subscriber")] == [
        ("device", "put", "received"), ("subscriber", "accept", "accepted"),
        ("device", "deliver", "delivering"), ("device", "install", "installed"),
        ("device", "complete", "done")]
    assert ("smsc", "part_sent", "sent") in story
    out, _ = provctl.run("request", "show", request)
    assert out.index("subscriber") < out.index("complete") and NUMBER not in out
    assert [row["id"] for row in provctl.json("request", "list", "--state", "done")] == [request]
    assert provctl.json("request", "list", "--state=offered", f"--dev={DEV}") == []
    assert [row["kind"] for row in provctl.json("notice", "list", "--request", request)] == [
        "status", "accepted", "terms"]
    assert len(provctl.json("notice", "list", "--limit=1")) == 1


def test_an_operator_adds_a_language(provctl, schema):
    provctl.run("wording", "put", "answer_line", "es", "Responda SI {code} o NO {code}")
    assert {"kind": "answer_line", "language": "es", "text": "Responda SI {code} o NO {code}"} in (
        provctl.json("wording", "list"))
    _, complaint = provctl.run("wording", "put", "answer_line", "es", "Responda SI", status=1)
    assert "the wording answer_line has {code}" in complaint
    provctl.run("word", "put", "Si", "es", "accept")
    assert {"word": "si", "language": "es", "answer": "accept"} in provctl.json("word", "list")
    _, complaint = provctl.run("word", "put", "no", "es", "accept", status=1)
    assert "no is there, as decline in en" in complaint
    assert [(row["language"], row["is_default"], row["text"]) for row in
            provctl.json("catalogue", "terms")] == [
                (language, language == "en", TERMS[language]) for language in ("el", "en")]


def test_an_agreement_is_shown_with_its_proof(provctl, schema):
    by_message, by_device, open_one = (schema.offered(item) for item in
                                       ("compass", "torch", "voice-mail"))
    schema.send_all()
    code = schema.code(by_message)
    schema.receive(f"YES {code}", message="m-1")
    schema.answer(by_device, "decline")
    agreement = provctl.json("request", "show", by_message)["agreement"]
    assert agreement.pop("at").endswith("Z")
    assert agreement == {
        "answer": "accept", "channel": "narrow_band", "how": "code", "language": "en",
        "terms_version": "2026-11", "terms_sha256": digest(TERMS["en"].encode()).hex(),
        "is_intact": True, "text": TERMS["en"],
        "source": {"number": "+44*******123", "message": "m-1", "smsc": "sim",
                   "short_code": "1234", "said": f"YES {code}"}}
    (stored,) = schema.table("select source ->> 'number' as number from acceptance"
                             " where how = 'code'")
    assert stored["number"] == NUMBER
    agreement = provctl.json("request", "show", by_device)["agreement"]
    assert (agreement["answer"], agreement["how"]) == ("decline", "online")
    assert agreement["source"] == {"dev": DEV, "session": "AAECAwQFBgcICQoLDA0ODw",
                                   "gw": GATEWAY.hex(), "cred": CRED.hex()}
    assert provctl.json("request", "show", open_one)["agreement"] is None
    out, _ = provctl.run("request", "show", by_message)
    assert TERMS["en"] in out and NUMBER not in out
    out, _ = provctl.run("request", "show", open_one)
    assert TERMS["en"] not in out


def test_every_time_in_json_is_rfc_3339(provctl, schema):
    request = schema.offered("compass")
    shown, device = provctl.json("request", "show", request), provctl.json("device", "show", DEV)
    times = [shown["request"]["created"], shown["request"]["changed"],
             device["device"]["created"], device["device"]["changed"],
             *(step["at"] for step in shown["story"] + device["events"]),
             *(row["created"] for what in ("request", "notice", "catalogue")
               for row in provctl.json(what, "list"))]
    assert len(times) > 8 and all(map(RFC3339.fullmatch, times)), times
    (row,) = provctl.json("catalogue", "list")
    assert (row["is_current"], row["languages"], row["version"]) == (True, ["el", "en"], 1)
    assert device["device"]["features"] == [] and device["device"]["cred"] is None


@pytest.mark.parametrize("words, legal", [
    (("request", "list"), "received"), (("notice", "list"), "queued")])
def test_a_state_that_there_is_not_is_a_usage_error(provctl, schema, words, legal):
    schema.offered("compass")
    for states in ("nonsense", f"{legal},nonsense", "", f"{legal},"):
        out, errors = provctl.run(*words, "--state", states, status=2)
        assert out == "" and "no such state: " in errors and legal in errors
    listed = {state.strip() for state in errors.split("there are ")[1].split(",")}
    assert len(listed) >= 5 and "nonsense" not in listed
    assert provctl.run(*words, "--state", ",".join(listed))[0] != "(none)\n"


def test_a_request_id_of_two_devices_needs_the_device(provctl, schema):
    schema.import_devices(device(DEV2, "+447700900124"))
    request = schema.offered()
    assert schema.put(schema.body(dev=DEV2), request, dev=DEV2)[0] == 201
    assert "--dev" in provctl.run("request", "show", request, status=1)[1]
    shown = provctl.json("request", "show", request, "--dev", DEV2)
    assert shown["request"]["dev"] == DEV2
    assert {step["detail"].get("number") for step in shown["story"]} == {None, "+44*******124"}
    other = request[:-1] + ("0" if request[-1] != "0" else "1")
    assert "no such request" in provctl.run("request", "show", other, status=1)[1]
    provctl.run("request", "show", "not-a-uuid", status=2)


def test_text_from_outside_cannot_reach_the_terminal(provctl, schema):
    request = schema.offered("compass")
    schema.answer(request)
    schema.result(request, "compass", "failed", None, "\x1b[31mred\x9b\n\u202e")
    out, _ = provctl.run("request", "show", request)
    assert not [c for c in out if (ord(c) < 32 and c != "\n") or 0x7f <= ord(c) < 0xa0]


def test_an_operator_cancels_a_request(provctl, schema):
    request = schema.offered("compass")
    provctl.run("request", "cancel", request, "--reason", "asked by telephone")
    assert provctl.json("request", "cancel", request) == {"done": True}
    shown = provctl.json("request", "show", request)
    assert (shown["request"]["state"], shown["request"]["reason"]) == (
        "cancelled", "cancelled_by_operator")
    (step,) = [step for step in shown["story"] if step["event"] == "cancel"]
    assert (step["actor"], step["detail"]) == ("operator", {"note": "asked by telephone"})
    done = schema.finished("voice-mail")
    assert "it is done" in provctl.run("request", "cancel", done, status=1)[1]
    provctl.run("request", "cancel", "not-a-uuid", status=2)


def test_an_operator_tries_dead_work_again_or_drops_it(provctl, schema):
    request = schema.finished("compass")
    leased = schema.row("server", "outbox_lease", ["billing"], "w", 1, datetime.timedelta(minutes=1))
    schema.value("server", "outbox_retry", leased["id"], leased["token"], "effect_refused", True)
    (row,) = provctl.json("outbox", "list", "--state", "dead", "--request", request)
    assert (row["id"], row["last_error"]) == (leased["id"], "effect_refused")
    work = str(row["id"])
    provctl.run("outbox", "retry", work)
    assert "is due" in provctl.run("outbox", "retry", work, status=1)[1]
    provctl.run("outbox", "drop", work, status=2)
    assert "why?" in provctl.run("outbox", "drop", work, "--reason", " ", status=1)[1]
    assert provctl.json("outbox", "drop", work, "--reason", "billed by hand") == {"done": True}
    assert "is dropped" in provctl.run("outbox", "drop", work, "--reason", "x", status=1)[1]
    story = provctl.json("request", "show", request)["story"]
    assert [(step["event"], step["reason"]) for step in story if step["actor"] == "operator"] == [
        ("billing_retried", "retried_by_operator"), ("billing_dropped", "dropped_by_operator")]
    for verb in ("retry", "drop"):
        assert "no such row" in provctl.run("outbox", verb, "999999", "--reason=x", status=1)[1]
        provctl.run("outbox", verb, "one", "--reason=x", status=2)


def test_the_stop_list_is_edited(provctl, schema):
    provctl.run("number", "stop", NUMBER, "--reason", "called us")
    assert "is on the STOP list" in provctl.run("number", "stop", NUMBER, status=1)[1]
    (row,) = provctl.json("number", "list")
    assert (row["number"], row["actor"]) == (NUMBER[:3] + "*" * 7 + NUMBER[-3:], "operator")
    assert provctl.json("number", "list", NUMBER) == [row]
    assert "not on the STOP list" in provctl.run("number", "list", "+447700900999", status=1)[1]
    assert provctl.json("number", "allow", NUMBER) == {"done": True}
    assert "is not on the STOP list" in provctl.run("number", "allow", NUMBER, status=1)[1]
    assert provctl.json("number", "list") == []
    assert "+ and 7 to 15 digits" in provctl.run("number", "stop", "07700900123", status=1)[1]
    said = [(event["reason"], event["detail"]) for event in
            provctl.json("device", "show", DEV)["events"] if event["event"] == "number"]
    assert said == [("number_stopped", {"number": row["number"], "note": "called us"}),
                    ("number_allowed", {"number": row["number"]})]


# Settings, reasons, policy

@pytest.mark.parametrize("words", [
    ("setting", "put", "terms_lifetime", "2 seconds"),
    ("policy", "put", "device_unknown", "limited"),
    ("policy", "put", "device_clone", "register"),
    ("device", "block", DEV), ("device", "limit", DEV), ("device", "unblock", DEV),
    ("device", "trust", DEV, "ab" * 32),
], ids=" ".join)
def test_what_has_nothing_to_say_says_that_it_is_done(provctl, schema, words):
    assert provctl.run(*words)[0] == ""
    assert provctl.json(*words) == {"done": True}


def test_settings_reasons_and_policy(provctl):
    assert provctl.run("setting", "put", "terms_lifetime", "2 seconds")[0] == ""
    settings = {row["key"]: row["value"] for row in provctl.json("setting", "list")}
    assert settings["terms_lifetime"] == "2 seconds"
    assert "bad value" in provctl.run("setting", "put", "terms_lifetime", "soon", status=1)[1]
    assert "soon; write like 90 seconds, 2 hours or 7 days" in provctl.run(
        "setting", "put", "status_interval", "soon", status=1)[1]
    assert "at least 5 seconds): 0" in provctl.run("setting", "put", "link_failover", "0", status=1)[1]
    assert "bad value" in provctl.run("setting", "put", "open_requests", "-1", status=1)[1]
    assert "see provctl setting list" in provctl.run("setting", "put", "terms", "1 day", status=1)[1]
    assert "as 21:00-07:30" in provctl.run("setting", "put", "quiet_hours", "25:99", status=1)[1]
    assert "--limit is not a number" in provctl.run("device", "show", DEV, "--limit", "x",
                                                    status=2)[1]
    provctl.run("policy", "put", "device_unknown", "limited")
    assert provctl.json("policy", "list") == [
        {"subject": "device", "reason": "device_clone", "outcome": "prevent"},
        {"subject": "device", "reason": "device_unknown", "outcome": "limited"}]
    assert "prevent, limited or register" in provctl.run("policy", "put", "device_unknown", "perhaps",
                                                 status=1)[1]
    assert "no such policy" in provctl.run("policy", "put", "nothing", "limited", status=1)[1]
    assert provctl.json("reason", "user_mismatch")[0]["advice"]
    assert "provctl reason has no such code: nonsense" in provctl.run("reason", "nonsense", status=1)[1]
    assert "no such" in provctl.run("reason", "nonsense", "--json", status=1)[1]
    assert "no such version" in provctl.run("catalogue", "show", "77", status=1)[1]


# Command line

def test_help_names_every_command():
    out, _ = Provctl(None).run("--help")
    nouns = list(dict.fromkeys(command.split()[0] for command in COMMANDS))
    lines = [line.split() for line in out.splitlines() if line.startswith("  ")]
    assert [line[0] for line in lines] == nouns
    for noun, *verbs in lines:
        out, _ = Provctl(None).run(noun, "--help")
        named = [command for command in COMMANDS if command.split()[0] == noun]
        if named != [noun]:
            assert [f"{noun} {verb}" for verb in verbs] == named
            assert [" ".join(line.split()[:2]) for line in out.splitlines()[1:]
                    if line.startswith("  " + noun)] == named
    for command in COMMANDS:
        out, _ = Provctl(None).run(*command.split(), "--help")
        assert out.startswith(f"usage: provctl {command}")


def test_usage_errors_end_with_2(provctl):
    for arguments in ((), ("nonsense",), ("device",), ("device", "show"),
                      ("device", "show", DEV, "more"), ("status", "--state", "done"),
                      ("status", "--nonsense"), ("status", "--json=yes"),
                      ("request", "list", "--limit", "many")):
        provctl.run(*arguments, status=2)
    assert "a command is missing" in provctl.run(status=2)[1]
    assert "provctl request show ID" in provctl.run("request", status=2)[1]


def test_a_database_that_is_away_ends_with_69(cluster, tmp_path):
    away = Provctl(f"host={tmp_path} dbname=x user=provbox_operator")
    complaint = away.run("status", status=69)[1]
    assert "No such file" in complaint and f"host={tmp_path}" in complaint
    empty = cluster.dsn("postgres", "postgres")
    assert "db init" in Provctl(empty).run("status", status=69)[1]


def test_what_a_configuration_leaves_out_is_as_built_in(tmp_path, monkeypatch):
    conf = tmp_path / "provctl.conf"
    conf.write_text(f'sql_dir = "{SQL}"\n')
    monkeypatch.setenv("PGHOST", str(tmp_path))
    for words in (["status"], ["db", "upgrade"]):
        complaint = Provctl(None).run(*words, "-c", conf, status=69)[1]
        assert f"{tmp_path}/.s.PGSQL" in complaint


def test_configuration_errors_end_with_78(provctl, database, tmp_path):
    conf = tmp_path / "provctl.conf"
    conf.write_text(f'dsn = "{database.dsn("provbox_operator")}"\n')
    bare = Provctl(None)
    assert "schema" in bare.run("status", "--config", conf)[0]
    conf.write_text('dns = "dbname=x"\n')
    assert f"{conf}:1" in bare.run("status", "-c", conf, status=78)[1]
    bare.run("status", "--config", tmp_path / "absent", status=78)
    assert "passfile" in Provctl("host=/tmp password=secret").run("status", status=78)[1]
    wrong_role = Provctl(database.dsn("provbox_smsc"))
    assert "wrong role" in wrong_role.run("status", status=78)[1]
