"""The route table: which server a Host names, and what each server gets to see."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from harness import airnet, daemon, pki, protocol, wait
from harness.schema import DEV
from harness.stand_in import AUTHENTICATION, StandIn

OTHER_NAME = "other.example.com"
OTHER_SRV = f"{OTHER_NAME}:9443"


class Second:
    """A second server of a site: name, keys of its grants and proof root are its own."""

    def __init__(self, site):
        p = site.pki
        self.port = wait.free_port()
        self.tls = p.landnet.issue("second-landnet", dns=[OTHER_NAME], usages=[pki.SERVER])
        self.proof = pki.Authority(p.directory, "second-proof")
        self.proof_leaf = self.proof.issue("second-proof-leaf", uris=[f"https://{OTHER_SRV}/"])
        site.gateway.config["route", OTHER_SRV] = {
            "address": [f"127.0.0.1:{self.port}"], "proof_root": self.proof.path}

    def daemon(self, site):
        folder = site.directory / "second"
        folder.mkdir()
        grant_keys = folder / "grant.keys"
        pki.write_secret(grant_keys, f"{'a1' * 8} {'b2' * 32}\n".encode())
        return daemon.Daemon("provbox-server", folder, {
            **site.server.config, "provisioning_uri": f"https://{OTHER_SRV}/",
            "listen": [f"127.0.0.1:{self.port}"], "admin": f"unix:{folder}/server.sock",
            "certificate": self.tls.path, "key": self.tls.key_path,
            "grant_key_file": grant_keys, "proof_certificate": self.proof_leaf.path,
            "proof_key": self.proof_leaf.key_path})


def asked(server):
    return [line["route"] for line in server.events("request")]


def test_two_servers_with_keys_of_their_own(site):
    second = Second(site)
    site.start("database", "server")
    site.second = second.daemon(site)
    site.start("second", "gateway")
    with site.device(site.pki.device_leaf("good", DEV)) as device:
        for srv, root in ((site.pki.SRV, site.pki.proof), (OTHER_SRV, second.proof)):
            answer = device.get("/.provbox/session", headers={"Host": srv}).json()
            header, claims = protocol.read_proof(answer["proof"])
            assert claims["srv"] == srv
            leaf = protocol.chain_of(header)[0]
            root.key.public_key().verify(leaf.signature, leaf.tbs_certificate_bytes,
                                         ec.ECDSA(leaf.signature_hash_algorithm))
        for srv in (site.pki.SRV, OTHER_SRV, site.pki.SRV):
            assert device.get("/v1/device", headers={"Host": srv}).status == 200
    assert asked(site.server) == [AUTHENTICATION, "/v1/device", "/v1/device"]
    assert asked(site.second) == [AUTHENTICATION, "/v1/device"]


def test_a_second_host_is_authenticated_and_gets_no_grant_of_another(site):
    second = Second(site)
    first = StandIn(site)
    other = StandIn(site, srv=OTHER_SRV, port=second.port, tls=second.tls,
                    leaf=second.proof_leaf)
    site.start("gateway")
    with site.device(first.device) as device:
        for srv in (site.pki.SRV, OTHER_SRV) * 2:
            assert device.get("/v1/device", headers={"Host": srv}).status == 200
    for stand_in in (first, other):
        grant = protocol.b64u(stand_in.grant)
        requests = stand_in.server.requests
        assert [r.target for r in requests] == [AUTHENTICATION, "/v1/device", "/v1/device"]
        assert [r.headers["Provbox-Grant"] for r in requests] == [None, grant, grant]
        assert {r.headers["Host"] for r in requests} == {stand_in.srv}
    # One session, and a nonce for each authentication.
    asked_first, asked_other = (s.server.requests[0].json() for s in (first, other))
    assert asked_first["sid"] == asked_other["sid"]
    assert asked_first["nG"] != asked_other["nG"]
    first.close()
    other.close()


def test_a_server_that_fails_ends_the_session_for_all(site):
    """A proof of one server is worth nothing at the other."""
    second = Second(site)
    first = StandIn(site)
    other = StandIn(site, srv=OTHER_SRV, port=second.port, tls=second.tls)  # first's proof
    site.start("gateway")
    with site.device(first.device) as device:
        assert device.get("/v1/device").status == 200
        answer = device.get("/.provbox/session", headers={"Host": OTHER_SRV})
        assert (answer.status, answer.json()["reason"]) == (403, "authentication_failed")
        assert answer.headers["Connection"] == "close"
    site.gateway.wait_event("session_end", reason="proof_untrusted")
    assert other.server.forwarded() == []
    first.close()
    other.close()


def test_an_unknown_host_reaches_nobody(site):
    site.start("database", "server")
    counter = site.relay_landnet()
    site.start("gateway")
    with site.device(site.pki.device_leaf("good", DEV)) as device:
        answer = device.get("/v1/device", headers={"Host": "third.example.com:8443"})
        assert (answer.status, answer.json()["reason"]) == (403, "authentication_failed")
        assert answer.headers["Connection"] == "close"
    site.gateway.wait_event("session_end", reason="route_unknown")
    assert counter.connections == 0


@pytest.fixture
def standard_port(site):
    """The route is a name on port 443."""
    config = site.gateway.config
    route = config.pop(("route", site.pki.SRV))
    config["route", f"{site.pki.SERVER_NAME}:443"] = route
    stand_in = StandIn(site, srv=f"{site.pki.SERVER_NAME}:443")
    site.start("gateway")
    yield stand_in
    stand_in.close()


@pytest.mark.parametrize("host, status", [
    ("prov.example.com", 200), ("prov.example.com:443", 200), ("PROV.Example.com", 200),
    ("Prov.Example.Com:443", 200),
    ("prov.example.com:8443", 403), ("prov.example.com.", 403), ("xprov.example.com", 403),
    ("prov.example.com.evil.example.com", 403), ("127.0.0.1", 403),
    ("prov.example.com:0443", 400), ("prov.example.com:", 400), ("prov.example.com:443:1", 400),
    ("user@prov.example.com", 400), ("prov.example.com/", 400), ("", 400),
    ("prov.example.com:99999", 400), ("prov.example.com\x00", 400),
])
def test_forms_of_a_host(standard_port, host, status):
    site = standard_port.site
    with airnet.Device(site, standard_port.device) as device:
        device.send(f"GET /v1/device HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert device.receive().status == status
    hosts = {r.headers["Host"] for r in standard_port.server.forwarded()}
    assert hosts == ({"prov.example.com:443"} if status == 200 else set())


@pytest.mark.parametrize("fields", ["", "Host: prov.example.com\r\nHost: other.example.com\r\n",
                                    "Host: prov.example.com\r\nhost: prov.example.com\r\n"])
def test_not_exactly_one_host(standard_port, fields):
    with airnet.Device(standard_port.site, standard_port.device) as device:
        device.send(f"GET /v1/device HTTP/1.1\r\n{fields}\r\n".encode())
        assert device.receive().status == 400
    assert standard_port.server.requests == []


def test_a_server_at_an_ipv6_address(site):
    port = wait.free_port()
    site.server.config["listen"] = [f"[::1]:{port}"]
    site.gateway.config["route", site.pki.SRV]["address"] = [f"[::1]:{port}"]
    site.start("database", "server", "gateway")
    with site.device(site.pki.device_leaf("good", DEV)) as device:
        assert device.get("/v1/device").status == 200


def test_a_server_named_by_an_ipv6_address(site):
    """No name goes into the handshake, and the certificate must hold the address."""
    port = wait.free_port()
    srv = f"[2001:db8::1]:{port}"
    p = site.pki
    tls = p.landnet.issue("six", ips=["2001:db8::1"], usages=[pki.SERVER])
    proof = p.proof.issue("six-proof", uris=[f"https://{srv}/"])
    site.server.config.update({
        "listen": [f"[::1]:{port}"], "provisioning_uri": f"https://{srv}/",
        "certificate": tls.path, "key": tls.key_path,
        "proof_certificate": proof.path, "proof_key": proof.key_path})
    route = site.gateway.config.pop(("route", p.SRV))
    site.gateway.config["route", srv] = {**route, "address": [f"[::1]:{port}"]}
    site.start("database", "server", "gateway")
    with airnet.Device(site, p.device_leaf("good", DEV)) as device:
        answer = device.ask("GET /.provbox/session HTTP/1.1", host="[2001:DB8:0::1]:" + str(port))
        assert answer.status == 200
        assert protocol.read_proof(answer.json()["proof"])[1]["srv"] == srv
        assert device.ask("GET /v1/device HTTP/1.1", host=srv).status == 200
