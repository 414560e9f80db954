"""Bodies that are no JSON, or not what doc/openapi.yaml says, at every call that takes one.

Each is refused as body_invalid (an accounting reference has a reason of its own), none leaves a
row, and the right one is taken after them on the same connection.
"""

import uuid

import pytest
from harness import mutation, openapi
from harness.caller import Caller
from harness.schema import ACTIVATION, TERMS, digest

TERMS_SHA256 = digest(TERMS["en"].encode()).hex()
REASONS = {"version_unsupported", "body_invalid", "accounting_reference_invalid"}


@pytest.fixture
def caller(site):
    site.start("database", "server")
    with Caller(site, openapi.Api()) as made:
        made.authenticate()
        yield made


def calls(caller):
    """Template, method, target, right body and its status, of each call with a body."""
    path, accepted = caller.offered("compass"), caller.accepted("torch")
    new = f"/v1/requests/{uuid.uuid4()}"
    request = caller.site.schema.body("voice-mail", dev=caller.dev)
    accept = {"answer": "accept", "sha256": TERMS_SHA256}
    result = {"result": "installed", "version": "1.4.0", "reason": "as_asked"}
    fetched = caller.accepted("voice-mail")
    caller.ask("GET", f"/v1/content/{digest(ACTIVATION).hex()}", 200)
    again = {"item": "voice-mail", "attempt": 1, "reason": "digest_mismatch"}
    return [
        ("/v1/requests/{uuid}", "PUT", new, request, 201),
        ("/v1/requests/{uuid}/answer", "PUT", f"{path}/answer", accept, 200),
        ("/v1/requests/{uuid}/retransmission", "POST", f"{fetched}/retransmission", again, 200),
        ("/v1/requests/{uuid}/items/{item}/result", "PUT", f"{accepted}/items/torch/result",
         result, 200),
        ("/v1/authentication", "POST", "/v1/authentication",
         caller.link.authentication(caller.leaf, caller.dev), 200),
        ("/v1/sessions/{sid}/end", "POST", caller.end_path(), caller.end_body(), 204),
    ]


def schema_of(api, template, method):
    operation = api.operations()[template, method]
    return operation["requestBody"]["content"]["application/json"]["schema"]


def rows(site):
    return {table: site.db.value(f"select count(*) from provbox.{table}")
            for table in ("request", "event", "outbox", "notice", "acceptance")}


def assert_refused(caller, method, target, texts):
    is_new = caller.api.template(method, target) == "/v1/requests/{uuid}"
    wrong = []
    for what, text in texts:
        if is_new:  # none meets what another has made
            target = f"/v1/requests/{uuid.uuid4()}"
        headers = {"Content-Type": "application/json"}
        if target == "/v1/authentication" or target.endswith("/end"):
            headers["Provbox-Grant"] = None
        answer = caller.link.request(method, target, text, headers)
        caller.api.check(method, target, answer)
        reason = answer.json().get("reason") if answer.body else None
        if answer.status != 400 or reason not in REASONS:
            wrong.append(f"{what}: {answer.status} {reason}: {text[:200]!r}")
    assert not wrong, "\n".join(wrong)


def test_every_call_with_a_body_is_here(caller):
    named = {(template, method) for template, method, *_ in calls(caller)}
    assert named == {key for key, operation in caller.api.operations().items()
                     if "requestBody" in operation}


@pytest.mark.parametrize("n", range(6))
def test_a_body_that_is_not_as_documented(caller, n):
    template, method, target, body, status = calls(caller)[n]
    before = rows(caller.site)
    texts = [*mutation.of_values(caller.api, schema_of(caller.api, template, method), body),
             *mutation.of_text(body)]
    assert len(texts) > 60
    assert_refused(caller, method, target, texts)
    assert rows(caller.site) == before
    caller.ask(method, target, status, body)


def test_a_body_that_is_too_long(caller):
    for _, method, target, body, status in calls(caller):
        text = b'{"a": "' + b"x" * 20000 + b'"}'
        for sent in (text, iter([text])):  # in chunks its length is not known beforehand
            caller.ask(method, target, 413, sent, reason="body_too_large",
                       Content_Type="application/json")
        caller.ask(method, target, status, body)
