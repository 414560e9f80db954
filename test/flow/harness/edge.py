"""A gateway between an honest server and a rogue one, and what its handsets are told."""

import collections
import json
import re

from harness import airnet, pki, wait
from harness.schema import DEV2, device
from harness.stand_in import StandIn

ROGUE_NAME = "rogue.example.com"
ROGUE_SRV = f"{ROGUE_NAME}:9443"
ALIKE = (403, "authentication_failed")  # whatever failed
AWAY = (503, "server_unavailable")
HANDSETS = 4


class Edge:
    """An honest server with a handset that is connected all the time, and a rogue one
    behind a single link."""

    def __init__(self, site):
        p = site.pki
        self.site, self.gateway = site, site.gateway
        site.gateway.config["pool_size"] = 1
        self.rogue = StandIn(
            site, srv=ROGUE_SRV, port=self.route(ROGUE_SRV),
            tls=p.landnet.issue("rogue-landnet", dns=[ROGUE_NAME], usages=[pki.SERVER]),
            leaf=p.proof.issue("rogue-proof", uris=[f"https://{ROGUE_SRV}/"]))
        self.handsets = [p.device_leaf(f"handset-{n}", f"urn:gsma:imei:35209900-17615{n}-0")
                         for n in range(HANDSETS)]
        self.honest = site.device(p.device_leaf("honest", DEV2))

    def route(self, srv):
        """The port of a new route of the gateway's."""
        port = wait.free_port()
        self.gateway.config["route", srv] = {
            "address": [f"127.0.0.1:{port}"], "proof_root": self.site.pki.proof.path}
        return port

    def start(self):
        self.site.start("database", "server")
        self.site.schema.import_devices(device(DEV2, "+447700900124"))
        self.site.start("gateway")
        self.ask_honest()

    def ask_honest(self):
        answer = self.honest.get("/v1/device")
        assert answer.status == 200 and answer.json()["dev"] == DEV2

    def ask(self, line, srv=ROGUE_SRV, n=0):
        """One request on a session of its own; None when it was cut off."""
        with airnet.Device(self.site, self.handsets[n]) as handset:
            handset.head(line, "Connection: close", host=srv)
            return read_answer(handset.rest(), line)

    def counted(self, reason):
        return self.gateway.metrics()[f'provbox_gateway_session_ends_total{{reason="{reason}"}}']

    def expect_event(self, event, seen, what, **fields):
        """One such event more than were seen."""
        self.gateway.process.wait_for(
            lambda: len(self.gateway.events(event, **fields)) > seen, f"{what}: {fields}")
        assert len(self.gateway.events(event, **fields)) == seen + 1, what

    def expect_refused(self, told, reason, what, line="GET /v1/device HTTP/1.1", srv=ROGUE_SRV):
        """The handset is told so, and the reason is here."""
        seen = len(self.gateway.events("session_end", reason=reason))
        before = self.counted(reason)
        answer = self.ask(line, srv)
        assert answer and (answer.status, answer.reason) == told, what
        self.expect_event("session_end", seen, what, reason=reason)
        assert self.counted(reason) == before + 1, what

    def close(self):
        self.honest.close()
        self.rogue.close()


Told = collections.namedtuple("Told", "status body reason is_whole")


def read_answer(data, line):
    """An answer of the gateway from the bytes of a whole session."""
    if not data:
        return None
    head, _, body = data.partition(b"\r\n\r\n")
    status = int(head.split(b" ")[1])
    length = re.search(rb"\r\nContent-Length: (\d+)", head)
    if length and not line.startswith("HEAD"):
        is_whole = len(body) == int(length[1])
    elif b"\r\nTransfer-Encoding: chunked" in head:
        is_whole = body.endswith(b"0\r\n\r\n")
        body = b"".join(re.findall(rb"[0-9a-f]+\r\n(.*)\r\n", body))
    else:
        is_whole = not body
    reason = json.loads(body)["reason"] if b"problem+json" in head and body else None
    return Told(status, body, reason, is_whole)
