"""Content that lies elsewhere: fetched from a real nginx, and from servers that are none."""

import os
import re
import signal
import time
import uuid

import pytest
from files import Files
from harness import nginx, openapi, process, wait
from harness.caller import Caller
from harness.handset import Handset, order
from harness.schema import MODULE, digest, feature, manifest

LARGE = bytes(i * 7 % 251 for i in range(3 * 262144 + 1234))
PATH = f"/v1/content/{digest(LARGE).hex()}"
ACCEPT = ["wait state offered", "key SOFT1", "wait screen TERMS", "key YES"]


@pytest.fixture
def elsewhere(site):
    """A site that fetches; nginx has the content and does not run yet."""
    site.start("database")
    site.schema.setting(backoff_first="100 milliseconds", backoff_cap="200 milliseconds",
                        messages_per_hour=1000)
    site.nginx = nginx.Nginx(site.directory)
    site.server.config["fetch_trust"] = site.nginx.authority.path
    site.server.config["fetch_timeout"] = "1s"
    return site


def publish(site, content=LARGE, *more):
    """A catalogue with one feature whose content lies elsewhere, and others."""
    there = feature("atlas", content)
    there["content"]["url"] = site.nginx.put("atlas", content)
    site.schema.catalogue = site.schema.load(manifest([there, *more]), [MODULE])


def fetches(site):
    return site.db.query("select state, reason, attempt from provbox.outbox"
                         " where kind = 'fetch'")


def wait_fetch(site, state):
    wait.until(lambda: fetches(site)[0]["state"] == state, f"the fetch to be {state}")
    return fetches(site)[0]


def item(caller, path, name="atlas"):
    return next(i for i in caller.ask("GET", path, 200).json()["items"] if i["id"] == name)


# ---- nginx

def test_content_is_fetched_checked_and_delivered(elsewhere):
    publish(elsewhere)
    assert elsewhere.schema.rows("operator", "catalogue_show", None)[0]["is_here"] is False
    elsewhere.start("nginx", "server")
    with Caller(elsewhere, openapi.Api()) as caller:
        caller.authenticate()
        path = caller.accepted("atlas")
        wait.until(lambda: item(caller, path)["state"] == "ready", "the item")
        assert caller.ask("GET", PATH, 200).body == LARGE
    assert elsewhere.nginx.requests() == [["GET", "/atlas", "-", "200", str(len(LARGE))]]
    assert fetches(elsewhere) == [{"state": "done", "reason": None, "attempt": 1}]
    assert elsewhere.db.value("select count(*) from provbox.event where kind = 'fetch_done'") == 1


def test_an_interrupted_fetch_goes_on_where_it_was(elsewhere):
    publish(elsewhere)
    elsewhere.schema.rows("operator", "content_chunk_put", digest(LARGE), 0, LARGE[:262144])
    elsewhere.start("nginx", "server")
    wait_fetch(elsewhere, "done")
    assert elsewhere.nginx.requests() == [
        ["GET", "/atlas", "bytes=262144-", "206", str(len(LARGE) - 262144)]]


def test_rows_of_another_content_are_found_out(elsewhere):
    publish(elsewhere)
    elsewhere.schema.rows("operator", "content_chunk_put", digest(LARGE), 0, bytes(262144))
    elsewhere.server.expect_errors("effect_dead")
    elsewhere.start("nginx", "server")
    assert wait_fetch(elsewhere, "dead")["reason"] == "content_mismatch"
    assert elsewhere.db.value("select count(*) from provbox.content_chunk"
                              " where sha256 = %s", digest(LARGE)) == 0
    # Begun anew by the operator it is right.
    row = elsewhere.db.value("select id from provbox.outbox where kind = 'fetch'")
    assert elsewhere.schema.value("operator", "outbox_revive", row, None) == "changed"
    wait_fetch(elsewhere, "done")


def test_a_server_of_another_name_or_root_is_not_asked(elsewhere):
    publish(elsewhere)
    elsewhere.server.config["fetch_trust"] = elsewhere.pki.landnet.path
    elsewhere.start("nginx", "server")
    elsewhere.server.wait_event("effect_failed", kind="fetch", status=0)
    assert elsewhere.nginx.requests() == []


def test_nothing_is_fetched_where_nobody_is_trusted(elsewhere):
    publish(elsewhere)
    elsewhere.server.config["fetch_trust"] = ""
    elsewhere.start("nginx", "server")
    wait.until(lambda: elsewhere.server.metrics()['provbox_server_outbox{kind="fetch",state="due"}'] == 1,
               "the gauge")
    assert fetches(elsewhere)[0]["attempt"] == 0


def test_a_handset_waits_for_what_is_fetched_and_goes_on_by_itself(elsewhere):
    module = (b"#!/bin/sh\ncase $1 in\n--version) echo compass 1.4.0 ;;\nesac\n"
              + b"#" * 300_000)
    publish(elsewhere, module)
    elsewhere.start("smscsim", "billing", "server", "gateway")
    handset = Handset(elsewhere)
    run = handset.use(*order(1), *ACCEPT, "wait text getting it ready", "wait screen DONE")
    run.wait_event("state", to="settling")
    elsewhere.start("nginx")
    assert run.wait(30) == 0, run.tail(40)
    assert [f["version"] for f in handset.status()["features"]] == ["1.4.0"]
    texts = [row["text"] for row in elsewhere.db.query(
        "select text from provbox.notice where kind <> 'terms' order by id")]
    assert texts == ["You accepted the terms. On its way: Atlas", "Ready to use: Atlas"]


# ---- Servers that are none

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"


def whole(content=LARGE, length=None):
    def answer(head, write):
        found = re.search(rb"Range: bytes=(\d+)-", head)
        first = int(found[1]) if found else 0
        size = len(content) if length is None else length
        if found:
            write(b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes %d-%d/%d\r\n"
                  % (first, size - 1, size)
                  + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % (size - first))
        else:
            write(HEAD % size)
        write(content[first:])
    return answer


def raw(*pieces):
    def answer(head, write):
        for piece in pieces:
            if isinstance(piece, bytes):
                write(piece)
            else:
                time.sleep(piece)
    return answer


def unending(head, write):
    write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    for _ in range(100):
        write(bytes(65536))


@pytest.fixture
def files(elsewhere):
    """Begin with what the server of files answers in turn."""
    begun = []

    def begin(*answers, leaf=None):
        begun.append(Files(elsewhere.nginx.port, leaf or elsewhere.nginx.leaf, *answers))
        elsewhere.start("server")
        return begun[0]

    publish(elsewhere)
    yield begin
    for one in begun:
        one.close()


@pytest.mark.parametrize("fault", [
    raw(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"),
    raw(b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 5\r\n\r\nlater"),
    raw(b"\x00\x01garbage\r\n\r\n"), raw(), raw(3),
    raw(HEAD % len(LARGE), *[b"x", 0.3] * 10)],
    ids=["busy", "limited", "garbage", "cut", "hangs", "slow"])
def test_what_fails_is_tried_again(elsewhere, files, fault):
    peer = files(fault, whole())
    elsewhere.server.wait_event("effect_failed", kind="fetch")
    assert wait_fetch(elsewhere, "done")["attempt"] == 2
    assert len(peer.heads) == 2


def test_a_cut_transfer_keeps_its_rows(elsewhere, files):
    peer = files(raw(HEAD % len(LARGE) + LARGE[:600_000]), whole())
    wait_fetch(elsewhere, "done")
    assert b"Range: bytes=524288-\r\n" in peer.heads[1]
    assert b"Range:" not in peer.heads[0]


def test_a_courier_that_dies_leaves_its_rows_to_the_next(elsewhere, files):
    peer = files(raw(HEAD % len(LARGE) + LARGE[:300_000], 5), whole())
    wait.until(lambda: elsewhere.db.value("select count(*) from provbox.content_chunk"
                                          " where sha256 = %s", digest(LARGE)), "a row")
    elsewhere.server.expect_errors("child_exit")
    (courier,) = [pid for pid in elsewhere.server.workers() if "courier" in process.command(pid)]
    os.kill(courier, signal.SIGKILL)
    assert wait_fetch(elsewhere, "done")["attempt"] == 2
    assert b"Range: bytes=262144-\r\n" in peer.heads[1]


def test_a_server_without_ranges_begins_anew(elsewhere, files):
    files(raw(HEAD % len(LARGE) + LARGE[:600_000]), raw(HEAD % len(LARGE), LARGE))
    assert wait_fetch(elsewhere, "done")["attempt"] == 2


def test_another_range_than_asked_for_is_not_taken(elsewhere, files):
    files(raw(HEAD % len(LARGE) + LARGE[:600_000]),
          raw(b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-%d/%d\r\n"
              b"Content-Length: %d\r\n\r\n" % (len(LARGE) - 1, len(LARGE), len(LARGE)), LARGE),
          whole())
    assert wait_fetch(elsewhere, "done")["attempt"] == 3


@pytest.mark.parametrize("answer", [
    whole(bytes(len(LARGE))), whole(LARGE + b"x"), whole(LARGE[:-1]),
    raw(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", LARGE[:-1]), unending,
    raw(HEAD % 0)],
    ids=["other", "longer", "shorter", "shorter-unsaid", "unending", "empty"])
def test_what_is_not_as_the_catalogue_says_is_never_delivered(elsewhere, files, answer):
    elsewhere.server.expect_errors("effect_dead")
    peer = files(answer)
    row = wait_fetch(elsewhere, "dead")
    assert (row["reason"], row["attempt"]) == ("content_mismatch", 1)
    assert len(peer.heads) == 1
    (event,) = elsewhere.db.query("select reason, detail ->> 'key' as key from provbox.event"
                                  " where kind = 'fetch_dead'")
    assert event == {"reason": "content_mismatch", "key": f"content/{digest(LARGE).hex()}"}
    assert elsewhere.db.value("select count(*) from provbox.content_chunk"
                              " where sha256 = %s", digest(LARGE)) == 0
    elsewhere.server.wait_event("effect_dead", kind="fetch")
    with Caller(elsewhere, openapi.Api()) as caller:
        caller.authenticate()
        path = f"/v1/requests/{uuid.uuid4()}"
        request = caller.ask("PUT", path, 201, elsewhere.schema.body("atlas")).json()
        assert (request["state"], request["reason"]) == ("refused", "no_item_available")
        assert request["items"][0]["reason"] == "content_unavailable"
        caller.ask("GET", PATH, 404, reason="content_unknown")


@pytest.mark.parametrize("answer", [
    raw(b"HTTP/1.1 302 Found\r\nLocation: https://localhost/\r\nContent-Length: 0\r\n\r\n"),
    raw(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone")], ids=["moved", "absent"])
def test_a_refusal_is_dead_at_once(elsewhere, files, answer):
    elsewhere.server.expect_errors("effect_dead")
    peer = files(answer)
    assert wait_fetch(elsewhere, "dead")["reason"] == "effect_refused"
    assert len(peer.heads) == 1


def test_what_is_lost_is_told_while_the_others_go_on(elsewhere):
    publish(elsewhere, LARGE, feature("compass"))
    elsewhere.start("server")  # and no nginx
    elsewhere.server.expect_errors("effect_dead")
    with Caller(elsewhere, openapi.Api()) as caller:
        caller.authenticate()
        path = caller.accepted("atlas", "compass")
        lost = caller.accepted("atlas")
        assert item(caller, path, "compass")["state"] == "ready"
        assert item(caller, path)["state"] == "requested"
        elsewhere.schema.setting(give_up="0 seconds")
        wait.until(lambda: item(caller, path)["state"] == "unavailable", "the item")
        assert item(caller, path)["reason"] == "content_unavailable"
        request = caller.ask("PUT", f"{path}/items/compass/result", 200,
                             {"result": "installed", "version": "1.4.0"}).json()
        assert request["state"] == "done"
        caller.authenticate()
        wait.until(lambda: item(caller, lost)["state"] == "unavailable", "the other item")
        request = caller.ask("GET", lost, 200).json()
        assert (request["state"], request["reason"]) == ("failed", "no_item_available")
    texts = [row["text"] for row in elsewhere.db.query(
        "select text from provbox.notice where kind = 'status' order by request, id")]
    assert texts == ["Not available for you: Atlas", "Ready to use: Compass",
                     "Not available for you: Atlas"]
