"""Text of strangers that would be a statement, a log line, a command of a terminal or markup
elsewhere: it is stored as it is, and written so that it is nothing but text.
"""

import json
import subprocess
import uuid

import psycopg2
import pytest
from harness import paths, process, wait
from harness.handset import Handset
from harness.schema import DEV, MODULE, TERMS, digest, feature, manifest
from harness.stand_in import StandIn
from rogue_server import Response

# All of them are lines of text, as a name may be.
HOSTILE = [
    "Robert'); drop table provbox.request; --", "$$ || pg_sleep(9) || $$", "\\'; select 1; --",
    "%s%n%x %1$s", 'x" ev=forged reason="x', "x ev=forged sid=AAAA", "\\x1b[2J \\n \\u0000",
    "</script><b onload=x>&amp;", "${jndi:ldap://x}`id`$(id)", '{a,"b}', "=cmd|' /C calc'!A0",
    "../../../etc/passwd", "\u202egnp.exe", "\u2028ev=forged", "\ufeff\u00ad\u200b", "\U0001f4f1\u00e9",
]
CONTROLS = ["\x1b[2J", "a\nev=forged", "a\r", "\t", "\x00", "\x7f", "\u009b31m", "\u0085"]


def provctl(site, *words, status=0, stdin=b""):
    done = subprocess.run(
        [paths.program("provctl"), *words, f"--dsn={site.db.dsn('provbox_operator')}"],
        input=stdin, capture_output=True, timeout=60)
    assert done.returncode == status, done
    return done.stdout.decode(), done.stderr.decode()


def assert_plain(text):
    """Lines of text for a terminal, and nothing else."""
    assert not [c for c in text if (ord(c) < 32 and c != "\n") or 0x7f <= ord(c) < 0xa0], text


def assert_log_is_whole(daemon):
    """Each line begins as one does, and none tells what did not happen."""
    for line in daemon.process.lines():
        assert process.LOG_LINE.match(line), line
        assert_plain(line)
    assert daemon.events("forged") == []


@pytest.fixture
def edge(site):
    site.start("database", "billing", "server", "gateway")
    with site.device(site.pki.device_leaf("good", DEV)) as device:
        site.ask = device.request
        yield site


def request_body(site, text):
    """A request that has the text in every field of free text."""
    body = site.schema.body("compass", given_name=text, family_name=text, postcode=text)
    body["device"].update(model=text, firmware=text)
    return body


def order(site, text):
    """Order, accept and report with the text everywhere; the id of the request."""
    rid = str(uuid.uuid4())
    path = f"/v1/requests/{rid}"
    answer = site.ask("PUT", path, request_body(site, text))
    assert (answer.status, answer.json()["state"]) == (201, "offered"), (text, answer)
    terms = digest(TERMS["en"].encode()).hex()
    answer = site.ask("PUT", f"{path}/answer", {"answer": "accept", "sha256": terms})
    assert answer.status == 200, (text, answer)
    result = site.ask("PUT", f"{path}/items/compass/result",
                      {"result": "installed", "version": text, "reason": text})
    assert (result.status, result.json()["state"]) == (200, "done"), (text, result)
    return rid


def test_a_hostile_line_is_text(edge):
    """As the operator's record has the same one, the request is offered, done and billed."""
    edge.schema.setting(requests_per_hour=1000, messages_per_hour=1000)
    for text in HOSTILE:
        edge.schema.import_devices({
            "dev": DEV, "msisdn": "+447700900123", "model": text, "given_name": text,
            "family_name": text, "postcode": text})
        rid = order(edge, text)
        (stored,) = edge.schema.table("select body from request where id = %s", rid)
        assert stored["body"] == request_body(edge, text)
        assert edge.ask("GET", "/v1/device").json()["model"] == text
        assert_plain(provctl(edge, "request", "show", rid)[0])
    assert_plain(provctl(edge, "device", "show", DEV)[0])
    for words in (("request", "show", rid), ("request", "list"), ("device", "show", DEV)):
        shown = json.loads(provctl(edge, *words, "--json")[0])
    assert shown["device"]["model"] == HOSTILE[-1]
    wait.until(lambda: len(edge.billing.records()) == len(HOSTILE), "the billing events")
    for daemon in (edge.gateway, edge.server):
        assert_log_is_whole(daemon)


def test_a_control_character_is_in_no_field(edge):
    """Neither of a request, nor of a result, nor where a token is asked for."""
    path = f"/v1/requests/{uuid.uuid4()}"
    good = edge.schema.body()
    for text in CONTROLS + [hostile + "\x1b" for hostile in HOSTILE]:
        wrong = [request_body(edge, text)]
        for part, name in (("user", "given_name"), ("user", "language"), ("device", "firmware"),
                           ("accounting", "reference"), ("device", "dev")):
            wrong.append({**good, part: {**good[part], name: text}})
        wrong.append({**good, "items": [text]})
        for body in wrong:
            answer = edge.ask("PUT", path, body)
            assert answer.status == 400, (text, answer)
            assert_plain(answer.body.decode())
        answer = edge.ask("PUT", f"{path}/items/compass/result",
                          {"result": "installed", "version": text})
        assert (answer.status, answer.json()["reason"]) == (400, "body_invalid")
    assert edge.db.value("select count(*) from provbox.request") == 0
    for daemon in (edge.gateway, edge.server):
        assert_log_is_whole(daemon)


def test_a_message_of_a_handset_is_text(site):
    """It accepts nothing, is kept as it came, and shows on no terminal."""
    site.start("database")
    rid = site.schema.offered("compass")
    site.schema.send_all()
    texts = [*HOSTILE, *(text for text in CONTROLS if text != "\x00")]
    for text in texts:
        site.schema.receive(text)
    assert site.db.value("select state from provbox.request") == "offered"
    assert [row["text"] for row in site.schema.table("select text from mo order by received")
            ] == texts
    for words in (("request", "show", rid), ("notice", "list"), ("status",)):
        assert_plain(provctl(site, *words)[0])
        json.loads(provctl(site, *words, "--json")[0])


COLUMNS = ["dev", "msisdn", "model", "given_name", "family_name", "postcode", "language", "cred"]


def test_an_import_file_is_text(site):
    """What cannot be stored is refused, and named without acting on the terminal."""
    site.start("database")
    good = dict(zip(COLUMNS, (DEV, "+447700900123", "One", "Ada", "Lovelace", "SW1A", "en", "")))
    texts = ["\x1b]0;forged\x07", "a\nb", "\u009b31m"]
    wrong = [{**good, column: good[column] + text} for column in COLUMNS for text in texts]
    rows = [",".join('"' + row[name].replace('"', '""') + '"' for name in COLUMNS)
            for row in wrong]
    rows_refused = [json.dumps(wrong), "\n".join([",".join(COLUMNS), *rows, ""])]
    files_refused = [form for text in texts
                     for form in (f"dev{text}\nx\n", '[{"dev' + text + '": "x"}, ]')]
    for data in rows_refused + files_refused:
        out, errors = provctl(site, "device", "import", "-", status=1, stdin=data.encode())
        assert_plain(out + errors)
        said = [line for line in errors.splitlines() if line.startswith("provctl: -:")]
        assert len(said) == (len(wrong) if data in rows_refused else 1)
    (stored,) = site.schema.table("select * from device")
    assert (stored["given_name"], stored["model"]) == ("Ada", "Example One")


def test_a_catalogue_with_commands_for_a_terminal_shows_as_text(site):
    """The operator's own is refused when it is loaded; a server may be another's."""
    site.start("database")
    for name in ("\x1b[2Jred", "a\u009b1m", "a\x7f", "a\nb"):
        with pytest.raises(psycopg2.errors.InvalidParameterValue, match="control characters"):
            site.schema.load(manifest([{**feature("compass"), "name": name}]), [MODULE])
    shown = {**feature("compass"), "name": "\x1b[2Jred\u009b1m\x07", "description": "\x1b]0;x\x07"}
    del shown["uri"]
    stand_in = StandIn(site)
    stand_in.respond = lambda request: Response(200, {
        "/v1/device": {"dev": DEV, "standing": "active", "features": []},
        "/v1/catalogue": {"version": 1, "features": [shown]}}[request.target])
    site.start("gateway")
    run = Handset(site, radio="", retries=0).use("wait screen MENU 5", "key 2", "wait screen LIST 5")
    run.wait(20)
    assert "/v1/catalogue" in stand_in.server.targets()
    assert ".[2Jred" in run.log(), run.log()
    assert_plain(run.log())
    stand_in.close()
