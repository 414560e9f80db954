"""What the server does when something it needs is short: the database, a worker, time."""

import http.client
import os
import signal
import subprocess
import threading
import time

import pytest
from harness import landnet, openapi, paths, process, wait
from harness.caller import Caller
from harness.schema import MODULE, TERMS, digest


@pytest.fixture
def served(site):
    site.start("database")
    site.server.config["database_timeout"] = "300ms"
    site.start("server")
    return site


def forbid_database(site):
    site.db.cluster.execute(f"alter database {site.db.name} allow_connections false")
    site.db.cluster.execute("select pg_terminate_backend(pid) from pg_stat_activity"
                            f" where datname = '{site.db.name}'")


def allow_database(site):
    site.db.cluster.execute(f"alter database {site.db.name} allow_connections true")


def test_the_database_goes_and_comes_back(served):
    with Caller(served, openapi.Api()) as caller:
        caller.authenticate()
        forbid_database(served)
        caller.ask("GET", "/v1/device", 503, reason="database_unavailable")
        served.server.wait_event("not_ready")
        allow_database(served)
        wait.until(lambda: len(served.server.events("ready")) == 2, "a second ev=ready")
        caller.ask("GET", "/v1/device", 200)
    metrics = served.server.metrics()
    assert metrics['provbox_server_database_failures_total{kind="unavailable"}'] >= 1
    downs = served.server.events("db_down")
    assert len(downs) == 2  # one line a process, not one a try
    assert all(down["why"].strip() and "\\x" not in down["why"] for down in downs)


@pytest.mark.parametrize("name", ["server", "smsc"])
def test_a_schema_that_is_too_old_is_waited_for(site, name):
    """Programs may be started before `provctl db upgrade` has been run."""
    site.start("database", "smscsim", "bearerbox")
    site.schema.table("create table kept as select * from schema_version")
    site.schema.table("delete from schema_version where version > 1")
    part = getattr(site, name)
    part.expect_errors("schema_refused")
    seen = []

    def upgrade():
        wait.until(lambda: part.process and part.events("schema_refused"), "ev=schema_refused")
        time.sleep(0.5)
        seen.extend(part.events("schema_refused") + part.events("ready"))
        site.schema.table("insert into schema_version select * from kept where version > 1")

    operator = threading.Thread(target=upgrade)
    operator.start()
    site.start(name)  # until it is ready
    operator.join()
    assert 1 <= len(seen) <= 2  # once a process, not once a try
    assert all("provctl db status" in line["why"] for line in seen)


def test_a_newer_schema_serves_older_programs(site):
    site.start("database")
    site.schema.table("insert into schema_version (version, name, sha256)"
                      " select max(version) + 1, 'later', sha256('') from schema_version")
    site.start("server", "smscsim", "bearerbox", "smsc")


def test_a_statement_that_takes_too_long(served):
    with Caller(served, openapi.Api()) as caller:
        caller.authenticate()
        lock = served.db.cluster.connect(served.db.name)
        lock.autocommit = False
        lock.cursor().execute("lock table provbox.device in access exclusive mode")
        caller.ask("GET", "/v1/device", 503, reason="database_unavailable")
        lock.rollback()
        lock.close()
        caller.ask("GET", "/v1/device", 200)


def test_a_deadlock_can_be_called_again(served):
    # A sequence counts what was rolled back, too.
    served.schema.table("""
        create sequence tried;
        grant usage on tried to provbox_owner;
        create function fail() returns trigger language plpgsql as
        'begin
            if nextval(''tried'') = 1 then raise using errcode = ''40P01''; end if;
            return new;
        end';
        create trigger fail before insert on acceptance for each row execute function fail()""")
    with Caller(served, openapi.Api()) as caller:
        caller.authenticate()
        path = caller.offered()
        answer = {"answer": "accept", "sha256": digest(TERMS["en"].encode()).hex()}
        refused = caller.ask("PUT", f"{path}/answer", 503, answer, reason="database_unavailable")
        assert int(refused.headers["Retry-After"]) >= 1
        assert caller.ask("GET", path, 200).json()["state"] == "offered"
        assert caller.ask("PUT", f"{path}/answer", 200, answer).json()["state"] == "accepted"


def test_a_worker_that_dies_is_started_again(served):
    with Caller(served, openapi.Api()) as caller:
        caller.authenticate()
        (worker,) = [pid for pid in served.server.workers()
                     if "landnet" in process.command(pid)]
        os.kill(worker, signal.SIGKILL)
        wait.until(lambda: len(served.server.events("ready")) == 2, "a second ev=ready")
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            caller.link.request("GET", "/v1/device")
        caller.link.reconnect()
        caller.ask("GET", "/v1/device", 200)  # the grant outlives the worker


def test_connections_that_end_anywhere_leave_nothing(served):
    """Cut after the handshake, in a head, in a body, in an answer, and while waiting."""
    (worker,) = [pid for pid in served.server.workers() if "landnet" in process.command(pid)]
    with Caller(served, openapi.Api()) as caller:
        caller.authenticate()
        path = caller.accepted("compass")
        tag = caller.ask("GET", path, 200).headers["ETag"]
        head = (f"Host: {served.pki.SRV}\r\nProvbox-Exchange: 0\r\n"
                f"Provbox-Grant: {caller.link.grant}\r\n")
        before = process.open_files(worker)
        for sent in ("", "GET /v1/dev", f"GET /v1/device HTTP/1.1\r\n{head}\r\n",
                     f"PUT {path}/answer HTTP/1.1\r\n{head}Content-Length: 100\r\n"
                     'Content-Type: application/json\r\n\r\n{"answer":',
                     f"GET /v1/content/{digest(MODULE).hex()} HTTP/1.1\r\n{head}\r\n",
                     f"GET {path} HTTP/1.1\r\n{head}If-None-Match: {tag}\r\n"
                     "Prefer: wait=5\r\n\r\n"):
            for pause_s in (0, 0.02):
                link = landnet.Landnet(served.server_port, served.pki)
                link.client.connect()
                link.client.connection.sock.sendall(sent.encode())
                time.sleep(pause_s)
                link.close()
        wait.until(lambda: process.open_files(worker) == before, "the end of all connections")
        caller.ask("GET", "/v1/device", 200)
    wait.until(lambda: served.server.metrics()["provbox_server_links"] == 0, "the gauge")


def test_sigterm_answers_what_is_in_hand(served):
    with Caller(served, openapi.Api()) as caller:
        caller.authenticate()
        path = caller.offered("compass")
        tag = caller.ask("GET", path, 200).headers["ETag"]
        answers = []
        waiting = threading.Thread(target=lambda: answers.append(
            caller.ask("GET", path, 304, If_None_Match=tag, Prefer="wait=1")))
        waiting.start()
        time.sleep(0.3)
        served.server.stop()
        waiting.join()
        assert len(answers) == 1


def test_slow_requests_end(served):
    served.server.stop()
    served.server.config.update(head_timeout="300ms", body_timeout="300ms",
                                idle_timeout="300ms")
    served.server.start()
    for sent, reason in ((b"", "idle_timeout"), (b"GET /v1/dev", "head_timeout")):
        with landnet.Landnet(served.server_port, served.pki) as link:
            link.client.connect()
            if sent:
                link.client.connection.sock.sendall(sent)
            served.server.wait_event("link_closed", reason=reason)


def test_a_connection_without_a_certificate_is_nobody(served):
    served.server.config["handshake_timeout"] = "300ms"
    subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{served.server_port}"],
        input=b"GET /v1/device HTTP/1.1\r\n\r\n", stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, timeout=10)
    served.server.wait_event("link_closed", gateway="-")
    assert served.server.events("request") == []
    assert served.server.metrics()["provbox_server_handshakes_failed_total"] == 1


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_another_user_needs_none_of_the_files(site):
    """Started as root, its processes run as `user`, who could not enter the folder."""
    site.start("database", "billing")
    site.server.config["user"] = "postgres"
    site.start("server")
    for worker in site.server.workers():
        assert os.stat(f"/proc/{worker}").st_uid != 0
    with Caller(site, openapi.Api()) as caller:
        assert caller.authenticate(want_proof=True)["proof"]
        path = caller.accepted("compass")
        caller.ask("PUT", f"{path}/items/compass/result", 200, {"result": "installed"})
    wait.until(site.billing.records, "the billing event")


def test_checks_its_configuration_and_says_what_is_wrong(served):
    program = paths.program("provbox-server")
    good = served.directory / "provbox-server.conf"
    assert subprocess.run([program, "-t", "-c", good]).returncode == 0
    dumped = subprocess.run([program, "--dump-config", "-c", good], capture_output=True,
                            text=True, check=True).stdout
    again = served.directory / "dumped.conf"
    again.write_text(dumped)
    assert subprocess.run([program, "-t", "-c", again]).returncode == 0
    bad = served.directory / "bad.conf"
    for line, word in (("colour = 7", "colour"), ('billing_url = "http://a/"', "billing_url"),
                       ('gateway "x" { pin = "AA" }', "pin")):
        bad.write_text(good.read_text() + line + "\n")
        run = subprocess.run([program, "-t", "-c", bad], capture_output=True, text=True)
        assert run.returncode == 78 and word in run.stderr, run
    key = served.pki.server_landnet.key_path
    key.chmod(0o644)
    run = subprocess.run([program, "-t", "-c", good], capture_output=True, text=True)
    assert run.returncode == 78 and "server-landnet.key" in run.stderr, run
    key.chmod(0o600)
