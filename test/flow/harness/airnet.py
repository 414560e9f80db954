"""A device that sends what a test tells it, byte by byte.

    device = airnet.Device(site, leaf)
    device.send(b"GET /v1/device HTTP/1.1\\r\\nHost: ...")
    answer = device.receive()
"""

from harness import http
from harness.wire import Wire


class Device(Wire):
    """One session; `receive_bytes` and `raw` are as in Wire."""

    def __init__(self, site, leaf, receive_bytes=None, raw=None):
        self.srv = site.pki.SRV
        super().__init__(site.airnet_port, http.context(site.pki.airnet, leaf),
                         site.pki.GATEWAY_NAME, receive_bytes, raw)

    def head(self, line, *fields, host=None):
        """Send a request line and fields, as they stand; Host comes first."""
        lines = [line, f"Host: {host or self.srv}", *fields]
        self.send("".join(f"{text}\r\n" for text in [*lines, ""]).encode("latin-1"))

    def ask(self, line, *fields, host=None):
        """One request without a body, and its answer."""
        self.head(line, *fields, host=host)
        return self.receive(line.split(" ")[0])
