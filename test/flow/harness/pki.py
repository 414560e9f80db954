"""Certificates for tests: authorities, leaves and revocation lists, keys made now.

An Authority issues with `issue`, whose knobs also make what must be refused: expired,
without extended key usage, two identifiers, another subject. Every file is PEM; keys
have mode 0600.
"""

import base64
import datetime
import ipaddress
import os
import pathlib
import shutil

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

TEST_ORGANIZATION = "Provbox test"
DAY = datetime.timedelta(days=1)
SERVER = ExtendedKeyUsageOID.SERVER_AUTH
CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH


def now():
    return datetime.datetime.utcnow().replace(microsecond=0)


def write_secret(path, data):
    """A file that only its owner may read, from its first byte on."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)


def join(path, *files):
    """One PEM file of several, each a path or has one; where it is."""
    texts = [pathlib.Path(getattr(file, "path", file)).read_bytes() for file in files]
    path.write_bytes(b"".join(texts))
    return path


def _subject(common_name, organization):
    names = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else []
    if organization:
        names.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(names)


def _usage(**on):
    kinds = ("digital_signature", "content_commitment", "key_encipherment",
             "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign",
             "encipher_only", "decipher_only")
    return x509.KeyUsage(**{kind: on.get(kind, False) for kind in kinds})


class Certificate:
    """A certificate with its key, and the files they are in."""

    def __init__(self, directory, name, key, certificate):
        self.key, self.certificate = key, certificate
        self.path = pathlib.Path(directory) / f"{name}.pem"
        self.key_path = pathlib.Path(directory) / f"{name}.key"
        self.path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        write_secret(self.key_path, key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()))

    def show(self, *certificates):
        """Have the file hold this one and these behind it, and no others."""
        texts = [one.certificate.public_bytes(serialization.Encoding.PEM)
                 for one in (self, *certificates)]
        self.path.write_bytes(b"".join(texts))
        return self

    def fingerprint(self):
        """SHA-256 of the certificate's DER, in hex: `cred` of the protocol."""
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    def spki_hash(self):
        """SHA-256 of the public key, in hex: `gw` of the protocol."""
        digest = hashes.Hash(hashes.SHA256())
        digest.update(self.certificate.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))
        return digest.finalize().hex()

    def pin(self):
        """The same as configurations have it."""
        return base64.urlsafe_b64encode(bytes.fromhex(self.spki_hash())).decode().rstrip("=")


class Authority(Certificate):
    """A root, or the authority below `issuer`, with a revocation list, which is rewritten
    by revoke()."""

    def __init__(self, directory, name, *, organization=TEST_ORGANIZATION, issuer=None,
                 key=None, not_after=None):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        key = key or ec.generate_private_key(ec.SECP256R1())
        subject = _subject(f"{name} root", organization)
        signer, above = (issuer.key, issuer.certificate.subject) if issuer else (key, subject)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject).issuer_name(above)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now() - DAY).not_valid_after(not_after or now() + 30 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
                           critical=False)
            .sign(signer, hashes.SHA256()))
        super().__init__(directory, name, key, certificate)
        self.crl_path = self.directory / f"{name}.crl"
        self.revoked = []
        self.write_crl()

    def issue(self, name, *, uris=(), dns=(), ips=(), usages=(), common_name=None,
              not_before=None, not_after=None, key=None):
        """A leaf of this authority; `key` reuses the key of another certificate."""
        assert name != self.path.stem, f"{name} would overwrite its authority"
        key = key or ec.generate_private_key(ec.SECP256R1())
        alternatives = ([x509.DNSName(d) for d in dns]
                        + [x509.IPAddress(ipaddress.ip_address(i)) for i in ips]
                        + [x509.UniformResourceIdentifier(u) for u in uris])
        builder = self._leaf(_subject(common_name or name, None), key.public_key(), usages,
                             not_before, not_after)
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives),
                                            critical=False)
        return Certificate(self.directory, name, key, builder.sign(self.key, hashes.SHA256()))

    def _leaf(self, subject, public_key, usages, not_before=None, not_after=None):
        """What every leaf of this authority has."""
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.certificate.subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(not_before or now() - DAY)
            .not_valid_after(not_after or now() + 20 * DAY)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(digital_signature=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key),
                           critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(
                self.key.public_key()), critical=False))
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        return builder

    def sign(self, request_path, certificate_path, *, usages=(CLIENT,)):
        """A leaf for a certificate request, with the names and the key that it has."""
        request = x509.load_pem_x509_csr(pathlib.Path(request_path).read_bytes())
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        builder = self._leaf(request.subject, request.public_key(), usages).add_extension(
            names.value, critical=False)
        certificate = builder.sign(self.key, hashes.SHA256())
        pathlib.Path(certificate_path).write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM))
        return certificate

    def revoke(self, leaf):
        self.revoked.append(leaf.certificate.serial_number)
        self.write_crl()

    def write_crl(self, next_update=None):
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now() - DAY)
            .next_update(next_update or now() + 20 * DAY)
            .add_extension(x509.CRLNumber(len(self.revoked) + 1), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(
                self.key.public_key()), critical=False))
        for serial in self.revoked:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(serial)
                .revocation_date(now() - DAY).build())
        crl = builder.sign(self.key, hashes.SHA256())
        self.crl_path.write_bytes(crl.public_bytes(serialization.Encoding.PEM))


class Pki:
    """Every authority and certificate of one site, with nothing wrong in any of them.

    airnet root: the gateway's server certificate, trusted by handsets.
    device root: device certificates, trusted by the gateway.
    landnet root: server and gateway to each other.
    proof root: the certificate of the server's zone.
    """

    GATEWAY_NAME = "gateway.example.com"
    SERVER_NAME = "prov.example.com"
    SRV = f"{SERVER_NAME}:8443"

    def __init__(self, directory, organization=TEST_ORGANIZATION):
        self.directory = pathlib.Path(directory)
        self.airnet, self.device, self.landnet, self.proof, self.billing = (
            Authority(self.directory, name, organization=organization)
            for name in ("airnet", "device", "landnet", "proof", "billing"))
        self.only_leaves = {}
        self.gateway_airnet = self.airnet.issue(
            "gateway-airnet", dns=[self.GATEWAY_NAME], usages=[SERVER])
        self.gateway_landnet = self.landnet.issue(
            "gateway-landnet", dns=[self.GATEWAY_NAME], usages=[CLIENT])
        self.server_landnet = self.landnet.issue(
            "server-landnet", dns=[self.SERVER_NAME], usages=[SERVER])
        self.proof_leaf = self.proof.issue("proof-leaf", uris=[f"https://{self.SRV}/"])
        self.billing_server = self.billing.issue(
            "billing-server", dns=["localhost"], usages=[SERVER])

    def device_leaf(self, name, imei, **knobs):
        """A device certificate for an IMEI URN; knobs of Authority.issue override."""
        return self.device.issue(name, **{"uris": [imei], "usages": [CLIENT], **knobs})

    def only_leaf(self, imei):
        """The one certificate of a device that has one, and has it again when asked again."""
        if imei not in self.only_leaves:
            self.only_leaves[imei] = self.device_leaf(f"only-{len(self.only_leaves)}", imei)
        return self.only_leaves[imei]

    def copy_as_named(self, directory):
        """Into a folder, by the names that examples and manual pages give the files."""
        for name, path in {
                "airnet.pem": self.gateway_airnet.path, "airnet.key": self.gateway_airnet.key_path,
                "devices.pem": self.device.path, "devices.crl": self.device.crl_path,
                "gateway.pem": self.gateway_landnet.path,
                "gateway.key": self.gateway_landnet.key_path,
                "landnet.pem": self.landnet.path, "landnet.crl": self.landnet.crl_path,
                "server.pem": self.server_landnet.path, "server.key": self.server_landnet.key_path,
                "proof.pem": self.proof.path, "proof-leaf.pem": self.proof_leaf.path,
                "proof-leaf.key": self.proof_leaf.key_path}.items():
            shutil.copy(path, directory / name)
        write_secret(directory / "grant.keys", b"0011223344556677 " + b"5a" * 32 + b"\n")
