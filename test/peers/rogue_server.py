"""A server on the landnet leg that answers as a test tells it.

It runs in threads of the test, records every request with its time, and honestly
returns the exchange number; everything else is up to `answer`, which may give the bytes
of a whole response, or of a part of one. The control stream is honest, too, and not
recorded, unless `control` is set: a function that is given what writes a line; or unless
`has_control` is false: then it is asked for like anything else.
"""

import http.server
import json
import select
import ssl
import threading
import time
import types
from dataclasses import dataclass, field


@dataclass
class Request:
    method: str
    target: str
    headers: object
    body: object  # bytes, or what `take` made of them
    peer: bytes  # certificate of the client, DER
    connection: int  # the client's port: one for each connection
    at: float = field(default_factory=time.monotonic)

    def json(self):
        return json.loads(self.body)


@dataclass
class Response:
    status: int = 200
    body: object = None  # bytes, a generator of them (with a length in headers), or for JSON
    headers: dict = field(default_factory=dict)
    raw: bytes = None  # instead of all the above, as they stand
    is_last: bool = False  # the connection is cut after it


def honest_control(write):
    """Heartbeats, as long as there is somebody to hear them."""
    while write(b'{"hb":1}\n'):
        pass


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _read(self, size):
        data = self.rfile.read(size)
        if len(data) < size:
            raise ConnectionError("cut off in a body")
        return data

    def _line(self):
        line = self.rfile.readline()
        if not line.endswith(b"\n"):
            raise ConnectionError("cut off in a body")
        return line

    def _body(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self._line().split(b";")[0], 16):
                body += self._read(size)
                self._line()
            self._line()
            return body
        return self.server.owner.take(self._read, int(self.headers.get("Content-Length", 0)))

    def _control(self):
        owner = self.server.owner
        self.close_connection = True
        with owner.lock:
            owner.connections.discard(self.connection)
        number = self.headers.get("Provbox-Exchange", "")
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
                         b"Transfer-Encoding: chunked\r\nProvbox-Exchange: "
                         + number.encode() + b"\r\n\r\n")

        def write(line):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            # A gateway has nothing more to say here but that it goes.
            is_over, _, _ = select.select([self.connection], [], [], 0.1)
            return not is_over and not owner.is_closed.is_set()

        try:
            (owner.control or honest_control)(write)
        except OSError:
            pass

    def _handle(self):
        owner = self.server.owner
        if self.path == "/v1/control" and owner.has_control:
            self._control()
            return
        request = Request(self.command, self.path, self.headers, self._body(),
                          self.connection.getpeercert(binary_form=True),
                          self.client_address[1])
        with owner.lock:
            owner.requests.append(request)
        response = owner.answer(request)
        if response is None:
            self.close_connection = True
            return
        self.close_connection |= response.is_last
        if response.raw is not None:
            self.wfile.write(response.raw)
            return
        body = response.body
        is_stream = isinstance(body, types.GeneratorType)
        if not is_stream and not isinstance(body, (bytes, type(None))):
            body = json.dumps(body).encode()
        headers = {"Content-Type": "application/json",
                   "Content-Length": None if is_stream else len(body or b""),
                   "Provbox-Exchange": self.headers.get("Provbox-Exchange", ""),
                   **response.headers}
        self.send_response(response.status)
        for name, value in headers.items():
            if value is not None:
                self.send_header(name, str(value))
        self.end_headers()
        if self.command == "HEAD":
            return
        for piece in body if is_stream else [body or b""]:
            self.wfile.write(piece)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _handle

    def log_message(self, *_):
        """The test has `requests`."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024  # else the kernel drops what a pool opens at once

    def finish_request(self, request, client_address):
        try:
            with self.owner.context.wrap_socket(request, server_side=True) as tls:
                self._serve(tls, client_address)
        except OSError:
            pass  # the other side is under test and may leave at any time

    def _serve(self, tls, client_address):
        owner = self.owner
        if owner.greet and not owner.greet(tls):
            return
        with owner.lock:
            owner.connections.add(tls)
        try:
            super().finish_request(tls, client_address)
        finally:
            with owner.lock:
                owner.connections.discard(tls)


class RogueServer:
    """`answer(request)` gives a Response, or None to close without one.

    `take(read, size)` may be set for bodies that are too large to be kept: it reads all
    of one, and what it returns is the request's body. `greet(tls)` may be set to speak
    first on every connection; when it returns false, that is over.
    """

    def __init__(self, port, leaf, authority, answer):
        self.answer = answer
        self.take = lambda read, size: read(size)
        self.control = None
        self.has_control = True
        self.greet = None
        self.connections = set()
        self.is_closed = threading.Event()
        self.requests = []
        self.lock = threading.Lock()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(leaf.path, leaf.key_path)
        self.context.load_verify_locations(authority.path)
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.server = _Server(("127.0.0.1", port), _Handler)
        self.server.owner = self
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,),
                                       daemon=True)
        self.thread.start()

    def say(self, data):
        """Speak unasked on every connection but those of control streams."""
        with self.lock:
            for tls in self.connections:
                tls.sendall(data)

    def forwarded(self):
        """The requests of devices."""
        with self.lock:
            return [r for r in self.requests if r.target != "/v1/authentication"
                    and not r.target.startswith("/v1/sessions/")]

    def targets(self):
        with self.lock:
            return [request.target for request in self.requests]

    def close(self):
        self.is_closed.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)
