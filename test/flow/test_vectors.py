"""The vectors of test/vectors by a second implementation.

test/unit holds the product to the same files, so that the two agree byte for byte.
"""

import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from harness import paths, protocol


def load(name):
    return json.loads((paths.SOURCE / "test" / "vectors" / name).read_text())


def unhex(vector, *names):
    return {name: bytes.fromhex(vector[name]) for name in names}


def flipped(data):
    """The data with one bit changed, for each bit."""
    for bit in range(len(data) * 8):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed)


@pytest.mark.parametrize("vector", load("encode.json"))
def test_encoding(vector):
    fields = [f if f is None else bytes.fromhex(f) for f in vector["fields"]]
    assert protocol.encode(vector["label"], fields).hex() == vector["bytes"]


@pytest.mark.parametrize("vector", load("exporter.json"),
                         ids=lambda v: v["cipher"])
def test_channel_binding(vector):
    assert protocol.binding(vector).hex() == vector["binding"]
    secret = "exporter_secret" if vector["version"] == "TLSv1.3" else "master_secret"
    for changed in flipped(bytes.fromhex(vector[secret])):
        assert protocol.binding({**vector, secret: changed.hex()}).hex() != vector["binding"]


@pytest.mark.parametrize("vector", load("grant.json"), ids=lambda v: v["standing"])
def test_grant(vector):
    binary = unhex(vector, "kid", "key", "gw", "sid", "cred", "cbA")
    fields = {name: binary.get(name, vector[name]) for name in (
        "gw", "srv", "sid", "dev", "cred", "cbA", "standing", "epoch", "iat", "exp")}
    made = protocol.grant(binary["kid"], binary["key"], protocol.grant_payload(**fields))
    assert made.hex() == vector["grant"]
    assert len(made) <= 1024


def test_proof():
    vector = load("proof.json")
    header, claims = protocol.read_proof(vector["proof"])
    assert header["kid"] == vector["kid"]
    for name in ("gw", "sid", "nG", "cred", "cbA", "gh"):
        assert protocol.b64u_decode(claims.pop(name)).hex() == vector[name]
    assert claims == {"v": 1, "method": "certificate",
                      **{name: vector[name] for name in ("srv", "dev", "standing", "iat")}}


def test_the_chain_of_the_proof_leads_to_its_root():
    vector = load("proof.json")
    header, _ = protocol.read_proof(vector["proof"])
    chain = protocol.chain_of(header)
    chain.append(x509.load_pem_x509_certificate(vector["root"].encode()))
    for below, above in zip(chain, chain[1:]):
        assert below.issuer == above.subject
        above.public_key().verify(below.signature, below.tbs_certificate_bytes,
                                  ec.ECDSA(below.signature_hash_algorithm))
    names = chain[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.UniformResourceIdentifier(f"https://{vector['srv']}/")]
