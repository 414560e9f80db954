"""The calls of a device, without a gateway: requests, waiting, content, results."""

import threading
import time

import pytest
from harness import landnet, openapi
from harness.caller import Caller
from harness.schema import DEV, MODULE, TERMS, digest, feature, manifest

LARGE = bytes(i * 7 % 251 for i in range(3 * 262144 + 1234))
LARGE_PATH = f"/v1/content/{digest(LARGE).hex()}"


@pytest.fixture
def caller(site):
    site.start("database", "server")
    with Caller(site, openapi.Api()) as made:
        made.authenticate()
        yield made


def test_the_same_request_twice_is_one(caller):
    path = caller.offered("compass")
    body = caller.site.schema.body("compass")
    first = caller.ask("PUT", path, 200, body)
    assert caller.ask("PUT", path, 200, body).body == first.body
    caller.ask("PUT", path, 409, caller.site.schema.body("voice-mail"),
               reason="request_conflict")
    assert caller.site.db.value("select count(*) from provbox.request") == 1


def test_bodies_are_read_strictly(caller):
    path = "/v1/requests/4d9f4e6a-2b7c-4c1e-9f30-0a1b2c3d4e5f"
    good = caller.site.schema.body()
    for change in ({"more": 1}, {"items": []}, {"items": "compass"}, {"catalogue": "1"},
                   {"catalogue": 1.0}, {"items": [7]}, {"items": ["compass", "compass"]},
                   {"user": {**good["user"], "more": "x"}}, {"user": {}},
                   {"user": {**good["user"], "given_name": "A\u0007"}},
                   {"user": {**good["user"], "language": "english please"}},
                   {"device": {**good["device"], "dev": None}}, {"accounting": {}}):
        caller.ask("PUT", path, 400, {**good, **change}, reason="body_invalid")
    for text in (b"", b"[]", b"{", b'{"a":1,"a":1}', b"\xff", b"{}{}", b"[" * 5000):
        caller.ask("PUT", path, 400, text, reason="body_invalid",
                   Content_Type="application/json")
    for reference in ("4111111111111111", "4111-1111-1111-1111", "short", "has space"):
        caller.ask("PUT", path, 400, caller.site.schema.body(reference=reference),
                   reason="accounting_reference_invalid")
    assert caller.site.db.value("select count(*) from provbox.request") == 0


def test_a_whole_request(caller):
    path = caller.accepted("compass", "voice-mail")
    request = caller.ask("GET", path, 200).json()
    assert request["state"] == "accepted"
    for item in request["items"]:
        content = caller.ask("GET", f"/v1/content/{item['content']['sha256']}", 200)
        assert digest(content.body).hex() == item["content"]["sha256"]
        assert content.headers["Content-Type"] == item["content"]["media_type"]
    assert caller.ask("GET", path, 200).json()["state"] == "delivering"
    caller.ask("PUT", f"{path}/items/compass/result", 200,
               {"result": "installed", "version": "1.4.0"})
    request = caller.ask("PUT", f"{path}/items/voice-mail/result", 200,
                         {"result": "failed", "reason": "storage_full"}).json()
    assert request["state"] == "done"
    assert {i["id"]: i["state"] for i in request["items"]} == {
        "compass": "installed", "voice-mail": "failed"}
    # It made the account: the standing rose, and with it the epoch.
    caller.ask("GET", "/v1/device", 401, reason="grant_epoch")
    caller.authenticate()
    device = caller.ask("GET", "/v1/device", 200).json()
    assert device["standing"] == "active"
    assert [f["id"] for f in device["features"]] == ["compass"]
    events = caller.site.schema.events(path.split("/")[-1])
    assert ("device", "put", None, "received", None) in events


def test_without_prepared_statements(site):
    """As behind PgBouncer in transaction mode."""
    site.start("database")
    site.server.config["prepare"] = False
    site.start("server")
    with Caller(site, openapi.Api()) as caller:
        caller.authenticate()
        path = caller.accepted("compass")
        assert caller.ask("GET", f"/v1/content/{digest(MODULE).hex()}", 200).body == MODULE
        request = caller.ask("PUT", f"{path}/items/compass/result", 200,
                             {"result": "installed"}).json()
        assert request["state"] == "done"


def test_several_workers_share_one_zone(site):
    site.start("database")
    site.server.config["workers"] = 3
    site.start("server")
    callers = [Caller(site, openapi.Api()) for _ in range(12)]
    for caller in callers:
        assert caller.authenticate(want_proof=True)["proof"]
    for caller in callers:
        caller.ask("GET", "/v1/device", 200)
        caller.link.close()
    served_by = {line.text.split("[")[1].split("]")[0]
                 for line in site.server.events("link_open")}
    assert len(served_by) > 1


def test_the_acceptance_names_the_session(caller):
    caller.accepted("compass")
    (row,) = caller.site.db.query("select * from provbox.acceptance")
    assert digest(TERMS["en"].encode()) == row["terms_sha256"]
    assert (row["how"], row["source"]) == ("online", {
        "dev": DEV, "session": landnet.base64url(caller.link.sid),
        "gw": caller.gateway.spki_hash(), "cred": caller.leaf.fingerprint()})


def test_declined_terms(caller):
    path = caller.offered("compass")
    terms = caller.ask("GET", f"{path}/terms", 200).json()
    assert terms["text"] == TERMS["en"]
    caller.ask("PUT", f"{path}/answer", 409, {"answer": "decline", "sha256": "0" * 64},
               reason="terms_mismatch")
    request = caller.ask("PUT", f"{path}/answer", 200,
                         {"answer": "decline", "sha256": terms["sha256"]}).json()
    assert (request["state"], request["reason"]) == ("declined", "terms_declined")
    caller.ask("GET", f"/v1/content/{digest(MODULE).hex()}", 404, reason="content_unknown")


# ---- Prefer: wait

def test_a_wait_ends_with_the_change(caller):
    path = caller.offered("compass")
    tag = caller.ask("GET", path, 200).headers["ETag"]
    schema = caller.site.schema

    def accept():
        time.sleep(0.7)
        schema.answer(path.split("/")[-1])

    other = threading.Thread(target=accept)
    other.start()
    started = time.monotonic()
    answer = caller.ask("GET", path, 200, If_None_Match=tag, Prefer="wait=5")
    took = time.monotonic() - started
    other.join()
    assert answer.json()["state"] == "accepted"
    assert answer.headers["Preference-Applied"] == "wait=5"
    assert 0.6 < took < 2


def test_a_wait_without_a_change_is_304(caller):
    path = caller.offered("compass")
    tag = caller.ask("GET", path, 200).headers["ETag"]
    started = time.monotonic()
    answer = caller.ask("GET", path, 304, If_None_Match=tag, Prefer="wait=1")
    assert 0.9 < time.monotonic() - started < 5
    assert answer.headers["Preference-Applied"] == "wait=1"
    started = time.monotonic()
    answer = caller.ask("GET", path, 200, Prefer="wait=5")
    assert time.monotonic() - started < 4
    assert "Preference-Applied" not in answer.headers


def test_a_wait_holds_nobody_up(caller):
    path = caller.offered("compass")
    tag = caller.ask("GET", path, 200).headers["ETag"]
    waiting = threading.Thread(target=lambda: caller.ask(
        "GET", path, 304, If_None_Match=tag, Prefer="wait=3"))
    waiting.start()
    with Caller(caller.site, caller.api, leaf=caller.leaf) as second:
        second.authenticate()
        for _ in range(20):
            second.ask("GET", "/v1/device", 200)
        assert waiting.is_alive()
    waiting.join()


def test_a_wait_whose_connection_ends_is_forgotten(caller):
    path = caller.offered("compass")
    tag = caller.ask("GET", path, 200).headers["ETag"]
    connection = caller.link.client.connection
    connection.request("GET", path, headers={
        "Host": caller.site.pki.SRV, "If-None-Match": tag, "Prefer": "wait=5",
        "Provbox-Grant": caller.link.grant,
        "Provbox-Exchange": str(caller.link.exchanges)})
    time.sleep(0.2)
    caller.link.close()
    caller.site.server.wait_event("request", reason="cut")


# ---- Content

@pytest.fixture
def large(caller):
    """A caller with an accepted request for content of several rows."""
    caller.site.schema.catalogue = caller.site.schema.load(
        manifest([feature("atlas", LARGE)]), [LARGE])
    caller.accepted("atlas")
    return caller


def test_content_of_several_rows(large):
    answer = large.ask("GET", LARGE_PATH, 200)
    assert answer.body == LARGE
    assert answer.headers["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize("first, last", [
    (0, 0), (0, 262143), (262143, 262144), (262144, 524287), (100, 600000),
    (786432, len(LARGE) - 1), (len(LARGE) - 1, len(LARGE) - 1)])
def test_ranges_across_rows(large, first, last):
    answer = large.ask("GET", LARGE_PATH, 206, Range=f"bytes={first}-{last}")
    assert answer.body == LARGE[first:last + 1]
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(LARGE)}"


def test_open_and_suffix_ranges(large):
    assert large.ask("GET", LARGE_PATH, 206, Range="bytes=700000-").body == LARGE[700000:]
    assert large.ask("GET", LARGE_PATH, 206, Range="bytes=-10").body == LARGE[-10:]
    assert large.ask("GET", LARGE_PATH, 200, Range="bytes=0-1,5-6").body == LARGE
    assert large.ask("GET", LARGE_PATH, 200, Range="lines=0-1").body == LARGE
    answer = large.ask("GET", LARGE_PATH, 416, Range=f"bytes={len(LARGE)}-",
                       reason="range_unsatisfiable")
    assert answer.headers["Content-Range"] == f"bytes */{len(LARGE)}"


def test_a_connection_is_good_for_more_after_content(large):
    for _ in range(3):
        assert large.ask("GET", LARGE_PATH, 200).body == LARGE
        large.ask("GET", "/v1/device", 200)


def test_a_slow_reader_of_content_holds_no_database_connection(large):
    """It stops reading; everybody else goes on, and so does he."""
    large.site.server.stop()
    large.site.server.config["database_connections"] = 1
    large.site.server.start()
    large.link.close()
    large.authenticate()
    large.link.request("GET", "/v1/device")
    connection = large.link.client.connection
    connection.request("GET", LARGE_PATH, headers={
        "Host": large.site.pki.SRV, "Provbox-Grant": large.link.grant,
        "Provbox-Exchange": str(large.link.exchanges)})
    response = connection.getresponse()
    start = response.read(1000)
    with Caller(large.site, large.api, leaf=large.leaf) as other:
        other.authenticate()
        for _ in range(10):
            other.ask("GET", "/v1/device", 200)
    assert start + response.read() == LARGE


# ---- Connections

def test_sessions_end_once(caller):
    body = caller.end_body(reason="client_closed")
    caller.ask("POST", caller.end_path(), 204, body)
    caller.ask("POST", caller.end_path(), 204, {**body, "reason": "drained"})
    assert caller.site.db.value(
        "select count(*) from provbox.event where kind = 'session_end'") == 1
    caller.ask("POST", "/v1/sessions/AAAAAAAAAAAAAAAAAAAAAA/end", 400, body,
               reason="body_invalid")


def test_each_request_is_one_log_line_without_personal_data(caller):
    path = caller.offered("compass")
    server = caller.site.server
    line = server.wait_event("request", method="PUT", route="/v1/requests/{uuid}")
    assert line["status"] == "201" and line["rid"] == path.split("/")[-1]
    # An equipment identifier is somebody's: only its end is told.
    assert line["dev"].endswith(caller.dev[-3:]) and caller.dev not in line.text
    assert line["sid"]
    log = server.process.log()
    for private in ("Lovelace", "SW1A", "447700900123", "acct-0123456789",
                    caller.link.grant):
        assert private not in log


def test_metrics_count_what_happened(caller):
    caller.ask("GET", "/v1/device", 200)
    caller.link.request("GET", "/v1/device", headers={"Provbox-Grant": "AAAA"})
    metrics = caller.site.server.metrics()
    assert metrics['provbox_server_answers_total{class="2xx"}'] >= 2
    assert metrics['provbox_server_grants_refused_total{reason="grant_invalid"}'] == 1
    assert metrics['provbox_server_authentications_total{outcome="granted"}'] == 1
    assert metrics["provbox_server_links"] == 1
    assert metrics["provbox_server_database_up"] == 2
