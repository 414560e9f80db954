"""The pieces that flow tests stand on do what they say."""

import json
import os
import socket
import subprocess
import sys
from http import client
from types import SimpleNamespace

import audit
import pytest
import relay as relay_peer
from harness import billing as billing_peer
from harness import daemon, http, kannel, openapi, pki, process, smscsim, wait


def openssl(*arguments):
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True)


def verify(authority, leaf, purpose):
    return openssl("verify", "-CAfile", authority.path, "-CRLfile", authority.crl_path,
                   "-crl_check", "-purpose", purpose, leaf.path)


def test_certificates_verify_and_revoked_ones_do_not(tmp_path):
    site = pki.Pki(tmp_path)
    leaf = site.device_leaf("one", "urn:gsma:imei:35209900-176148-0")
    assert verify(site.device, leaf, "sslclient").returncode == 0
    assert verify(site.airnet, site.gateway_airnet, "sslserver").returncode == 0
    assert verify(site.landnet, site.gateway_landnet, "sslclient").returncode == 0
    assert verify(site.landnet, site.gateway_landnet, "sslserver").returncode != 0
    assert "URI:urn:gsma:imei:35209900-176148-0" in openssl(
        "x509", "-in", leaf.path, "-noout", "-ext", "subjectAltName").stdout
    site.device.revoke(leaf)
    assert "revoked" in verify(site.device, leaf, "sslclient").stderr
    assert os.stat(leaf.key_path).st_mode & 0o777 == 0o600


def test_knobs_make_what_must_be_refused(tmp_path):
    site = pki.Pki(tmp_path)
    imei = "urn:gsma:imei:35209900-176148-0"
    expired = site.device_leaf("old", imei, not_after=pki.now() - pki.DAY / 2)
    assert "expired" in verify(site.device, expired, "sslclient").stderr
    other = pki.Authority(tmp_path, "other").issue("other-leaf", uris=[imei])
    assert verify(site.device, other, "sslclient").returncode != 0


def test_a_database_belongs_to_one_site(cluster):
    def prepare(database):
        database.query("create table t (n int)")

    first, second = cluster.new_database(prepare), cluster.new_database(prepare)
    first.query("insert into t values (%s)", 1)
    assert first.value("select count(*) from t") == 1
    assert second.value("select count(*) from t") == 0


def test_processes_are_watched_and_none_is_left(tmp_path):
    script = ("import os, sys, time\n"
              "line = '2026-11-21T01:02:03.456Z %s demo[7] ev=%s note=\"a b\" port=4\\n'\n"
              "sys.stderr.write(line % ('INFO', 'ready') + line % ('ERROR', 'broken'))\n"
              "sys.stderr.flush()\n"
              "if os.fork() == 0: time.sleep(60)\n"
              "time.sleep(60)\n")
    before = set(process.children(os.getpid()))
    program = process.Process("demo", [sys.executable, "-c", script], tmp_path)
    assert program.wait_event("ready", port=4)["note"] == '"a b"'
    program.wait_for(lambda: len(process.children(program.pid)) == 1, "its child")
    assert len(program.complaints()) == 1 and not program.complaints({"broken"})
    program.stop()
    (left,) = process.left_behind(before)
    assert "left behind" in left


def test_waiting_for_a_program_that_ended_fails_with_its_log(tmp_path):
    program = process.Process("gone", ["sh", "-c", "echo the reason; exit 3"], tmp_path)
    with pytest.raises(AssertionError, match="ended with 3(.|\n)*the reason"):
        program.wait_event("ready")


def test_billing_honours_the_idempotency_key(tmp_path):
    receiver = billing_peer.Billing(tmp_path, pki.Pki(tmp_path))
    receiver.start()
    event = {"specversion": "1.0", "id": "e1", "source": "urn:test", "type": "t"}
    headers = {"Content-Type": "application/cloudevents+json", "Idempotency-Key": "e1"}
    with receiver.client() as sender:
        def post(body):
            return sender.post("/events", json.dumps(body).encode(), headers=headers).status
        assert [post(event), post(event), post({**event, "data": 1})] == [202, 200, 422]
        assert post({**event, "specversion": "0.3"}) == 400
        receiver.set_fault(status=503, times=1)
        assert [post(event), post(event)] == [503, 200]
    assert [(r["event"]["id"], r["repeated"]) for r in receiver.records()] == [
        ("e1", False), ("e1", True), ("e1", True)]
    receiver.stop()


def test_the_relay_counts_what_passes():
    with socket.create_server(("127.0.0.1", 0)) as server:
        relay = relay_peer.Relay(server.getsockname()[1])
        with socket.create_connection(("127.0.0.1", relay.port)) as client:
            accepted, _ = server.accept()
            with accepted:
                client.sendall(b"x" * 70000)
                received = b""
                while len(received) < 70000:
                    received += accepted.recv(65536)
                accepted.sendall(b"yes")
                assert client.recv(3) == b"yes"
                assert (relay.to_server_bytes, relay.to_client_bytes) == (70000, 3)
                relay.cut()
                assert client.recv(1) == b""
        relay.close()


DOCUMENT = """
openapi: 3.1.0
paths:
  /v1/device:
    get:
      responses:
        '200':
          headers: {ETag: {required: true, schema: {type: string}}}
          content: {application/json: {schema: {$ref: '#/components/schemas/Device'}}}
        '404': {$ref: '#/components/responses/Missing'}
components:
  responses:
    Missing: {description: none}
  schemas:
    Device:
      type: object
      required: [dev]
      additionalProperties: false
      properties: {dev: {type: string}}
"""


def answer(status, body=b"", **headers):
    message = client.HTTPMessage()
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    return http.Answer(status, message, body)


def test_answers_are_held_against_the_document(tmp_path):
    (tmp_path / "api.yaml").write_text(DOCUMENT)
    api = openapi.Api(tmp_path / "api.yaml")
    good = {"Content_Type": "application/json", "ETag": '"1"'}
    api.check("GET", "/v1/device?x=1", answer(200, b'{"dev": "d"}', **good))
    assert api.unseen() == [("/v1/device", "GET", "404")]
    api.check("GET", "/v1/device", answer(404))
    assert api.unseen() == []
    for wrong in (answer(200, b'{"dev": 1}', **good), answer(200, b'{"dev":"d","x":1}', **good),
                  answer(200, b'{"dev": "d"}', Content_Type="application/json"),
                  answer(200, b'{"dev": "d"}', ETag='"1"'), answer(500), answer(404, b"x")):
        with pytest.raises(AssertionError):
            api.check("GET", "/v1/device", wrong)


def test_bearerbox_starts_again_on_its_ports(tmp_path):
    bearerbox = kannel.Bearerbox(tmp_path, smscsim.Smscsim(tmp_path))
    bearerbox.start()
    assert "Kannel bearerbox" in bearerbox.status()
    bearerbox.restart()
    assert wait.is_listening(bearerbox.box_port)
    bearerbox.stop()
    assert not bearerbox.complaints()


def test_configuration_is_written_in_its_syntax():
    assert daemon.config_text({
        "workers": 2, "demo": True, "listen": ["127.0.0.1:1"], "admin": 'a"b',
        ("route", "p.example.com:1"): {"idle_timeout": "2s"},
    }) == ('workers = 2\ndemo = yes\nlisten = {"127.0.0.1:1"}\nadmin = "a\\"b"\n'
           'route "p.example.com:1" {\n    idle_timeout = "2s"\n}\n')


def part_row(part, **changes):
    """A part of a notice of two, as the audit reads it from the database."""
    return {"id": 1, "msisdn": "+447700900123", "text": "ab", "concat_ref": 3, "parts": 2,
            "part": part, "reason": None, "sent": [1.0], "acked": 2.0, "reported": 3.0,
            "is_taken": True, **changes}


def audited(monkeypatch, rows, came, given_up=()):
    """What the audit says of messages; `came`: (number of the part, its text)."""
    monkeypatch.setattr(audit, "SETTLE_S", 0)
    phone = SimpleNamespace(number="+447700900123", parts=[
        (2.5, {"udh": f"0500030302{n:02x}", "dcs": 0, "data": text.encode().hex()})
        for n, text in came])
    crowd = SimpleNamespace(devices=[SimpleNamespace(phone=phone)], wrong=[])
    link = SimpleNamespace(events=lambda *_, **__: [{"time": at} for at in given_up])
    it = audit.Audit(SimpleNamespace(schema=SimpleNamespace(table=lambda _: rows), smsc=link),
                     crowd, [])
    it._messages()
    return it.problems, it.figures["sms_not_needed"]


NOT_TAKEN = {"acked": None, "reported": None, "is_taken": False}


@pytest.mark.parametrize("second, came", [
    ({}, [(1, "a")]),
    ({"reason": "notice_not_needed"}, [(1, "a")]),
    (NOT_TAKEN, [(1, "a")]),
    ({**NOT_TAKEN, "reason": "notice_expired"}, [(1, "a")]),
    ({}, [(1, "a"), (2, "b"), (2, "b")]),
    ({}, [(1, "a"), (2, "c")]),
    ({}, [(1, "b"), (2, "a")]),
    ({}, [(1, "a"), (2, "b"), (3, "b")])],
    ids=["lost", "lost, and not needed", "not taken", "not taken in its time", "twice",
         "another text", "in another order", "one too many"])
def test_the_audit_tells_of_a_part(monkeypatch, second, came):
    problems, _ = audited(monkeypatch, [part_row(1), part_row(2, **second)], came)
    assert problems


@pytest.mark.parametrize("second, came, n_not_needed", [
    ({}, [(1, "a"), (2, "b")], 0),
    ({**NOT_TAKEN, "reason": "notice_not_needed"}, [(1, "a")], 1),
    ({**NOT_TAKEN, "reason": "notice_not_needed"}, [(2, "b"), (1, "a")], 0)],
    ids=["both came", "not needed", "not needed, and came"])
def test_the_audit_is_content(monkeypatch, second, came, n_not_needed):
    """Nobody needs terms any more that were answered while bearerbox was away."""
    assert audited(monkeypatch, [part_row(1), part_row(2, **second)], came) == (
        [], n_not_needed)


@pytest.mark.parametrize("given_up, is_allowed", [
    (["1970-01-01T00:00:01.500Z"], True), (["1970-01-01T00:00:02.500Z"], False)],
    ids=["while it waited", "after its acknowledgement"])
def test_the_audit_allows_a_repeat_where_the_link_gave_up(monkeypatch, given_up, is_allowed):
    problems, _ = audited(monkeypatch, [part_row(1), part_row(2)],
                          [(1, "a"), (2, "b"), (2, "b")], given_up)
    assert (problems == []) == is_allowed
