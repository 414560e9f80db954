"""An operator's desk: a folder in which what manual and documents show can be typed.

Programs are found by their names and know their configurations; what the documents call
DEV, ID, NUMBER and so on is there, and paths of an installed system lie in the folder.
"""

import os
import re
import subprocess

from harness import paths, pki
from harness.daemon import config_text
from harness.postgres import SQL
from harness.schema import CRED, DEV, NUMBER

REQUEST = "0b7a3a58-7e0c-4d6f-9d2e-6a1c0f5e2b91"
DEVICES = """dev,msisdn,model,given_name,family_name,postcode
urn:gsma:imei:35209900-176149-0,+447700900124,Example One,Alan,Turing,CB3 9AA
"""
# A daemon that stays in the foreground is ended when it is ready.
DAEMON = """#!/bin/sh
case $* in *-t*) exec {program} -c {conf} "$@" ;; esac
{program} -c {conf} 2>{log} &
until grep -q ev=ready {log} || ! kill -0 $!; do sleep 0.05; done
kill $! && wait $!
"""


class Desk:
    def __init__(self, site):
        site.start("database")
        self.site, self.schema, self.folder = site, site.schema, site.directory
        self.cluster = site.cluster
        self.made = f"made_at_desk_{os.getpid()}"  # by `db init`
        pki.write_secret(self.folder / "seal.keys", b"0011223344556677 " + b"5a" * 32 + b"\n")
        self._write("provctl.conf", f'dsn = "{site.db.dsn("provbox_operator")}"\n'
                    f'admin_dsn = "{site.db.dsn("postgres")}"\n'
                    f'sql_dir = "{SQL}"\nseal_key_file = "seal.keys"\n')
        self.write_config("server.conf", site.server)
        self._write("letter.txt", "The code is 1234.\n")
        self._write("devices.csv", DEVICES)
        for name in ("contrib", "test", "provisioning"):
            (self.folder / name).symlink_to(paths.SOURCE / name)
        # What a person has copied.
        (self.folder / "catalogue").symlink_to(paths.SOURCE / "contrib/catalogue")
        (self.folder / "ca.cnf").symlink_to(paths.SOURCE / "contrib/examples/ca.cnf")
        (self.folder / "bin").mkdir()
        self._program("provctl", f'#!/bin/sh\nexec {paths.program("provctl")} "$@"'
                                 f" -c {self.folder}/provctl.conf\n")
        self._program("provbox-server", DAEMON.format(
            program=paths.program("provbox-server"), conf=self.folder / "server.conf",
            log=self.folder / "at-desk.err"))
        self.number = ""  # of a row of the outbox or a notice

    def _write(self, name, text):
        (self.folder / name).write_text(text)

    def _program(self, name, script):
        self._write(f"bin/{name}", script)
        (self.folder / "bin" / name).chmod(0o755)

    def write_config(self, name, daemon):
        self._write(name, config_text(daemon.config))

    def put_request(self):
        """The request of which the documents speak, with its terms offered."""
        (row,) = self.schema.table("select version from catalogue where is_current")
        self.schema.catalogue = row["version"]
        status, reason, _ = self.schema.put(request=REQUEST)
        assert (status, reason) == (201, None)

    def bury_work(self):
        """All work is dead; `number` is a row of it."""
        self.schema.table("select outbox_bury(id, 'courier', 'given_up', null) from outbox")
        (row,) = self.schema.table("select max(id) as id from outbox where state = 'dead'")
        self.number = str(row["id"])

    def send_notice(self):
        """`number` is a notice that was sent, of a request that is open."""
        request = self.schema.offered("voice-mail")
        self.schema.send_all()
        (row,) = self.schema.table("select n.id from notice n join request r on r.rid = n.request"
                                   " where r.id = %s", request)
        self.number = str(row["id"])

    def fill_in(self, text):
        """What the documents leave open, or have elsewhere."""
        for shown, here in (
                ("host=/run/postgresql dbname=provbox user=postgres",
                 self.cluster.dsn(self.made, "postgres")),
                ("/run/provbox/", f"{self.folder}/"), ("/etc/provbox/", f"{self.folder}/"),
                ("DEV", DEV), ("CRED", CRED.hex()), ("NUMBER", NUMBER), ("CODE", "landnet_busy"),
                ("REASON OUTCOME", "device_unknown limited"),
                ("FOLDER", "catalogue")):
            text = text.replace(shown, here)
        text = re.sub(r"\b(request \w+) ID\b", rf"\1 {REQUEST}", text)
        text = re.sub(r"\b((?:outbox|notice) \w+) (?:ID|42)\b", rf"\1 {self.number}", text)
        # What goes on until Ctrl-C goes on for a while.
        return re.sub(r"^(.*--(?:watch|follow).*)$", r"timeout 3 \1 || test $? = 124", text,
                      flags=re.M)

    def run(self, text, **environment):
        return subprocess.run(
            ["bash", "-ec", self.fill_in(text)], cwd=self.folder, text=True, timeout=60,
            stdin=subprocess.DEVNULL, capture_output=True,
            env={**os.environ, **environment,
                 "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}"})

    def close(self):
        self.cluster.execute(f"drop database if exists {self.made}")
