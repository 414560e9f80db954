"""What is measured: our gateway, HAProxy and nginx, each on one core before the same
upstream, each with its own certificates checked both ways."""

import contextlib
import os
import pathlib
import re
import resource
import shutil
import subprocess

import parts
from harness import daemon, pki, process, wait

HERE = pathlib.Path(__file__).parent
# nginx opens a connection to the server for each session that asks while others do.
MOST_CONNECTIONS = 22000
FEW = 64  # its other descriptors
SBIN = "/usr/sbin:/usr/local/sbin:/usr/bin"


class Site:
    """Certificates, and where the files are."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.pki = pki.Pki(self.directory / "pki")
        self.leaf = self.pki.device_leaf("bench", "urn:gsma:imei:35209900-999999-0")
        self.upstream_port = wait.free_port()

    @contextlib.contextmanager
    def upstream(self):
        """The server behind every proxy, while it is needed."""
        part = parts.Part(
            "upstream", port=self.upstream_port, chain=self.pki.server_landnet.path,
            key=self.pki.server_landnet.key_path, trust=self.pki.landnet.path,
            crl=self.pki.landnet.crl_path)
        self.upstream_pid = part.process.pid
        try:
            yield
        finally:
            part.stop()

    def client(self, proxy):
        """Settings of every part that connects to the proxy."""
        p = self.pki
        return {"port": proxy.port, "name": p.GATEWAY_NAME, "srv": p.SRV,
                "trust": p.airnet.path, "chain": self.leaf.path, "key": self.leaf.key_path,
                "issuer": p.device.path, "issuer_key": p.device.key_path}


class Provbox:
    name = "provbox"

    def __init__(self, site, **config):
        p = site.pki
        self.port = wait.free_port()
        self.daemon = daemon.Daemon("provbox-gateway", site.directory, {
            "airnet_listen": [f"127.0.0.1:{self.port}"],
            "airnet_certificate": p.gateway_airnet.path,
            "airnet_key": p.gateway_airnet.key_path,
            "airnet_trust": p.device.path, "airnet_crl": p.device.crl_path,
            "landnet_certificate": p.gateway_landnet.path,
            "landnet_key": p.gateway_landnet.key_path,
            "landnet_trust": p.landnet.path, "landnet_crl": p.landnet.crl_path,
            "admin": f"unix:{site.directory}/gateway.sock",
            "user": "root" if os.geteuid() == 0 else "",
            **config,
            ("route", p.SRV): {"address": [f"127.0.0.1:{site.upstream_port}"],
                               "proof_root": p.proof.path},
        })

    def start(self):
        self.daemon.start()
        self.process = self.daemon.process
        parts.pin(self.process.pid, parts.PROXY_CORE)

    def stop(self):
        self.daemon.kill()


class Peer:
    """A proxy of others, by its file in this folder; `bind` is added to its listener."""

    def __init__(self, site, name, bind=""):
        p = site.pki
        self.name, self.directory = name, site.directory
        self.port = wait.free_port()
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.values = {
            "PORT": self.port, "UPSTREAM": site.upstream_port, "DIRECTORY": site.directory,
            "AIRNET_PEM": pki.join(site.directory / "airnet.pem", p.gateway_airnet,
                                   p.gateway_airnet.key_path),
            "LANDNET_PEM": pki.join(site.directory / "landnet.pem", p.gateway_landnet,
                                    p.gateway_landnet.key_path),
            "DEVICE_CA": p.device.path, "DEVICE_CRL": p.device.crl_path,
            "LANDNET_CA": p.landnet.path, "LANDNET_CRL": p.landnet.crl_path,
            "GATEWAY_NAME": p.GATEWAY_NAME, "SERVER_NAME": p.SERVER_NAME, "BIND": bind,
            "FILES": files, "CONNECTIONS": min(files - FEW, MOST_CONNECTIONS),
            "USER": "user root;" if os.geteuid() == 0 else ""}

    def start(self):
        program, options = self.command()
        template = (HERE / self.template).read_text()
        path = self.directory / f"{self.name}.cfg"
        path.write_text(re.sub(r"@([A-Z_]+)@", lambda match: str(self.values[match[1]]),
                               template))
        self.process = process.Process(self.name, [program, *options, path], self.directory)
        self.process.wait_port(self.port)
        parts.pin(self.process.pid, parts.PROXY_CORE)

    def stop(self):
        self.process.kill()


class Haproxy(Peer):
    template = "haproxy.cfg"

    def command(self):
        return shutil.which("haproxy", path=SBIN), ["-db", "-f"]


class Nginx(Peer):
    template = "nginx.conf"

    def command(self):
        return shutil.which("nginx", path=SBIN), ["-p", self.directory, "-c"]


PEERS = {
    "haproxy": lambda site: Haproxy(site, "haproxy"),
    "nginx": lambda site: Nginx(site, "nginx"),
    "haproxy, no tickets": lambda site: Haproxy(site, "haproxy-no-tickets", "no-tls-tickets"),
    "nginx, no tickets": lambda site: Nginx(site, "nginx-no-tickets",
                                            "ssl_session_tickets off;"),
}


DEFAULTS = ("haproxy", "nginx")  # as operators have them


def installed():
    """The peers that this machine has."""
    return {name: make for name, make in PEERS.items()
            if shutil.which(name.split(",")[0], path=SBIN)}


def installed_default():
    return {name: make for name, make in installed().items() if name in DEFAULTS}


def versions():
    """First line of each peer's own word."""
    found = {}
    for name in ("haproxy", "nginx"):
        if program := shutil.which(name, path=SBIN):
            done = subprocess.run([program, "-v"], capture_output=True, text=True, check=True)
            found[name] = (done.stdout or done.stderr).splitlines()[0]
    return found
