"""The order of the whole, and that no restart of a process loses a request."""

import os

import pytest
from harness import paths, process, wait
from harness.handset import Handset, order
from harness.schema import DEV

# In the order in which they start.
ALL = ("database", "billing", "smscsim", "bearerbox", "server", "smsc", "gateway")
RESTARTED = ("gateway", "server", "smsc", "bearerbox")


@pytest.fixture
def whole(site):
    site.start(*ALL)
    site.bearerbox.wait_online()
    return site


def places(lines, *wanted):
    """Where each of these stands in a list; all of them do."""
    return [lines.index(line) for line in wanted]


def test_each_step_waits_for_the_one_before(whole):
    """Authentication, verification, terms, content, confirmation, billing (A291)."""
    handset = Handset(whole)
    run = handset.used(*order(1), "wait screen TERMS", "key YES", "wait screen DONE",
                       "wait messages 3")
    states = [line["to"] for line in run.events("state")]
    assert states == ["connecting", "session", "device", "catalogue", "choosing",
                      "requesting", "offered", "deciding", "answered", "fetching",
                      "installing", "testing", "confirming", "done"]
    asked = [(line["method"], line["route"]) for line in whole.server.events("request")]
    at = places(asked, ("POST", "/v1/authentication"), ("GET", "/v1/catalogue"),
                ("PUT", "/v1/requests/{uuid}"), ("GET", "/v1/content/{sha256}"),
                ("PUT", "/v1/requests/{uuid}/items/{item}/result"))
    assert at == sorted(at) and at[0] == 0
    request = whole.db.value("select id::text from provbox.request")
    moves = [(actor, event) for actor, event, *_ in whole.schema.events(request)]
    at = places(moves, ("device", "put"), ("server", "verify"), ("server", "offer"),
                ("smsc", "notice_acked"), ("subscriber", "accept"), ("device", "deliver"),
                ("device", "install"), ("device", "complete"), ("server", "account_opened"))
    assert at == sorted(at)
    (record,) = wait.until(whole.billing.records, "the billing event")
    assert record["event"]["subject"] == request
    # Two that leave together may overtake each other on the air.
    assert {message["text"] for message in handset.messages()[1:]} == {
        "You accepted the terms. On its way: Compass", "Ready to use: Compass"}


@pytest.mark.parametrize("name", RESTARTED)
def test_a_request_outlives_a_crash_of_each_process(whole, tmp_path, name):
    """SIGKILL while the user reads the terms, who answers as soon as it is back."""
    handset = Handset(whole, retries=5, retry_delay="300ms", answer_repeat="1s")
    pipe = tmp_path / "keys"
    os.mkfifo(pipe)
    with open(os.open(pipe, os.O_RDWR), "w", buffering=1) as keys:
        run = process.Process(
            "handset", [paths.program("handset"), "run", "--dir", handset.directory,
                        "--script", pipe], whole.directory)
        whole.watch(run)
        print(*order(1), "wait screen TERMS", sep="\n", file=keys)
        run.wait_event("screen", name="TERMS")
        part = getattr(whole, name)
        (part.process if name == "bearerbox" else part).kill()
        part.start()
        if name == "bearerbox":
            part.wait_online()
        print("key YES", "wait screen DONE", sep="\n", file=keys)
    assert run.wait(30) == 0
    assert [line["to"] for line in run.events("state")].count("connecting") == 1
    assert whole.db.query("select dev, state from provbox.request") == [
        {"dev": DEV, "state": "done"}]
    (record,) = wait.until(whole.billing.records, "the billing event")
    assert not record["repeated"]
