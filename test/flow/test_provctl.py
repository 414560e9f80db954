"""The operator's command line, on a database of its own."""

import datetime
import json
import os
import re
import subprocess
import textwrap

import pytest
from harness import paths
from harness.postgres import SQL, Database
from harness.provctl import PROVCTL, Provctl
from harness.schema import (CRED, DEV, DEV2, GATEWAY, NUMBER, TERMS, Schema, device, digest)

RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
EXAMPLE = paths.SOURCE / "contrib" / "catalogue"
COMMANDS = ["db init", "db upgrade", "db status", "device import", "device show", "device block",
            "device unblock", "device limit", "device trust", "device trace", "catalogue load", "catalogue list",
            "catalogue show", "catalogue terms", "request list", "request show", "request cancel",
            "request retry", "outbox list",
            "outbox retry", "outbox drop", "notice list", "notice show", "notice resend", "notice send",
            "number stop", "number allow", "number list", "user export", "user erase", "reason",
            "wording list", "wording put", "word list", "word put", "setting list", "setting put", "policy list", "policy put", "doctor", "status"]


@pytest.fixture
def database(cluster):
    made = cluster.new_database(Database.install_schema)
    yield made
    made.drop()


@pytest.fixture
def provctl(database):
    return Provctl(database.dsn("provbox_operator"))


@pytest.fixture
def schema(database):
    return Schema(database)


# Schema

@pytest.fixture
def migrations(tmp_path):
    """A folder with the first migrations, or all of them."""
    def copy(n=None):
        folder = tmp_path / "sql"
        folder.mkdir()
        for path in (*sorted(SQL.glob("[0-9]*.sql"))[:n], SQL / "roles.sql"):
            (folder / path.name).write_text(path.read_text())
        return folder
    return copy


@pytest.fixture
def admin(cluster):
    """provctl with an administrator's DSN for a database that is not there yet."""
    name = f"made_by_provctl_{os.getpid()}"
    made = Provctl(cluster.dsn(name, "postgres"))
    made.name = name
    yield made
    cluster.execute(f"drop database if exists {name}")


def test_init_makes_everything_and_may_run_again(admin, cluster):
    version = len(list(SQL.glob("[0-9]*.sql")))
    assert admin.json("db", "init") == {"applied": version, "version": version}
    assert admin.json("db", "init") == {"applied": 0, "version": version}
    assert admin.run("db", "upgrade")[0] == f"0 applied, schema is version {version}\n"
    operator = Provctl(cluster.dsn(admin.name, "provbox_operator"))
    status = operator.json("db", "status")
    assert {row["state"] for row in status} == {"applied"}
    assert all(RFC3339.fullmatch(row["applied_at"]) for row in status)
    assert ["schema", "version", str(version)] in [
        list(row.values()) for row in operator.json("status")]
    owner = Database(cluster, admin.name).value(
        "select nspowner::regrole::text from pg_namespace where nspname = 'provbox'")
    assert owner == "provbox_owner"


def test_upgrade_applies_what_is_missing_in_order(admin, migrations):
    files = sorted(SQL.glob("[0-9]*.sql"))
    admin.sql_dir = migrations(3)
    admin.run("db", "init")
    admin.sql_dir = SQL
    status = admin.json("db", "status", status=1)
    assert [row["state"] for row in status] == ["applied"] * 3 + ["pending"] * (len(files) - 3)
    assert admin.json("db", "upgrade")["applied"] == len(files) - 3


def test_a_migration_that_fails_leaves_nothing(admin, cluster, migrations):
    folder = admin.sql_dir = migrations()
    admin.run("db", "init")
    (folder / "900_broken.sql").write_text(
        "create table provbox.half (n int);\nselect 1 / 0;\n")
    _, errors = admin.run("db", "upgrade", status=1)
    assert "900_broken.sql: was not applied" in errors
    database = Database(cluster, admin.name)
    assert database.value("select to_regclass('provbox.half')") is None
    (folder / "900_broken.sql").write_text("create table provbox.whole (n int);\n")
    assert admin.json("db", "upgrade") == {"applied": 1, "version": 900}
    assert database.value("select tableowner from pg_tables where tablename = 'whole'") == (
        "provbox_owner")


def test_a_migration_that_was_changed_is_refused(admin, migrations):
    folder = admin.sql_dir = migrations()
    admin.run("db", "init")
    with open(folder / "001_base.sql", "a") as file:
        file.write("-- later\n")
    assert "other content" in admin.run("db", "upgrade", status=1)[1]
    assert admin.json("db", "status", status=1)[0]["state"] == "changed"


def test_an_upgrade_runs_once_at_a_time(admin, migrations):
    folder = migrations()
    admin.run("db", "init")
    (folder / "900_slow.sql").write_text("select pg_sleep(1); create table provbox.slow (n int);")
    runs = [subprocess.Popen([PROVCTL, "db", "upgrade", "--json", f"--dsn={admin.dsn}",
                              f"--sql-dir={folder}"], stdout=subprocess.PIPE, text=True)
            for _ in range(3)]
    answers = [json.loads(run.communicate(timeout=60)[0] or "null") for run in runs]
    assert sorted(answer["applied"] for answer in answers) == [0, 0, 1]
    assert [run.returncode for run in runs] == [0, 0, 0]


# Devices

HEADING = "dev,msisdn,model,given_name,family_name,postcode\n"
# The example of the page that describes the file.
CSV = textwrap.dedent(re.search(r"(?:^\t.*,.*\n){3,}",
                                (paths.SOURCE / "doc/devices.md").read_text(), re.M)[0])


def test_devices_come_from_csv_and_json(provctl, tmp_path):
    path = tmp_path / "devices.csv"
    path.write_text("\ufeff" + CSV.replace("\n", "\r\n"))
    assert provctl.run("device", "import", path)[0] == (
        "2 added, 0 changed, 0 unchanged, 0 refused\n")
    assert provctl.json("device", "import", "-", stdin=CSV)["unchanged"] == 2
    provctl.run("device", "import", "absent.csv", status=1)
    shown = provctl.json("device", "show", DEV2)
    assert shown["device"]["model"] == 'Example "Two"'
    assert [event["event"] for event in shown["events"]] == ["import_added"]
    rows = json.dumps([{"dev": DEV2, "msisdn": "+447700900125", "model": "Example Two",
                        "given_name": "Alan", "family_name": "Turing", "postcode": "CB3 9AA"}])
    assert provctl.json("device", "import", "-", stdin=rows)["changed"] == 1


def test_a_bad_row_is_named_and_the_others_are_imported(provctl):
    out, errors = provctl.run("device", "import", "-", stdin=CSV.replace("+447700900123", "0"),
                              status=1)
    assert out == "1 added, 0 changed, 0 unchanged, 1 refused\n"
    assert errors == "provctl: -:2: msisdn is not + and 7 to 15 digits\n"
    report = provctl.json("device", "import", "-", stdin=CSV.replace("+447700900123", "0"),
                          status=1)
    assert report["problems"] == [
        {"row": 1, "line": 2, "dev": DEV, "problem": "msisdn is not + and 7 to 15 digits"}]


@pytest.mark.parametrize("text, complaint", [
    ("", "no heading"), ("dev,imei\n", "a column that is not known, imei"),
    ("dev,msisdn\n" + DEV + "\n", "no column model"), ("dev;msisdn\n", "no commas"),
    (HEADING + DEV + "\n", "-:2: has 1 fields, where the heading has 6"),
    (HEADING + '"open', "-:2: a quote that does not end"),
    (HEADING + "\na\"b\n", "-:3: a quote or carriage return inside"),
    ('{"dev": 1}', "no array"), ("[{]", "-:1: "), (HEADING + "a,b,c,d,e,\xff", "UTF-8"),
    ("\xff\xfed\0e\0v\0", "UTF-16")])
def test_a_file_that_cannot_be_read_is_refused_with_its_line(provctl, text, complaint):
    done = subprocess.run([PROVCTL, "device", "import", "-", f"--dsn={provctl.dsn}"],
                          input=text.encode("latin-1"), capture_output=True)
    assert done.returncode == 1
    assert complaint in done.stderr.decode()


def many_devices(count):
    return HEADING + "".join(f"urn:gsma:imei:35209900-{n:06d}-0,+4477009{n:05d},Example One,A,B,C\n"
                             for n in range(count))


def test_many_devices_go_in_batches(provctl):
    assert provctl.json("device", "import", "-", stdin=many_devices(1201))["added"] == 1201


def test_of_a_file_with_a_bad_line_at_its_end_nothing_is_imported(provctl, schema):
    (before,) = schema.table("select count(*) as n from device")
    out, errors = provctl.run("device", "import", "-", stdin=many_devices(1201) + "one\n", status=1)
    assert out == "" and "-:1203: has 1 fields" in errors
    assert schema.table("select count(*) as n from device") == [before]


def test_an_import_that_breaks_off_says_how_far_it_came(provctl, schema):
    """After a first batch."""
    schema.table("alter table device add constraint broken check (dev <> %s)",
                 "urn:gsma:imei:35209900-000700-0")
    out, errors = provctl.run("device", "import", "-", stdin=many_devices(1201), status=1)
    assert out == "" and "500 of 1201 devices are done; import the file again" in errors
    schema.table("alter table device drop constraint broken")
    report = provctl.json("device", "import", "-", stdin=many_devices(1201))
    assert (report["unchanged"], report["added"]) == (500, 701)


def test_of_many_refused_devices_some_are_named(provctl):
    text = many_devices(1100).replace("+", "")
    report = provctl.json("device", "import", "-", stdin=text, status=1)
    assert report["refused"] == 1100 and len(report["problems"]) == 1000
    assert provctl.run("device", "import", "-", stdin=text, status=1)[1].endswith(": and 100 more\n")


@pytest.mark.skipif(paths.is_sanitized(), reason="sanitizers keep what was freed")
def test_memory_does_not_grow_with_the_file(tmp_path):
    """What is wrong at its end is said after all of it was read, in 16 MiB."""
    path = tmp_path / "devices.csv"
    path.write_text(many_devices(100000) + "one\n")
    done = subprocess.run(["sh", "-c", 'ulimit -d 16384; exec "$0" device import "$1"', PROVCTL, path],
                          capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr == (
        f"provctl: {path}:100002: has 1 fields, where the heading has 6\n")


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


# Catalogue

def test_the_example_catalogue_loads_once(provctl, database):
    out, _ = provctl.run("catalogue", "load", EXAMPLE)
    assert out == "catalogue 1 is published\n"
    assert provctl.json("catalogue", "load", EXAMPLE / "manifest.json") == {
        "version": 1, "is_new": False}
    features = provctl.json("catalogue", "show")
    assert [(f["id"], f["kind"]) for f in features] == [
        ("compass", "module"), ("converter", "module"), ("voice-mail", "activation")]
    assert {f["uri"] for f in features} == {"https://prov.example.com:8443/"}
    stored = database.query("select bytes from provbox.content_chunk k join provbox.feature f"
                            " on f.content = k.sha256 where f.id = 'compass'")
    assert stored[0]["bytes"] == (EXAMPLE / "compass").read_bytes()
    terms = database.query("select language, text from provbox.terms")
    assert {t["language"]: t["text"] + "\n" for t in terms} == {
        language: (EXAMPLE / f"terms.{language}.txt").read_text()
        for language in ("en", "el", "bg")}
    assert provctl.json("catalogue", "list")[0]["languages"] == ["bg", "el", "en"]


def test_the_example_modules_are_what_they_say():
    for feature in json.loads((EXAMPLE / "manifest.json").read_text())["features"]:
        if feature["kind"] == "module":
            program = EXAMPLE / feature["file"]
            assert subprocess.run([program, "--self-test"]).returncode == 0
            said = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
            assert said.split() == [feature["id"], feature["version"]]
        else:
            resident = EXAMPLE / "resident" / feature["id"]
            for arguments, said in (((EXAMPLE / feature["file"],), "on\n"), ((), "off\n")):
                assert subprocess.run([resident, "--status", *arguments], capture_output=True,
                                      text=True).stdout == said


def write_manifest(folder, **change):
    content = {"default_language": "en", "provisioning_uri": "https://prov.example.com:8443/",
               "features": [
                   {"id": "big", "version": "1", "name": "Big", "kind": "module",
                    "file": "big"}],
               "terms": [{"language": "en", "version": "1", "file": "terms"}], **change}
    folder.mkdir(exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps(content))
    (folder / "big").write_bytes(bytes(range(256)) * 3000)
    (folder / "terms").write_text("Terms.\n")
    return folder


def test_large_content_survives_an_interrupted_load(provctl, database, tmp_path):
    folder = write_manifest(tmp_path / "big")
    provctl.run("catalogue", "load", folder)
    whole = (folder / "big").read_bytes()
    chunks = database.query("select bytes from provbox.content_chunk order by n")
    assert [len(chunk["bytes"]) for chunk in chunks] == [262144, 262144, len(whole) - 524288]
    assert b"".join(chunk["bytes"] for chunk in chunks) == whole
    # As a load that was killed after its first chunk leaves it.
    database.query("update provbox.catalogue set is_current = false, published = null;"
                   " update provbox.content set is_complete = false;"
                   " delete from provbox.content_chunk where n > 0")
    assert provctl.json("catalogue", "load", folder) == {"version": 1, "is_new": True}
    chunks = database.query("select bytes from provbox.content_chunk order by n")
    assert b"".join(chunk["bytes"] for chunk in chunks) == whole


@pytest.mark.parametrize("change, complaint", [
    ({"features": [{"id": "big", "version": "1", "kind": "module", "file": "big"}]}, "name"),
    ({"surplus": 1}, "surplus"),
    ({"provisioning_uri": "http://prov.example.com/"}, "violates check constraint"),
    ({"features": [{"id": "big", "version": "1", "name": "Big", "kind": "module",
                    "file": "../big"}]}, "not in the folder"),
    ({"features": [{"id": "big", "version": "1", "name": "Big", "kind": "module",
                    "file": "/etc/passwd"}]}, "not in the folder"),
    ({"features": [{"id": "big", "version": "1", "name": "Big", "kind": "module",
                    "file": "absent"}]}, "No such file"),
    ({"features": [{"id": "B", "version": "1", "name": "Big", "kind": "module",
                    "file": "big"}]}, "violates check constraint"),
    ({"features": [{"id": "big", "version": "1", "name": "Big\u001b[2J", "kind": "module",
                    "file": "big"}]}, "feature 1: version, name or description has control"),
    ({"features": [{"id": "big", "version": "1", "name": "Big", "kind": "module",
                    "file": "big", "description": "two\u009blines"}]}, "feature 1: version, name"),
    ({"terms": []}, "terms in its default language"),
    ({"terms": [{"language": "en", "version": "1", "file": "big"}]}, "UTF-8")])
def test_a_manifest_that_is_wrong_is_refused(provctl, database, tmp_path, change, complaint):
    _, errors = provctl.run("catalogue", "load", write_manifest(tmp_path / "bad", **change),
                            status=1)
    assert complaint in errors
    assert database.value("select count(*) from provbox.catalogue") == 0


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
    assert "no is decline in en" in complaint
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
    assert "no such reason: nonsense" in provctl.run("reason", "nonsense", status=1)[1]
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
