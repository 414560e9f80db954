"""What a gateway hears on GET /v1/control, and when it hears nothing any more."""

import os
import signal
import socket
import time

import pytest
from harness import control, openapi, pki, postgres, process, wait
from harness.caller import Caller
from harness.schema import DEV, device

# A second is what is promised; the machine that tests may be busy.
SOON_S = 3


@pytest.fixture
def served(site):
    site.start("database")
    site.server.config["database_timeout"] = "500ms"
    site.start("server")
    return site


def operator(site, *call):
    assert site.schema.value("operator", *call)


def worker(site):
    (pid,) = [pid for pid in site.server.workers() if "landnet" in process.command(pid)]
    return pid


def test_heartbeats_come_four_times_a_second(served):
    with control.Stream(served) as stream:
        assert stream.answer.status == 200
        assert stream.answer.headers["Content-Type"] == "application/x-ndjson"
        assert stream.answer.headers["Provbox-Exchange"] == "0"
        assert stream.read() == b'{"hb":1}\n'
        start = time.monotonic()
        for _ in range(8):
            assert stream.read() == b'{"hb":1}\n'
        took_s = time.monotonic() - start
    assert 1.5 < took_s < 2 + SOON_S
    wait.until(lambda: served.server.metrics()["provbox_server_control_streams"] == 0, "the gauge")


def test_a_change_reaches_every_stream_within_a_second(served):
    streams = [control.Stream(served) for _ in range(3)]
    for stream in streams:
        stream.read()
    for call, reason in ((("device_block", DEV, None), "device_blocked"),
                         (("device_unblock", DEV), "grant_epoch"),
                         (("device_limit", DEV, None), "grant_epoch")):
        operator(served, *call)
        for stream in streams:
            told, took_s = stream.change()
            assert told == (DEV, reason)
            assert took_s < SOON_S
    for stream in streams:
        stream.close()


def test_streams_share_one_query(served):
    def calls():
        return served.server.metrics()["provbox_server_database_calls_total"]

    streams = [control.Stream(served) for _ in range(20)]
    before, start = calls(), time.monotonic()
    for _ in range(8):
        for stream in streams:
            stream.read()
    # Four looks a second, and three calls a second of the courier's sweep, with room.
    assert calls() - before < 20 * (time.monotonic() - start) + 20
    for stream in streams:
        stream.close()


def test_a_rule_is_told_for_all_devices(served):
    with control.Stream(served) as stream:
        stream.read()
        served.schema.rows("operator", "policy_put", "device", "device_unknown", "limited")
        assert stream.change()[0] == ("*", "grant_epoch")


def test_a_clone_is_told(served):
    clone = served.pki.device_leaf("clone", DEV)
    with control.Stream(served) as stream, Caller(served, openapi.Api()) as first, \
            Caller(served, openapi.Api(), leaf=clone) as second:
        assert first.authenticate()["standing"] == "unprovisioned"
        first.ask("GET", "/v1/device", 200)
        assert second.authenticate()["standing"] == "blocked"
        assert second.link.grant is None
        first.ask("GET", "/v1/device", 403, reason="device_blocked")
        told, took_s = stream.change()
        assert told == (DEV, "device_blocked") and took_s < SOON_S
        operator(served, "device_trust", DEV, first.leaf.fingerprint())
        assert first.authenticate()["standing"] == "unprovisioned"
        first.ask("GET", "/v1/device", 200)
        assert second.authenticate()["standing"] == "blocked"
    metrics = served.server.metrics()
    for outcome in ("device_clone", "credential_mismatch"):
        assert metrics[f'provbox_server_authentications_total{{outcome="{outcome}"}}'] == 1


def test_a_renewed_certificate_is_no_clone(served):
    """The session with the old one has ended before the new one comes."""
    renewed = served.pki.device_leaf("renewed", DEV)
    with Caller(served, openapi.Api()) as old, \
            Caller(served, openapi.Api(), leaf=renewed) as new:
        old.authenticate()
        old.ask("POST", old.end_path(), 204, old.end_body())
        assert new.authenticate()["standing"] == "unprovisioned"


def test_a_limited_device_reaches_care_alone_and_goes_on(served):
    with Caller(served, openapi.Api()) as caller:
        caller.authenticate()
        caller.ask("GET", "/v1/catalogue", 200)
        operator(served, "device_limit", DEV, "unpaid bill")
        caller.ask("GET", "/v1/catalogue", 401, reason="grant_epoch")
        assert caller.authenticate()["standing"] == "limited"
        caller.ask("GET", "/v1/catalogue", 403, reason="standing_limited")
        assert caller.ask("GET", "/v1/device", 200).json()["standing"] == "limited"
        operator(served, "device_unblock", DEV)
        caller.authenticate()
        caller.ask("GET", "/v1/catalogue", 200)


def test_no_heartbeat_without_the_database(served):
    with control.Stream(served) as stream:
        stream.read()
        lock = served.db.cluster.connect(served.db.name)
        lock.autocommit = False
        lock.cursor().execute("lock table provbox.change in access exclusive mode")
        lines = stream.expect_end()
        assert len(lines) <= 3 and lines.count(control.HEARTBEAT) == len(lines)
        with Caller(served, openapi.Api()) as caller:
            caller.ask("GET", "/v1/control", 503, reason="database_unavailable")
        lock.rollback()
        lock.close()
    assert served.server.metrics()["provbox_server_control_failures_total"] == 1
    with control.Stream(served) as stream:
        stream.read()
        operator(served, "device_block", DEV, None)
        assert stream.change()[0] == (DEV, "device_blocked")


@pytest.fixture
def own_cluster(site):
    """A cluster that may be stopped; the site ends before it does."""
    site.cluster = postgres.Cluster()
    yield site.cluster
    problems = site.finish()
    site.cluster.stop()
    assert not problems, problems


def test_the_database_starts_again(site, own_cluster):
    site.start("database", "server")
    with control.Stream(site) as stream, Caller(site, openapi.Api()) as caller:
        stream.read()
        caller.authenticate()
        operator(site, "device_limit", DEV, None)
        assert stream.change()[0] == (DEV, "grant_epoch")
        own_cluster.stop_server()
        stream.expect_end()
        own_cluster.start()
        wait.until(lambda: len(site.server.events("ready")) == 2, "a second ev=ready")
        caller.ask("GET", "/v1/catalogue", 401, reason="grant_epoch")
        assert caller.authenticate()["standing"] == "limited"
    with control.Stream(site) as stream:
        stream.read()
        operator(site, "device_block", DEV, None)
        assert stream.change()[0] == (DEV, "device_blocked")


def test_a_killed_worker_forgets_nothing(served):
    with control.Stream(served) as stream, Caller(served, openapi.Api()) as caller:
        stream.read()
        caller.authenticate()
        operator(served, "device_limit", DEV, None)
        os.kill(worker(served), signal.SIGKILL)
        stream.expect_end()
        wait.until(lambda: len(served.server.events("ready")) == 2, "a second ev=ready")
        caller.link.reconnect()
        caller.ask("GET", "/v1/catalogue", 401, reason="grant_epoch")
        assert caller.authenticate()["standing"] == "limited"
    with control.Stream(served) as stream:
        stream.read()
        operator(served, "device_unblock", DEV)
        assert stream.change()[0] == (DEV, "grant_epoch")


def test_sigterm_ends_the_streams(served):
    with control.Stream(served) as stream:
        stream.read()
        start = time.monotonic()
        served.server.stop()
        assert time.monotonic() - start < SOON_S
        stream.expect_end()


def test_a_gateway_has_so_many_streams_and_no_more(served):
    served.server.stop()
    served.server.config["control_streams"] = 2
    other = served.pki.landnet.issue("other-gateway", usages=[pki.CLIENT])
    served.server.config["gateway", "other"] = {"certificate": other.path}
    served.server.start()
    with control.Stream(served) as one, control.Stream(served) as two, \
            control.Stream(served, other) as third, Caller(served, openapi.Api()) as caller:
        for stream in (one, two, third):
            stream.read()
        caller.ask("GET", "/v1/control", 503, reason="server_busy")
        one.close()
        wait.until(lambda: served.server.metrics()["provbox_server_control_streams"] == 2,
                   "the end of a stream")
        with control.Stream(served) as stream:
            stream.read()


def test_a_reader_that_does_not_read_is_cut(served):
    """When too much waits for it, or nothing could be written for too long."""
    served.schema.import_devices(*(device(f"urn:gsma:imei:35209900-5{n:05d}-0")
                                   for n in range(900)))
    with control.Stream(served) as slow, control.Stream(served) as quick:
        slow.link.client.connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        quick.read()
        deadline = time.monotonic() + 60
        while not served.server.events("link_closed"):
            assert time.monotonic() < deadline
            served.schema.table("update device set cred = sha256(random()::text::bytea)"
                                " where dev > %s returning 1", "urn:gsma:imei:35209900-5")
            quick.change()
        (cut,) = served.server.events("link_closed")
        assert cut["reason"] in ("cancelled", "write_timeout")
        quick.read()
