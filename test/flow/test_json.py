"""What --json of each command prints: one JSON document, with the members of doc/json.md."""

import json
import subprocess

import pytest
from harness import described, paths, shape
from harness.desk import REQUEST
from harness.fleet import Fleet
from harness.handset import Handset, order
from harness.schema import CRED, GATEWAY, NUMBER
from test_manual import arrange

# Commands whose lists may be empty before fill().
READERS = ("device show", "device trace", "request show", "outbox list", "number list",
           "user export")
LAST = ("request cancel", "user erase")
ACCEPT = ["wait screen TERMS", "key YES", "wait screen DONE"]


def printed(desk, command):
    done = desk.run(command["example"].replace(" --watch", "").partition(" >")[0] + " --json")
    assert done.returncode == 0 or command["words"] == "doctor", (command, done)
    assert command["words"] == "doctor" or not done.stderr, (command, done)
    return json.loads(done.stdout)


def accept(schema, request):
    (terms,) = schema.table("select t.sha256 from terms t join offer o"
                            " on (t.catalogue, t.language) = (o.catalogue, o.language)"
                            " join request r on r.rid = o.request where r.id = %s", request)
    assert schema.api("answer_put", request, "accept", bytes(terms["sha256"]),
                      "AAECAwQFBgcICQoLDA0ODw", GATEWAY, CRED)[0] == 200


def fill(desk):
    """Give lists that were empty something to show."""
    schema = desk.schema
    schema.send_all()
    schema.receive("perhaps", message="m-1")
    accept(schema, REQUEST)
    done = schema.offered("voice-mail")
    accept(schema, done)
    assert schema.result(done, "voice-mail")[0] == 200
    schema.rows("operator", "number_stop_put", NUMBER, "asked by letter")
    desk.bury_work()


def lines(desk):
    """(command, what it printed) of each; of those that read, once more when there is more."""
    commands = described.rows("provctl", "command")
    commands.sort(key=lambda row: row["words"] in LAST)
    for command in commands:
        if command["words"] == LAST[0]:
            fill(desk)
            for reader in commands:
                if reader["words"] in READERS:
                    yield reader["words"], printed(desk, reader)
            refused = desk.run("echo '[{\"dev\": \"x\"}]' | provctl device import - --json")
            yield "device import", json.loads(refused.stdout)
        arrange(desk, command["words"])
        yield command["words"], printed(desk, command)


def compare(told):
    """What was told is as doc/json.md says, row by row."""
    shapes = {}
    for command, value in told:
        shapes[command] = shape.merged(shapes.get(command), shape.shape_of(value))
    page = (paths.SOURCE / "doc/json.md").read_text().splitlines()
    for command, found in shapes.items():
        assert f"| `{command}` | `{shape.written(found)}` |" in page
    return set(shapes)


@pytest.mark.long
def test_each_command_of_provctl_prints_what_its_page_says(desk):
    commands = {f"provctl {row['words']}" for row in described.rows("provctl", "command")}
    assert len(commands) > 40
    assert compare((f"provctl {words}", value) for words, value in lines(desk)) == commands


def test_a_handset_prints_what_its_page_says(site):
    site.start("database", "billing", "smscsim", "bearerbox", "server", "smsc", "gateway")
    site.bearerbox.wait_online()
    handset = Handset(site)
    (site.directory / "all.script").write_text("\n".join([*order(1), *ACCEPT, ""]))
    done = subprocess.run(
        [paths.program("handset"), "run", "--json", "--dir", handset.directory, "--script",
         site.directory / "all.script"], capture_output=True, text=True, timeout=60, check=True)
    load = Fleet(site, 1).load()
    compare([("handset run", json.loads(done.stdout)), ("handset status", handset.status()),
             ("handset messages", handset.messages()), ("handset load", load)])
