"""Reload and drain: SIGHUP starts a new generation, and nobody notices but the operator."""

import concurrent.futures
import contextlib
import datetime
import http.client
import os
import shutil
import signal
import ssl
import time

import pytest
from harness import airnet, daemon, pki, process, wait
from harness.schema import DEV, DEV2, NUMBER
from harness.smscsim import Radio
from harness.stand_in import StandIn
from load import Load
from rogue_server import Response

BIG = b"x" * 3_000_000
OTHER_SRV = "other.example.com:8443"


def rewrite(part):
    (part.directory / f"{part.program}.conf").write_text(daemon.config_text(part.config))


def hang_up(part):
    os.kill(part.process.pid, signal.SIGHUP)


def reload(part):
    """A reload that works; the new generation serves when this returns."""
    before = len(part.events("reloaded"))
    rewrite(part)
    hang_up(part)
    part.process.wait_for(lambda: len(part.events("reloaded")) > before, "ev=reloaded", 20)


def refused_reload(part, result):
    part.expect_errors("config_error", "reload_failed")
    before = len(part.events("reload_failed"))
    rewrite(part)
    hang_up(part)
    part.process.wait_for(lambda: len(part.events("reload_failed")) > before,
                          "ev=reload_failed", 20)
    shown = part.status()["reload"]
    assert shown["result"] == result
    return shown["why"]


def wait_generations(part, n):
    wait.until(lambda: len(part.status()["generations"]) == n, f"{n} generations", 20)


@pytest.fixture
def edge(site):
    site.start("database", "server", "gateway")
    site.good = site.pki.device_leaf("good", DEV)
    return site


@pytest.fixture
def busy(site):
    """A machine that is as busy as this must not make anybody too late."""
    for part in (site.server, site.gateway):
        part.config.update({f"{what}_timeout": "20s" for what in (
            "handshake", "head", "body", "write", "authentication")})
    # One credential plays all devices.
    site.gateway.config.update(pool_wait="20s", sessions_per_identity=0)
    site.start("database", "server", "gateway")
    site.good = site.pki.device_leaf("good", DEV)
    return site


@pytest.fixture
def slow(site):
    """A gateway before a server whose answers are long, and what takes them."""
    site.gateway.config["write_timeout"] = "20s"
    stand_in = StandIn(site)
    stand_in.respond = lambda request: Response(200, BIG)
    with contextlib.ExitStack() as devices:
        def download():
            """A device that has begun to read, and takes its time."""
            device = devices.enter_context(
                airnet.Device(site, stand_in.device, receive_bytes=4096))
            device.head("GET /v1/catalogue HTTP/1.1")
            device.first = device.tls.recv(10)
            return device

        site.download = download
        yield site
    stand_in.close()


@pytest.mark.long
def test_a_hundred_reloads_under_load_cut_nothing(busy):
    gateway = busy.gateway
    gateway.expect_errors("reload_failed")
    config = busy.directory / "provbox-gateway.conf"
    good = config.read_text()
    not_ready = []
    load = Load(busy, busy.good, per_second=200)
    files = None
    for n in range(100):
        if n == 50:
            config.write_text(good + "nosuch = 1\n")
            wait.until(lambda: gateway.events("reload_failed") or hang_up(gateway),
                       "the wrong configuration to be refused", 20)
            config.write_text(good)
        if n == 10:
            files = process.open_files(gateway.process.pid)
        hang_up(gateway)
        if gateway.ask_admin("/readyz")[0] != 200:
            not_ready.append(n)
        time.sleep(0.1)
    # Signals that came too fast for the machine were merged.
    wait.until(lambda: len(gateway.events("reloaded")) > 20 or hang_up(gateway),
               "more than twenty reloads", 60)
    result = load.finish()
    wait_generations(gateway, 1)
    assert result["failures"] == {} and result["sessions"] > 1000
    assert not_ready == [] and gateway.events("not_ready") == []
    assert gateway.events("drain_cut") == [] and gateway.events("stop_forced") == []
    for line in gateway.events("reload_failed"):  # one for each time that it was read
        assert f"{config}:{good.count(chr(10)) + 1}: unknown key `nosuch`" in line.text
        assert "try it with -t" in line.text
    metrics = gateway.metrics()
    assert metrics["provbox_gateway_sessions_total"] >= result["sessions"]
    assert metrics["provbox_gateway_sessions"] == 0
    assert metrics["provbox_gateway_exchanges_cut_total"] == 0
    assert process.open_files(gateway.process.pid) <= files + 30  # of up to three more


def test_reloads_of_the_server_cut_nothing(busy):
    load = Load(busy, busy.good, per_second=50)
    for _ in range(10):
        reload(busy.server)
        time.sleep(0.2)
    result = load.finish()
    wait_generations(busy.server, 1)
    assert result["failures"] == {} and result["sessions"] > 50
    assert busy.server.events("drain_cut") == [] and busy.server.events("not_ready") == []


def test_a_certificate_and_a_revocation_take_effect(edge):
    shown = edge.pki.airnet.issue("second", dns=[edge.pki.GATEWAY_NAME], usages=[pki.SERVER])
    lost = edge.pki.device_leaf("lost", DEV2)
    with airnet.Device(edge, lost) as device:
        assert device.ask("GET /.provbox/session HTTP/1.1").status == 200
    edge.gateway.config["airnet_certificate"] = shown.path
    edge.gateway.config["airnet_key"] = shown.key_path
    edge.pki.device.revoke(lost)
    reload(edge.gateway)
    wait_generations(edge.gateway, 1)
    with airnet.Device(edge, edge.good) as device:
        assert device.ask("GET /v1/device HTTP/1.1").status == 200
        assert device.tls.getpeercert()["serialNumber"] == (
            f"{shown.certificate.serial_number:X}".zfill(
                len(device.tls.getpeercert()["serialNumber"])))
    with pytest.raises((OSError, ssl.SSLError, http.client.HTTPException)):
        with airnet.Device(edge, lost) as device:
            device.ask("GET /.provbox/session HTTP/1.1")


def issue_anew(old, authority, name, usage):
    """Another certificate and another key under the same file names."""
    new = authority.issue(f"{old.path.stem}-new", dns=[name], usages=[usage])
    shutil.copy(new.path, old.path)
    shutil.copy(new.key_path, old.key_path)


def kill_each(part, roles):
    """Kill one process of each role, one after the other, and await the next."""
    for role in roles:
        (pid,) = [p for p in part.workers() if f": {role} " in process.command(p)]
        os.kill(pid, signal.SIGKILL)
        part.process.wait_for(lambda: pid not in part.workers() and all(
            p["ready"] for p in part.status()["generations"][0]["processes"]),
            f"another {role}", 20)


def test_what_dies_before_a_reload_reads_the_files_of_its_siblings(edge):
    """Files change one by one, and processes die when they like."""
    def asks():
        with airnet.Device(edge, edge.good) as device:
            assert device.ask("GET /v1/device HTTP/1.1").status == 200
            return device.tls.getpeercert()["serialNumber"]

    keys, first = edge.pki, asks()
    for part in (edge.gateway, edge.server):
        part.expect_errors("child_exit")
    issue_anew(keys.gateway_airnet, keys.airnet, keys.GATEWAY_NAME, pki.SERVER)
    issue_anew(keys.server_landnet, keys.landnet, keys.SERVER_NAME, pki.SERVER)
    keys.device.revoke(edge.good)
    kill_each(edge.gateway, ["keys", "worker"])
    kill_each(edge.server, ["keys", "zone", "landnet"])
    assert asks() == first
    hang_up(edge.server)
    edge.server.wait_event("reloaded")
    assert asks() == first
    hang_up(edge.gateway)
    edge.gateway.wait_event("reloaded")
    wait_generations(edge.gateway, 1)
    with pytest.raises((OSError, ssl.SSLError, http.client.HTTPException)):
        asks()


def test_a_route_is_added(edge):
    with airnet.Device(edge, edge.good) as device:
        assert device.ask("GET /v1/device HTTP/1.1", host=OTHER_SRV).status == 403
    edge.gateway.config["route", OTHER_SRV] = dict(
        edge.gateway.config["route", edge.pki.SRV], address=["127.0.0.1:9"])
    reload(edge.gateway)
    wait_generations(edge.gateway, 1)
    with airnet.Device(edge, edge.good) as device:
        answer = device.ask("GET /v1/device HTTP/1.1", host=OTHER_SRV)
    assert answer.json()["reason"] == "server_unavailable"


@pytest.mark.parametrize("break_it, result, why", [
    ("key", "failed", "does not belong"),
    ("bytes", "refused", "no PEM certificate"),
    ("expired", "failed", "expired"),
    ("crl", "refused", "no CRL"),
])
def test_bad_files_change_nothing(edge, break_it, result, why):
    config, device = edge.gateway.config, edge.pki.device
    if break_it == "key":
        config["airnet_key"] = edge.pki.airnet.issue(
            "unfit", dns=[edge.pki.GATEWAY_NAME], usages=[pki.SERVER]).key_path
    elif break_it == "bytes":
        config["airnet_certificate"] = edge.directory / "nothing.pem"
        config["airnet_certificate"].write_text("nothing\n")
    elif break_it == "expired":
        old = edge.pki.airnet.issue(
            "old", dns=[edge.pki.GATEWAY_NAME], usages=[pki.SERVER],
            not_before=pki.now() - datetime.timedelta(days=9),
            not_after=pki.now() - datetime.timedelta(days=1))
        config["airnet_certificate"], config["airnet_key"] = old.path, old.key_path
    else:
        config["airnet_crl"] = edge.pki.landnet.crl_path
        assert device
    before = edge.gateway.status()["generations"][0]
    assert why in refused_reload(edge.gateway, result)
    wait_generations(edge.gateway, 1)
    after = edge.gateway.status()["generations"][0]
    assert [after[k] for k in ("number", "config_sha256")] == [
        before[k] for k in ("number", "config_sha256")]
    assert [p["pid"] for p in after["processes"]] == [p["pid"] for p in before["processes"]]
    with airnet.Device(edge, edge.good) as handset:
        assert handset.ask("GET /v1/device HTTP/1.1").status == 200


def test_a_download_is_finished_by_the_generation_that_began_it(slow):
    slow.start("gateway")
    device = slow.download()
    reload(slow.gateway)
    assert [g["phase"] for g in slow.gateway.status()["generations"]].count("draining") == 1
    assert len(device.first + device.rest()) > len(BIG)
    wait_generations(slow.gateway, 1)
    assert slow.gateway.metrics()["provbox_gateway_exchanges_cut_total"] == 0


def test_a_download_that_takes_too_long_is_cut_counted_and_logged(slow):
    slow.gateway.config["drain_timeout"] = "1s"
    slow.start("gateway")
    device = slow.download()
    reload(slow.gateway)
    cut = slow.gateway.wait_event("drain_cut", exchanges=1)
    assert 1000 <= int(cut["after_ms"]) < 5000
    assert len(device.rest()) < len(BIG)
    wait_generations(slow.gateway, 1)
    assert slow.gateway.metrics()["provbox_gateway_exchanges_cut_total"] == 1
    assert slow.gateway.metrics()["provbox_gateway_sessions"] == 0


def test_there_are_four_generations_at_most(slow):
    slow.start("gateway")
    devices = [slow.download()]
    for n in range(3):
        reload(slow.gateway)
        # Until then the old worker, too, takes who comes.
        slow.gateway.process.wait_for(
            lambda: len(slow.gateway.events("draining")) > n, "ev=draining")
        if n < 2:
            devices.append(slow.download())
    assert len(slow.gateway.status()["generations"]) == 4
    for _ in range(3):
        hang_up(slow.gateway)
    slow.gateway.wait_event("reload_waits")
    assert slow.gateway.status()["generation"] == 4
    assert len(devices[0].first + devices[0].rest()) > len(BIG)
    slow.gateway.wait_event("reloaded", generation=5)
    for device in devices[1:]:
        assert len(device.first + device.rest()) > len(BIG)
    wait_generations(slow.gateway, 1)
    assert slow.gateway.status()["generation"] == 5


def test_a_worker_that_is_killed_in_a_reload_is_replaced(edge):
    edge.gateway.config["workers"] = 2
    reload(edge.gateway)
    for _ in range(3):
        hang_up(edge.gateway)
        for pid in edge.gateway.workers():
            if "worker" in process.command(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                break
        time.sleep(0.3)
    wait_generations(edge.gateway, 1)
    wait.until(lambda: edge.gateway.ask_admin("/readyz")[0] == 200, "readiness", 20)
    for _ in range(8):
        with airnet.Device(edge, edge.good) as device:
            assert device.ask("GET /v1/device HTTP/1.1").status == 200


def test_what_waits_at_a_worker_that_goes_is_served(edge):
    edge.gateway.config["workers"] = 4
    reload(edge.gateway)
    edge.gateway.config["workers"] = 1
    rewrite(edge.gateway)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        def ask(n):
            if n == 8:
                hang_up(edge.gateway)
            with airnet.Device(edge, edge.good) as device:
                return device.ask("GET /v1/device HTTP/1.1").status

        assert set(pool.map(ask, range(64))) == {200}
    wait_generations(edge.gateway, 1)
    assert len([p for p in edge.gateway.status()["generations"][0]["processes"]
                if p["role"] == "worker"]) == 1


@pytest.mark.long
def test_no_notice_is_lost_or_doubled_over_twenty_reloads_of_the_link(site):
    """bearerbox knows a box by its name: two connections of one name are never there."""
    n_notices = 60
    site.smsc.config["ack_timeout"] = "20s"
    site.smscsim.options = {"latency-ms": 20}
    site.start("database", "smscsim", "bearerbox", "smsc")
    site.bearerbox.wait_online()
    site.schema.setting(requests_per_hour=1000, open_requests=1000, messages_per_hour=1000)
    with Radio(site.smscsim.radio, NUMBER):
        for n in range(n_notices):
            site.schema.offered()
            if n % 3 == 0:
                reload(site.smsc)
            if n % 12 == 0:  # else the next one has its turn without this one
                wait_generations(site.smsc, 1)
        wait.until(lambda: [row["state"] for row in site.schema.table(
            "select state from notice")] == ["delivered"] * n_notices,
            "every notice to be delivered", 40)
        wait_generations(site.smsc, 1)
        assert len(site.smsc.events("link_up")) >= 1 + 5
        assert site.smsc.events("link_down") == [] and site.smsc.events("not_ready") == []
    attempts = [row["n"] for row in site.schema.table(
        "select count(*) as n from notice_part group by notice, part")]
    assert set(attempts) == {1}
    site.smscsim.stop()
    (stopped,) = site.smscsim.process.events("stopped")
    assert int(stopped["submitted"]) == len(attempts)
