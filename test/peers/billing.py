#!/usr/bin/python3
"""Stand-in for a billing system: receives CloudEvents 1.0 over HTTPS and keeps them.

Each accepted POST becomes one line of the records file: {"at", "key", "repeated",
"event"}. An Idempotency-Key that was seen before is answered 200 and marked repeated;
with another body it is refused with 422. Other paths:

    GET  /records   the lines of the records file
    PUT  /faults    {"status": 503, "times": 2} answer so; {"delay_s": 1} first wait;
                    {"drop": true} close without an answer; {} ends the fault.
                    "times" counts down; without it the fault stays.

Its protocol is doc/billing.md; nothing here is part of Provbox.
"""

import argparse
import datetime
import hashlib
import http.server
import json
import re
import ssl
import sys
import threading
import time

CONTENT_TYPE = "application/cloudevents+json"
REQUIRED = ("specversion", "id", "source", "type")
KEY = re.compile(r"[\x21-\x7e]{1,255}")
LIMIT_BYTES = 64 * 1024


def problem_of(headers, event):
    """Why an event is refused, or None."""
    media_type = headers.get("Content-Type", "").split(";")[0].strip().lower()
    if media_type != CONTENT_TYPE:
        return f"Content-Type is {media_type!r}, not {CONTENT_TYPE}"
    if not KEY.fullmatch(headers.get("Idempotency-Key", "").strip('"')):
        return "Idempotency-Key is missing or malformed"
    if not isinstance(event, dict):
        return "the body is not an object"
    for name in REQUIRED:
        if not isinstance(event.get(name), str) or not event[name]:
            return f"attribute {name} is missing"
    if event["specversion"] != "1.0":
        return "specversion is not 1.0"
    return None


class Ledger:
    """The records and the faults, shared by all connections."""

    def __init__(self, path):
        self.lock = threading.Lock()
        self.path = path
        self.bodies = {}  # key: SHA-256 of its body
        self.fault = {}
        open(path, "a").close()

    def record(self, key, body, event):
        """Status of the answer: 202 new, 200 repeated, 422 another body under the key."""
        digest = hashlib.sha256(body).digest()
        with self.lock:
            is_repeated = key in self.bodies
            if self.bodies.setdefault(key, digest) != digest:
                return 422
            at = datetime.datetime.now(datetime.timezone.utc).isoformat(
                timespec="milliseconds")
            with open(self.path, "a") as file:
                file.write(json.dumps({"at": at, "key": key, "repeated": is_repeated,
                                       "event": event}) + "\n")
            return 200 if is_repeated else 202

    def take_fault(self):
        with self.lock:
            fault = dict(self.fault)
            if "times" in self.fault:
                self.fault["times"] -= 1
                if self.fault["times"] <= 0:
                    self.fault = {}
            return fault


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    ledger = None

    def answer(self, status, body=None):
        data = json.dumps(body).encode() if body is not None else b""
        self.send_response(status)
        if data:
            self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def body(self):
        """The request's body; None after an answer that refuses it."""
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > LIMIT_BYTES:
            self.close_connection = True
            self.answer(413 if length.isdigit() else 411)
            return None
        return self.rfile.read(int(length))

    def do_GET(self):
        if self.path != "/records":
            return self.answer(404)
        with open(self.ledger.path) as file:
            return self.answer(200, [json.loads(line) for line in file])

    def do_PUT(self):
        if self.path != "/faults":
            return self.answer(404)
        body = self.body()
        if body is not None:
            with self.ledger.lock:
                self.ledger.fault = json.loads(body)
            self.answer(204)
        return None

    def do_POST(self):
        body = self.body()
        if body is None:
            return None
        fault = self.ledger.take_fault()
        time.sleep(fault.get("delay_s", 0))
        if fault.get("drop"):
            self.close_connection = True
            return None
        if "status" in fault:
            return self.answer(fault["status"])
        try:
            event = json.loads(body)
        except ValueError:
            event = None
        if why := problem_of(self.headers, event):
            return self.answer(400, {"problem": why})
        key = self.headers["Idempotency-Key"].strip('"')
        return self.answer(self.ledger.record(key, body, event))

    def log_message(self, format, *args):
        sys.stderr.write(f"{self.command} {self.path} {args[1] if len(args) > 1 else ''}\n")


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    handler = Handler

    def __init__(self, address, context):
        super().__init__(address, self.handler)
        self.context = context

    def finish_request(self, request, client_address):
        """The handshake belongs to the connection's own thread."""
        try:
            with self.context.wrap_socket(request, server_side=True) as tls:
                super().finish_request(tls, client_address)
        except (ssl.SSLError, ConnectionError) as error:
            sys.stderr.write(f"connection ended: {error}\n")


def add_options(options):
    options.add_argument("--listen", required=True, metavar="IP:PORT")
    options.add_argument("--certificate", required=True, help="PEM file")
    options.add_argument("--key", required=True, help="PEM file")
    options.add_argument("--records", required=True, help="file that grows by JSON lines")


def make_context(chosen):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(chosen.certificate, chosen.key)
    return context


def serve(server, chosen, context):
    host, port = chosen.listen.rsplit(":", 1)
    Handler.ledger = Ledger(chosen.records)
    try:
        server((host, int(port)), context).serve_forever()
    except KeyboardInterrupt:
        pass


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_options(options)
    chosen = options.parse_args()
    serve(Server, chosen, make_context(chosen))


if __name__ == "__main__":
    main()
