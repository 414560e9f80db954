"""Billing events become files for mediation: whole, in order, each event in one file."""

import json
import os
import re
import signal
import subprocess
import time

import pytest
from harness import openapi, paths, process, wait
from harness.caller import Caller
from harness.daemon import config_text
from harness.schema import request_key

@pytest.fixture
def folder(site):
    made = site.directory / "mediation"
    made.mkdir()
    site.start("database")
    site.schema.setting(billing_delivery="file", billing_file_interval="0 seconds",
                        backoff_first="100 milliseconds")
    site.server.config["billing_folder"] = made
    return made


def events(folder):
    """All events of all files, in the order of their names."""
    return [json.loads(line) for path in sorted(folder.glob("billing-*.ndjson"))
            for line in path.read_text().splitlines()]


def states(site, kind):
    return [row["state"] for row in site.db.query(
        "select state from provbox.outbox where kind = %s order by id", kind)]


def test_a_done_request_is_an_event_in_a_file(site, folder):
    site.start("server")
    with Caller(site, openapi.Api()) as caller:
        caller.authenticate()
        path = caller.accepted("compass")
        caller.ask("PUT", f"{path}/items/compass/result", 200,
                   {"result": "installed", "version": "1.4.0"})
    (event,) = wait.until(lambda: events(folder), "the billing event")
    request = path.rsplit("/", 1)[1]
    assert event["id"] == request_key(request) + "/done"
    assert event["data"]["accounting_reference"] == "acct-0123456789"
    wait.until(lambda: states(site, "file") == ["done"], "the end of the effect")
    assert [path.name[0] for path in folder.iterdir()] == ["b"]
    assert site.server.metrics()['provbox_server_effects_total{kind="file",outcome="done"}'] == 1
    assert states(site, "billing") == []


def test_both_ways_carry_the_same_event(site, folder):
    site.schema.setting(billing_delivery="both")
    site.start("billing", "server")
    site.schema.finished("compass")
    (event,) = wait.until(lambda: events(folder), "the file")
    (record,) = wait.until(site.billing.records, "the post")
    assert record["event"] == event and record["key"] == event["id"]


def test_a_file_waits_for_its_time_or_its_size(site, folder):
    site.schema.setting(billing_file_interval="1 hour", billing_file_size="700")
    ids = [request_key(site.schema.finished("compass")) + "/done" for _ in range(3)]
    site.start("server")
    wait.until(lambda: len(events(folder)) == 2, "two full files")
    assert [path.stat().st_size <= 700 for path in folder.iterdir()] == [True, True]
    time.sleep(1.3)
    assert [event["id"] for event in events(folder)] == ids[:2]
    site.schema.setting(billing_file_interval="0 seconds")
    wait.until(lambda: [event["id"] for event in events(folder)] == ids, "the rest")


def test_events_wait_while_the_folder_cannot_be_written(site, folder):
    """Nothing is lost, and it goes on by itself."""
    site.start("server")
    folder.rmdir()
    site.schema.finished("compass")
    site.server.wait_event("effect_failed", kind="file")
    assert states(site, "file") == ["due"]
    folder.mkdir()
    assert len(wait.until(lambda: events(folder), "the event")) == 1


def test_a_kill_at_any_moment_neither_loses_nor_doubles_an_event(site, folder):
    """Each event stands in one file, however often that is written; nothing else is left."""
    site.schema.setting(requests_per_hour=1000, requests_per_number=1000,
                        messages_per_hour=1000)
    site.server.expect_errors("child_exit")  # one that dies again and again
    site.start("server")
    ids = set()
    for _ in range(6):
        ids |= {request_key(site.schema.finished("compass")) + "/done" for _ in range(3)}
        (pid,) = wait.until(lambda: [pid for pid in site.server.workers()
                                     if ": files" in process.command(pid)],
                            "the process of files")
        os.kill(pid, signal.SIGKILL)
        # What was leased comes again at once, and not when the lease is over.
        site.db.query("update provbox.outbox set due_at = clock_timestamp()"
                      " where kind = 'file' and state = 'due'")
    wait.until(lambda: {event["id"] for event in events(folder)} == ids, "all events", 20)
    assert len(events(folder)) == len(ids)
    wait.until(lambda: set(states(site, "file")) == {"done"}, "the end of all effects", 20)
    assert {path.name[0] for path in folder.iterdir()} == {"b"}


def test_what_a_killed_process_left_goes_with_the_next(site, folder):
    site.schema.finished("compass")
    site.db.query("select provbox.billing_file_cut()")
    ((name,),) = [tuple(row.values()) for row in site.db.query(
        "select payload ->> 'name' from provbox.outbox where kind = 'file'")]
    left = folder / f".{name}.4711.part"
    left.write_text("{")
    site.start("server")
    wait.until(lambda: states(site, "file") == ["done"], "the file")
    assert [path.name for path in folder.iterdir()] == [name]


def test_a_file_is_written_again_as_it_was(site, folder):
    """The answer to the database was lost: mediation sees the same name and bytes."""
    site.start("server")
    site.schema.finished("compass")
    wait.until(lambda: states(site, "file") == ["done"], "the file")
    (path,) = folder.glob("billing-*.ndjson")
    before = path.read_bytes()
    path.unlink()
    site.db.query("update provbox.outbox set state = 'due', token = null,"
                  " due_at = clock_timestamp() where kind = 'file'")
    wait.until(path.exists, "the same file")
    assert path.read_bytes() == before


def test_a_server_whose_folder_is_not_there_does_not_start(site, folder):
    folder.rmdir()
    conf = site.directory / "none.conf"
    conf.write_text(config_text(site.server.config))
    done = subprocess.run([paths.program("provbox-server"), "-c", conf, "-t"],
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 78
    assert re.search(r"none\.conf:[0-9]+: billing_folder: \S*/mediation: No such file or"
                     " directory; make it", done.stderr), done.stderr
