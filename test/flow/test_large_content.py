"""A large module from the operator's folder, or another server, to the handset, whatever is
cut on the way; no process holds more than a piece of it. PROVBOX_LONG=1 makes it
200 MB, and FLOW='-k large_content -rP' shows what it took."""

import json
import os
import signal
import subprocess
import time

import pytest
from harness import memory, nginx, paths, process, wait
from harness.handset import Handset, order
from harness.schema import digest

MB = 1000 * 1000
SIZE = (200 if os.environ.get("PROVBOX_LONG") == "1" else 20) * MB
ROW = 262144
# What one process may need more for a large content than for a small one.
GROWTH_KIB = 8 * 1024
PATIENCE_S = 30 + SIZE // MB
ACCEPT = ["wait state offered", "key SOFT1", "wait screen TERMS", "key YES"]


def module(size):
    """A program that is as long as that, and does not compress."""
    script = (b"#!/bin/sh\ncase $1 in\n--version) echo atlas 1.0 ;;\n--self-test) exit 0 ;;\n"
              b"esac\nexit 0\n")
    return script + os.urandom(size - len(script))


def catalogue(folder, content, url=None):
    """A folder as an operator has it."""
    folder.mkdir()
    (folder / "terms").write_text("Terms of the example operator.\n")
    if url:
        place = {"url": url, "sha256": digest(content).hex(), "size": len(content)}
    else:
        (folder / "atlas").write_bytes(content)
        place = {"file": "atlas"}
    feature = {"id": "atlas", "version": "1.0", "name": "Atlas", "kind": "module", **place}
    (folder / "manifest.json").write_text(json.dumps({
        "default_language": "en", "provisioning_uri": "https://prov.example.com:8443/",
        "features": [feature],
        "terms": [{"language": "en", "version": "1", "file": "terms"}]}))
    return folder


def load(site, folder):
    """The most memory, in KiB, that loading it took."""
    child = subprocess.Popen([paths.program("provctl"), "catalogue", "load", folder,
                              f"--dsn={site.db.dsn('provbox_operator')}"],
                             stdout=subprocess.DEVNULL)
    most = 0
    while child.poll() is None:
        most = max(most, memory.peak_kib(child.pid))
        time.sleep(0.002)
    assert child.returncode == 0
    return most


def workers(site):
    """{name: pid} of whoever has content in hand."""
    return {name: pid for daemon, names in ((site.server, ("landnet", "courier")),
                                            (site.gateway, ("worker",)))
            for pid in daemon.workers() for name in names if name in process.command(pid)}


class Watch:
    """The growth of processes from now on, as far as it is looked at."""

    def __init__(self, **pids):
        self.pids, self.before, self.most = {}, {}, {}
        for name, pid in pids.items():
            self.add(name, pid)

    def add(self, name, pid):
        self.pids[name] = pid
        self.before[name] = self.most[name] = memory.peak_kib(pid)

    def look(self):
        for name, pid in self.pids.items():
            self.most[name] = max(self.most[name], memory.peak_kib(pid))

    def check(self):
        self.look()
        grown = {name: self.most[name] - before for name, before in self.before.items()}
        print("KiB:", grown)
        assert not memory.is_judged() or max(grown.values()) < GROWTH_KIB, grown


def cut_once(site, handset, run, content):
    """The gateway's worker dies in the middle of the download."""
    part = handset.directory / "downloads" / f"{digest(content).hex()}.part"
    run.wait_for(lambda: part.exists() and part.stat().st_size > ROW, "a part", PATIENCE_S)
    os.kill(workers(site)["worker"], signal.SIGKILL)
    run.wait_event("download_cut", timeout_s=PATIENCE_S)


@pytest.fixture
def edge(site):
    site.start("database", "billing", "smscsim", "server", "gateway")
    site.gateway.expect_errors("child_exit")
    return site


def test_a_large_module_is_loaded_delivered_and_installed(edge):
    small = load(edge, catalogue(edge.directory / "small", module(4096)))
    content = module(SIZE)
    started = time.monotonic()
    peak = load(edge, catalogue(edge.directory / "large", content))
    print("KiB:", {"provctl": peak - small}, "s:", round(time.monotonic() - started, 1))
    assert not memory.is_judged() or peak - small < GROWTH_KIB
    handset = Handset(edge)
    run = handset.use(*order(1), *ACCEPT, f"wait screen DONE {PATIENCE_S}")
    run.wait_event("screen", name="TERMS")
    watch = Watch(landnet=workers(edge)["landnet"], handset=run.pid)
    cut_once(edge, handset, run, content)
    watch.add("worker", wait.until(lambda: workers(edge).get("worker"), "the next worker"))

    def is_done():
        watch.look()
        return run.events("screen", name="DONE")

    run.wait_for(is_done, "the end", PATIENCE_S)
    watch.check()
    assert run.wait(10) == 0
    first, *others = [int(line["from"]) for line in run.events("download")]
    assert first == 0 and others and all(n >= ROW for n in others)
    (found,) = handset.status()["features"]
    assert (found["version"], found["says"]) == ("1.0", "atlas 1.0")


@pytest.mark.long
def test_a_large_content_is_fetched_in_pieces(edge):
    content = module(SIZE)
    files = nginx.Nginx(edge.directory)
    edge.server.config["fetch_trust"] = files.authority.path
    edge.server.restart()
    edge.nginx = files
    load(edge, catalogue(edge.directory / "far", content, files.put("atlas", content)))
    watch = Watch(courier=workers(edge)["courier"])
    edge.start("nginx")

    def stored():
        return edge.db.value("select count(*) from provbox.content_chunk where sha256 = %s",
                             digest(content))

    wait.until(lambda: stored() > 2, "some rows", PATIENCE_S)
    edge.nginx.stop()
    edge.nginx.start()
    wait.until(lambda: edge.db.value("select state from provbox.outbox where kind = 'fetch'")
               == "done", "the fetch", PATIENCE_S)
    watch.check()
    asked = edge.nginx.requests()
    assert sum(int(request[4]) for request in asked) < len(content) + 16 * MB
    assert stored() == -(-len(content) // ROW)
