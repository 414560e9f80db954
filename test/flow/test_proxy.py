"""Gateways behind a proxy: HAProxy itself, and whatever else connects to such a listener."""

import socket
import struct
import time

import pytest
from harness import airnet, daemon, haproxy, http, wait
from harness.handset import Handset, order
from harness.haproxy import Haproxy
from harness.schema import DEV

ALL = ("database", "billing", "smscsim", "bearerbox", "server", "smsc", "gateway", "haproxy")
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
OUTSIDE = "127.0.0.8"


# 192.0.2.77 to 198.51.100.2, from port 4711 to 8443.
BLOCK = (socket.inet_aton("192.0.2.77") + socket.inet_aton("198.51.100.2")
         + struct.pack(">HH", 4711, 8443))
TOLD = "192.0.2.77:4711"


def header(*, command=0x21, protocol=0x11, block=BLOCK, length=None):
    """A PROXY header, version 2: of TCP over IPv4, unless told otherwise."""
    return (SIGNATURE + struct.pack(">BBH", command, protocol,
                                    len(block) if length is None else length) + block)


LOCAL = header(command=0x20, protocol=0x00, block=b"")


@pytest.fixture
def leaf(site):
    return site.pki.device_leaf("good", DEV)


@pytest.fixture
def edge(site):
    """A gateway with a plain listener and one for the proxy at 127.0.0.9."""
    site.proxy_port = wait.free_port()
    site.gateway.config["proxy_listen"] = [f"127.0.0.1:{site.proxy_port}"]
    site.gateway.config["proxy_from"] = [f"{haproxy.ADDRESS}/32"]
    site.start("database", "server", "gateway")
    return site


def connect(port, source=haproxy.ADDRESS):
    raw = socket.create_connection(("127.0.0.1", port), 10, source_address=(source, 0))
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return raw


def assert_closed(raw):
    """The gateway has ended it, and said nothing."""
    try:
        assert raw.recv(1) == b""
    except ConnectionResetError:
        pass
    raw.close()


def assert_served(site, leaf, raw):
    with airnet.Device(site, leaf, raw=raw) as device:
        assert device.ask("GET /v1/device HTTP/1.1").status == 200


def assert_honest_served(site, leaf):
    """By the proxy and without it."""
    raw = connect(site.proxy_port)
    raw.sendall(header())
    assert_served(site, leaf, raw)
    assert_served(site, leaf, connect(site.airnet_port))


def refused(site, reason):
    """Refusals with this reason: log lines and counter agree."""
    name = f'provbox_gateway_proxy_connections_total{{result="{reason}"}}'
    found = site.gateway.events("session_end", reason=reason, phase="proxy")
    assert site.gateway.metrics()[name] == len(found)
    return found


# -- HAProxy ---------------------------------------------------------------------------


class Behind:
    """Two gateways of a site behind HAProxy, one of them on IPv6; nothing else may
    connect to them."""

    def __init__(self, site):
        self.site = site
        second = site.directory / "second"
        second.mkdir()
        other_port = wait.free_port()
        first = site.gateway.config
        first.pop("airnet_listen")
        first["proxy_listen"] = [f"127.0.0.1:{site.airnet_port}"]
        first["proxy_from"] = [f"{haproxy.ADDRESS}/32", "::1/128"]
        site.second = daemon.Daemon("provbox-gateway", second, {
            **first, "proxy_listen": [f"[::1]:{other_port}"],
            "admin": f"unix:{second}/gateway.sock"})
        site.haproxy = Haproxy(site.directory, {"a": ("127.0.0.1", site.airnet_port),
                                                "b": ("::1", other_port)})
        self.gateways = [site.gateway, site.second]

    def sessions(self):
        return [len(gateway.events("session_begin")) for gateway in self.gateways]

    def checked(self, gateway):
        """Health checks that a gateway has seen."""
        return gateway.metrics()['provbox_gateway_proxy_connections_total{result="local"}']


@pytest.fixture
def behind(site):
    return Behind(site)


def through(site, source="127.0.0.1", address="127.0.0.1"):
    return socket.create_connection((address, site.haproxy.port), 10,
                                    source_address=(source, 0))


def test_a_handset_is_provisioned_through_haproxy(site, behind):
    site.start(*ALL, "second")
    site.bearerbox.wait_online()
    handset = Handset(site, gateway=f"127.0.0.1:{site.haproxy.port}")
    handset.used(*order(1), "wait screen TERMS", "key YES", "wait screen DONE")
    assert site.db.value("select state from provbox.request") == "done"
    for gateway in behind.gateways:
        for line in gateway.events("session_begin") + gateway.events("session_end"):
            assert line["peer"].startswith("127.0.0.1:"), line
            assert line["via"].startswith((f"{haproxy.ADDRESS}:", "[::1]:")), line


def test_logs_show_the_handsets_own_address(site, behind, leaf):
    site.start("database", "server", "gateway", "second", "haproxy")
    ends = []
    for source, address in (("127.0.0.7", "127.0.0.1"), ("::1", "::1")) * 2:
        raw = through(site, source, address)
        host, port, *_ = raw.getsockname()
        ends.append(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        assert_served(site, leaf, raw)
    for event in ("session_begin", "session_end"):
        told = wait.until(lambda name=event: (
            lambda lines: lines if len(lines) == len(ends) else None)(
                [line["peer"] for gateway in behind.gateways
                 for line in gateway.events(name)]), event)
        assert sorted(told) == sorted(ends)
    assert behind.sessions() == [2, 2]


def test_health_checks_leave_no_line(site, behind):
    site.start("database", "server", "gateway", "second", "haproxy")
    for gateway in behind.gateways:
        wait.until(lambda one=gateway: behind.checked(one) >= 5, "health checks", 30)
        assert not gateway.events("session_end") and not gateway.events("session_begin")
        failures = [value for name, value in gateway.metrics().items()
                    if name.startswith("provbox_gateway_handshake_failures_total")]
        assert sum(failures) == 0
    assert "is DOWN" not in site.haproxy.process.log()


def test_when_a_gateway_dies_the_other_serves(site, behind):
    site.start("database", "billing", "smscsim", "server", "gateway", "second", "haproxy")
    leaf = site.pki.only_leaf(DEV)
    with airnet.Device(site, leaf, raw=through(site)) as device:
        assert device.ask("GET /v1/device HTTP/1.1").status == 200
        had = behind.sessions().index(1)
        dead, alive = behind.gateways[had], behind.gateways[1 - had]
        dead.kill()
        assert device.rest() == b""  # its session goes with it
    site.haproxy.wait_down("ab"[had])
    for _ in range(4):
        assert_served(site, leaf, through(site))
    handset = Handset(site, leaf=leaf, gateway=f"127.0.0.1:{site.haproxy.port}")
    handset.used("wait screen MENU", "key BACK", outcome="stopped")
    assert behind.sessions()[1 - had] == 5
    assert alive.events("session_begin")[-1]["peer"].startswith("127.0.0.1:")


# -- A header is mandatory where it is expected ------------------------------------------


def test_what_is_told_is_the_peer(edge, leaf):
    raw = connect(edge.proxy_port)
    via = "%s:%d" % raw.getsockname()
    raw.sendall(header())
    assert_served(edge, leaf, raw)
    for event in ("session_begin", "session_end"):
        line = edge.gateway.wait_event(event)
        assert (line["peer"], line["via"]) == (TOLD, via)
    raw = connect(edge.airnet_port)
    own = "%s:%d" % raw.getsockname()
    assert_served(edge, leaf, raw)
    for event in ("session_begin", "session_end"):
        assert edge.gateway.wait_event(event, peer=own)["via"] is None


def test_a_header_in_single_bytes(edge, leaf):
    raw = connect(edge.proxy_port)
    for byte in header():
        raw.sendall(bytes([byte]))
        time.sleep(0.01)
    assert_served(edge, leaf, raw)
    assert edge.gateway.events("session_begin")[0]["peer"] == TOLD


def test_the_first_bytes_of_tls_may_come_with_the_header(edge, leaf):
    """In one segment: what follows the header is still there for TLS."""
    raw = connect(edge.proxy_port)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)  # sends whole segments alone
    raw.sendall(header())
    assert_served(edge, leaf, raw)
    edge.gateway.wait_event("session_begin", peer=TOLD)


def test_further_fields_are_passed_over(edge, leaf):
    block = BLOCK + b"\x05\x00\x04abcd" + b"\x20\x00\x00"
    raw = connect(edge.proxy_port)
    raw.sendall(header(block=block))
    assert_served(edge, leaf, raw)


def test_a_proxy_may_speak_for_itself(edge, leaf):
    for first in (LOCAL, header(protocol=0x00, block=b"")):
        raw = connect(edge.proxy_port)
        own = "%s:%d" % raw.getsockname()
        raw.sendall(first)
        assert_served(edge, leaf, raw)
        assert edge.gateway.wait_event("session_begin", peer=own)["via"] is None


def test_limits_count_who_is_told(edge, leaf):
    edge.gateway.config["new_sessions_per_address"] = 1
    edge.gateway.restart()
    raws = [connect(edge.proxy_port) for _ in range(5)]
    for raw in raws:
        raw.sendall(header())
    limited = edge.gateway.wait_event("session_end", reason="address_limited")
    assert limited["peer"] == TOLD
    # Neither another behind the same proxy, nor the proxy itself.
    for first in (header(block=socket.inet_aton("192.0.2.78") + BLOCK[4:]), LOCAL, LOCAL):
        raw = connect(edge.proxy_port)
        raw.sendall(first)
        assert_served(edge, leaf, raw)
    for raw in raws:
        raw.close()


MALFORMED = {
    "a client hello": b"\x16\x03\x01\x02\x00\x01",
    "version 1": b"PROXY TCP4 192.0.2.77 198.51.100.2 4711 8443\r\n",
    "HTTP": b"GET / HTTP/1.1\r\n\r\n",
    "another version": SIGNATURE + b"\x31\x11\x00\x0c",
    "another command": header(command=0x22),
    "UDP": header(protocol=0x12),
    "a Unix socket": header(protocol=0x31, block=bytes(216)),
    "addresses cut short": header(block=bytes(11)),
    "a field beyond the end": header(block=bytes(12) + b"\x05\x00\x02x"),
    "too long": header(length=521),
    "longest of all": header(length=65535),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_header_is_refused(edge, leaf, name):
    raw = connect(edge.proxy_port)
    own = "%s:%d" % raw.getsockname()
    raw.sendall(MALFORMED[name])
    assert_closed(raw)
    (line,) = refused(edge, "proxy_malformed")
    assert line["peer"] == own
    assert_honest_served(edge, leaf)


def test_a_header_that_ends_early_is_refused(edge, leaf):
    for n in (0, 1, 12, 15, 16, 27):
        raw = connect(edge.proxy_port)
        raw.sendall(header()[:n])
        raw.shutdown(socket.SHUT_WR)
        assert_closed(raw)
    assert len(refused(edge, "proxy_malformed")) == 6
    assert_honest_served(edge, leaf)


def test_a_direct_connection_is_not_served(edge, leaf):
    """TLS at once, as a handset speaks that was told the wrong port."""
    for source, reason in ((haproxy.ADDRESS, "proxy_malformed"), (OUTSIDE, "proxy_forbidden")):
        with pytest.raises(OSError):
            airnet.Device(edge, leaf, raw=connect(edge.proxy_port, source))
        assert refused(edge, reason)
    assert not edge.gateway.events("session_begin")


def test_a_dripping_header_has_a_deadline(edge, leaf):
    dripping, silent = connect(edge.proxy_port), connect(edge.proxy_port)
    with pytest.raises(OSError):
        for byte in header()[:-1]:  # slower than handshake_timeout
            dripping.sendall(bytes([byte]))
            time.sleep(0.1)
    assert_closed(dripping)
    assert_closed(silent)
    assert len(refused(edge, "proxy_timeout")) == 2
    assert_honest_served(edge, leaf)


def test_the_handshake_has_its_own_deadline(edge, leaf):
    """Who has shown a good header is waited for no longer than anyone else."""
    raw = connect(edge.proxy_port)
    raw.sendall(header())
    assert_closed(raw)
    line = edge.gateway.wait_event("session_end", reason="handshake_timeout")
    assert (line["peer"], line["phase"]) == (TOLD, "handshake")


# -- and forbidden elsewhere -------------------------------------------------------------


def test_a_header_from_elsewhere_is_refused(edge, leaf):
    raw = connect(edge.proxy_port, OUTSIDE)
    try:
        raw.sendall(header())
    except OSError:
        pass  # closed before the first byte
    assert_closed(raw)
    (line,) = refused(edge, "proxy_forbidden")
    assert line["peer"].startswith(f"{OUTSIDE}:")
    assert_honest_served(edge, leaf)


def test_a_header_to_a_plain_listener_is_refused(edge, leaf):
    raw = connect(edge.airnet_port)
    own = "%s:%d" % raw.getsockname()
    raw.sendall(header())
    raw.settimeout(10)
    with pytest.raises(OSError):
        context = http.context(edge.pki.airnet, leaf)
        context.wrap_socket(raw, server_hostname=edge.pki.GATEWAY_NAME)
    line = edge.gateway.wait_event("session_end", peer=own)
    assert (line["reason"], line["phase"]) == ("tls_protocol", "handshake")
    assert not edge.gateway.events("session_begin")
    assert_honest_served(edge, leaf)


def test_a_drained_gateway_serves_who_is_still_in_its_header(edge, leaf):
    raw = connect(edge.proxy_port)
    raw.sendall(header()[:20])
    # Accepted, for it has waited while another was served.
    assert_honest_served(edge, leaf)
    edge.gateway.process.popen.terminate()
    edge.gateway.wait_event("stopping")
    raw.sendall(header()[20:])
    with airnet.Device(edge, leaf, raw=raw) as device:
        answer = device.ask("GET /v1/device HTTP/1.1")
        assert (answer.status, answer.headers["Connection"]) == (200, "close")
    assert edge.gateway.process.wait() == 0
