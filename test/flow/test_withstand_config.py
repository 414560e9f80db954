"""A configuration that is wrong: no daemon starts with it. It ends with 78, and says of each
fault at once where it is, what is wrong and what would be right."""

import os
import pathlib

import pytest
from harness import daemon, pki
from harness.schema import DEV
from test_config_files import CONFIG, ended

PARTS = ["gateway", "server", "smsc"]
KEYS = [("gateway", "airnet_key"), ("gateway", "landnet_key"), ("server", "key"),
        ("server", "proof_key"), ("server", "grant_key_file")]
LISTS = [("gateway", "airnet_trust", "airnet_crl"), ("gateway", "landnet_trust", "landnet_crl"),
         ("server", "trust", "crl")]
SOMEBODY = 12345  # a user id that is neither root's nor ours


@pytest.fixture
def configured(site):
    for part in (site.server, site.smsc):
        part.config["dsn"] = "host=/nonexistent dbname=provbox"
    return site


def line_of(part, key):
    """Where the daemon's configuration file has a key, the title of a block before it."""
    lines = daemon.config_text(part.config).splitlines()
    if isinstance(key, tuple):
        block, key = key
        start = next(n for n, line in enumerate(lines) if line.startswith(block))
    else:
        start = 0
    return next(n for n, line in enumerate(lines, 1)
                if n > start and line.split(" =")[0].strip() == key)


def assert_refused(site, part, **faults):
    """Each fault, a key and words of what is said, has its line; others are not there."""
    path = site.directory / "broken.conf"
    for options in (["-t"], []):
        status, said = ended(site, part, *options)
        assert status == CONFIG, said
        lines = said.splitlines()
        for key, words in faults.items():
            where = f"{path}:{line_of(part, key)}: "
            assert [line for line in lines if line.startswith(where) and words in line], (
                f"no {where}{words} in\n{said}")
        assert len(lines) == len(faults), said


@pytest.mark.parametrize("name", PARTS)
def test_all_faults_of_a_file_at_once(configured, name):
    part = getattr(configured, name)
    part.config.update(colour="red", database_timeout="soon", log_level="loud",
                       user="nobody-like-this", drain_timeout="1y")
    faults = {"colour": "unknown key `colour`, see the keys with --help-config",
              "log_level": "is none of error, warn, info, debug",
              "drain_timeout": "is no duration, write like 250ms"}
    if os.geteuid() == 0:  # who is not root becomes nobody else
        faults["user"] = "nobody-like-this does not exist: make it, or name another"
    if name == "gateway":
        faults["database_timeout"] = "unknown key `database_timeout`"
    else:
        faults["database_timeout"] = "is no duration, write like 250ms, 2s, 5m, 1h or 7d"
    assert_refused(configured, part, **faults)


@pytest.mark.parametrize("name", PARTS)
def test_what_several_keys_say_has_its_line_too(configured, name):
    part, p = getattr(configured, name), configured.pki
    part.config["admin"] = "0.0.0.0:9000"
    faults = {"admin": "neither unix:/path nor ip:port of loopback"}
    if name == "gateway":
        # The certificate of a leg says whose its key is.
        both = p.landnet.issue("both", dns=[p.GATEWAY_NAME], usages=[pki.CLIENT],
                               key=p.gateway_airnet.key)
        part.config.update(landnet_certificate=both.path, landnet_key=both.key_path)
        faults["landnet_key"] = ("is the key of the airnet leg, too; make a key of its own"
                                 " for each leg")
    elif name == "server":
        both = p.landnet.issue("both", dns=[p.SERVER_NAME], uris=[f"https://{p.SRV}/"],
                               usages=[pki.SERVER], key=p.proof_leaf.key)
        part.config.update(certificate=both.path, key=both.key_path)
        faults["proof_key"] = "is the key of the landnet leg, too; make a key of its own"
    else:
        part.config.update(poll_min="2s", poll_max="1s")
        faults["poll_min"] = "is more than poll_max; make it shorter"
    assert_refused(configured, part, **faults)


def test_faults_of_a_block_are_on_lines_of_it(configured):
    part, route = configured.gateway, ("route", configured.pki.SRV)
    part.config[route].update(care=["/v1/sessions"], provision=["/v1/../x"])
    status, said = ended(configured, part, "-t")
    path = configured.directory / "broken.conf"
    assert (status, said.splitlines()) == (CONFIG, [
        f'{path}:{line_of(part, ("route", "care"))}: route "{configured.pki.SRV}": care: the'
        " prefix /v1/sessions would let handsets use /v1/sessions, which is the gateway's own",
        f'{path}:{line_of(part, ("route", "provision"))}: route "{configured.pki.SRV}":'
        " provision: /v1/../x is no path prefix; write like /v1/device"])


@pytest.mark.parametrize("name, key", KEYS)
@pytest.mark.parametrize("mode", [0o604, 0o602, 0o640, 0o620])
def test_a_secret_that_others_may_touch(configured, name, key, mode):
    part = getattr(configured, name)
    os.chmod(part.config[key], mode)
    assert_refused(configured, part, **{
        key: f"{part.config[key]} has mode 0{mode:o}, others may read or write it; chmod 600"})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("name, key", KEYS)
def test_a_secret_of_somebody_else(configured, name, key):
    part = getattr(configured, name)
    os.chown(part.config[key], SOMEBODY, -1)
    assert_refused(configured, part, **{
        key: f"{part.config[key]} belongs to another user (uid {SOMEBODY})"})


@pytest.mark.parametrize("name, trust, key", LISTS)
def test_no_revocation_list(configured, name, trust, key):
    """Not named, not there, empty, of another CA, or of one CA of two."""
    part, p = getattr(configured, name), configured.pki
    folder = configured.directory
    authority = p.device if trust == "airnet_trust" else p.landnet
    other = pki.Authority(p.directory, "other-ca")

    good = part.config.pop(key)
    status, said = ended(configured, part, "-t")
    assert (status, len(said.splitlines())) == (CONFIG, 1)
    assert f"`{key}` is missing: PEM revocation lists, one for every CA" in said

    part.config[key] = folder / "nowhere.pem"
    assert_refused(configured, part, **{key: f"{folder}/nowhere.pem: No such file or directory"})
    for name, text in (("empty.pem", ""), ("other.pem", pathlib.Path(other.crl_path).read_text())):
        part.config[key] = folder / name
        part.config[key].write_text(text)
        assert_refused(configured, part, **{
            key: f"{folder}/{name}: no CRL signed by the CA"})

    part.config[key] = good
    part.config[trust] = folder / "two.pem"
    part.config[trust].write_bytes(b"".join(
        pathlib.Path(a.path).read_bytes() for a in (authority, other)))
    assert_refused(configured, part, **{key: "no CRL signed by the CA /CN=other-ca root"})


def test_no_list_at_either_leg_and_a_wrong_route_at_once(configured):
    part = configured.gateway
    empty = configured.directory / "empty.pem"
    empty.write_text("")
    part.config.update(airnet_crl=empty, landnet_crl=empty, admin="192.0.2.1:9000")
    part.config["route", configured.pki.SRV]["care"] = ["v1"]
    assert_refused(configured, part, **{
        "airnet_crl": "no CRL signed by the CA", "landnet_crl": "no CRL signed by the CA",
        "admin": "192.0.2.1:9000 is neither", "care": "v1 is no path prefix"})


def test_a_daemon_that_runs_is_not_touched_by_a_start_that_fails(site):
    """Both with the same addresses: what is wrong is found before they are opened."""
    site.start("database", "server", "gateway")
    site.gateway.config["workers"] = 0
    assert_refused(site, site.gateway, workers="is out of range, give 1 to 64")
    with site.device(site.pki.device_leaf("good", DEV)) as device:
        assert device.get("/v1/device").status == 200
