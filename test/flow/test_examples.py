"""The configurations of contrib/examples are what the daemons take, and say their defaults."""

import json
import re
import subprocess

import pytest
from harness import described, kannel, paths, pki, smscsim

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


def test_bearerbox_takes_its_example(tmp_path):
    """And binds to smscsim, as the example has it; the doctor is content but for the password."""
    centre = smscsim.Smscsim(tmp_path)
    centre.password = "CHANGEME"
    box = kannel.Bearerbox(tmp_path, centre)
    box.SMSC_ID = "centre"
    text = (paths.SOURCE / "contrib/examples/kannel.conf").read_text()
    for ours, here in {
            "admin-port = 13000": f"admin-port = {box.admin_port}\nstatus-password = "
                                  f"{box.status_password}",
            "13001": str(box.box_port), "2775": str(centre.port),
            "/var/log/kannel": str(box.directory), "/var/spool/kannel/dlr": f"{box.directory}/dlr",
            "/var/spool/kannel/store": f"{box.directory}/spool"}.items():
        assert text.count(ours) == 1, ours
        text = text.replace(ours, here)
    box.conf.write_text(text)
    centre.start()
    try:
        box.start()
        box.wait_online()
        done = subprocess.run(
            [paths.program("provctl"), "doctor", "--json", f"--kannel={box.conf}"],
            capture_output=True, text=True, timeout=60)
    finally:
        box.stop()
        centre.stop()
    found = [row for row in json.loads(done.stdout) if row["looks_at"] == "kannel"]
    assert [row["name"] for row in found if row["verdict"] != "ok"] == ["admin-password"], found
    assert len(found) >= 4 and box.complaints() == [] and centre.complaints() == []


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
