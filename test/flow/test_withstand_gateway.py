"""What a rogue gateway may say and an honest server must refuse: no request handler is
reached, each refusal has its reason in the log and in the metrics, and an honest gateway
goes on meanwhile.

The witnesses are the server's count of database calls, and every row of the database.
"""

import contextlib
import os
import signal
import ssl
import time
import uuid

import pytest
from harness import http, openapi, pki, process, protocol, schema
from harness.caller import Caller
from harness.schema import DEV, DEV2

IS_LONG = os.environ.get("PROVBOX_LONG") == "1"
GRANT_LIMIT = 1024

COUNTERS = {
    **{reason: f'provbox_server_grants_refused_total{{reason="{reason}"}}'
       for reason in ("grant_invalid", "grant_expired", "grant_epoch", "grant_unexpected")},
    "exchange_mismatch": "provbox_server_exchange_mismatches_total",
    "gateway_unknown": "provbox_server_gateways_unknown_total",
    "handshake": "provbox_server_handshakes_failed_total",
}
DATABASE_CALLS = "provbox_server_database_calls_total"


class Edge:
    """A server with two gateways: an honest one, at work for a device, and a rogue one
    whose certificate is as good."""

    def __init__(self, site):
        self.site, self.server = site, site.server
        self.leaf = site.pki.landnet.issue("rogue-landnet", usages=[pki.CLIENT])
        site.server.config["gateway", "rogue"] = {"certificate": self.leaf.path}
        site.start("database", "server")
        site.schema.import_devices(schema.device(DEV2, "+447700900124"))
        self.api = openapi.Api()
        self.honest = self.caller(DEV2)
        self.honest.authenticate()
        self.rogue = self.caller(DEV, self.leaf)
        (self.courier,) = (pid for pid in self.server.workers()
                           if "courier" in process.command(pid))

    def caller(self, dev, gateway=None):
        return Caller(self.site, self.api, dev=dev, gateway=gateway)

    def rows(self):
        """A digest of every table."""
        tables = self.site.db.query(
            "select tablename from pg_tables where schemaname = 'provbox'")
        return {name: self.site.db.value(
            "select md5(string_agg(t::text, '|' order by t::text))"
            f" from provbox.{name} t") for (name,) in map(dict.values, tables)}

    @contextlib.contextmanager
    def expect_nothing_done(self, calls=0, **counted):
        """Inside, no row changes, and of the counters these, by so much."""
        os.kill(self.courier, signal.SIGSTOP)  # which asks the database now and then
        try:
            before, rows = self.server.metrics(), self.rows()
            yield
            assert self.rows() == rows
            after = self.server.metrics()
        finally:
            os.kill(self.courier, signal.SIGCONT)
        for reason, metric in COUNTERS.items():
            assert after[metric] - before[metric] == counted.get(reason, 0), reason
        assert after[DATABASE_CALLS] - before[DATABASE_CALLS] == calls
        self.honest.ask("GET", "/v1/device", 200)

    def order(self, status, reason, what, **fields):
        """The rogue one sends what would make a row, and is refused so."""
        headers = {name.replace("_", "-"): value for name, value in fields.items()}
        answer = self.rogue.link.request(
            "PUT", f"/v1/requests/{uuid.uuid4()}", self.site.schema.body("compass"), headers)
        assert (answer.status, answer.json()["reason"]) == (status, reason), what
        assert answer.headers["WWW-Authenticate"] == ("Provbox-Grant" if status == 401
                                                      else None), what

    def close(self):
        self.honest.link.close()
        self.rogue.link.close()


@pytest.fixture
def edge(site):
    made = Edge(site)
    yield made
    made.close()


def with_spare_bits(rogue):
    """A grant whose text ends in bits that stand for nothing."""
    return next(grant for grant in (rogue.mint(standing=standing) for standing in
                                    ("unprovisioned", "active", "blocked"))
                if len(grant) % 4)


def as_bytes(change):
    """A good grant, its bytes changed."""
    return lambda rogue: protocol.b64u(change(protocol.b64u_decode(rogue.mint())))


def as_text(change):
    return lambda rogue: change(rogue.mint())


def after_last_bit(text):
    return text[:-1] + chr(ord(text[-1]) + 1)


WRONG_GRANTS = {
    "none": lambda rogue: None,
    "empty": lambda rogue: "",
    "for another gateway": lambda rogue: rogue.mint(
        gw=bytes.fromhex(rogue.site.pki.gateway_landnet.spki_hash())),
    "for another server": lambda rogue: rogue.mint(srv="other.example.com:8443"),
    "for another port": lambda rogue: rogue.mint(srv=f"{rogue.site.pki.SERVER_NAME}:8444"),
    "of another key": lambda rogue: rogue.mint(key=bytes(32)),
    "of an unknown key": lambda rogue: rogue.mint(kid="b0" * 8),
    "of another method": lambda rogue: rogue.mint(method="link"),
    "of an unknown standing": lambda rogue: rogue.mint(standing="operator"),
    "without the last byte": as_bytes(lambda grant: grant[:-1]),
    "without the first byte": as_bytes(lambda grant: grant[1:]),
    "key id alone": as_bytes(lambda grant: grant[:8]),
    "shorter than a MAC": as_bytes(lambda grant: grant[:39]),
    "no payload": as_bytes(lambda grant: grant[:8] + grant[-32:]),
    "one byte more": as_bytes(lambda grant: grant + b"\0"),
    "over-long": as_bytes(lambda grant: grant + bytes(GRANT_LIMIT)),
    "padded": as_text(lambda text: text + "=" * (-len(text) % 4 or 4)),
    "with a space": as_text(lambda text: f"{text[:9]} {text[9:]}"),
    "with its bytes in hex": as_text(lambda text: protocol.b64u_decode(text).hex()),
    "of standard base64": lambda rogue: "+/" + rogue.mint()[2:],
    "not canonical": lambda rogue: after_last_bit(with_spare_bits(rogue)),
    "a scheme before it": as_text(lambda text: f"Bearer {text}"),
}


def test_a_grant_that_is_not_its_own_opens_nothing(edge):
    """Among them one that the server made, a moment ago, for the same device."""
    with edge.caller(DEV) as robbed:
        robbed.authenticate()
        robbed.ask("GET", "/v1/device", 200)
        wrong = {"of a session of another gateway": robbed.link.grant,
                 **{what: make(edge.rogue) for what, make in WRONG_GRANTS.items()}}
        with edge.expect_nothing_done(grant_invalid=len(wrong) + 1):
            for what, grant in wrong.items():
                edge.order(401, "grant_invalid", what, Provbox_Grant=grant)
            good = edge.rogue.mint()
            edge.order(401, "grant_invalid", "twice",
                       **{"Provbox-Grant": good, "provbox-grant": good})
        robbed.ask("GET", "/v1/device", 200)
    logged = edge.server.events("request", reason="grant_invalid")
    assert len(logged) == len(wrong) + 1
    # A grant that does not hold says nothing of a device either.
    assert {(line["dev"], line["sid"]) for line in logged} == {("-", "-")}
    # The rogue gateway is held up by nothing else than its grants.
    edge.rogue.link.grant = good
    edge.rogue.ask("GET", "/v1/device", 200)


def bits(size):
    """All of the key's id and of the MAC, and of the payload one in each byte."""
    for bit in range(size * 8):
        at = bit // 8
        if IS_LONG or at < 8 or at >= size - 32 or bit % 8 == at % 8:
            yield bit


def test_a_grant_with_one_bit_changed_opens_nothing(edge):
    good = protocol.b64u_decode(edge.rogue.mint())
    changed = list(bits(len(good)))
    with edge.expect_nothing_done(grant_invalid=len(changed)):
        for bit in changed:
            wrong = bytearray(good)
            wrong[bit // 8] ^= 1 << bit % 8
            edge.order(401, "grant_invalid", f"bit {bit}", Provbox_Grant=protocol.b64u(wrong))
    edge.rogue.link.grant = protocol.b64u(good)
    edge.rogue.ask("GET", "/v1/device", 200)


def test_a_grant_of_the_past_opens_nothing(edge):
    now = int(time.time())
    ends = protocol.GRANT_SECONDS
    old = [edge.rogue.mint(iat=now - ends - 1), edge.rogue.mint(iat=0),
           edge.rogue.mint(seconds=0)]
    with edge.expect_nothing_done(grant_expired=len(old)):
        for grant in old:
            edge.order(401, "grant_expired", grant, Provbox_Grant=grant)
    # The epoch is compared in the statement of the work, which then does nothing.
    epoch = edge.site.schema.epoch(DEV)
    old = [edge.rogue.mint(epoch=wrong) for wrong in (epoch - 1, epoch + 1, 0, 2 ** 63 - 1)]
    with edge.expect_nothing_done(calls=len(old), grant_epoch=len(old)):
        for grant in old:
            edge.order(401, "grant_epoch", grant, Provbox_Grant=grant)
    edge.rogue.link.grant = edge.rogue.mint(iat=now - ends + 60)
    edge.rogue.ask("GET", "/v1/device", 200)


def test_a_wrong_exchange_number_opens_nothing(edge):
    """With the best of grants, and on calls of the gateway's own as well."""
    grant = edge.rogue.mint()
    body = edge.rogue.link.authentication(edge.rogue.leaf, DEV)

    def wrong():
        n = edge.rogue.link.exchanges
        return [None, "", str(n + 1), str(n - 1), f"0{n}", f"+{n}", f"-{n}", f"{n}.0", f"{n},{n}",
                hex(n), str(n + 2 ** 64), "9" * 40]

    n_wrong = len(wrong())
    with edge.expect_nothing_done(exchange_mismatch=2 * n_wrong + 1):
        for i in range(n_wrong):
            edge.order(400, "exchange_mismatch", wrong()[i], Provbox_Grant=grant,
                       Provbox_Exchange=wrong()[i])
            number = wrong()[i]
            answer = edge.rogue.link.request("POST", "/v1/authentication", body,
                                             {"Provbox-Exchange": number})
            assert (answer.status, answer.json()["reason"]) == (400, "exchange_mismatch"), number
        number = str(edge.rogue.link.exchanges)
        edge.order(400, "exchange_mismatch", "twice",
                   **{"Provbox-Exchange": number, "provbox-exchange": number})
    edge.rogue.link.grant = grant
    edge.rogue.ask("GET", "/v1/device", 200)


def own_calls(caller):
    """What a gateway asks in its own name: method, target, body."""
    return [("POST", "/v1/authentication", caller.link.authentication(caller.leaf, DEV)),
            ("POST", caller.end_path(), caller.end_body()),
            ("GET", "/v1/control", None)]


def test_a_device_cannot_speak_for_its_gateway(edge):
    """What has a grant came through the gateway, and is not of it."""
    calls = own_calls(edge.rogue)
    with edge.expect_nothing_done(grant_unexpected=len(calls)):
        for method, target, body in calls:
            edge.rogue.ask(method, target, 400, body, reason="grant_unexpected",
                           Provbox_Grant=edge.rogue.mint())


def test_a_gateway_that_is_not_configured_opens_nothing(edge):
    stranger = edge.site.pki.landnet.issue("stranger", usages=[pki.CLIENT])
    with edge.expect_nothing_done(gateway_unknown=1), edge.caller(DEV, stranger) as caller:
        calls = [(None, *call) for call in own_calls(caller)]
        calls += [(caller.mint(), "GET", target, None) for target in ("/v1/device", "/v1/no")]
        for grant, method, target, body in calls:
            answer = caller.link.request(method, target, body, {"Provbox-Grant": grant})
            assert (answer.status, answer.json()["reason"]) == (403, "gateway_unknown"), target
    edge.server.wait_event("gateway_unknown", pin=stranger.pin())
    edge.server.wait_event("link_closed", gateway="-", requests="5")


def of_another_root(p):
    return pki.Authority(p.directory / "other", "landnet").issue("gateway", usages=[pki.CLIENT])


def same_key_of_another_root(p):
    other = pki.Authority(p.directory / "other", "landnet")
    return other.issue("gateway", usages=[pki.CLIENT], key=p.gateway_landnet.key)


def revoked(p):
    leaf = p.landnet.issue("revoked", usages=[pki.CLIENT])
    p.landnet.revoke(leaf)
    return leaf


# Who is not even heard; why, as the log has it.
CERTIFICATES = {
    "none": ("certificate_missing", lambda p: None),
    "of another root": ("certificate_unknown_ca", of_another_root),
    "the gateway's own key under another root": ("certificate_unknown_ca",
                                                 same_key_of_another_root),
    "of a device": ("certificate_unknown_ca", lambda p: p.device_leaf("handset", DEV)),
    "of a server": ("certificate_wrong_purpose", lambda p: p.server_landnet),
    "expired": ("certificate_expired", lambda p: p.landnet.issue(
        "expired", usages=[pki.CLIENT], not_after=pki.now() - pki.DAY / 2)),
    "not yet valid": ("certificate_not_yet_valid", lambda p: p.landnet.issue(
        "early", usages=[pki.CLIENT], not_before=pki.now() + pki.DAY)),
    "revoked": ("certificate_revoked", revoked),
}


def test_a_gateway_with_a_wrong_certificate_is_not_heard(site):
    leaves = {what: make(site.pki) for what, (_, make) in CERTIFICATES.items()}
    edge = Edge(site)
    grant = edge.caller(DEV).mint()
    for what, (reason, _) in CERTIFICATES.items():
        with edge.expect_nothing_done(handshake=1):
            requests = len(edge.server.events("request"))
            seen = len(edge.server.events("link_closed", reason=reason))
            client = http.Client(site.server_port, site.pki.SERVER_NAME,
                                 http.context(site.pki.landnet, leaves[what]), site.pki.SRV)
            with client, pytest.raises((ssl.SSLError, ConnectionError)):
                client.get("/v1/device", headers={"Provbox-Grant": grant,
                                                  "Provbox-Exchange": "0"})
            edge.server.process.wait_for(
                lambda: len(edge.server.events("link_closed", reason=reason)) == seen + 1,
                f"{what}: {reason}")
            assert len(edge.server.events("request")) == requests, what
    edge.close()
