"""What bash completes, in a bash that has loaded the file of a program."""

import subprocess
import time

import pytest
from harness import described, paths
from harness.schema import DEV, Schema

COMPLETE = r"""
source "$1"
COMP_LINE=$2 COMP_POINT=${3:-${#2}}
function=$(complete -p "$4" | sed 's/.*-F \([^ ]*\).*/\1/')
PATH=$5:$PATH
"$function"
printf '%s\n' "${COMPREPLY[@]}"
"""


def complete(line, point=None, folder="."):
    """What is offered for the word before the cursor, sorted."""
    program = line.split()[0]
    binary = paths.program(program)
    done = subprocess.run(
        ["bash", "--norc", "-u", "-c", COMPLETE, "bash",
         paths.BUILD.resolve() / "completion" / program, line, str(point or ""), program,
         binary.rpartition("/")[0]],
        text=True, capture_output=True, timeout=30, cwd=folder)
    assert not done.stderr, done
    return sorted(done.stdout.split("\n")[:-1])


def commands():
    return [row["words"] for row in described.rows("provctl", "command")]


def test_nouns_and_verbs_are_completed():
    nouns = sorted({words.split()[0] for words in commands()})
    assert complete("provctl ") == nouns and len(nouns) > 10
    assert complete("provctl --json ") == nouns
    assert complete("provctl d") == ["db", "device", "doctor"]
    for noun in nouns:
        verbs = sorted(words.split()[1] for words in commands()
                       if words.startswith(f"{noun} "))
        assert complete(f"provctl {noun} ") == (verbs or [""] if noun != "reason" else [""])
    assert complete("provctl request ret") == ["retry"]
    assert complete("provctl -c x.conf request --json li") == ["list"]
    assert complete("provctl nothing ") == [""]
    assert complete("provctl device show x", point=len("provctl dev")) == ["device"]


@pytest.mark.parametrize("program", described.PROGRAMS)
def test_options_are_completed(program):
    options = described.rows(program, "option")
    of_all = {f"--{row['name']}" for row in options if not row["words"]}
    assert len(of_all) >= 3
    assert set(complete(f"{program} --")) == of_all
    for command in described.rows(program, "command"):
        own = {f"--{row['name']}" for row in options if row["words"] == command["words"]}
        assert set(complete(f"{program} {command['words']} --")) == of_all | own


def test_arguments_are_completed(tmp_path):
    (tmp_path / "devices.csv").touch()
    for line in ("provctl device import dev", "provctl -c dev", "provctl notice send X dev",
                 "provbox-gateway --config dev", "handset run --script dev",
                 "smscsim --password-file dev"):
        assert complete(line, folder=tmp_path) == ["devices.csv"], line
    assert complete("provctl policy put device_unknown ") == ["limited", "prevent", "register"]
    assert complete("provctl word put YEP en a") == ["accept"]
    assert complete("smscsim --log-level d") == ["debug"]
    assert complete("provctl device block urn:gsma:imei:3520 ") == [""]
    assert complete("provctl outbox drop 42 --reason 'by hand' --js") == ["--json"]
    assert complete("provctl outbox drop 42 --reason 'by ha") == [""]


def test_ids_are_those_of_the_database(cluster):
    database = cluster.new_database(Schema.install)
    schema = Schema(database)
    request = schema.offered("compass")
    (notice,) = schema.table("select id from notice")
    (work,) = schema.table("select id from outbox")
    schema.rows("operator", "device_block", DEV, "stolen")
    provctl = f"provctl --dsn '{database.dsn('provbox_operator')}'"
    try:
        assert complete(f"{provctl} request show ") == [request]
        assert complete(f"{provctl} request show {request[:4]}") == [request]
        assert complete(f"{provctl} request show {request} ") == [""]
        assert complete(f"{provctl} notice show ") == [str(notice["id"])]
        assert complete(f"{provctl} outbox list --request ") == [request]
        assert complete(f"{provctl} outbox retry ") == [str(work["id"])]
        assert "landnet_busy" in complete(f"{provctl} reason landnet_")
        assert complete(f"{provctl} setting put terms_l") == ["terms_lifetime"]
    finally:
        database.drop()


def test_a_database_that_is_away_is_not_waited_for():
    began = time.monotonic()
    assert complete("provctl --dsn host=192.0.2.1 request show ") == [""]
    assert time.monotonic() - began < 10
