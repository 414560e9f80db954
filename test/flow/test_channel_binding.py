"""The channel binding that a proof covers is that of the device's own connection.

The device here computes it from the key log of its TLS library by the formulas of
RFC 8446 and RFC 5705, so neither side's OpenSSL is believed.
"""

import json
import socket
import ssl

import pytest
from harness import http, protocol
from harness.schema import DEV

RECORD_HEADER, HANDSHAKE_HEADER, VERSION = 5, 4, 2


class Handset:
    """A TLS client over a memory BIO: it sees the bytes of the handshake."""

    def __init__(self, site, version, key_log):
        context = http.context(site.pki.airnet, site.pki.device_leaf("handset", DEV))
        context.minimum_version = context.maximum_version = version
        context.keylog_filename = str(key_log)
        self.key_log = key_log
        self.socket = socket.create_connection(("127.0.0.1", site.airnet_port), 10)
        self.rx, self.tx = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.rx, self.tx, server_hostname=site.pki.GATEWAY_NAME)
        self.received = b""
        self._until_done(self.tls.do_handshake)

    def _until_done(self, call):
        while True:
            try:
                return call()
            except ssl.SSLWantReadError:
                self._exchange()
            finally:
                if data := self.tx.read():
                    self.socket.sendall(data)

    def _exchange(self):
        if data := self.tx.read():
            self.socket.sendall(data)
        data = self.socket.recv(65536)
        assert data, "the gateway closed the connection"
        self.received += data
        self.rx.write(data)

    def session(self, host):
        """The answer of GET /.provbox/session."""
        self.tls.write(f"GET /.provbox/session HTTP/1.1\r\nHost: {host}\r\n"
                       "Connection: close\r\n\r\n".encode())
        text = b""
        while data := self._until_done(lambda: self.tls.read(65536)):
            text += data
        head, body = text.split(b"\r\n\r\n", 1)
        assert head.startswith(b"HTTP/1.1 200 "), head
        return body

    def secrets(self):
        """{label: (client random, secret)} of the key log, hex."""
        lines = (line.split() for line in self.key_log.read_text().splitlines())
        return {line[0]: line[1:] for line in lines if len(line) == 3}

    def binding(self):
        cipher, version, _ = self.tls.cipher()
        handshake = {"version": version,
                     "hash": "sha384" if cipher.endswith("SHA384") else "sha256"}
        if version == "TLSv1.3":
            handshake["exporter_secret"] = self.secrets()["EXPORTER_SECRET"][1]
        else:
            at = RECORD_HEADER + HANDSHAKE_HEADER + VERSION
            random, master = self.secrets()["CLIENT_RANDOM"]
            handshake.update(client_random=random, master_secret=master,
                             server_random=self.received[at:at + 32].hex())
        return protocol.binding(handshake)

    def close(self):
        self.socket.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2],
                         ids=["tls13", "tls12"])
def test_a_proof_covers_the_devices_own_channel(site, tmp_path, version):
    site.start("database", "server", "gateway")
    bindings = []
    for name in ("first", "second"):
        handset = Handset(site, version, tmp_path / name)
        answer = json.loads(handset.session(site.pki.SRV))
        _, claims = protocol.read_proof(answer["proof"])
        assert protocol.b64u_decode(claims["cbA"]) == handset.binding()
        bindings.append(handset.binding())
        handset.close()
    assert bindings[0] != bindings[1]
