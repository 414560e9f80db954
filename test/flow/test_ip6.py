"""Every listener and every address may be of IPv6; each port then has two, side by side."""

import socket
import subprocess

import pytest
from harness import daemon, paths, pki, protocol, wait
from harness.handset import Handset, order
from harness.schema import DEV

ALL = ("database", "billing", "smscsim", "bearerbox", "server", "smsc", "gateway")
SRV = "[::1]:8443"
CONFIG = 78


def on_ip6_alone(site):
    """Airnet and landnet without an IPv4 address."""
    site.server.config["listen"] = [f"[::1]:{site.server_port}"]
    site.gateway.config["airnet_listen"] = [f"[::1]:{site.airnet_port}"]
    site.gateway.config["route", site.pki.SRV]["address"] = [f"[::1]:{site.server_port}"]


def test_a_handset_is_provisioned_over_ip6_alone(site):
    on_ip6_alone(site)
    site.start(*ALL)
    site.bearerbox.wait_online()
    handset = Handset(site, gateway=f"[::1]:{site.airnet_port}")
    handset.used(*order(1), "wait screen TERMS", "key YES", "wait screen DONE")
    assert site.db.value("select state from provbox.request") == "done"
    assert site.gateway.wait_event("session_begin")["peer"].startswith("[::1]:")
    assert site.gateway.events("landnet_open")[0]["address"] == f"[::1]:{site.server_port}"
    assert site.server.events("link_open")[0]["peer"].startswith("[::1]:")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", site.airnet_port), 5).close()


def test_both_families_stand_side_by_side_on_one_port(site):
    """On the unspecified addresses, where an IPv6 socket would take IPv4 along."""
    site.server.config["listen"] = [f"0.0.0.0:{site.server_port}", f"[::]:{site.server_port}"]
    site.gateway.config["airnet_listen"] = [f"[::]:{site.airnet_port}",
                                            f"0.0.0.0:{site.airnet_port}"]
    site.gateway.config["route", site.pki.SRV]["address"] = [
        f"127.0.0.1:{site.server_port}", f"[::1]:{site.server_port}"]
    site.gateway.config["workers"] = 2
    site.start("database", "server", "gateway")
    leaf = site.pki.device_leaf("good", DEV)
    for address, start in (("127.0.0.1", "127.0.0.1:"), ("::1", "[::1]:")):
        for _ in range(3):
            with site.device(leaf, address=address) as device:
                assert device.get("/v1/device").status == 200
        begun = [line["peer"] for line in site.gateway.events("session_begin")]
        assert len([peer for peer in begun if peer.startswith(start)]) == 3, begun


def test_a_provisioning_uri_may_be_an_ip6_address(site):
    """Route, Host, the server's certificate and proof, and the handset's own URI."""
    p = site.pki
    on_ip6_alone(site)
    tls = p.landnet.issue("server-ip6", ips=["::1"], usages=[pki.SERVER])
    proof = p.proof.issue("proof-ip6", uris=[f"https://{SRV}/"])
    site.server.config.update({
        "provisioning_uri": f"https://{SRV}/", "certificate": tls.path, "key": tls.key_path,
        "proof_certificate": proof.path, "proof_key": proof.key_path})
    route = site.gateway.config.pop(("route", p.SRV))
    site.gateway.config["route", SRV] = route
    site.start("database", "smscsim", "server", "gateway")

    leaf = p.device_leaf("good", DEV)
    handset = Handset(site, leaf=leaf, gateway=f"[::1]:{site.airnet_port}",
                      provisioning_uri=f"https://{SRV}/")
    handset.used("wait screen MENU", "key BACK", outcome="stopped")
    with site.device(leaf, address="::1") as device:
        for host in (SRV, "[0:0:0:0:0:0:0:1]:8443"):
            answer = device.get("/.provbox/session", headers={"Host": host}).json()
            assert protocol.read_proof(answer["proof"])[1]["srv"] == SRV
    for n, host in enumerate(("[::1]", "[::1]:443", "[::2]:8443"), 1):
        with site.device(leaf, address="::1") as device:
            assert device.get("/.provbox/session", headers={"Host": host}).status == 403
        assert len(site.gateway.events("request", reason="route_unknown")) == n
    # And what is no address at all makes no request.
    with site.device(leaf, address="::1") as device:
        assert device.get("/.provbox/session", headers={"Host": "::1:8443"}).status == 400


def test_the_name_of_a_server_is_no_address(site):
    """The server that is there has a certificate, for its name alone."""
    on_ip6_alone(site)
    route = site.gateway.config.pop(("route", site.pki.SRV))
    site.gateway.config["route", SRV] = route
    site.start("database", "server", "gateway")
    with site.device(site.pki.device_leaf("good", DEV), address="::1") as device:
        assert device.get("/v1/device", headers={"Host": SRV}).status == 403
    assert site.gateway.events("request", reason="landnet_untrusted")
    assert site.gateway.events("landnet_down", reason="certificate_wrong_name")


BAD = ["::1:8443", "[::1]", "::1", "[::1]:", "[::1]:65536", "[::1%lo]:8443", "[fe80::1%2]:1",
       "[::ffff:127.0.0.1]:8443", "[127.0.0.1]:8443", "[::1:8443", "[:::1]:8443"]


@pytest.mark.parametrize("literal", BAD)
def test_what_is_no_address_is_refused_with_file_and_line(site, literal):
    site.server.config["dsn"] = "host=/nonexistent dbname=provbox"
    route = site.gateway.config["route", site.pki.SRV]
    for part, config, key in ((site.gateway, site.gateway.config, "airnet_listen"),
                              (site.gateway, route, "address"),
                              (site.server, site.server.config, "listen")):
        good, config[key] = config[key], [literal]
        path = site.directory / "bad.conf"
        path.write_text(daemon.config_text(part.config))
        config[key] = good
        line = next(n for n, text in enumerate(path.read_text().splitlines(), 1)
                    if text.strip().startswith(f"{key} = "))
        ended = subprocess.run([paths.program(part.program), "-t", "-c", path],
                               capture_output=True, text=True, timeout=20)
        assert ended.returncode == CONFIG
        assert f"{path}:{line}: `{key}` is " in ended.stderr


@pytest.mark.parametrize("srv", ["[::1]", "[0::1]:8443", "[::1]:08443", "::1:8443",
                                 "[::1%lo]:8443", "[2001:DB8::1]:8443"])
def test_a_route_has_the_one_form_of_its_address(site, srv):
    route = site.gateway.config.pop(("route", site.pki.SRV))
    site.gateway.config["route", srv] = route
    path = site.directory / "bad.conf"
    path.write_text(daemon.config_text(site.gateway.config))
    ended = subprocess.run([paths.program("provbox-gateway"), "-t", "-c", path],
                           capture_output=True, text=True, timeout=20)
    assert ended.returncode == CONFIG
    assert f'route "{srv}": is not a lower-case host:port' in ended.stderr


def test_metrics_are_served_on_ip6(site):
    port = wait.free_port()
    site.gateway.config["admin"] = f"[::1]:{port}"
    site.start("database", "server", "gateway")
    with socket.create_connection(("::1", port), 5) as raw:
        raw.sendall(b"GET /livez HTTP/1.1\r\nHost: [::1]\r\nConnection: close\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 200 ")
