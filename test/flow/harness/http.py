"""A plain HTTPS client: one request, one answer, certificates of the test's choice."""

import http.client
import json
import socket
import ssl
from dataclasses import dataclass

TIMEOUT_S = 15


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self):
        return json.loads(self.body)


def context(authority, leaf=None):
    """TLS of a client that trusts one authority and shows one certificate, or none."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.load_verify_locations(authority.path)
    if leaf:
        made.load_cert_chain(leaf.path, leaf.key_path)
    return made


class Client:
    """A kept connection to a loopback address, verified as `name`."""

    def __init__(self, port, name, tls, host_header=None, address="127.0.0.1"):
        self.address, self.port, self.name, self.tls = address, port, name, tls
        self.host_header = host_header or name
        self.connection = None

    def connect(self):
        raw = socket.create_connection((self.address, self.port), TIMEOUT_S)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            tls = self.tls.wrap_socket(raw, server_hostname=self.name)
        except OSError:
            raw.close()
            raise
        self.connection = http.client.HTTPConnection(self.name, self.port)
        self.connection.sock = tls

    def request(self, method, target, body=None, headers=None):
        """Send a request; a dict or list as body is sent as JSON."""
        if self.connection is None or self.connection.sock is None:
            self.connect()
        all_headers = {"Host": self.host_header, **(headers or {})}
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
            all_headers.setdefault("Content-Type", "application/json")
        self.connection.request(method, target, body, all_headers)
        response = self.connection.getresponse()
        return Answer(response.status, response.msg, response.read())

    def get(self, target, **knobs):
        return self.request("GET", target, **knobs)

    def put(self, target, body, **knobs):
        return self.request("PUT", target, body, **knobs)

    def post(self, target, body, **knobs):
        return self.request("POST", target, body, **knobs)

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
