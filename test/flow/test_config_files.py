"""Files that a configuration names, when they are not what they should be: the daemon
says which, with -t and when it starts, and ends with 78."""

import os
import re
import shutil
import subprocess

import pytest
from harness import daemon, paths, pki

CONFIG = 78


def ended(site, part, *options):
    """Status and output of a daemon that is to end by itself."""
    path = site.directory / "broken.conf"
    path.write_text(daemon.config_text(part.config))
    run = subprocess.run([paths.program(part.program), *options, "-c", path],
                         capture_output=True, text=True, timeout=20)
    return run.returncode, run.stdout + run.stderr


def refused(site, part, name, key=None):
    """With the place in the file, if what is wrong is one key's value."""
    for options in (["-t"], []):
        status, said = ended(site, part, *options)
        assert (status, str(name) in said) == (CONFIG, True), said
        if key:
            lines = (site.directory / "broken.conf").read_text().splitlines()
            (at,) = [n for n, line in enumerate(lines, 1)
                     if line.strip().startswith(f"{key} =")]
            assert re.search(rf"broken\.conf:{at}: [^=]*\b{key}: ", said), said
            assert options or said.count(" ERROR ") <= 1, said


@pytest.fixture
def configured(site):
    site.server.config["dsn"] = "host=/nonexistent dbname=provbox"
    return site


def test_a_key_of_another_certificate(configured):
    p = configured.pki
    configured.gateway.config["airnet_key"] = p.gateway_landnet.key_path
    refused(configured, configured.gateway, p.gateway_airnet.path, "airnet_key")
    configured.gateway.config.update(airnet_key=p.gateway_airnet.key_path,
                                     landnet_key=p.gateway_airnet.key_path)
    refused(configured, configured.gateway, p.gateway_landnet.path, "landnet_key")
    configured.server.config["key"] = p.gateway_landnet.key_path
    refused(configured, configured.server, p.server_landnet.path, "key")
    configured.server.config["key"] = p.server_landnet.key_path
    configured.server.config["proof_key"] = p.server_landnet.key_path
    refused(configured, configured.server, p.proof_leaf.path, "proof_key")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root reads what another may not")
def test_what_its_unit_could_not_read(configured):
    """-t as root says ok, for root may start it; systemd starts it as `user`."""
    p, config = configured.pki, configured.server.config
    config["user"] = "nobody"
    os.chmod(configured.directory, 0o755)
    hidden = p.server_landnet.key_path, p.proof_leaf.key_path, config["grant_key_file"]
    status, said = ended(configured, configured.server, "-t")
    assert status == 0 and said.startswith(f"{configured.directory}/broken.conf: ok\n")
    assert said.count("ev=file_hidden") == len(hidden), said
    for path in hidden:
        assert f"chown nobody {path}" in said
        shutil.chown(path, "nobody")
    status, said = ended(configured, configured.server, "-t")
    assert (status, said) == (0, f"{configured.directory}/broken.conf: ok\n")

    os.chmod(configured.directory, 0o700)
    _, said = ended(configured, configured.server, "-t")
    assert f"file={configured.directory}/broken.conf" in said
    assert "nobody, which may not enter the folder" in said


def test_a_proof_root_without_a_certificate(configured):
    empty = configured.directory / "empty.pem"
    empty.write_text("")
    configured.gateway.config["route", configured.pki.SRV]["proof_root"] = empty
    refused(configured, configured.gateway, empty, "proof_root")


def test_a_pin_that_is_none(configured):
    route = configured.gateway.config["route", configured.pki.SRV]
    route["proof_pins"] = [configured.pki.proof_leaf.pin(), "sesame"]
    refused(configured, configured.gateway, "pin 2 is no thumbprint", "proof_pins")


def test_a_certificate_that_has_ended(configured):
    p = configured.pki
    old = p.airnet.issue("old", dns=[p.GATEWAY_NAME], usages=[pki.SERVER],
                         not_before=pki.now() - 9 * pki.DAY, not_after=pki.now() - pki.DAY)
    configured.gateway.config.update(airnet_certificate=old.path, airnet_key=old.key_path)
    refused(configured, configured.gateway, "has expired", "airnet_certificate")


def test_the_proof_key_is_no_key_of_a_leg(configured):
    p, config = configured.pki, configured.server.config
    both = p.landnet.issue("both", dns=[p.SERVER_NAME], uris=[f"https://{p.SRV}/"],
                           usages=[pki.SERVER], key=p.proof_leaf.key)
    config.update(certificate=both.path, key=both.key_path)
    refused(configured, configured.server, "proof_key")


@pytest.mark.parametrize("part, key", [
    ("gateway", "airnet_trust"), ("gateway", "airnet_crl"), ("gateway", "landnet_trust"),
    ("gateway", "landnet_crl"), ("server", "trust"), ("server", "crl")])
def test_trust_and_lists_are_told_apart(configured, part, key):
    daemon_of = getattr(configured, part)
    for wrong in (b"root:x:0:0::/:/bin/sh\n", configured.pki.proof.path.read_bytes()):
        file = configured.directory / "wrong.pem"
        file.write_bytes(wrong)
        daemon_of.config[key] = file
        if key.endswith("trust") and wrong.startswith(b"-----"):
            key = key.replace("trust", "crl")  # anchors are there, their lists are not
            refused(configured, daemon_of, "no CRL signed", key)
        else:
            refused(configured, daemon_of, file, key)
