"""contrib/demo: what it shows, the commands that it offers, and that it ends."""

import json
import os
import re
import shlex
import subprocess
import sys

import pytest
from harness import paths

sys.path.append(str(paths.SOURCE / "contrib"))
import demo_trouble  # noqa: E402


class Demo:
    """contrib/demo_site.py on the programs of this build, which `replaced` may hide."""

    def __init__(self, directory, **replaced):
        self.directory = directory
        for name in ("contrib", "provctl", "provbox-gateway", "provbox-server", "provbox-smsc"):
            if name not in replaced:
                (directory / name).symlink_to(paths.BUILD.resolve() / name)
        for name, script in replaced.items():
            (directory / name).write_text(script)
            (directory / name).chmod(0o755)

    def do(self, verb):
        return subprocess.run(
            [sys.executable, paths.SOURCE / "contrib/demo_site.py", verb, self.directory],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
            env={**os.environ, "PROVBOX_SRCDIR": str(paths.SOURCE),
                 "PROVBOX_BUILDDIR": str(self.directory)})

    def start(self):
        return self.do("start")

    def stop(self):
        return self.do("stop")


@pytest.fixture
def demo(tmp_path):
    made = Demo(tmp_path)
    yield made
    made.stop()


def commands(shown):
    """The commands that the demo's last lines offer."""
    offered = shown.split("Try next:\n")[1].split("\n\n")[0].splitlines()
    return [shlex.split(line) for line in offered if not line.strip().startswith("#")]


def output_of(command, *statuses):
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                           timeout=20)
    assert ended.returncode in statuses, ended.stderr
    return ended.stdout


def test_the_demo_provisions_offers_commands_and_ends(demo):
    started = demo.start()
    assert started.returncode == 0, started.stdout + started.stderr
    told = started.stdout
    for earlier, later in (("ev=session_begin", "ev=proven"), ("ev=proven", "put"),
                           ("notice_queued", "ev=answer"), ("accept  ", "complete"),
                           ("complete", "billing_done"),
                           ("billing_done", "executed, it says: compass 1.4.0"),
                           ("executed", "Reply YES"), ("Reply YES", "Try next")):
        assert 0 < told.find(earlier) < told.find(later), f"{earlier}, {later}:\n{told}"
    times = [float(time) for time in re.findall(r"^ *([0-9.]+) s  ", told, re.M)]
    assert len(times) > 30 and times[-1] < 20
    site = (demo.directory / "site").resolve()
    show, handset, count = commands(told)
    assert json.loads(output_of([*show, "--json"], 0))["request"]["state"] == "done"
    assert "The server is genuine" in output_of(handset, 0, 19)
    assert "\nprovbox_gateway_sessions_total 2\n" in output_of(count, 0)
    assert site.is_dir()

    assert "ended" in demo.stop().stdout
    assert not site.exists()
    assert demo.stop().stdout == "No demo is running.\n"


def test_a_step_that_fails_shows_its_log_and_what_to_do(tmp_path):
    demo = Demo(tmp_path, **{"provbox-gateway": "#!/bin/sh\necho no luck today: Address already in use\n"
                             "exit 3\n"})
    started = demo.start()
    assert started.returncode == 1
    assert "provbox-gateway failed" in started.stdout
    assert "no luck today" in started.stdout
    assert "What to do: another program has taken one of its ports" in started.stdout
    assert "Traceback" not in started.stdout + started.stderr
    kept = tmp_path / "failed"
    assert "no luck" in (kept / "provbox-gateway.log").read_text()
    assert demo.stop().stdout == "No demo is running.\n"


@pytest.mark.parametrize("said, advice", [
    ("initdb: error: could not write: No space left on device", "a disk is full"),
    ("bind: Address already in use", "another program has taken one of its ports"),
    ("[Errno 13] Permission denied: 'build.log'", "a file belongs to somebody else"),
    ("[Errno 2] No such file or directory: '/usr/sbin/bearerbox'", "a program is missing"),
    ("provctl: error while loading shared libraries: libpq.so.5", "a library is missing"),
    ("provbox-server is not installed", "a program is missing"),
    ("gateway: waited 10.0 s in vain for port 1", "too busy"),
    ("no luck today", "read the last lines above")])
def test_what_to_do_is_told_by_what_was_said(said, advice):
    assert advice in demo_trouble.advice(f"first\n{said}\nlast")


def test_nothing_begins_without_postgresql(monkeypatch):
    assert demo_trouble.missing() is None
    monkeypatch.setattr(paths, "POSTGRES", None)
    assert "contrib/install-packages" in demo_trouble.missing()
