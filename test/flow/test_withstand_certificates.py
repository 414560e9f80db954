"""What devices may show and gateways must refuse: nothing of it reaches the landnet, each
has its own reason in the log and in the metrics, and an honest device goes on meanwhile.

The witness is a byte counter on the landnet leg, which knows nothing of Provbox.
"""

import copy
import signal
import ssl
import subprocess

import pytest
from harness import daemon, paths, pki
from harness.schema import DEV, DEV2, device

FOREIGN = "urn:gsma:imei:49015420-323751-0"


class Edge:
    """A site with a counter, and an honest device that is connected all the time."""

    def __init__(self, site):
        self.site, self.pki, self.gateway = site, site.pki, site.gateway
        self.honest = site.device(site.pki.device_leaf("honest", DEV2))

    def start(self):
        self.start_without_honest()
        self.ask_honest()

    def start_without_honest(self):
        self.site.start("database", "server")
        self.site.schema.import_devices(device(DEV2, "+447700900124"))
        self.counter = self.site.relay_landnet()
        self.site.start("gateway")

    def ask_honest(self):
        answer = self.honest.get("/v1/device")
        assert answer.status == 200 and answer.json()["dev"] == DEV2

    def ask(self, leaf):
        """One request; None when the connection does not carry it."""
        with self.site.device(leaf) as client:
            try:
                return client.get("/v1/device")
            except (ssl.SSLError, ConnectionError):
                return None

    def counted(self, reason):
        """How often the gateway has counted a reason: of handshakes and of sessions."""
        metrics = self.gateway.metrics()
        return sum(metrics[f'provbox_gateway_{kind}_total{{reason="{reason}"}}']
                   for kind in ("handshake_failures", "session_ends")
                   if f'provbox_gateway_{kind}_total{{reason="{reason}"}}' in metrics)

    def events_stored(self):
        return self.site.db.value("select count(*) from provbox.event")

    def expect_refused(self, leaf, reason):
        """Nothing is forwarded, the reason is told here and not outside."""
        seen = len(self.gateway.events("session_end", reason=reason))
        before = self.counter.to_server_bytes, self.events_stored()
        counted = self.counted(reason)
        answer = self.ask(leaf)
        if answer is not None:
            assert (answer.status, answer.json()["reason"]) == (403, "authentication_failed")
        self.gateway.process.wait_for(
            lambda: len(self.gateway.events("session_end", reason=reason)) > seen, reason)
        assert (self.counter.to_server_bytes, self.events_stored()) == before
        assert self.counted(reason) == counted + 1
        self.ask_honest()
        assert self.counter.to_server_bytes > before[0]

    def expect_welcome(self, leaf):
        answer = self.ask(leaf)
        assert answer is not None and answer.status == 200 and answer.json()["dev"] == DEV

    def chain_metric(self, name):
        return self.gateway.metrics()[f"provbox_gateway_chain{name}"]


@pytest.fixture
def made(site):
    """Not started: certificates and configuration may still be changed."""
    edge = Edge(site)
    yield edge
    edge.honest.close()


@pytest.fixture
def edge(made):
    made.start()
    return made


# -- one wrong certificate

# what is wrong: its reason, and how the certificate is made
REFUSED = {
    "no_certificate": ("certificate_missing", lambda p: None),
    "wrong_ca": ("certificate_unknown_ca", lambda p: pki.Authority(
        p.directory, "stranger").issue("wrong-ca", uris=[DEV], usages=[pki.CLIENT])),
    "self_signed_under_the_same_name": ("certificate_unknown_ca", lambda p: pki.Authority(
        p.directory / "copy", "device").issue("forged", uris=[DEV], usages=[pki.CLIENT])),
    "landnet_certificate": ("certificate_unknown_ca", lambda p: p.gateway_landnet),
    "expired": ("certificate_expired", lambda p: p.device_leaf(
        "expired", DEV, not_after=pki.now() - pki.DAY / 2)),
    "not_yet_valid": ("certificate_not_yet_valid", lambda p: p.device_leaf(
        "early", DEV, not_before=pki.now() + pki.DAY)),
    "no_extended_key_usage": ("certificate_wrong_purpose", lambda p: p.device_leaf(
        "no-eku", DEV, usages=())),
    "server_certificate": ("certificate_wrong_purpose", lambda p: p.device_leaf(
        "server", DEV, usages=[pki.SERVER])),
    "100_kb_of_certificates": ("certificate_chain", lambda p: p.device_leaf(
        "long", DEV).show(*[p.device] * 180)),
    "identifier_in_common_name": ("identifier_missing", lambda p: p.device_leaf(
        "cn", DEV, uris=[], common_name=DEV)),
    "identifier_as_dns_name": ("identifier_missing", lambda p: p.device_leaf(
        "dns", DEV, uris=[], dns=["35209900-176148-0.imei.example.com"])),
    "other_scheme": ("identifier_missing", lambda p: p.device_leaf(
        "scheme", "https://example.com/35209900-176148-0")),
    "two_identifiers": ("identifier_ambiguous", lambda p: p.device_leaf(
        "two", DEV, uris=[DEV, DEV2])),
    "wrong_check_digit": ("identifier_malformed", lambda p: p.device_leaf(
        "digit", "urn:gsma:imei:35209900-176148-7")),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_wrong_certificate_reaches_nothing(edge, what):
    reason, make = REFUSED[what]
    edge.expect_refused(make(edge.pki), reason)


# -- revocation

def test_a_revoked_device_reaches_nothing(made):
    revoked = made.pki.device_leaf("revoked", DEV)
    made.pki.device.revoke(revoked)
    made.start()
    made.expect_refused(revoked, "certificate_revoked")


def reload(edge):
    seen = len(edge.gateway.events("reloaded"))
    edge.gateway.process.popen.send_signal(signal.SIGHUP)
    edge.gateway.process.wait_for(
        lambda: len(edge.gateway.events("reloaded")) > seen, "ev=reloaded")
    # What comes while the old generation goes may still be its own.
    edge.gateway.process.wait_for(
        lambda: edge.gateway.metrics()["provbox_gateway_generations"] == 1, "one generation")


def test_a_device_revoked_while_it_is_connected_is_put_out(edge):
    leaf = edge.pki.device_leaf("stolen", DEV)
    with edge.site.device(leaf) as client:
        assert client.get("/v1/device").status == 200
        edge.pki.device.revoke(leaf)
        reload(edge)
        # Both idle sessions, the honest one included.
        edge.gateway.process.wait_for(
            lambda: len(edge.gateway.events("session_end", reason="drained")) == 2, "the ends")
        before = edge.counter.to_server_bytes
        with pytest.raises((ssl.SSLError, ConnectionError)):
            client.get("/v1/device")
        assert edge.counter.to_server_bytes == before
    # A reload ends every idle session; who is not revoked comes again.
    edge.honest.close()
    edge.ask_honest()
    edge.expect_refused(leaf, "certificate_revoked")


def test_a_stale_list_lets_nobody_in(made):
    made.pki.device.write_crl(next_update=pki.now() - pki.DAY / 24)
    made.gateway.expect_errors("expired")
    made.start_without_honest()
    assert made.ask(made.pki.device_leaf("good", DEV)) is None
    made.gateway.wait_event("session_end", reason="crl_stale", phase="handshake")
    assert made.counted("crl_stale") == 1
    assert made.counter.to_server_bytes == 0
    told = made.gateway.wait_event("expired", key="airnet_crl")
    assert told["file"] == str(made.pki.device.crl_path)
    assert made.gateway.metrics()['provbox_gateway_expiry_seconds{key="airnet_crl"}'] < 0


def test_a_stale_list_may_be_gone_on_with(made):
    revoked = made.pki.device_leaf("revoked", DEV)
    made.pki.device.revoke(revoked)
    made.pki.device.write_crl(next_update=pki.now() - pki.DAY / 24)
    made.gateway.config["airnet_crl_stale"] = "warn"
    made.gateway.expect_errors("expired")
    made.start()
    made.expect_refused(revoked, "certificate_revoked")
    made.expect_refused(made.pki.device_leaf("no-eku", DEV, usages=()),
                        "certificate_wrong_purpose")


@pytest.mark.parametrize("refusing", ["server", "gateway", None])
def test_a_stale_list_of_the_landnet(made, refusing):
    """Each side judges by its own list; here it is one file, and each says what it means."""
    made.pki.landnet.write_crl(next_update=pki.now() - pki.DAY / 24)
    made.site.server.config["crl_stale"] = "refuse" if refusing == "server" else "warn"
    made.gateway.config["landnet_crl_stale"] = "refuse" if refusing == "gateway" else "warn"
    made.gateway.expect_errors("expired")
    made.site.server.expect_errors("expired")
    made.start_without_honest()
    answer = made.ask(made.pki.device_leaf("good", DEV))
    assert answer.status in ([200] if refusing is None else [403, 503])
    if refusing == "server":
        made.site.server.wait_event("link_closed", reason="crl_stale")
    elif refusing == "gateway":
        made.gateway.wait_event("landnet_down", reason="crl_stale")
    assert made.site.server.wait_event("expired", key="crl")


def test_what_expires_is_told_before(made):
    made.pki.device.write_crl(next_update=pki.now() + 3 * pki.DAY)
    made.gateway.config["expiry_warning"] = "4d"
    made.start()
    assert made.gateway.wait_event("expiring", key="airnet_crl")["seconds_left"]
    assert [line["key"] for line in made.gateway.events("expiring")] == ["airnet_crl"]
    left = made.gateway.metrics()['provbox_gateway_expiry_seconds{key="airnet_crl"}']
    assert 0 < left <= 3 * 86400
    keys = {name.split('"')[1] for name in made.gateway.metrics()
            if name.startswith("provbox_gateway_expiry_seconds")}
    assert keys == {"airnet_certificate", "airnet_trust", "airnet_crl", "landnet_trust",
                    "landnet_certificate", "landnet_crl",
                    f"route {made.pki.SRV} proof_root"}
    server = made.site.server.metrics()
    assert server['provbox_server_expiry_seconds{key="proof_certificate"}'] > 0


def test_the_check_tells_what_has_expired(made):
    made.pki.device.write_crl(next_update=pki.now() - pki.DAY / 24)
    path = made.site.directory / "checked.conf"
    path.write_text(daemon.config_text(made.gateway.config))
    run = subprocess.run([paths.program("provbox-gateway"), "-t", "-c", path],
                         capture_output=True, text=True, timeout=20)
    said = [line for line in run.stderr.splitlines() if "ev=expired" in line]
    assert (run.returncode, len(said)) == (0, 1), run.stderr
    assert "key=airnet_crl" in said[0] and str(made.pki.device.crl_path) in said[0]


# -- chains

def add_intermediates(made, n):
    """Authorities below the root of devices, each below the one before; their lists."""
    above, below = made.pki.device, []
    for i in range(n):
        above = pki.Authority(made.pki.directory, f"intermediate-{i}", issuer=above)
        below.append(above)
    made.gateway.config["airnet_crl"] = pki.join(
        made.pki.directory / "all.crl", made.pki.device.crl_path,
        *[authority.crl_path for authority in below])
    return below


def leaf_below(authorities, name, dev=DEV):
    leaf = authorities[-1].issue(name, uris=[dev], usages=[pki.CLIENT])
    return leaf.show(*reversed(authorities))


def test_a_chain_may_be_as_long_as_it_says(made):
    authorities = add_intermediates(made, 4)
    made.start()
    made.expect_welcome(leaf_below(authorities[:3], "short"))
    made.expect_refused(leaf_below(authorities, "long"), "certificate_chain")


def test_a_device_is_no_authority(made):
    """Who has a device certificate is no authority for others."""
    made.start()
    own = made.pki.device_leaf("own", DEV)
    forger = copy.copy(made.pki.device)
    forger.key, forger.certificate = own.key, own.certificate
    forged = forger.issue("forged", uris=[DEV], usages=[pki.CLIENT]).show(own)
    made.expect_refused(forged, "certificate_chain")


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_a_remembered_chain_is_good_for_itself_alone(made, version):
    [authority] = add_intermediates(made, 1)
    twin = pki.Authority(made.pki.directory / "twin", "intermediate-0", issuer=made.pki.device,
                         key=authority.key, not_after=pki.now() - pki.DAY / 2)
    made.start()
    leaf = leaf_below([authority], "good")

    def connect():
        with made.site.device(leaf) as client:
            client.tls.maximum_version = ssl.TLSVersion[version]
            assert client.get("/v1/device").status == 200

    connect()
    hits = made.chain_metric("_hits_total")
    assert made.chain_metric("s") == 2  # the honest device is the other
    connect()
    assert made.chain_metric("_hits_total") == hits + 1
    # The leaf again, with an intermediate of the same name and key that has expired.
    made.expect_refused(leaf.show(twin), "certificate_expired")
    made.expect_refused(leaf.show(), "certificate_unknown_ca")
    assert made.chain_metric("_hits_total") == hits + 1


def test_a_reload_forgets_what_was_remembered(edge):
    leaf = edge.pki.device_leaf("again", DEV)
    edge.expect_welcome(leaf)
    edge.expect_welcome(leaf)
    assert edge.chain_metric("_hits_total") == 1
    reload(edge)
    edge.expect_welcome(leaf)
    assert edge.chain_metric("_hits_total") == 1


def test_nothing_is_remembered_when_told_so(made):
    made.gateway.config["chains_remembered"] = 0
    made.start()
    leaf = made.pki.device_leaf("again", DEV)
    made.expect_welcome(leaf)
    made.expect_welcome(leaf)
    assert [made.chain_metric(name) for name in ("s", "_hits_total", "_misses_total")] == [
        0, 0, 0]


# -- who may assert what

@pytest.fixture
def two_makers(made):
    """Two trusted authorities, each with a range of its own."""
    second = pki.Authority(made.pki.directory, "second")
    made.second = second
    made.gateway.config["airnet_trust"] = pki.join(
        made.pki.directory / "makers.pem", made.pki.device, second)
    made.gateway.config["airnet_crl"] = pki.join(
        made.pki.directory / "makers.crl", made.pki.device.crl_path, second.crl_path)
    made.gateway.config["authority", "first"] = {
        "certificate": made.pki.device.path, "imei": ["35209900", "3521"]}
    made.gateway.config["authority", "second"] = {
        "certificate": second.path, "imei": ["49015420"], "meid": ["all"]}
    return made


def test_no_authority_asserts_an_identifier_of_another(two_makers):
    made = two_makers
    made.start()

    def leaf_of(authority, name, dev):
        return authority.issue(name, uris=[dev], usages=[pki.CLIENT])

    stolen = leaf_of(made.second, "stolen", DEV)
    made.expect_refused(stolen, "identifier_not_allowed")
    # Once more, now that its chain is remembered.
    made.expect_refused(stolen, "identifier_not_allowed")
    made.expect_refused(leaf_of(made.pki.device, "meid", "urn:device-id:meid:a0000000002329"),
                        "identifier_not_allowed")
    with made.site.device(leaf_of(made.second, "own", FOREIGN)) as client:
        answer = client.get("/v1/device")
    assert answer.json()["reason"] == "device_unknown"  # it may; it was not imported


def test_with_a_rule_no_authority_goes_without(two_makers):
    del two_makers.gateway.config["authority", "second"]
    two_makers.start()
    leaf = two_makers.second.issue("own", uris=[FOREIGN], usages=[pki.CLIENT])
    two_makers.expect_refused(leaf, "identifier_not_allowed")
