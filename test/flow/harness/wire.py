"""A TLS session with a program under test, byte by byte."""

import http.client
import socket

from harness.http import Answer

TIMEOUT_S = 15


class Wire:
    """One session to a loopback port; `receive_bytes` makes the socket's own buffer small,
    `raw` is a socket that is connected already."""

    def __init__(self, port, context, name, receive_bytes=None, raw=None):
        self.raw = raw or socket.socket()
        if receive_bytes:
            self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.raw.settimeout(TIMEOUT_S)
        if not raw:
            self.raw.connect(("127.0.0.1", port))
        self.raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.tls = context.wrap_socket(self.raw, server_hostname=name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.tls.sendall(data)

    def receive(self, method="GET"):
        """One whole answer; interim ones are passed over."""
        response = http.client.HTTPResponse(self.tls, method=method)
        response.begin()
        return Answer(response.status, response.msg, response.read())

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
