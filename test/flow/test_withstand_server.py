"""What a rogue provisioning server may do to a gateway and its handsets: nothing.

It stands under a name of its own beside an honest server, behind one gateway. Whoever it is
and whatever it says of a session, nothing of a request leaves before it has shown who it is,
each kind of answer has its reason in the log and in the metrics, and an honest handset goes on
meanwhile. What it does to a link is in test_withstand_answers.py, wrong proofs are in
test_proof.py.
"""

import json
import time

import pytest
from harness import pki
from harness.edge import ALIKE, AWAY
from harness.stand_in import AUTHENTICATION
from rogue_server import Response, RogueServer


@pytest.fixture
def edge(rogue_edge):
    rogue_edge.start()
    return rogue_edge


# -- who it is

def untrusted(p):
    """{kind: (why the gateway does not go on, as its log has it; certificate)}, for a name
    of its own each."""
    def issue(name, authority=p.landnet, **knobs):
        return authority.issue(name, **{"dns": [f"{name}.example.com"], "usages": [pki.SERVER],
                                        **knobs})

    revoked = issue("revoked")
    p.landnet.revoke(revoked)
    other = pki.Authority(p.directory / "other", "landnet")
    return {
        "root": ("certificate_unknown_ca", issue("root", other)),
        "airnet": ("certificate_unknown_ca", issue("airnet-server", p.airnet)),
        "name": ("certificate_wrong_name", issue("name", dns=["prov.example.com"])),
        "common": ("certificate_wrong_name", issue(
            "common", dns=(), common_name="common.example.com")),
        "wild": ("certificate_wrong_name", issue("wild", dns=["*.wild.example.com"])),
        "purpose": ("certificate_wrong_purpose", issue("purpose", usages=[pki.CLIENT])),
        "expired": ("certificate_expired", issue(
            "expired", not_after=pki.now() - pki.DAY / 2)),
        "early": ("certificate_not_yet_valid", issue("early", not_before=pki.now() + pki.DAY)),
        "revoked": ("certificate_revoked", revoked),
    }


def test_a_server_that_is_not_who_it_should_be_hears_nothing(rogue_edge):
    kinds = untrusted(rogue_edge.site.pki)
    servers = {}
    for kind, (_, leaf) in kinds.items():
        srv = f"{kind}.example.com:9443"
        servers[srv] = RogueServer(rogue_edge.route(srv), leaf, rogue_edge.site.pki.landnet, rogue_edge.rogue.answer)
    rogue_edge.start()
    for (kind, (why, _)), (srv, server) in zip(kinds.items(), servers.items(), strict=True):
        rogue_edge.expect_refused(ALIKE, "landnet_untrusted", kind, srv=srv)
        assert rogue_edge.gateway.wait_event("landnet_down", srv=srv)["reason"] == why
        assert server.requests == [], kind
        rogue_edge.ask_honest()
        server.close()


# -- what it says of a session

def changed(**members):
    return lambda good: json.dumps({**good, **members}).encode()


def without(name):
    return lambda good: json.dumps({n: v for n, v in good.items() if n != name}).encode()


def text(change):
    return lambda good: change(json.dumps(good).encode())


def after_last_bit(name):
    """Another text for the same bytes."""
    return lambda good: json.dumps(
        {**good, name: good[name][:-1] + chr(ord(good[name][-1]) + 1)}).encode()


GARBAGE = {
    "nothing": lambda good: b"",
    "no JSON": lambda good: b"\x16\x03\x01\x02\x00",
    "half of it": text(lambda good: good[:-1]),
    "two of them": text(lambda good: good + good),
    "something after it": text(lambda good: good + b"x"),
    "in a list": text(lambda good: b"[" + good + b"]"),
    "in a string": lambda good: json.dumps(json.dumps(good)).encode(),
    "a member twice": text(lambda good: good[:-1] + b', "v": 1}'),
    "a member more": changed(more=1),
    "deep": text(lambda good: good[:-1] + b', "more": ' + b"[" * 1000 + b"]" * 1000 + b"}"),
    "no UTF-8": text(lambda good: good.replace(b"active", b"activ\xff")),
    "a NUL": changed(standing="active\0"),
    "in UTF-16": text(lambda good: good.decode().encode("utf-16")),
    "a byte order mark": text(lambda good: b"\xef\xbb\xbf" + good),
    "white space without end": text(lambda good: good + b" " * 100_000),
    "a grant that is too long": changed(grant="A" * 1368),
    "a grant with padding": changed(grant="AA=="),
    "a grant that is not canonical": changed(grant="AB"),
    "an empty grant": changed(grant=""),
    "an empty proof": changed(proof=""),
    "a short sid": changed(sid="AAAA"),
    "a sid that is not canonical": after_last_bit("sid"),
    "a nonce that is not canonical": after_last_bit("nG"),
    **{f"{name} of another type, {value}": changed(**{name: value})
       for name in ("v", "sid", "nG", "standing", "grant", "proof")
       for value in (None, True, 1.5, [], {})},
    **{f"no {name}": without(name) for name in ("v", "sid", "nG", "standing")},
}


def inform(edge, respond):
    """Have the rogue one answer authentication requests otherwise: respond(request, good)."""
    def answer(request):
        good = edge.rogue.answer(request)
        return respond(request, good.body) if request.target == AUTHENTICATION else good

    edge.rogue.server.answer = answer


def endless_chunks():
    while True:
        yield b"1000\r\n" + b" " * 4096 + b"\r\n"


def test_information_that_is_none_lets_nobody_in(edge):
    def refuse(what, response):
        inform(edge, lambda request, good: response(good))
        edge.expect_refused(ALIKE, "authentication_malformed", what)

    for what, change in GARBAGE.items():
        refuse(what, lambda good, change=change: Response(200, change(good)))
    for media in (None, "", "text/html", "application/problem+json", "application/json, a/b"):
        refuse(media, lambda good, media=media: Response(200, good, {"Content-Type": media}))
    for status in (201, 203, 206, 302, 400, 401, 404):
        refuse(status, lambda good, status=status: Response(status, good))
    refuse("chunks without end", lambda good: Response(
        200, endless_chunks(), {"Transfer-Encoding": "chunked"}))
    assert edge.rogue.server.forwarded() == []
    edge.ask_honest()


def dripping(seconds):
    for _ in range(int(seconds / 0.02)):
        yield b"1\r\n \r\n"
        time.sleep(0.02)


def test_information_that_comes_too_late_lets_nobody_in(rogue_edge):
    rogue_edge.gateway.config["authentication_timeout"] = "300ms"
    rogue_edge.start()
    slow = {
        "after the deadline": lambda good: time.sleep(0.6) or Response(200, good),
        "in drops": lambda good: Response(200, dripping(0.6), {"Transfer-Encoding": "chunked"}),
    }
    for what, response in slow.items():
        inform(rogue_edge, lambda request, good, response=response: response(good))
        rogue_edge.expect_refused(AWAY, "authentication_timeout", what)
        rogue_edge.ask_honest()
    assert rogue_edge.rogue.server.forwarded() == []
