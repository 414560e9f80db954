"""The document hook: terms for a fax service, posted under one key until it has them."""

import pytest
from harness import pki, wait
from harness.schema import TERMS, device, digest
from rogue_server import Response, RogueServer

FAX = "+447700900321"


class Hook:
    """A fax service in threads of the test, that wants a client certificate and a token."""

    TOKEN = "fax-0123456789"

    def __init__(self, site):
        self.port = wait.free_port()
        self.answers = []
        leaf = site.pki.billing_server
        self.client = site.pki.billing.issue("hook-client", usages=[pki.CLIENT])
        token = site.directory / "hook.token"
        pki.write_secret(token, f"{self.TOKEN}\n".encode())
        self.server = RogueServer(self.port, leaf, site.pki.billing, self.answer)
        site.server.config.update({
            "hook_url": f"https://localhost:{self.port}/fax", "hook_trust": site.pki.billing.path,
            "hook_certificate": self.client.path, "hook_key": self.client.key_path,
            "hook_token_file": token, "hook_timeout": "1s"})

    def answer(self, _request):
        return Response(self.answers.pop(0) if self.answers else 202)

    def documents(self):
        return list(self.server.requests)


@pytest.fixture
def hook(site):
    site.start("database")
    site.schema.setting(backoff_first="100 milliseconds")
    site.schema.import_devices(device(fax=FAX))
    made = Hook(site)
    yield made
    made.server.close()


def row(site):
    (found,) = site.db.query("select state, attempt, key from provbox.outbox where kind = 'hook'")
    return found


def test_the_document_is_posted_once(site, hook):
    request = site.schema.offered(language="el")
    site.start("server")
    wait.until(lambda: row(site)["state"] == "done", "the document")
    (posted,) = hook.documents()
    assert (posted.method, posted.target) == ("POST", "/fax")
    assert posted.headers["Content-Type"] == "application/json"
    assert posted.headers["Authorization"] == f"Bearer {hook.TOKEN}"
    assert posted.headers["Idempotency-Key"] == f'"{row(site)["key"]}"'
    document = posted.json()
    assert document.pop("made").endswith("Z")
    assert document == {
        "v": 1, "document": "terms", "request": request, "to": {"fax": FAX}, "language": "el",
        "version": "2026-11", "text": TERMS["el"], "sha256": digest(TERMS["el"].encode()).hex()}
    told = [event[1] for event in site.schema.events(request)]
    assert told.index("hook_queued") < told.index("hook_done")
    assert FAX not in site.server.process.log()


def test_a_document_is_posted_again_under_its_key(site, hook):
    hook.answers = [503, 429]
    site.schema.offered()
    site.start("server")
    wait.until(lambda: row(site)["state"] == "done", "the document", 20)
    assert row(site)["attempt"] == 3
    assert len({(posted.headers["Idempotency-Key"], posted.body)
                for posted in hook.documents()}) == 1


def test_a_document_that_is_refused_is_dead(site, hook):
    hook.answers = [422]
    site.server.expect_errors("effect_dead")
    site.schema.offered()
    site.start("server")
    site.server.wait_event("effect_dead", kind="hook", status=422)
    assert row(site)["state"] == "dead"
    metrics = site.server.metrics()
    assert metrics['provbox_server_effects_total{kind="hook",outcome="dead"}'] == 1


def test_a_service_of_another_root_gets_nothing(site, hook):
    site.server.config["hook_trust"] = site.pki.landnet.path
    site.schema.offered()
    site.start("server")
    site.server.wait_event("effect_failed", kind="hook", status=0)
    assert hook.documents() == []
    assert row(site)["state"] == "due"


def test_the_offer_goes_on_while_no_document_is_taken(site, hook):
    hook.answers = [503] * 1000
    request = site.schema.offered()
    site.start("server")
    wait.until(lambda: row(site)["attempt"] >= 2, "two attempts", 20)
    assert [leased["text"].startswith(TERMS["en"]) for leased in site.schema.lease()] == [True]
    assert site.schema.answer(request)[2]["state"] == "accepted"
