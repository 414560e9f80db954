"""A device that sends what a test tells it, byte by byte.

    device = airnet.Device(site, leaf)
    device.send(b"GET /v1/device HTTP/1.1\\r\\nHost: ...")
    answer = device.receive()
"""

import http.client
import socket

from harness import http as plain
from harness.http import Answer

TIMEOUT_S = 15


class Device:
    """One session; `receive_bytes` makes the socket's own buffer small, `raw` is a socket
    that is connected already."""

    def __init__(self, site, leaf, receive_bytes=None, raw=None):
        self.srv = site.pki.SRV
        self.raw = raw or socket.socket()
        if receive_bytes:
            self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.raw.settimeout(TIMEOUT_S)
        if not raw:
            self.raw.connect(("127.0.0.1", site.airnet_port))
        self.raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        context = plain.context(site.pki.airnet, leaf)
        self.tls = context.wrap_socket(self.raw, server_hostname=site.pki.GATEWAY_NAME)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.tls.sendall(data)

    def head(self, line, *fields, host=None):
        """Send a request line and fields, as they stand; Host comes first."""
        lines = [line, f"Host: {host or self.srv}", *fields]
        self.send("".join(f"{text}\r\n" for text in [*lines, ""]).encode("latin-1"))

    def receive(self, method="GET"):
        """One whole answer; interim ones are passed over."""
        response = http.client.HTTPResponse(self.tls, method=method)
        response.begin()
        return Answer(response.status, response.msg, response.read())

    def ask(self, line, *fields, host=None):
        """One request without a body, and its answer."""
        self.head(line, *fields, host=host)
        return self.receive(line.split(" ")[0])

    def rest(self):
        """Everything up to the end of the session."""
        data = b""
        try:
            while piece := self.tls.recv(65536):
                data += piece
        except OSError:
            pass
        return data

    def close(self):
        self.tls.close()
