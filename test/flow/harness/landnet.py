"""A plain client in the gateway's place: authenticates for a device, then forwards.

It speaks the landnet leg as doc/landnet.md says, so that the server can be tested
without a gateway: every request carries its number on this connection, which must come
back, and, once granted, the grant.
"""

import base64
import secrets

from harness import http

METHOD = "certificate"


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Desync(AssertionError):
    """An answer without the number of its request."""


class Landnet:
    """One connection to the server at `port`, as the gateway of `pki`."""

    def __init__(self, port, pki, leaf=None):
        self.client = http.Client(port, pki.SERVER_NAME,
                                  http.context(pki.landnet, leaf or pki.gateway_landnet),
                                  host_header=pki.SRV)
        self.exchanges = 0
        self.grant = None
        self.sid = secrets.token_bytes(16)

    def request(self, method, target, body=None, headers=None):
        """One exchange; `headers` override grant and number, None leaves one out."""
        number = str(self.exchanges)
        all_headers = {"Provbox-Exchange": number, "Provbox-Grant": self.grant,
                       **(headers or {})}
        answer = self.client.request(
            method, target, body, {n: v for n, v in all_headers.items() if v is not None})
        self.exchanges += 1
        if answer.headers.get("Provbox-Exchange") != number:
            raise Desync(f"{method} {target}: exchange {number}, answered as "
                         f"{answer.headers.get('Provbox-Exchange')}")
        return answer

    def authentication(self, leaf, dev, **members):
        """Body of an authentication request for a device; members override."""
        return {"v": 1, "sid": base64url(self.sid), "nG": base64url(secrets.token_bytes(32)),
                "dev": dev, "method": METHOD,
                "cred": base64url(bytes.fromhex(leaf.fingerprint())),
                "cbA": base64url(secrets.token_bytes(32)), "want_proof": False, **members}

    def authenticate(self, leaf, dev, **members):
        """The authentication information; its grant is used from now on."""
        answer = self.request("POST", "/v1/authentication",
                              self.authentication(leaf, dev, **members),
                              headers={"Provbox-Grant": None})
        assert answer.status == 200, answer
        self.grant = answer.json().get("grant")
        return answer.json()

    def reconnect(self):
        self.client.close()
        self.exchanges = 0

    def close(self):
        self.reconnect()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
