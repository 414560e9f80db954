"""Legs and servers: a key of its own for each leg, and what a leg does not let through."""

import subprocess

import pytest
from harness import daemon, paths, pki, wait
from harness.handset import Handset
from harness.schema import DEV

OTHER_NAME = "other.example.com"
OTHER_SRV = f"{OTHER_NAME}:9443"


@pytest.fixture
def two(site):
    """A gateway before two servers: `server` and, for OTHER_SRV, `second`."""
    p = site.pki
    site.start("database", "smscsim", "server")
    folder = site.directory / "second"
    folder.mkdir()
    landnet = p.landnet.issue("second-landnet", dns=[OTHER_NAME], usages=[pki.SERVER])
    proof = p.proof.issue("second-proof", uris=[f"https://{OTHER_SRV}/"])
    port = wait.free_port()
    site.second = daemon.Daemon("provbox-server", folder, {
        **site.server.config, "provisioning_uri": f"https://{OTHER_SRV}/",
        "listen": [f"127.0.0.1:{port}"], "admin": f"unix:{folder}/server.sock",
        "certificate": landnet.path, "key": landnet.key_path,
        "proof_certificate": proof.path, "proof_key": proof.key_path})
    site.gateway.config["route", OTHER_SRV] = {
        "address": [f"127.0.0.1:{port}"], "proof_root": p.proof.path}
    site.start("second", "gateway")
    return site


def asked(server):
    return [line["route"] for line in server.events("request")]


def test_the_uri_in_the_handset_decides_which_server_it_trusts(two):
    handset = Handset(two, provisioning_uri=f"https://{OTHER_SRV}/")
    handset.used("wait screen MENU", "key BACK", outcome="stopped")
    assert "/v1/catalogue" in asked(two.second)
    assert asked(two.server) == []


def checked(site, program, config):
    path = site.directory / "checked.conf"
    path.write_text(daemon.config_text(config))
    return subprocess.run([paths.program(program), "-t", "-c", path], capture_output=True,
                          text=True, timeout=20)


def test_the_same_key_on_two_legs_is_refused(site):
    p, config = site.pki, site.gateway.config
    assert checked(site, "provbox-gateway", config).returncode == 0
    shared = p.landnet.issue("shared", dns=[p.GATEWAY_NAME], usages=[pki.CLIENT],
                             key=p.gateway_airnet.key)
    run = checked(site, "provbox-gateway", {
        **config, "landnet_certificate": shared.path, "landnet_key": shared.key_path})
    assert run.returncode == 78
    assert "make a key of its own for each leg" in run.stderr


def test_a_server_of_another_authority_gets_no_request(site):
    site.start("database", "server")
    counter = site.relay_landnet()
    stranger = pki.Authority(site.directory / "stranger", "landnet")
    site.gateway.config.update(landnet_trust=stranger.path, landnet_crl=stranger.crl_path)
    site.start("gateway")
    with site.device(site.pki.device_leaf("good", DEV)) as device:
        answer = device.put("/v1/requests/4d9f4e6a-2b7c-4c1e-9f30-0a1b2c3d4e5f",
                            site.schema.body())
    assert (answer.status, answer.json()["reason"]) == (403, "authentication_failed")
    site.gateway.wait_event("session_end", reason="landnet_untrusted")
    assert counter.connections > 0
    assert asked(site.server) == []
    assert site.db.value("select count(*) from provbox.request") == 0


def test_a_limited_device_reaches_care_alone(site):
    """By policy, and held by the gateway before the server has to."""
    site.start("database", "server", "gateway")
    site.schema.rows("operator", "policy_put", "device", "device_unknown", "limited")
    leaf = site.pki.device_leaf("limited", "urn:gsma:imei:35209900-176150-0")
    with site.device(leaf) as device:
        assert device.get("/v1/device").json()["standing"] == "limited"
        for target in ("/v1/catalogue", "/v1/requests/4d9f4e6a-2b7c-4c1e-9f30-0a1b2c3d4e5f"):
            answer = device.get(target)
            assert (answer.status, answer.json()["reason"]) == (403, "standing_limited")
        assert device.get("/v1/device").status == 200
    assert asked(site.server) == ["/v1/authentication", "/v1/device", "/v1/device"]


@pytest.mark.parametrize("name", ["gateway", "server", "smsc"])
def test_every_daemon_accepts_the_configuration_that_it_dumps(site, name):
    site.start("database")
    part = getattr(site, name)
    config = site.directory / "given.conf"
    config.write_text(daemon.config_text(part.config))
    dumped = subprocess.run([paths.program(part.program), "--dump-config", "-c", config],
                            capture_output=True, text=True, check=True, timeout=20).stdout
    again = site.directory / "again.conf"
    again.write_text(dumped)
    assert subprocess.run([paths.program(part.program), "-t", "-c", again],
                          timeout=20).returncode == 0
    assert checked(site, part.program, {**part.config, "colour": 7}).returncode == 78
