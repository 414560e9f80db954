"""The message centre as a process, and a bare handset on its radio side."""

import json
import secrets
import socket

from harness import paths, pki, process, wait

TIMEOUT_S = 10


class Smscsim:
    """smscsim with options of the test's choice, as {"latency-ms": 50}."""

    def __init__(self, directory):
        self.directory = directory
        self.port = wait.free_port()
        self.system_id = "kannel"
        self.password = secrets.token_hex(4)
        self.radio = directory / "radio.sock"
        self.options = {}
        self.process = None

    def start(self):
        password_path = self.directory / "smpp.password"
        pki.write_secret(password_path, self.password.encode())
        chosen = {"port": self.port, "radio": self.radio, "password-file": password_path,
                  "system-id": self.system_id, **self.options}
        argv = [paths.program("smscsim")]
        for name, value in chosen.items():
            argv += [f"--{name}", value]
        self.process = process.Process("smscsim", argv, self.directory)
        self.process.wait_event("listening")

    def stop(self):
        """It exits with 1 when its client broke the protocol."""
        status = self.process.stop()
        assert status == 0, f"smscsim ended with {status}\n{self.process.tail()}"

    def complaints(self):
        return self.process.complaints()


class Radio:
    """A handset without anything inside: attached with a number, raw message parts."""

    def __init__(self, path, number):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(TIMEOUT_S)
        self.socket.connect(str(path))
        self.file = self.socket.makefile("rw", encoding="utf-8", newline="\n")
        self.parts = []
        self.write({"attach": number})
        assert self.read() == {"attached": number}

    def write(self, line):
        self.file.write(json.dumps(line) + "\n")
        self.file.flush()

    def read(self):
        line = self.file.readline()
        assert line, "the message centre closed the radio connection"
        return json.loads(line)

    def next_part(self):
        """The next message part that comes over the air."""
        return self.parts.pop(0) if self.parts else self.read()["part"]

    def send(self, to, text):
        """Send a message part of GSM-7 characters that are ASCII; its answer."""
        self.write({"send": {"to": to, "dcs": 0, "udh": "", "data": text.encode().hex()}})
        while "part" in (line := self.read()):
            self.parts.append(line["part"])
        return line

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
