"""Each call to the system that a session makes of a process fails once: the session ends
cleanly or goes on, nothing wrong is said, nothing is left, and the next one is served. And
no memory: the process ends with one line, and another takes its place.

The check takes some of those for memory; all of them: make soak SOAK=calls.
"""

import errno
import http.client
import json
import os
import ssl
import time
import uuid

import pytest
from harness import airnet, failing, memory, process, wait
from harness.schema import DEV, NUMBER
from harness.smscsim import Radio

IS_SOAK = bool(os.environ.get("PROVBOX_SOAK"))
STEP = {failing.CALLS: 1, failing.MEMORY: 1 if IS_SOAK else 40}
PATIENCE_S = 20  # longer than any deadline of the site
ROLES = [("gateway", "worker"), ("gateway", "keys"), ("server", "landnet"),
         ("server", "zone"), ("server", "keys")]
OPEN = "provbox_gateway_sessions"


@pytest.fixture
def weak(site):
    site.gateway.config.update(idle_timeout="2s", sessions_per_identity=0)
    site.server.config["idle_timeout"] = "2s"
    site.plan = failing.Plan(site.directory)
    for part in (site.gateway, site.server):
        part.env.update(site.plan.environment)
    site.start("database", "server", "gateway")
    site.schema.setting(open_requests=100000, requests_per_hour=100000,
                        requests_per_number=100000,
                        messages_per_hour=100000)
    site.good = site.pki.device_leaf("good", DEV)
    return site


def asks(site):
    """What a session says, in order: (line, body, the answer's status, a member, its value)."""
    request = str(uuid.uuid4())
    body = json.dumps(site.schema.body()).encode()
    return [("GET /.provbox/session HTTP/1.1", b"", {200}, "v", 1),
            ("GET /v1/device HTTP/1.1", b"", {200}, "dev", DEV),
            (f"PUT /v1/requests/{request} HTTP/1.1", body, {200, 201}, "id", request)]


def run_session(site):
    """How many answers came before it was cut, and whether all were right."""
    n = 0
    try:
        with airnet.Device(site, site.good) as device:
            device.tls.settimeout(PATIENCE_S)
            for line, body, statuses, member, value in asks(site):
                device.head(line, *([f"Content-Length: {len(body)}",
                                     "Content-Type: application/json"] if body else []))
                device.send(body)
                answer = device.receive(line.split(" ")[0])
                content = json.loads(answer.body)
                if answer.status in statuses:
                    assert content[member] == value
                else:
                    assert answer.status in (500, 503) and content["reason"], answer
                n += 1
    except TimeoutError:
        raise
    except (OSError, ssl.SSLError, http.client.HTTPException):
        pass
    return n


def served(site):
    return run_session(site) == 3


def make_fail(site, part, role, what, error=0):
    """One session after another, in each of which one call fails; their names."""
    names, n = [], 1
    while True:
        site.plan.arm(role, what, n, error)
        began = time.monotonic()
        answers = run_session(site)
        name = site.plan.disarm()
        took_s = time.monotonic() - began
        if name is None:
            return names
        names.append(name)
        if IS_SOAK and len(names) % 50 == 0:
            print(f"{role}: {len(names)} calls failed", flush=True)
        assert took_s < PATIENCE_S, (n, name)
        wait.until(lambda: served(site), f"service after {name}, call {n}", PATIENCE_S)
        if error == errno.EINTR:
            assert answers == 3, (n, name)
        n += STEP[what]


def descriptors(part):
    return sum(process.open_files(pid) for pid in part.workers())


def check_nothing_left(site, before):
    wait.until(lambda: site.gateway.metrics()[OPEN] == 0, "no session left", 20)
    for name in before:
        wait.until(lambda: descriptors(getattr(site, name)) <= before[name] + 4,
                   f"no descriptor left in the {name}", 20)


@pytest.mark.long
@pytest.mark.parametrize("name, role", ROLES)
def test_a_call_fails(weak, name, role):
    part = getattr(weak, name)
    assert served(weak)
    before = {p: descriptors(getattr(weak, p)) for p in ("gateway", "server")}
    names = make_fail(weak, part, role, failing.CALLS)
    assert names
    print(f"{name} {role}: {len(names)} calls, " + " ".join(
        f"{call}={names.count(call)}" for call in sorted(set(names))))
    check_nothing_left(weak, before)
    assert part.events("child_exit") == []


@pytest.mark.parametrize("name, role", ROLES)
def test_a_call_is_interrupted(weak, name, role):
    """Nobody notices."""
    assert served(weak)
    names = make_fail(weak, getattr(weak, name), role, failing.CALLS, errno.EINTR)
    assert names


@pytest.mark.skipif(not memory.is_judged(), reason="memory is the sanitizer's here")
@pytest.mark.parametrize("name, role", [("gateway", "worker"), ("server", "landnet")])
def test_memory_fails(weak, name, role):
    """One line says so, and another process takes the place."""
    part = getattr(weak, name)
    part.expect_errors("child_exit", "bug")
    assert served(weak)
    names = make_fail(weak, part, role, failing.MEMORY)
    exits = part.events("child_exit", role=role)
    assert names and exits
    assert all(line["status"] == "SIGABRT" for line in exits)
    assert len(part.events("bug")) == len(exits)


# Which calls fail on the way out: all up to the first number in a soak, else those.
OUTGOING = {"call": (failing.CALLS, 0, 200, range(1, 8)),
            "interrupted call": (failing.CALLS, errno.EINTR, 100, (1, 3, 5)),
            "memory": (failing.MEMORY, 0, 60, (1, 21))}


@pytest.mark.long
@pytest.mark.parametrize("what", OUTGOING)
@pytest.mark.parametrize("name, role", [("server", "courier"), ("smsc", "link")])
def test_a_call_fails_on_the_way_out(site, name, role, what):
    """Of who posts and of who sends: what was to leave leaves all the same. Where there is no
    memory, one line says so, and another process does it."""
    kind, error, n_all, some = OUTGOING[what]
    if kind == failing.MEMORY and not memory.is_judged():
        pytest.skip("memory is the sanitizer's here")
    plan = failing.Plan(site.directory)
    part = getattr(site, name)
    part.env.update(plan.environment)
    if kind == failing.MEMORY:
        part.expect_errors("child_exit", "bug")
    site.server.config["billing_timeout"] = "1s"
    site.smsc.config.update(lease="2s", ack_timeout="1s")
    site.start("database", "billing", "smscsim", "bearerbox", "server", "smsc")
    site.schema.setting(open_requests=1000, requests_per_hour=1000, requests_per_number=1000,
                        messages_per_hour=10000, backoff_first="100 milliseconds",
                        backoff_cap="300 milliseconds", part_validity="10 seconds")
    site.bearerbox.wait_online()
    names = []
    with Radio(site.smscsim.radio, NUMBER):
        for n in range(1, n_all) if IS_SOAK else some:
            plan.arm(role, kind, n, error)
            request = site.schema.finished("compass")
            wait.until(lambda: site.schema.table(
                "select state from request r where id = %s and not exists ("
                "select from outbox where request = r.rid and state <> 'done'"
                " and kind in ('billing', 'sms') and reason is distinct from 'notice_not_needed')",
                request), f"the end of its work after call {n}, {names[-1:]}", PATIENCE_S)
            names.append(plan.disarm())
    assert any(names)
    exits = part.events("child_exit")
    assert len(exits) == len(part.events("bug")) == (
        len(list(filter(None, names))) if kind == failing.MEMORY else 0)
    assert all((line["role"], line["status"]) == (role, "SIGABRT") for line in exits)
