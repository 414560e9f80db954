"""The configurations of contrib/examples are what the daemons take, and say their defaults."""

import re
import subprocess

import pytest
from harness import described, paths, pki

DAEMONS = ["gateway", "server", "smsc"]


def example(daemon):
    return paths.SOURCE / f"contrib/examples/{daemon}.conf"


def keys(daemon):
    return {key["name"]: key for key in described.rows(f"provbox-{daemon}", "key")}


@pytest.fixture
def folder(tmp_path):
    """Files by the names that the examples give them, in a made-up PKI."""
    p = pki.Pki(tmp_path / "pki")
    p.copy_as_named(tmp_path)
    return p, tmp_path


@pytest.mark.parametrize("daemon", DAEMONS)
def test_an_example_is_taken(folder, daemon):
    p, directory = folder
    text = example(daemon).read_text().replace("prov.example.com:8443", p.SRV)
    path = directory / f"{daemon}.conf"
    # The unit's user may not exist here.
    path.write_text(f'{text}user = "root"\n')
    run = subprocess.run([paths.program(f"provbox-{daemon}"), "-c", path, "-t"], text=True,
                         capture_output=True, timeout=20)
    assert (run.returncode, run.stdout) == (0, f"{path}: ok\n"), run.stderr


@pytest.mark.parametrize("daemon", DAEMONS)
def test_the_default_user_is_that_of_the_unit(daemon):
    """Who types `provbox-server -t` as root has the files judged for that user."""
    unit = (paths.SOURCE / f"contrib/systemd/provbox-{daemon}.service.in").read_text()
    user = re.search("^User=(.+)$", unit, re.M)[1]
    assert keys(daemon)["user"]["default"] == user
    assert f"\nu {user} " in (paths.SOURCE / "contrib/systemd/sysusers.conf").read_text()


@pytest.mark.parametrize("daemon", DAEMONS)
def test_what_an_example_comments_out_is_there(daemon):
    """A key of the daemon; where it has a default, that one."""
    said = keys(daemon)
    lines = re.findall(r"^# (\w+) = (.*?)(?:[ \t]+# .*)?$", example(daemon).read_text(), re.M)
    assert len(lines) >= 5
    for key, value in lines:
        if said[key]["need"] == "default" and said[key]["default"] != "{}":
            assert value.strip('"') == said[key]["default"], key
