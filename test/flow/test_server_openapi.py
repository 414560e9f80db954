"""Every status that doc/openapi.yaml promises is provoked, and nothing else comes."""

import uuid

import pytest
from harness import control, http, openapi, pki
from harness.caller import Caller
from harness.schema import MODULE, TERMS, digest

SHA256 = digest(MODULE).hex()
TERMS_SHA256 = digest(TERMS["en"].encode()).hex()
UNKNOWN = f"/v1/requests/{uuid.uuid4()}"
AGAIN = {"item": "compass", "attempt": 1, "reason": "digest_mismatch"}
LONG = b'{"a": "' + b"x" * 20000 + b'"}'


@pytest.fixture
def served(site):
    site.start("database")
    site.server.config["database_timeout"] = "200ms"
    site.narrow = site.pki.landnet.issue("narrow", usages=[pki.CLIENT])
    site.server.config["gateway", "narrow"] = {"certificate": site.narrow.path, "imei": ["99"]}
    site.start("server")
    return site


def calls(caller, path):
    """Each call of the document, as it would be right; `path` is that of a request."""
    body = caller.site.schema.body(dev=caller.dev)
    return [
        ("GET", "/v1/device", None), ("GET", "/v1/catalogue", None),
        ("PUT", path, body), ("GET", path, None), ("DELETE", path, None),
        ("GET", f"{path}/terms", None),
        ("PUT", f"{path}/answer", {"answer": "accept", "sha256": TERMS_SHA256}),
        ("PUT", f"{path}/items/compass/result", {"result": "installed"}),
        ("POST", f"{path}/retransmission", AGAIN),
        ("GET", f"/v1/content/{SHA256}", None),
        ("POST", "/v1/authentication", caller.link.authentication(caller.leaf, caller.dev)),
        ("POST", caller.end_path(), caller.end_body()), ("GET", "/v1/control", None),
    ]


def provoke_success(caller):
    caller.authenticate(want_proof=True)
    caller.ask("GET", "/v1/device", 200)
    caller.ask("GET", "/v1/catalogue", 200)
    path = caller.offered("compass", "voice-mail")
    caller.ask("PUT", path, 200, caller.site.schema.body("compass", "voice-mail"))
    tag = caller.ask("GET", path, 200).headers["ETag"]
    caller.ask("GET", path, 304, If_None_Match=tag)
    caller.ask("GET", f"{path}/terms", 200)
    accept = {"answer": "accept", "sha256": TERMS_SHA256}
    caller.ask("PUT", f"{path}/answer", 200, accept)
    content = f"/v1/content/{SHA256}"
    tag = caller.ask("GET", content, 200).headers["ETag"]
    caller.ask("GET", content, 206, Range="bytes=2-5")
    caller.ask("GET", content, 304, If_None_Match=tag)
    caller.ask("GET", content, 416, Range="bytes=100000-", reason="range_unsatisfiable")
    caller.ask("POST", f"{path}/retransmission", 200, AGAIN)
    caller.ask("PUT", f"{path}/items/compass/result", 200,
               {"result": "installed", "version": "1.4.0"})
    caller.ask("PUT", f"{path}/items/compass/result", 409, {"result": "failed"},
               reason="result_final")
    caller.ask("POST", f"{path}/retransmission", 409, {**AGAIN, "attempt": 2},
               reason="result_final")
    caller.ask("PUT", f"{path}/answer", 409, {"answer": "decline", "sha256": TERMS_SHA256},
               reason="answer_final")
    caller.ask("DELETE", path, 409, reason="cancel_too_late")
    caller.ask("DELETE", caller.offered("torch"), 200)
    caller.ask("POST", caller.end_path(), 204, caller.end_body())
    with control.Stream(caller.site) as stream:
        for line in (stream.read(), provoke_change(caller, stream)):
            caller.api.check("GET", "/v1/control", http.Answer(
                stream.answer.status, stream.answer.headers, line))
    return path


def provoke_change(caller, stream):
    caller.site.schema.value("operator", "device_limit", caller.dev, None)
    caller.site.schema.value("operator", "device_unblock", caller.dev)
    caller.authenticate()
    return stream.read_change()


def provoke_unknown(caller):
    caller.ask("GET", UNKNOWN, 404, reason="request_unknown")
    caller.ask("DELETE", UNKNOWN, 404, reason="request_unknown")
    caller.ask("GET", f"{UNKNOWN}/terms", 404, reason="request_unknown")
    caller.ask("PUT", f"{UNKNOWN}/answer", 404,
               {"answer": "accept", "sha256": TERMS_SHA256}, reason="request_unknown")
    caller.ask("PUT", f"{UNKNOWN}/items/compass/result", 404, {"result": "installed"},
               reason="request_unknown")
    caller.ask("POST", f"{UNKNOWN}/retransmission", 404, AGAIN, reason="request_unknown")
    caller.ask("GET", f"/v1/content/{'0' * 64}", 404, reason="content_unknown")


def provoke_limits(caller, path):
    caller.ask("PUT", path, 409, caller.site.schema.body("voice-mail"),
               reason="request_conflict")
    caller.site.schema.setting(requests_per_hour=1)
    caller.ask("PUT", UNKNOWN, 429, caller.site.schema.body(), reason="too_many_requests")
    caller.site.schema.setting(requests_per_hour=30)


def provoke_wrong_heads(caller, path):
    for method, target, body in calls(caller, path):
        caller.ask(method, target, 400, body, reason="exchange_mismatch",
                   Provbox_Exchange="777")
        if target.startswith(("/v1/authentication", "/v1/sessions", "/v1/control")):
            caller.ask(method, target, 400, body, reason="grant_unexpected",
                       Provbox_Grant=caller.link.grant)
        else:
            caller.ask(method, target, 401, body, reason="grant_invalid",
                       Provbox_Grant="AAAA")
        if body is None:
            caller.ask(method, target, 400, {}, reason="body_unexpected")
            continue
        caller.ask(method, target, 400, {}, reason="body_invalid")
        caller.ask(method, target, 415, body, reason="media_type_unsupported",
                   Content_Type="text/plain")
        caller.ask(method, target, 413, LONG, reason="body_too_large",
                   Content_Type="application/json")


def provoke_other_methods(caller):
    for method, status, reason in (("key", 403, "method_not_permitted"),
                                   ("Key", 400, "body_invalid")):
        caller.ask("POST", "/v1/authentication", status, caller.link.authentication(
            caller.leaf, caller.dev, method=method), reason=reason)


def provoke_foreign_device(site, api):
    """The gateway "narrow" speaks for other devices."""
    with Caller(site, api, gateway=site.narrow) as caller:
        caller.ask("POST", "/v1/authentication", 403,
                   caller.link.authentication(caller.leaf, caller.dev),
                   reason="gateway_not_for_device")
        caller.ask("POST", caller.end_path(), 403, caller.end_body(),
                   reason="gateway_not_for_device")


def provoke_later_versions(caller):
    """Whatever else a later version has to say."""
    request = {**caller.link.authentication(caller.leaf, caller.dev), "v": 2, "more": {}}
    for target in ("/v1/authentication", f"/v1/sessions/{request['sid']}/end"):
        answer = caller.ask("POST", target, 400, request, reason="version_unsupported")
        assert answer.json()["versions"] == [1]


def provoke_strange_gateway(site, api, path):
    stranger = site.pki.landnet.issue("stranger", usages=[pki.CLIENT])
    with Caller(site, api, gateway=stranger) as caller:
        for method, target, body in calls(caller, path):
            caller.ask(method, target, 403, body, reason="gateway_unknown")


def provoke_database_errors(caller, path):
    caller.site.server.expect_errors("db_failed")
    caller.site.db.query("revoke execute on all functions in schema provbox"
                         " from provbox_server")
    for method, target, body in calls(caller, path):
        caller.ask(method, target, 500, body, reason="internal")


def provoke_database_absence(caller, path):
    caller.site.db.cluster.execute(
        f"alter database {caller.site.db.name} allow_connections false")
    caller.site.db.cluster.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        f" where datname = '{caller.site.db.name}'")
    for method, target, body in calls(caller, path):
        caller.ask(method, target, 503, body, reason="database_unavailable")


def test_every_documented_status_occurs(served):
    api = openapi.Api()
    with Caller(served, api) as caller:
        path = provoke_success(caller)
        provoke_unknown(caller)
        caller.authenticate()
        provoke_limits(caller, path)
        provoke_wrong_heads(caller, path)
        provoke_other_methods(caller)
        provoke_foreign_device(served, api)
        provoke_later_versions(caller)
        provoke_strange_gateway(served, api, path)
        served.db.query("update provbox.catalogue set is_current = false")
        caller.ask("GET", "/v1/catalogue", 404, reason="catalogue_empty")
        provoke_database_errors(caller, path)
        provoke_database_absence(caller, path)
    assert api.unseen() == [], "doc/openapi.yaml has what nothing here provokes: " + ", ".join(
        " ".join(promise) for promise in api.unseen())


def test_a_path_or_method_that_is_not_documented(served):
    with Caller(served, openapi.Api()) as caller:
        caller.authenticate()
        for target in ("/", "/v1", "/v1/device/x", "/v1/device?a=b", "/metrics"):
            answer = caller.link.request("GET", target)
            assert (answer.status, answer.json()["reason"]) == (404, "path_unknown"), target
        for method, target, allow in (("POST", UNKNOWN, "PUT, GET, DELETE"),
                                      ("POST", "/v1/device", "GET"),
                                      ("GET", "/v1/authentication", "POST")):
            answer = caller.link.request(method, target)
            assert (answer.status, answer.json()["reason"]) == (405, "method_not_allowed")
            assert answer.headers["Allow"] == allow
