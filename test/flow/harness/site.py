"""A whole site on loopback: any part of it, started in the order that a test names.

    site.start("database", "billing", "server", "gateway")

Parts are attributes with start() and stop(); a daemon's `config` may be changed before
it starts. finish() ends what runs, in reverse order, and tells what is wrong: ERROR
lines that were not named in advance, sanitizer reports, programs that do not end.
"""

import pathlib
import shutil
import tempfile

import relay

from harness import billing, daemon, kannel, pki, postgres, wait


class DatabasePart:
    """The site's database: made by start(), in the cluster that runs anyway."""

    def __init__(self, site):
        self.site = site

    def start(self):
        self.site.db = self.site.cluster.new_database(postgres.Database.install_schema)

    def stop(self):
        self.site.db.drop()

    def complaints(self):
        return []


class Site:
    def __init__(self, cluster):
        # Short: Unix socket paths have 107 bytes.
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="provbox-", dir="/tmp"))
        self.cluster = cluster
        self.db = None
        self.pki = pki.Pki(self.directory / "pki")
        self.running = []
        self.relays = []

        self.server_port = wait.free_port()
        self.airnet_port = wait.free_port()
        self.database = DatabasePart(self)
        self.billing = billing.Billing(self.directory, self.pki)
        self.gateway = daemon.Daemon("provbox-gateway", self.directory, self._gateway())

    def _gateway(self):
        p = self.pki
        return {
            "airnet_listen": [f"127.0.0.1:{self.airnet_port}"],
            "airnet_certificate": p.gateway_airnet.path,
            "airnet_key": p.gateway_airnet.key_path,
            "airnet_trust": p.device.path,
            "airnet_crl": p.device.crl_path,
            "landnet_certificate": p.gateway_landnet.path,
            "landnet_key": p.gateway_landnet.key_path,
            "landnet_trust": p.landnet.path,
            "landnet_crl": p.landnet.crl_path,
            "handshake_timeout": "2s", "head_timeout": "2s", "body_timeout": "2s",
            "write_timeout": "2s", "authentication_timeout": "2s", "pool_wait": "2s",
            "admin": f"unix:{self.directory}/gateway.sock",
            "user": "root",
            ("route", p.SRV): {
                "address": [f"127.0.0.1:{self.server_port}"],
                "proof_root": p.proof.path,
            },
        }

    def start(self, *names):
        for name in names:
            part = getattr(self, name)
            self.running.append(part)
            part.start()

    def relay_landnet(self):
        """Put a counting relay between gateway and server; before the gateway starts."""
        counter = relay.Relay(self.server_port)
        self.relays.append(counter)
        self.gateway.config["route", self.pki.SRV]["address"] = [
            f"127.0.0.1:{counter.port}"]
        return counter

    def logs(self):
        """Every log of the site, for the report of a test that failed."""
        return {path.name: path.read_text(errors="replace")
                for path in sorted(self.directory.rglob("*.log"))}

    def finish(self):
        """End everything; what is wrong, in words."""
        problems = []
        for part in reversed(self.running):
            try:
                part.stop()
            except AssertionError as error:
                problems.append(str(error))
            problems += part.complaints()
        for counter in self.relays:
            counter.close()
        self.running, self.relays = [], []
        return problems

    def remove(self):
        shutil.rmtree(self.directory)
