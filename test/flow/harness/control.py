"""The control stream as a gateway hears it."""

import json
import time

from harness import landnet

HEARTBEAT = {"hb": 1}


def end(dev, reason="device_blocked"):
    """The line that says so of a device, or of all: "*"."""
    return f'{{"end":"{dev}","epoch":1,"reason":"{reason}"}}\n'.encode()


class Ended(Exception):
    """The server has ended the stream, or cut it."""


class Stream:
    """GET /v1/control on a connection of its own."""

    def __init__(self, site, leaf=None):
        self.link = landnet.Landnet(site.server_port, site.pki, leaf)
        client = self.link.client
        client.connect()
        client.connection.request("GET", "/v1/control", headers={
            "Host": client.host_header, "Provbox-Exchange": "0"})
        self.answer = client.connection.getresponse()

    def read(self):
        """The next line, as bytes; raises Ended, or TimeoutError after 15 s of silence."""
        try:
            line = self.answer.readline()
        except ConnectionError as error:
            raise Ended from error
        if not line.endswith(b"\n"):
            raise Ended
        return line

    def read_change(self):
        """The next line that is no heartbeat."""
        while json.loads(line := self.read()) == HEARTBEAT:
            pass
        return line

    def change(self):
        """(end, reason) of the next change, and how long it took."""
        start = time.monotonic()
        line = json.loads(self.read_change())
        assert set(line) == {"end", "epoch", "reason"}
        return (line["end"], line["reason"]), time.monotonic() - start

    def expect_end(self):
        """What the server still says, then the end of the stream."""
        lines = []
        try:
            while True:
                lines.append(json.loads(self.read()))
        except Ended:
            return lines

    def close(self):
        self.link.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
