#!/usr/bin/python3
"""Write /etc/provbox as an operator does for a first site: the installed examples, and
certificates and keys by the names that these give them, each key its daemon's alone. The
gateway listens where only root may open a port. Where contrib/package/check calls it."""

import pathlib
import re
import shutil
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "test" / "flow"), str(TOP / "test" / "peers")]

from harness import pki  # noqa: E402

ETC = pathlib.Path("/etc/provbox")
KEYS = {"airnet.key": "gateway", "gateway.key": "gateway", "server.key": "server",
        "proof-leaf.key": "server", "grant.keys": "server"}


def main():
    made = pki.Pki(pathlib.Path("/pki"))
    for name, path in {
            "airnet.pem": made.gateway_airnet.path, "airnet.key": made.gateway_airnet.key_path,
            "devices.pem": made.device.path, "devices.crl": made.device.crl_path,
            "gateway.pem": made.gateway_landnet.path,
            "gateway.key": made.gateway_landnet.key_path,
            "landnet.pem": made.landnet.path, "landnet.crl": made.landnet.crl_path,
            "server.pem": made.server_landnet.path,
            "server.key": made.server_landnet.key_path,
            "proof.pem": made.proof.path, "proof-leaf.pem": made.proof_leaf.path,
            "proof-leaf.key": made.proof_leaf.key_path}.items():
        shutil.copy(path, ETC / name)
    (ETC / "grant.keys").write_text("0011223344556677 " + "5a" * 32 + "\n")
    for name, daemon in KEYS.items():
        shutil.chown(ETC / name, f"provbox-{daemon}")
        (ETC / name).chmod(0o400)
    for daemon in ("gateway", "server", "smsc"):
        example = pathlib.Path(f"/usr/share/doc/provbox-{daemon}/examples/{daemon}.conf")
        text = example.read_text().replace("prov.example.com:8443", made.SRV)
        text = re.sub("^airnet_listen = .*$", 'airnet_listen = {"127.0.0.1:443"}', text,
                      flags=re.M)
        (ETC / f"{daemon}.conf").write_text(text)


main()
