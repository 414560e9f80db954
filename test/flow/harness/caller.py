"""A device's calls to the server, made in the gateway's place, each held against
doc/openapi.yaml.

    caller = Caller(site, openapi.Api())
    caller.authenticate()
    caller.ask("GET", "/v1/device", 200)
"""

import secrets
import time
import uuid

from harness import landnet, protocol
from harness.schema import DEV, TERMS, digest


class Caller:
    """One connection of one gateway that speaks for one device."""

    def __init__(self, site, api, dev=DEV, gateway=None, leaf=None):
        self.site, self.api, self.dev = site, api, dev
        self.gateway = gateway or site.pki.gateway_landnet
        self.link = site.landnet(self.gateway)
        self.leaf = leaf or site.pki.only_leaf(dev)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.link.close()

    def ask(self, method, target, status, body=None, reason=None, **headers):
        """The answer; its status, its reason and its shape are as expected."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        if target in ("/v1/authentication", "/v1/control") or target.endswith("/end"):
            fields.setdefault("Provbox-Grant", None)
        answer = self.link.request(method, target, body, fields)
        self.api.check(method, target, answer)
        said = answer.json().get("reason") if answer.status >= 400 else None
        assert (answer.status, said if reason else None) == (status, reason), answer
        return answer

    def authenticate(self, status=200, **members):
        """The authentication information; its grant is used from now on."""
        body = self.link.authentication(self.leaf, self.dev, **members)
        answer = self.ask("POST", "/v1/authentication", status, body)
        self.link.grant = answer.json().get("grant")
        return answer.json()

    def mint(self, *, kid=None, key=None, seconds=protocol.GRANT_SECONDS, **changes):
        """A grant by test/flow/harness/protocol.py, as the server would make it for this
        caller now, but for the changes."""
        own_kid, own_key = (self.site.directory / "grant.keys").read_text().split()
        issued = changes.get("iat", int(time.time()))
        fields = {"gw": bytes.fromhex(self.gateway.spki_hash()), "srv": self.site.pki.SRV,
                  "sid": self.link.sid, "dev": self.dev,
                  "cred": bytes.fromhex(self.leaf.fingerprint()),
                  "cbA": secrets.token_bytes(32), "standing": "unprovisioned",
                  "epoch": self.site.schema.epoch(self.dev), "iat": issued,
                  "exp": issued + seconds, **changes}
        return protocol.b64u(protocol.grant(bytes.fromhex(kid or own_kid),
                                            key or bytes.fromhex(own_key),
                                            protocol.grant_payload(**fields)))

    def end_body(self, **members):
        body = self.link.authentication(self.leaf, self.dev)
        return {**{name: body[name] for name in ("v", "sid", "dev", "method", "cred")},
                "reason": "client_closed", **members}

    def end_path(self):
        return f"/v1/sessions/{landnet.base64url(self.link.sid)}/end"

    def new_path(self):
        return f"/v1/requests/{uuid.uuid4()}"

    def offered(self, *items):
        """Path of a new request whose terms are offered."""
        path = self.new_path()
        request = self.ask("PUT", path, 201, self.site.schema.body(*items, dev=self.dev)).json()
        assert request["state"] == "offered", request
        return path

    def accepted(self, *items, language="en"):
        path = self.offered(*items)
        terms = digest(TERMS[language].encode()).hex()
        self.ask("PUT", f"{path}/answer", 200, {"answer": "accept", "sha256": terms})
        return path
