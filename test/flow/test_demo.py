"""contrib/demo, without its build: what it tells, what it leaves, and how it fails."""

import json
import os
import re
import subprocess
import sys

import pytest
from harness import paths

DEMO = paths.SOURCE / "contrib" / "demo_site.py"
ENVIRONMENT = {**os.environ, "PROVBOX_SRCDIR": str(paths.SOURCE), "TZ": "UTC"}


def run(verb, build):
    return subprocess.run(
        [sys.executable, DEMO, verb, build], capture_output=True, text=True, timeout=120,
        env={**ENVIRONMENT, "PROVBOX_BUILDDIR": str(build)})


@pytest.fixture
def build(tmp_path):
    """The built programs in a folder of the test's own."""
    for name in ("provbox-gateway", "provbox-server", "provbox-smsc", "provctl/provctl",
                 "contrib/handset/handset", "contrib/smscsim/smscsim"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).symlink_to((paths.BUILD / name).resolve())
    yield tmp_path
    run("stop", tmp_path)


def test_a_site_is_shown_and_leaves_nothing(build):
    shown = run("start", build)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    for step in ("verified the server's proof", "received", "offered -> accepted", "key YES",
                 "delivering -> done", "runs and says: compass 1.4.0", "voice-mail is on",
                 "billing received"):
        assert step in shown.stdout, step
    times = [float(time) for time in re.findall(r"^ *([0-9.]+) s  ", shown.stdout, re.M)]
    assert len(times) > 20 and times[-1] < 20

    # The commands that it offers are for the shell of who reads it.
    offered = re.search(r"Try next:\n((?:  .+\n)+)", shown.stdout)[1].splitlines()
    story, handset, metrics = (command.split() for command in offered)
    told = subprocess.run([*story, "--json"], capture_output=True, text=True, timeout=30)
    assert json.loads(told.stdout)["request"]["state"] == "done"
    counted = subprocess.run(metrics, capture_output=True, text=True, timeout=30)
    assert re.search(r"^provbox_gateway_forwarded_total [1-9]", counted.stdout, re.M)
    again = subprocess.run([*handset, "--json"], capture_output=True, text=True, timeout=30,
                           stdin=subprocess.DEVNULL)
    assert "ev=screen name=MENU" in again.stderr, again.stderr

    directory = re.search(r"all on loopback, in (\S+):", shown.stdout)[1]
    assert "nothing of it is left" in run("stop", build).stdout
    assert not os.path.exists(directory)
    assert "No demo is running" in run("stop", build).stdout


def test_a_step_that_fails_tells_its_log_and_what_to_do(build):
    broken = build / "provbox-smsc"
    broken.unlink()
    broken.write_text("#!/bin/sh\necho the reason >&2\nexit 1\n")
    broken.chmod(0o755)
    shown = run("start", build)
    assert shown.returncode == 1
    assert "provbox-smsc failed" in shown.stdout and "the reason" in shown.stdout
    assert "What to do:" in shown.stdout
    assert "Traceback" not in shown.stdout + shown.stderr
    assert not (build / "running.json").exists()
