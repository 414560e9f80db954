"""The functions of the schema, called as the programs call them, without the programs."""

import datetime
import hashlib
import json
import uuid

DEV = "urn:gsma:imei:35209900-176148-0"
DEV2 = "urn:gsma:imei:35209900-176149-0"
NUMBER = "+447700900123"
CRED = bytes(range(32))
GATEWAY = bytes(32)
SHORT_CODE = "1234"

MODULE = b"#!/bin/sh\necho compass 1.4.0\n"
ACTIVATION = b'{"enable": "voice-mail"}'
TERMS = {"en": "Terms of the example operator. " * 7 + "End.",
         "el": "Όροι χρήσης της εταιρείας. " * 7 + "Τέλος."}


def digest(content):
    return hashlib.sha256(content).digest()


def request_key(request, dev=DEV):
    """The head of the keys of a request's effects (doc/billing.md)."""
    return f"request/{request}/{digest(f'{dev} {request}'.encode()).hex()[:16]}"


def feature(name, content=MODULE, **knobs):
    return {"id": name, "version": "1.4.0", "name": name.title(), "description": "",
            "kind": "module", "uri": f"https://prov.example.com:8443/{name}",
            "content": {"sha256": digest(content).hex(), "size": len(content),
                        "media_type": "application/octet-stream"}, **knobs}


FEATURES = [
    feature("compass"),
    feature("voice-mail", ACTIVATION, kind="activation"),
    feature("torch", conflicts=["strobe"]),
    feature("strobe"),
    feature("other-model", models=["Example Two"]),
]


def manifest(features=None, terms=None):
    return {"default_language": "en", "features": FEATURES if features is None else features,
            "terms": [{"language": language, "version": "2026-11", "text": text}
                      for language, text in (terms or TERMS).items()]}


def device(dev=DEV, msisdn=NUMBER, **knobs):
    return {"dev": dev, "msisdn": msisdn, "model": "Example One", "given_name": "Ada",
            "family_name": "Lovelace", "postcode": "SW1A 1AA", **knobs}


class Schema:
    """A database with a catalogue and one device, asked in the role of each program."""

    def __init__(self, database):
        self.database = database
        current = self.table("select version from catalogue where is_current")
        self.catalogue = current[0]["version"] if current else self._fill()

    def _fill(self):
        self.import_devices(device())
        return self.load(manifest(), [MODULE, ACTIVATION])

    @staticmethod
    def install(database):
        """What Cluster.new_database() copies: the schema, and what Schema() would add."""
        database.install_schema()
        Schema(database)

    def rows(self, role, function, *parameters):
        marks = ", ".join("%s" for _ in parameters)
        return self.database.query(f"select * from provbox.{function}({marks})", *parameters,
                                   role=f"provbox_{role}")

    def row(self, role, function, *parameters):
        (row,) = self.rows(role, function, *parameters)
        return row

    def value(self, role, function, *parameters):
        (value,) = self.row(role, function, *parameters).values()
        return value

    def table(self, statement, *parameters):
        """What only the administrator can see."""
        return self.database.query("set search_path = provbox; " + statement, *parameters)

    def setting(self, **values):
        """Not by setting_put, which has nobody set what suits no site: tests are short of time."""
        for key, value in values.items():
            (row,) = self.table("update setting set value = %s where key = %s returning key",
                                str(value), key)
            assert row

    # Operator

    def load(self, content_manifest, contents):
        begun = self.row("operator", "catalogue_begin", json.dumps(content_manifest))
        for content in contents:
            if digest(content).hex() in begun["missing"]:
                self.upload(content)
        self.rows("operator", "catalogue_publish", begun["version"])
        return begun["version"]

    def upload(self, content, size=262144):
        for n in range(0, -(-len(content) // size)):
            self.rows("operator", "content_chunk_put", digest(content), n,
                      content[n * size:(n + 1) * size])
        return self.finish(content)

    def finish(self, content):
        """Read back what is stored, and have the database judge it."""
        rows = self.table("select bytes from content_chunk where sha256 = %s order by n",
                          digest(content))
        found = digest(b"".join(bytes(row["bytes"]) for row in rows))
        return self.value("operator", "content_finish", digest(content), found)

    def import_devices(self, *devices):
        """What became of each, in the order given."""
        rows = self.rows("operator", "device_import", json.dumps(devices))
        return sorted(rows, key=lambda row: row["n"])

    # Device API

    def epoch(self, dev=DEV):
        """Of the device, or of the rule for devices that are not there."""
        (found,) = self.table(
            "select coalesce((select epoch from device where dev = %s), (select epoch"
            " from policy where reason = 'device_unknown')) as epoch", dev)
        return found["epoch"]

    def api(self, function, *parameters, dev=DEV, permission="provision", epoch=None):
        """(status, reason, body) as the server would answer it."""
        row = self.row("server", function, dev, self.epoch(dev) if epoch is None else epoch,
                       permission, *parameters)
        return row["status"], row["reason"], json.loads(row["body"] or "null")

    def body(self, *items, dev=DEV, language="en", reference="acct-0123456789", **user):
        known = {"given_name": "Ada", "family_name": "Lovelace", "postcode": "SW1A 1AA",
                 "language": language, **user}
        return {"user": known, "accounting": {"reference": reference},
                "device": {"dev": dev, "model": "Example One", "firmware": "7.1"},
                "catalogue": self.catalogue, "items": list(items or ["compass"])}

    def put(self, body=None, request=None, **knobs):
        text = json.dumps(self.body() if body is None else body)
        return self.api("request_put", request or str(uuid.uuid4()), digest(text.encode()), text,
                        **knobs)

    def offered(self, *items, dev=DEV, **knobs):
        """The id of a new request whose terms are offered."""
        status, reason, body = self.put(self.body(*items, dev=dev, **knobs), dev=dev)
        assert (status, reason, body["state"]) == (201, None, "offered")
        return body["id"]

    def answer(self, request, answer="accept", language="en", **knobs):
        return self.api("answer_put", request, answer, digest(TERMS[language].encode()),
                        "AAECAwQFBgcICQoLDA0ODw", GATEWAY, CRED, **knobs)

    def result(self, request, item, result="installed", version="1.4.0", reason=None, **knobs):
        return self.api("item_result_put", request, item, result, version, reason, **knobs)

    def finished(self, *items):
        request = self.offered(*items)
        assert self.answer(request)[0] == 200
        for item in items:
            assert self.result(request, item)[0] == 200
        return request

    def code(self, request):
        (row,) = self.table("select code from offer join request on rid = request"
                            " where id = %s", request)
        return row["code"]

    def events(self, request):
        """(actor, event, from, to, reason) of a request and its items, oldest first."""
        return [(e["actor"], e["kind"], e["from_state"], e["to_state"], e["reason"])
                for e in self.table("select e.* from event e join request r on r.rid = e.request"
                                    " where r.id = %s order by e.id", request)]

    # Notices

    def queue(self, kind="status", number=NUMBER, text="news"):
        """A notice of no request."""
        self.table("select notice_put(null, %s, %s, 'en', %s)", number, kind, text)

    def notices(self, kind=None):
        """(kind, state, reason) of all, oldest first."""
        return [(row["kind"], row["state"], row["reason"]) for row in self.table(
            "select kind, state, reason from notice where kind = coalesce(%s, kind) order by id",
            kind)]

    def work(self):
        """States of what the outbox has for the SMSC link."""
        return [row["state"] for row in self.table(
            "select state from outbox where kind = 'sms' order by id")]

    def make_due(self):
        """As if the time of all that is in the outbox had come."""
        self.table("update outbox set due_at = now() - interval '1 second' returning 1")

    # SMSC link

    def lease(self, limit=100, seconds=60):
        return self.rows("smsc", "smsc_lease", "link-1", limit,
                         datetime.timedelta(seconds=seconds))

    def split(self, leased, total=2, parts=None):
        """Record an attempt at parts; returns their UUIDs."""
        parts = parts or [n for n in range(1, total + 1) if n not in leased["settled"]]
        made = [str(uuid.uuid4()) for _ in parts]
        assert self.record(leased, total, parts, made)
        return made

    def record(self, leased, total, parts, uuids):
        """False when the lease has gone."""
        return self.value("smsc", "smsc_parts", [leased["notice"]], f"{{{leased['token']}}}",
                          [total], [1] * len(parts), parts, f"{{{','.join(uuids)}}}")

    def news(self, *told):
        """What came of each (part, ack, event, answer), told at once."""
        parts, acks, events, answers = map(list, zip(*told))
        return self.rows("smsc", "smsc_news", parts, acks, events,
                         [event and "smsc-1" for event in events], answers)

    def ack(self, part, nack=0):
        """The state of the notice."""
        return self.news((part, nack, None, None))[0]["state"]

    def report(self, part, event, answer=""):
        return self.report_row(part, event, answer)["state"]

    def report_row(self, part, event, answer=""):
        return self.news((part, None, event, answer))[0]

    def send_all(self):
        """Send what is due, as a link whose bearerbox and SMSC take everything."""
        sent = self.lease()
        for leased in sent:
            for part in self.split(leased):
                self.ack(part)
                self.report(part, 8)
        return sent

    def receive(self, text, sender=NUMBER, receiver=SHORT_CODE, message=None, link="sim"):
        row = self.row("smsc", "mo_receive", message or str(uuid.uuid4()), sender, receiver, link,
                       text)
        return row["outcome"], row["request"]
