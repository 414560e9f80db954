"""A stand-in for provbox-server: honest, but for what a test sets; None leaves out.

    stand_in = StandIn(site)
    stand_in.respond = lambda request: Response(200, {"hello": request.target})
    stand_in.ask("/v1/device")

It lets every device in, with a grant of its own making. What devices ask is answered by
`respond`, and recorded in `server.requests`.
"""

import hashlib
import secrets
import time

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from rogue_server import Response, RogueServer

from harness import proof
from harness.schema import DEV

AUTHENTICATION = "/v1/authentication"


class StandIn:
    def __init__(self, site, *, srv=None, port=None, tls=None, leaf=None):
        p = site.pki
        self.site = site
        self.srv = srv or p.SRV
        self.leaf = leaf or p.proof_leaf
        self.grant = secrets.token_bytes(64)
        self.standing = "active"
        self.claims = {}
        self.header = {}
        self.sign = {}
        self.information = {}
        self.delay_s = 0
        self.number = None
        self.respond = lambda request: Response(200, {"forwarded": request.target})
        self.device = p.device_leaf(f"handset-{secrets.token_hex(4)}", DEV)
        self.server = RogueServer(port or site.server_port, tls or p.server_landnet,
                                  p.landnet, self.answer)

    def answer(self, request):
        if request.target.startswith("/v1/sessions/"):
            return Response(204, headers={"Content-Length": None, "Content-Type": None})
        if request.target == AUTHENTICATION:
            time.sleep(self.delay_s)
            response = Response(200, self._information(request))
        else:
            response = self.respond(request)
        if response and self.number is not None:
            response.headers["Provbox-Exchange"] = self.number
        return response

    def _information(self, request):
        asked = request.json()
        spki = x509.load_der_x509_certificate(request.peer).public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        information = {"v": 1, "sid": asked["sid"], "nG": asked["nG"],
                       "standing": self.standing, "grant": proof.base64url(self.grant)}
        if asked["want_proof"]:
            claims = proof.claims_of(asked, hashlib.sha256(spki).hexdigest(), self.srv,
                                     self.standing, self.grant)
            claims.update(self.claims)
            claims = {name: value for name, value in claims.items() if value is not None}
            information["proof"] = proof.sign(
                self.leaf, claims, header=proof.header_of(self.leaf, **self.header), **self.sign)
        information.update(self.information)
        return {name: value for name, value in information.items() if value is not None}

    def ask(self, target="/.provbox/session", method="GET", body=None):
        """One request on a session of its own."""
        with self.site.device(self.device) as client:
            return client.request(method, target, body)

    def close(self):
        self.server.close()
