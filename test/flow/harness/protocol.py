"""The protocol of doc/proof.md once more, from its text: a second opinion for tests.

Shares no code with the product. Makes encodings and grants, reads proofs, and computes
channel bindings from the secrets of a handshake.
"""

import base64
import hashlib
import hmac
import json
import struct

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from harness.proof import base64url as b64u
from harness.proof import thumbprint

PROOF_TYP = "provbox-proof+jwt"
GRANT_SECONDS = 600


def sha256(data):
    return hashlib.sha256(data).digest()


def b64u_decode(text):
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    assert b64u(data) == text, "not canonical"
    return data


# -- encoding

def encode(label, fields):
    out = label.encode() + b"\0"
    for field in fields:
        if field is None:
            out += b"\xff\xff\xff\xff"
        else:
            out += struct.pack(">I", len(field)) + field
    return out


# -- channel binding (RFC 9266: an exporter with an empty context)

LABEL = b"EXPORTER-Channel-Binding"


def _hmac(algorithm, key, data):
    return hmac.new(key, data, algorithm).digest()


def _expand_label(algorithm, secret, label, context, length):
    """HKDF-Expand-Label of RFC 8446, 7.1, for one block of output or less."""
    full = b"tls13 " + label
    info = (struct.pack(">H", length) + bytes([len(full)]) + full
            + bytes([len(context)]) + context)
    return _hmac(algorithm, secret, info + b"\x01")[:length]


def binding_tls13(algorithm, exporter_secret):
    """RFC 8446, 7.5, from EXPORTER_SECRET of the key log."""
    empty = hashlib.new(algorithm).digest()
    size = len(empty)
    derived = _expand_label(algorithm, exporter_secret, LABEL, empty, size)
    return _expand_label(algorithm, derived, b"exporter", empty, 32)


def binding_tls12(algorithm, master_secret, client_random, server_random):
    """RFC 5705, 4: with a context there is a length, also when it is 0."""
    seed = LABEL + client_random + server_random + struct.pack(">H", 0)
    a = _hmac(algorithm, master_secret, seed)
    return _hmac(algorithm, master_secret, a + seed)[:32]


def binding(handshake):
    """Of one entry of test/vectors/exporter.json."""
    def secret(name):
        return bytes.fromhex(handshake[name])

    if handshake["version"] == "TLSv1.3":
        return binding_tls13(handshake["hash"], secret("exporter_secret"))
    return binding_tls12(handshake["hash"], secret("master_secret"),
                         secret("client_random"), secret("server_random"))


# -- grant

def grant_payload(gw, srv, sid, dev, cred, cbA, standing, epoch, iat, exp,
                  method="certificate"):
    return encode("provbox/1 grant payload", [
        gw, srv.encode(), sid, dev.encode(), method.encode(), cred, cbA,
        standing.encode(), struct.pack(">q", epoch), struct.pack(">q", iat),
        struct.pack(">q", exp)])


def grant(kid, key, payload):
    return kid + payload + _hmac("sha256", key,
                                 encode("provbox/1 grant", [kid, payload]))


# -- proof: made by proof.py, read here

def chain_of(header):
    """The certificates of a header, leaf first."""
    return [x509.load_der_x509_certificate(base64.b64decode(text, None, True))
            for text in header["x5c"]]


def read_proof(text):
    """Header and claims of a proof whose own leaf verifies it; asserts its form."""
    header_text, claims_text, signature_text = text.split(".")
    header = json.loads(b64u_decode(header_text))
    assert set(header) == {"alg", "typ", "kid", "x5c"}
    assert header["alg"] == "ES256" and header["typ"] == PROOF_TYP
    leaf = chain_of(header)[0]
    assert header["kid"] == thumbprint(leaf.public_key())
    signature = b64u_decode(signature_text)
    assert len(signature) == 64
    leaf.public_key().verify(
        utils.encode_dss_signature(int.from_bytes(signature[:32], "big"),
                                   int.from_bytes(signature[32:], "big")),
        f"{header_text}.{claims_text}".encode(), ec.ECDSA(hashes.SHA256()))
    return header, json.loads(b64u_decode(claims_text))
