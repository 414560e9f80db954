"""What systemd is told of the daemons (contrib/systemd): that it understands it, and how
little it leaves them."""

import re
import shutil
import subprocess

import pytest
from harness import paths

UNITS = sorted((paths.SOURCE / "contrib/systemd").glob("*.service.in"))
SOCKETS = sorted((paths.SOURCE / "contrib/systemd").glob("*.socket.in"))
EXPOSURE_MAX = 1.5

pytestmark = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd")


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def folder(tmp_path):
    """The units for the daemons that were built here."""
    for unit in UNITS:
        daemon = unit.name.partition(".")[0]
        text = unit.read_text().replace(f"@sbindir@/{daemon}", paths.program(daemon))
        (tmp_path / unit.name.removesuffix(".in")).write_text(
            text.replace("@sysconfdir@", str(tmp_path)))
    for unit in SOCKETS:
        (tmp_path / unit.name.removesuffix(".in")).write_text(
            unit.read_text().replace("@sysconfdir@", str(tmp_path)))
    return tmp_path


@pytest.mark.parametrize("daemon", ["gateway", "server", "smsc"])
def test_a_unit_is_understood_and_leaves_little(folder, daemon):
    unit = folder / f"provbox-{daemon}.service"
    assert run("systemd-analyze", "verify", "--man=no", unit) == ""
    said = run("systemd-analyze", "security", "--offline=true", "--no-pager", unit)
    exposure = float(re.search(r"exposure level for \S+: ([0-9.]+)", said)[1])
    assert exposure <= EXPOSURE_MAX, said


def test_what_is_installed_names_the_places_of_this_build():
    for unit in (*UNITS, *SOCKETS):
        built = paths.BUILD / "contrib/systemd" / unit.name.removesuffix(".in")
        text = built.read_text()
        assert "dir@" not in text
        assert re.search("^ConditionPathExists=/.+/provbox/[a-z]+[.]conf$", text, re.M), built
    for unit in UNITS:
        text = (paths.BUILD / "contrib/systemd" / unit.name.removesuffix(".in")).read_text()
        assert re.search(f"^ExecStart=/.+/{unit.name.partition('.')[0]}$", text, re.M)


@pytest.mark.parametrize("daemon", ["gateway", "server"])
def test_ports_are_those_of_the_example(folder, daemon):
    """What the socket unit opens for it, the daemon finds under the address it knows."""
    unit = folder / f"provbox-{daemon}.socket"
    assert run("systemd-analyze", "verify", "--man=no", unit) == ""
    ports = re.findall("^ListenStream=(.+)$", unit.read_text(), re.M)
    example = (paths.SOURCE / f"contrib/examples/{daemon}.conf").read_text()
    (addresses,) = re.findall(r"^(?:airnet_)?listen = \{(.+?)\}", example, re.M)
    assert ports == re.findall('"(.+?)"', addresses)


def test_the_units_differ_in_what_the_daemons_are_alone():
    """What is taken from one is taken from all."""
    hardening = {unit.read_text().partition("# What a daemon does not need")[2]
                 for unit in UNITS}
    assert len(UNITS) == 3 and len(hardening) == 1


def test_users_and_folders_are_made_for_the_units(tmp_path):
    """In a root of its own, with nothing of this system."""
    (tmp_path / "etc").mkdir()
    sysusers = paths.SOURCE / "contrib/systemd/sysusers.conf"
    run("systemd-sysusers", f"--root={tmp_path}", sysusers)
    users = {line.split(":")[0] for line in (tmp_path / "etc/passwd").read_text().splitlines()}
    groups = {line.split(":")[0]: line.split(":")[3]
              for line in (tmp_path / "etc/group").read_text().splitlines()}
    for unit in UNITS:
        user = re.search("^User=(.+)$", unit.read_text(), re.M)[1]
        group = re.search("^Group=(.+)$", unit.read_text(), re.M)[1]
        assert user in users and user in groups[group].split(",")
        made = re.findall("^d (\\S+) ", (
            paths.SOURCE / "contrib/systemd/tmpfiles.conf").read_text(), re.M)
        assert set(re.findall("^ReadWritePaths=(.+)$", unit.read_text(), re.M)) <= set(made)
