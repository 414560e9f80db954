"""A whole site on loopback: any part of it, started in the order that a test names.

    site.start("database", "billing", "server", "gateway")

Parts are attributes with start() and stop(); a daemon's `config` may be changed before
it starts. finish() ends what runs, in reverse order, and tells what is wrong: ERROR
lines that were not named in advance, sanitizer reports, programs that do not end.
"""

import pathlib
import secrets
import shutil
import tempfile

import relay

from harness import (billing, daemon, http, kannel, landnet, paths, pki, schema,
                     smscsim, wait)

# Deadlines of daemons under test: a test that runs into one waits no longer than this.
SHORT = "2s"
IMPATIENT = {
    "server": dict.fromkeys(
        ("billing_timeout", "database_timeout", "handshake_timeout", "head_timeout",
         "body_timeout", "write_timeout", "authentication_timeout"), SHORT),
    "smsc": {**dict.fromkeys(("database_timeout", "ack_timeout", "connect_timeout"), SHORT),
             "poll_max": "100ms", "reconnect_max": "200ms"},
    "gateway": {**dict.fromkeys(
        ("handshake_timeout", "head_timeout", "body_timeout", "write_timeout",
         "authentication_timeout", "pool_wait"), SHORT), "retry_after": "1s"},
}


class DatabasePart:
    """The site's database, made by start() with a catalogue and the device schema.DEV."""

    def __init__(self, site):
        self.site = site

    def start(self):
        self.site.db = self.site.cluster.new_database(schema.Schema.install)
        self.site.schema = schema.Schema(self.site.db)
        self.site.server.config["dsn"] = self.site.db.dsn("provbox_server")
        self.site.smsc.config["dsn"] = self.site.db.dsn("provbox_smsc")

    def stop(self):
        self.site.db.drop()

    def complaints(self):
        return []


class Site:
    impatience = IMPATIENT  # {}: deadlines as a site has them that configures none
    bearerbox_class = kannel.Bearerbox

    def __init__(self, cluster, organization=pki.TEST_ORGANIZATION):
        # Short: Unix socket paths have 107 bytes.
        self.directory = pathlib.Path(
            tempfile.mkdtemp(prefix="provbox-", dir=paths.memory_directory()))
        self.cluster = cluster
        self.db = None
        self.schema = None
        self.pki = pki.Pki(self.directory / "pki", organization)
        self.running = []
        self.relays = []
        self.watched = []

        self.server_port = wait.free_port()
        self.airnet_port = wait.free_port()
        self.database = DatabasePart(self)
        self.billing = billing.Billing(self.directory, self.pki)
        self.verification = self.mail = None  # where a test adds them
        self.smscsim = smscsim.Smscsim(self.directory)
        self.bearerbox = self.bearerbox_class(self.directory, self.smscsim)
        self.server = daemon.Daemon("provbox-server", self.directory, self._server())
        self.smsc = daemon.Daemon("provbox-smsc", self.directory, self._smsc())
        self.gateway = daemon.Gateway("provbox-gateway", self.directory, self._gateway())

    def _server(self):
        p = self.pki
        grant_keys = self.directory / "grant.keys"
        pki.write_secret(
            grant_keys, f"{secrets.token_hex(8)} {secrets.token_hex(32)}\n".encode())
        return {
            "listen": [f"127.0.0.1:{self.server_port}"],
            "certificate": p.server_landnet.path,
            "key": p.server_landnet.key_path,
            "trust": p.landnet.path,
            "crl": p.landnet.crl_path,
            "provisioning_uri": f"https://{p.SRV}/",
            "grant_key_file": grant_keys,
            "proof_certificate": p.proof_leaf.path,
            "proof_key": p.proof_leaf.key_path,
            "billing_url": self.billing.url,
            "billing_trust": p.billing.path,
            **self.impatience.get("server", {}),
            "admin": f"unix:{self.directory}/server.sock",
            "user": "root",
            ("gateway", "test"): {"certificate": p.gateway_landnet.path},
        }

    def _smsc(self):
        return {
            ("bearerbox", "sim"): {"address": f"127.0.0.1:{self.bearerbox.box_port}"},
            "box_id": self.bearerbox.BOX_ID,
            **self.impatience.get("smsc", {}),
            "admin": f"unix:{self.directory}/smsc.sock",
            "user": "root",
        }

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
            **self.impatience.get("gateway", {}),
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
            if part is self.gateway:
                for counter in self.relays:
                    counter.begin()

    def second_centre(self):
        """Another message centre and a bearerbox of its own: start() "smscsim2" and
        "bearerbox2". The link to it is configured where the test says so."""
        directory = self.directory / "2"
        directory.mkdir()
        self.smscsim2 = smscsim.Smscsim(directory)
        self.bearerbox2 = kannel.Bearerbox(directory, self.smscsim2)
        return {"address": f"127.0.0.1:{self.bearerbox2.box_port}"}

    def relay_landnet(self):
        """Put a counting relay between gateway and server; before the gateway starts."""
        counter = relay.Relay(self.server_port)
        self.relays.append(counter)
        self.gateway.config["route", self.pki.SRV]["address"] = [
            f"127.0.0.1:{counter.port}"]
        return counter

    def device(self, leaf=None, address="127.0.0.1"):
        """A plain HTTPS client on the airnet, with a certificate or without."""
        return http.Client(self.airnet_port, self.pki.GATEWAY_NAME,
                           http.context(self.pki.airnet, leaf), host_header=self.pki.SRV,
                           address=address)

    def landnet(self, leaf=None):
        """A client in the gateway's place."""
        return landnet.Landnet(self.server_port, self.pki, leaf)

    def watch(self, program):
        """Have a program of the test end with the site, and its log be judged."""
        self.watched.append(program)

    def logs(self):
        """Every log of the site, for the report of a test that failed."""
        return {path.name: path.read_text(errors="replace")
                for path in sorted(self.directory.rglob("*.log"))}

    def finish(self):
        """End everything; what is wrong, in words."""
        problems = []
        for program in self.watched:
            if program.is_running():
                program.kill()
            problems += program.complaints()
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

    def keep(self):
        """A copy of all files that outlives the site; where it is."""
        kept = pathlib.Path(tempfile.mkdtemp(prefix="provbox-failed-")) / "site"
        shutil.copytree(self.directory, kept, symlinks=True, ignore=lambda folder, names: [
            name for name in names if (pathlib.Path(folder) / name).is_socket()])
        return kept

    def remove(self):
        shutil.rmtree(self.directory)
