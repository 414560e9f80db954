#!/usr/bin/python3
"""Make encode.json, grant.json and proof.json anew, by test/flow/harness/protocol.py.

Usage: make_auth_vectors.py DIRECTORY

The keys behind the certificates of proof.json are thrown away. The MAC key of
grant.json counts from 0 to 31 and is for this file alone.
"""

import base64
import datetime
import json
import pathlib
import sys
import types

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "flow"))

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from harness import proof, protocol

SRV = "prov.example.com:8443"
DEV = "urn:gsma:imei:35209900-176148-0"
IAT = 1795224000
FIRST, LAST = datetime.datetime(2026, 1, 1), datetime.datetime(2099, 12, 31)


def filled(name, n=32):
    """Distinct bytes for each field."""
    return protocol.sha256(name.encode())[:n]


CLAIMS = {"gw": filled("gw"), "srv": SRV, "sid": filled("sid", 16), "dev": DEV,
          "cred": filled("cred"), "cbA": filled("cbA")}


def hexed(values):
    return {k: v.hex() if isinstance(v, bytes) else v for k, v in values.items()}


def encode_vectors():
    cases = [
        ("provbox/1 grant", []),
        ("provbox/1 grant", [b""]),
        ("provbox/1 grant", [None]),
        ("provbox/1 grant", [filled("kid", 8), b"payload"]),
        ("provbox/1 grant payload", [b"a", b"", None, b"\0", b"\xff\xff\xff\xff"]),
        ("provbox/1 zone proof", [b"x" * 300, None, b"y"]),
        ("provbox/1 zone proof", [None, None, b"aaa", b"aaa"]),
        # The input is the example of RFC 8446, 4.4.3.
        ("provbox/1 signature", [
            filled("spki"), b"\x04\x03",
            b" " * 64 + b"TLS 1.3, server CertificateVerify\0" + b"\1" * 32]),
    ]
    return [{"label": label, "fields": [f if f is None else f.hex() for f in fields],
             "bytes": protocol.encode(label, fields).hex()} for label, fields in cases]


def grant_vectors():
    kid, key = bytes.fromhex("a0a1a2a3a4a5a6a7"), bytes(range(32))
    out = []
    for standing, epoch in (("active", 7), ("unprovisioned", 0), ("limited", 2**62)):
        fields = dict(CLAIMS, standing=standing, epoch=epoch, iat=IAT,
                      exp=IAT + protocol.GRANT_SECONDS)
        out.append(dict(hexed(fields), kid=kid.hex(), key=key.hex(), grant=protocol.grant(
            kid, key, protocol.grant_payload(**fields)).hex()))
    return out


def certificate(name, key, issuer=None, issuer_key=None, uri=None):
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (x509.CertificateBuilder().subject_name(subject)
               .issuer_name(issuer.subject if issuer else subject)
               .public_key(key.public_key()).serial_number(x509.random_serial_number())
               .not_valid_before(FIRST).not_valid_after(LAST)
               .add_extension(x509.BasicConstraints(uri is None, None), True))
    if uri:
        builder = builder.add_extension(x509.SubjectAlternativeName(
            [x509.UniformResourceIdentifier(uri)]), False)
    return builder.sign(issuer_key or key, hashes.SHA256())


def proof_vector():
    root_key, middle_key, leaf_key = (ec.generate_private_key(ec.SECP256R1())
                                      for _ in range(3))
    root = certificate("Vector proof root", root_key)
    middle = certificate("Vector proof issuer", middle_key, root, root_key)
    leaf = certificate("Vector proof", leaf_key, middle, middle_key, f"https://{SRV}/")
    fields = dict(CLAIMS, nG=filled("nG"), standing="unprovisioned", gh=filled("gh"),
                  iat=IAT)
    claims = {name: protocol.b64u(value) if isinstance(value, bytes) else value
              for name, value in dict(fields, v=1, method="certificate").items()}
    signer = types.SimpleNamespace(key=leaf_key, certificate=leaf)
    header = proof.header_of(signer, x5c=[
        base64.b64encode(c.public_bytes(serialization.Encoding.DER)).decode()
        for c in (leaf, middle)])
    return dict(hexed(fields), kid=header["kid"],
                root=root.public_bytes(serialization.Encoding.PEM).decode(),
                proof=proof.sign(signer, claims, header=header))


def main(directory):
    made = {"encode.json": encode_vectors(), "grant.json": grant_vectors(),
            "proof.json": proof_vector()}
    for name, vectors in made.items():
        pathlib.Path(directory, name).write_text(json.dumps(vectors, indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
