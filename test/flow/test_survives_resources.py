"""A full disk under the logs and under PostgreSQL, and no descriptors left: nothing is
acknowledged that is not stored, and all goes on by itself when there is room again."""

import contextlib
import json
import pathlib
import resource
import subprocess
import tempfile
import time
import uuid

import pytest
from harness import openapi, paths, postgres, process, wait
from harness import site as site_module
from harness.caller import Caller
from harness.handset import Handset, order
from harness.schema import DEV
from test_withstand_slow import awake_s

DAEMONS = ("gateway", "server", "smsc")


class Disk:
    """A file system of its own size in memory."""

    def __init__(self, directory):
        self.directory = directory
        self.ballast = directory / "ballast"

    def fill(self):
        with open(self.ballast, "ab", buffering=0) as file, contextlib.suppress(OSError):
            for size in (1 << 20, 4096, 1):
                with contextlib.suppress(OSError):
                    while file.write(bytes(size)) == size:
                        pass

    def make_room(self):
        self.ballast.unlink()


@contextlib.contextmanager
def mounted(size):
    """Only root may mount; anybody else has this test told apart as skipped."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="provbox-disk-"))
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=755",
                            "provbox-test", directory], capture_output=True, text=True)
    if mount.returncode != 0:
        directory.rmdir()
        pytest.skip(f"a small disk cannot be mounted here: {mount.stderr.strip()}")
    try:
        yield Disk(directory)
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True)
        directory.rmdir()


@pytest.fixture
def log_disk():
    with mounted("1m") as disk:
        yield disk


def lost(site, name):
    return getattr(site, name).metrics()[f"provbox_{name}_log_lines_lost_total"]


def test_a_full_disk_under_the_logs(log_disk, site):
    for name in DAEMONS:
        log = f"{getattr(site, name).program}.log"
        (site.directory / log).symlink_to(log_disk.directory / log)
    site.start("database", "smscsim", "bearerbox", "server", "smsc", "gateway")
    site.bearerbox.wait_online()
    before = {name: getattr(site, name).workers() for name in DAEMONS}
    log_disk.fill()
    leaf = site.pki.only_leaf(DEV)
    Handset(site, leaf=leaf).used(*order(1), "wait screen TERMS", "key YES",
                                  "wait screen DONE")
    with site.device(leaf) as device:
        for _ in range(200):  # a log that was there has room to the end of a block
            assert device.get("/v1/device").status == 200
        assert lost(site, "gateway") > 50 and lost(site, "server") > 50
        log_disk.make_room()
        assert device.get("/v1/device").status == 200
    site.gateway.wait_event("log_lost")
    site.server.wait_event("log_lost")
    for name in DAEMONS:
        part = getattr(site, name)
        assert part.workers() == before[name]
        told = sum(int(line["lines"]) for line in part.events("log_lost"))
        assert told <= lost(site, name)


@pytest.fixture
def full_site(monkeypatch):
    """A site with a database of its own on a disk that the test may fill."""
    with mounted("300m") as disk:
        with monkeypatch.context() as patch:
            patch.setattr(paths, "memory_directory", lambda: disk.directory)
            cluster = postgres.Cluster()
        site = site_module.Site(cluster)
        site.disk = disk
        yield site
        problems = site.finish()
        cluster.stop()
        site.remove()
        assert not problems, "\n".join(problems)


def test_a_full_disk_under_postgresql(full_site):
    """What is refused is refused for later; what was acknowledged is there after it."""
    site = full_site
    site.server.config["database_timeout"] = "1s"
    site.server.expect_errors("db_failed", "child_exit")
    site.start("database", "server")
    site.schema.setting(open_requests=100000, requests_per_hour=1000000,
                        requests_per_number=1000000, messages_per_hour=1000000)
    acknowledged, refused = set(), []

    def ask(caller):
        request = str(uuid.uuid4())
        answer = caller.link.request("PUT", f"/v1/requests/{request}",
                                     json.dumps(site.schema.body()).encode(),
                                     {"Content-Type": "application/json"})
        if answer.status == 201:
            acknowledged.add(request)
        else:
            refused.append((answer.status, answer.headers.get("Retry-After"),
                            answer.json()["reason"]))

    with Caller(site, openapi.Api()) as caller:
        caller.authenticate()
        ask(caller)
        assert acknowledged
        site.disk.fill()
        deadline = time.monotonic() + 10
        while len(refused) < 3 and time.monotonic() < deadline:
            ask(caller)
        assert len(refused) >= 3, "never full"
        assert {(status, reason) for status, _, reason in refused} == {
            (503, "database_unavailable")}
        assert all(int(again) >= 1 for _, again, _ in refused)
        site.disk.make_room()
        if not site.cluster.server.is_running():
            site.cluster.start()
        before = len(acknowledged)

        def is_back():
            ask(caller)
            return len(acknowledged) > before

        wait.until(is_back, "a request that is taken", 20)
    stored = {row["id"] for row in site.schema.table("select id::text from request")}
    assert acknowledged <= stored


@pytest.mark.parametrize("name, role", [("server", "landnet"), ("server", "courier"),
                                        ("smsc", "link")])
def test_no_descriptors(site, name, role):
    """What needs a new one waits, or is tried again; the process neither ends nor spins."""
    site.start("database", "billing", "smscsim", "bearerbox", "server", "smsc", "gateway")
    site.bearerbox.wait_online()
    part = getattr(site, name)
    (pid,) = [pid for pid in part.workers() if role in process.command(pid)]
    whole = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, whole[1]))
    if name == "smsc":
        site.bearerbox.restart()
    handset = Handset(site, retries=30, retry_delay="300ms")
    run = handset.use(*order(1), "wait screen TERMS", "key YES", "wait screen DONE")
    time.sleep(0.3)
    before_s, began = awake_s(pid), time.monotonic()
    time.sleep(1)
    assert awake_s(pid) - before_s < 0.5 * (time.monotonic() - began)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, whole)
    assert run.wait(30) == 0, run.tail()
    wait.until(site.billing.records, "the billing event", 20)
    assert pid in part.workers() and not part.events("child_exit")
