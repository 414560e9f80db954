"""HAProxy before the gateways of a site, as operators run it: TCP, PROXY version 2.

    site.haproxy = haproxy.Haproxy(site.directory, {"a": ("127.0.0.1", port)})

It connects to IPv4 gateways from an address of its own, so that it is told from handsets.
"""

import shutil

from harness import process, wait

ADDRESS = "127.0.0.9"
CHECK_MS = 100

CONFIGURATION = """\
global
    maxconn 100
    log stderr format raw local0 notice

defaults
    mode tcp
    log global
    timeout connect 2s
    timeout client 30s
    timeout server 30s

frontend airnet
    bind 127.0.0.1:{port}
    bind [::1]:{port} v6only
    default_backend gateways

backend gateways
    balance roundrobin
    default-server send-proxy-v2 check check-send-proxy inter {check_ms} fall 1 rise 1
    default-server on-marked-down shutdown-sessions
"""


class Haproxy:
    """`gateways` is {name: (address, port)}."""

    def __init__(self, directory, gateways):
        self.directory = directory
        self.port = wait.free_port()
        self.process = None
        servers = []
        for name, (address, port) in gateways.items():
            is_ip6 = ":" in address
            where = f"[{address}]:{port}" if is_ip6 else f"{address}:{port}"
            servers.append(f"    server {name} {where}"
                           + ("" if is_ip6 else f" source {ADDRESS}") + "\n")
        self.configuration = (CONFIGURATION.format(port=self.port, check_ms=CHECK_MS)
                              + "".join(servers))

    def start(self):
        path = self.directory / "haproxy.cfg"
        path.write_text(self.configuration)
        # It is in sbin, where not everybody looks.
        program = shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin")
        assert program, "haproxy is not installed: contrib/install-packages"
        self.process = process.Process("haproxy", [program, "-db", "-f", path],
                                       self.directory)
        self.process.wait_port(self.port)

    def wait_down(self, name):
        """HAProxy has seen that a gateway is gone."""
        self.process.wait_for(lambda: f"Server gateways/{name} is DOWN" in self.process.log(),
                              f"{name} down")

    def stop(self):
        # It ends as soon as no connection is left, by the signal that asks for that.
        self.process.kill()

    def complaints(self):
        return []
