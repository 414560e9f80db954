"""The devices of `handset load`: made by `handset fleet`, imported as the operator would."""

import json
import os
import subprocess

from harness import paths

BATCH = 500


class Fleet:
    """Devices with the serial numbers 1 to count, which the operator has imported."""

    def __init__(self, site, count):
        self.site, self.count = site, count
        self.directory = site.directory / "fleet"
        self.made = self.run("fleet", *self.words(), "--count", count)
        records = (self.directory / "devices.csv").read_text().splitlines()
        names = records[0].split(",")
        self.records = [dict(zip(names, row.split(","), strict=True)) for row in records[1:]]
        for first in range(0, count, BATCH):
            site.schema.import_devices(*self.records[first:first + BATCH])

    def words(self):
        p = self.site.pki
        return ("--authority", p.device.path, "--authority-key", p.device.key_path,
                "--gateway", f"127.0.0.1:{self.site.airnet_port}",
                "--gateway-name", p.GATEWAY_NAME, "--uri", f"https://{p.SRV}/",
                "--airnet-root", p.airnet.path, "--proof-root", p.proof.path,
                "--radio", self.site.smscsim.radio)

    def argv(self, command, *words):
        return [paths.program("handset"), command, "--dir", self.directory, *map(str, words)]

    def run(self, command, *words, status=0):
        done = subprocess.run(self.argv(command, *words), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=120)
        assert done.returncode == status, done.stdout + done.stderr
        assert "Sanitizer" not in done.stderr and "runtime error" not in done.stderr
        return done.stdout

    def load(self, *words, status=0):
        return json.loads(self.run("load", "--json", "--count", self.count, *words,
                                   status=status))

    def measure(self, *words):
        """The report of a load whose progress is shown, and the CPU seconds that it took."""
        child = subprocess.Popen(self.argv("load", "--json", *words), stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, text=True)
        with child.stdout:
            report = child.stdout.read()
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        return json.loads(report), used.ru_utime + used.ru_stime
