"""The stand-in billing receiver as a process, and what it has received."""

import json
import sys

from harness import http, paths, process, wait


class Billing:
    """test/peers/billing.py on a port of its own."""

    NAME = "billing"
    PATH = "/events"

    def __init__(self, directory, pki):
        self.directory = directory
        self.pki = pki
        self.port = wait.free_port()
        self.records_path = directory / f"{self.NAME}.jsonl"
        self.process = None

    @property
    def url(self):
        return f"https://localhost:{self.port}{self.PATH}"

    def start(self):
        leaf = self.pki.billing_server
        self.process = process.Process(
            self.NAME,
            [sys.executable, paths.SOURCE / "test" / "peers" / f"{self.NAME}.py",
             "--listen", f"127.0.0.1:{self.port}", "--certificate", leaf.path,
             "--key", leaf.key_path, "--records", self.records_path, *self.options()],
            self.directory)
        self.process.wait_port(self.port)

    def options(self):
        return []

    def client(self):
        return http.Client(self.port, "localhost", http.context(self.pki.billing))

    def records(self):
        if not self.records_path.exists():
            return []
        return [json.loads(line) for line in self.records_path.read_text().splitlines()]

    def set_fault(self, **fault):
        """Faults of test/peers/billing.py: status, times, delay_s, drop; none ends it."""
        with self.client() as client:
            assert client.put("/faults", fault).status == 204

    def stop(self):
        self.process.kill()

    def complaints(self):
        return [f"{self.NAME}: {line}" for line in self.process.lines() if "Traceback" in line]
