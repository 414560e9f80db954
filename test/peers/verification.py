#!/usr/bin/python3
"""Stand-in for a verification service: says yes over HTTPS, or what it is told to say.

Each question becomes a line of the records file, as events do in billing.py. What it
answers by itself is `verified`. Other paths:

    GET  /records   the lines of the records file
    PUT  /faults    as billing.py, and besides: {"answer": {...}} members of the answer,
                    null leaves one out; {"body": "..."} these bytes; {"type": "..."}

It demands a client certificate and a bearer token where it has been given
--client-trust and --token. Its protocol is doc/verification.md; nothing here is part of
Provbox.
"""

import argparse
import json
import ssl
import time

import billing


class Handler(billing.Handler):
    token = None
    wants_certificate = False

    def do_POST(self):
        body = self.body()
        if body is None:
            return None
        fault = self.ledger.take_fault()
        time.sleep(fault.get("delay_s", 0))
        if fault.get("drop"):
            self.close_connection = True
            return None
        if self.wants_certificate and not self.connection.getpeercert():
            return self.answer(403)
        if self.token and self.headers.get("Authorization") != f"Bearer {self.token}":
            return self.answer(401)
        question = json.loads(body)
        if self.ledger.record(self.headers["Idempotency-Key"].strip('"'), body, question) == 422:
            return self.answer(422)
        said = {"id": question["id"], "result": "verified", **fault.get("answer", {})}
        data = fault.get("body") or json.dumps(
            {name: value for name, value in said.items() if value is not None})
        return self.say(fault.get("status", 200), fault.get("type", "application/json"),
                        data.encode())

    def say(self, status, media_type, data):
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Server(billing.Server):
    handler = Handler


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    billing.add_options(options)
    options.add_argument("--client-trust", metavar="FILE", help="PEM anchors of clients")
    options.add_argument("--token", help="the bearer token that is demanded")
    chosen = options.parse_args()
    context = billing.make_context(chosen)
    if chosen.client_trust:
        context.verify_mode = ssl.CERT_OPTIONAL  # those who set faults have none
        Handler.wants_certificate = True
        context.load_verify_locations(chosen.client_trust)
    Handler.token = chosen.token
    billing.serve(Server, chosen, context)


if __name__ == "__main__":
    main()
