"""What each process of a running site has given up, and that it can do its work without."""

import os
import pathlib
import pwd
import re
import subprocess

import pytest
from harness import paths, postgres, process, wait
from harness.handset import Handset, order

# Whom the processes become: another than the one that starts them, where that can be.
USER = postgres.OS_USER
DAEMONS = ("server", "smsc", "gateway")
# Roles that may read files; all others see none.
READERS = {"landnet", "courier", "link"}
# Roles whose libraries start threads, which count as processes.
THREADED = {"courier"}

OPEN = """
import sys
try:
    open(f"/proc/{sys.argv[1]}/{sys.argv[2]}", "rb")
except PermissionError:
    sys.exit(0)
sys.exit("it can be read")
"""

pytestmark = pytest.mark.skipif(
    b"libasan" in pathlib.Path(paths.program("provbox-gateway")).read_bytes(),
    reason="a build with sanitizers is not confined")


class Confined:
    """One process of a daemon, as the kernel describes it."""

    def __init__(self, pid):
        self.pid = pid
        self.title = process.command(pid)
        self.role = self.title.split(": ")[1].split()[0] if ": " in self.title else None
        self.is_supervisor = self.role is None
        self.status = dict(re.findall(
            r"^(\w+):\s*(.*)$", pathlib.Path(f"/proc/{pid}/status").read_text(), re.MULTILINE))

    def limit(self, name):
        limits = pathlib.Path(f"/proc/{self.pid}/limits").read_text()
        return re.search(rf"^{name}\s+(\S+)\s+(\S+)", limits, re.MULTILINE).groups()


@pytest.fixture
def whole(site):
    if USER:
        for name in DAEMONS:
            getattr(site, name).config["user"] = USER
    site.start("database", "billing", "smscsim", "bearerbox", *DAEMONS)
    site.bearerbox.wait_online()
    return site


def confined(site):
    """All processes of all daemons: supervisors, workers, children that hold secrets."""
    found = []
    for name in DAEMONS:
        daemon = getattr(site, name)
        found += [Confined(pid) for pid in [daemon.process.pid, *daemon.workers()]]
    roles = {one.role for one in found}
    assert roles >= {None, "worker", "keys", "landnet", "courier", "zone", "link", "admin"}
    return found


def test_a_story_is_told_to_its_end_in_the_sandbox(whole):
    """Terms by SMS, content, confirmation, billing: nothing that it needs is missing."""
    run = Handset(whole).used(*order(1), "wait screen TERMS", "key YES", "wait screen DONE")
    assert run.events("state")[-1]["to"] == "done"
    wait.until(whole.billing.records, "the billing event")
    for name in DAEMONS:
        assert not getattr(whole, name).events("child_exit")


def test_every_process_is_filtered_and_can_gain_nothing(whole):
    for one in confined(whole):
        assert one.status["NoNewPrivs"] == "1", one.title
        assert one.status["Seccomp"] == "2", one.title
        assert one.limit("Max core file size") == ("0", "0"), one.title


def test_every_process_but_the_supervisor_is_the_configured_user(whole):
    user = pwd.getpwnam(USER) if USER else pwd.getpwuid(os.getuid())
    for one in confined(whole):
        if one.is_supervisor:
            continue
        assert one.status["CapEff"] == one.status["CapPrm"] == "0" * 16, one.title
        assert set(one.status["Uid"].split()) == {str(user.pw_uid)}, one.title
        assert set(one.status["Gid"].split()) == {str(user.pw_gid)}, one.title
        if one.role not in THREADED:
            assert one.limit("Max processes") == ("0", "0"), one.title


def is_open_to_its_user(pid, file):
    """Whether another process of the same user may read /proc/PID/FILE."""
    switch = {"user": USER, "group": USER, "extra_groups": []} if USER else {}
    ended = subprocess.run(["/usr/bin/python3", "-c", OPEN, str(pid), file], cwd="/",
                           stderr=subprocess.PIPE, text=True, **switch)
    assert ended.returncode == 0 or "it can be read" in ended.stderr
    return ended.returncode != 0


def test_nobody_reads_the_memory_of_a_process(whole):
    """Not even its own user, who could a dumpable one's."""
    for one in confined(whole):
        for file in ("mem", "environ"):
            assert not is_open_to_its_user(one.pid, file), one.title
    switch = {"user": USER, "group": USER, "extra_groups": []} if USER else {}
    with subprocess.Popen(["/bin/sleep", "60"], **switch) as dumpable:
        is_open = is_open_to_its_user(dumpable.pid, "environ")
        dumpable.kill()
    assert is_open


@pytest.mark.skipif(not USER, reason="only root may change the root")
def test_a_process_that_reads_no_files_sees_none(whole):
    for one in confined(whole):
        if one.is_supervisor:
            continue
        root = pathlib.Path(f"/proc/{one.pid}/root")
        if one.role in READERS:
            assert (root / "etc").is_dir(), one.title
            continue
        assert os.listdir(root) == [], one.title
        assert os.readlink(root).endswith(" (deleted)"), one.title
        assert os.path.samefile(root, f"/proc/{one.pid}/cwd"), one.title
