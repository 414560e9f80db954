"""The server's proof made by a second implementation (security: version 1, 4.3).

sign() makes a good one; its knobs make every kind that must be refused.
"""

import base64
import hashlib
import hmac
import json
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

SCALAR_BYTES = 32


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def thumbprint(public_key):
    """RFC 7638, for P-256."""
    numbers = public_key.public_numbers()
    members = {"crv": "P-256", "kty": "EC",
               "x": base64url(numbers.x.to_bytes(SCALAR_BYTES, "big")),
               "y": base64url(numbers.y.to_bytes(SCALAR_BYTES, "big"))}
    text = json.dumps(members, separators=(",", ":"), sort_keys=True)
    return base64url(hashlib.sha256(text.encode()).digest())


def claims_of(authentication, gw, srv, standing, grant):
    """The claims that answer an authentication request; gw in hex, grant in bytes."""
    taken = {name: authentication[name] for name in ("sid", "nG", "dev", "method", "cred", "cbA")}
    return {"v": 1, "gw": base64url(bytes.fromhex(gw)), "srv": srv, **taken,
            "standing": standing, "gh": base64url(hashlib.sha256(grant).digest()),
            "iat": int(time.time())}


def header_of(leaf, **members):
    """The protected header; a member that is None is left out."""
    der = leaf.certificate.public_bytes(serialization.Encoding.DER)
    header = {"alg": "ES256", "typ": "provbox-proof+jwt",
              "kid": thumbprint(leaf.key.public_key()),
              "x5c": [base64.b64encode(der).decode()], **members}
    return {name: value for name, value in header.items() if value is not None}


def es256(key, data):
    r, s = utils.decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(SCALAR_BYTES, "big") + s.to_bytes(SCALAR_BYTES, "big")


def hs256(key, data):
    """What a verifier that believes `alg` would accept with the public key as secret."""
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hmac.new(public, data, hashlib.sha256).digest()


def sign(leaf, claims, *, header=None, signer=es256, key=None, payload=None):
    """A compact JWS over the claims, or over `payload` where its text matters."""
    head = json.dumps(header or header_of(leaf), separators=(",", ":"))
    body = payload or json.dumps(claims, separators=(",", ":"))
    signed = f"{base64url(head.encode())}.{base64url(body.encode())}"
    return f"{signed}.{base64url(signer(key or leaf.key, signed.encode()))}"
