"""A daemon of Provbox: its configuration as a dictionary, its process, its end.

    gateway.config["pool_size"] = 2
    gateway.config["route", "prov.example.com:8443"] = {"address": ["127.0.0.1:9443"]}
"""

import http.client
import json
import socket

from harness import paths, process, wait


def _value(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, (list, tuple)):
        return "{" + ", ".join(map(_value, value)) + "}"
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def config_text(config, indent=""):
    """The syntax of a configuration file; a key (name, title) is a section."""
    lines = []
    for key, value in config.items():
        if isinstance(key, tuple):
            name, title = key
            lines.append(f"{indent}{name} {_value(title)} {{\n"
                         f"{config_text(value, indent + '    ')}{indent}}}\n")
        else:
            lines.append(f"{indent}{key} = {_value(value)}\n")
    return "".join(lines)


class Daemon:
    """start() returns when the daemon says ev=ready; stop() wants a clean end."""

    def __init__(self, program, directory, config):
        self.program = program
        self.directory = directory
        self.config = config
        self.allowed_errors = set()
        self.prefix = []  # a program with arguments that starts it
        self.env = {}
        self.process = None

    def start(self):
        path = self.directory / f"{self.program}.conf"
        path.write_text(config_text(self.config))
        # The log of an earlier start is in the same file.
        before = len(self.process.events("ready")) if self.process else 0
        self.process = process.Process(
            self.program, [*self.prefix, paths.program(self.program), "-c", path],
            self.directory, env=self.env)
        self.process.wait_for(lambda: len(self.process.events("ready")) > before,
                              "ev=ready")

    def restart(self):
        self.stop()
        self.start()

    def stop(self):
        """A test that ends the daemon itself, by kill(), has no clean end to ask for."""
        if self.process.exit_status is not None:
            return
        status = self.process.stop()
        assert status == 0, f"{self.program} ended with {status}\n{self.process.tail()}"

    def kill(self):
        self.process.kill()

    def events(self, event=None, **fields):
        return self.process.events(event, **fields)

    def wait_event(self, event, **fields):
        return self.process.wait_event(event, **fields)

    def expect_errors(self, *events):
        """Name ERROR events in advance that this test provokes."""
        self.allowed_errors.update(events)

    def ask_admin(self, path):
        """(status, body) of the admin listener on its Unix socket."""
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(10)
        connection.sock.connect(self.config["admin"].removeprefix("unix:"))
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, body

    def status(self):
        return json.loads(self.ask_admin("/status.json")[1])

    def metrics(self):
        """{name with labels: value}."""
        text = self.ask_admin("/metrics")[1].decode()
        return {name: float(value) for name, value in
                (line.rsplit(" ", 1) for line in text.splitlines() if line[:1] != "#")}

    def workers(self):
        """Pids of all processes below the supervisor."""
        return process.descendants(self.process.pid)

    def complaints(self):
        return self.process.complaints(self.allowed_errors)


class Gateway(Daemon):
    """start() returns when each worker hears a control stream of each server that is there:
    before it does, each request authenticates. A server that has none to give is not
    waited for but for SOON_S."""

    SOON_S = 3

    def start(self):
        heard = self.n_heard()
        super().start()
        servers = [address for key, route in self.config.items() if key[0] == "route"
                   for address in route["address"]
                   if wait.is_listening(int(address.rpartition(":")[2]))]
        wanted = heard + len(servers) * self.config.get("workers", 1)
        wait.in_vain_until(lambda: self.n_heard() >= wanted, self.SOON_S)

    def n_heard(self):
        return len(self.events("control_up")) if self.process else 0
