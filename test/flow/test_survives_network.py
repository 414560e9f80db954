"""A network that drops, delays, damages, resets and swallows, at any byte of a session: no
wrong answer, nothing acknowledged that is not stored, no session past its deadline, no leak.

The check takes some offsets of each kind. All of them, and many of the slow kinds, in shares
of which each has a site to itself: make soak SOAK=network FLOW='-n 6'.
"""

import concurrent.futures
import http.client
import itertools
import json
import os
import random
import ssl
import sys
import time
import uuid

import pytest
from fault_proxy import KINDS, Fault, FaultProxy
from harness import airnet, process, wait
from harness.schema import DEV

OFFSETS = 3  # of each kind and direction
SLOW_KINDS = ("hole", "delay", "drip")
MANY_OFFSETS = 100
PROGRESS_S = 5
SEED = int(os.environ.get("PROVBOX_SOAK_SEED", "1"))
IS_SOAK = bool(os.environ.get("PROVBOX_SOAK"))
SHARES = 6 if IS_SOAK else 1
DEVICES = 12
# Of a device with the gateway; longer than any deadline of the site, handshake to idle.
PATIENCE_S = 20
OPEN = "provbox_gateway_sessions"


def tell(line):
    """To the error output, which shares that run side by side have in common."""
    print(line, file=sys.stderr, flush=True)


class Outcome:
    """What devices were told."""

    def __init__(self):
        self.n_answers = self.n_refusals = self.n_cuts = 0
        self.acknowledged, self.wrong = set(), []

    def judge(self, answer, status, name, value):
        """An answer is the right one, or says that the server is away, or that the rest of
        a request never came; nothing else."""
        content = json.loads(answer.body)
        if answer.status in status and content[name] == value:
            self.n_answers += 1
        elif (answer.status == 503 and answer.headers["Retry-After"]
              or (answer.status, content["reason"]) == (408, "body_timeout")):
            self.n_refusals += 1
        else:
            self.wrong.append((answer.status, answer.body[:300]))
        return answer.status in status


def run_session(site, outcome):
    """One device: what it is, then a request with a body."""
    request = str(uuid.uuid4())
    text = json.dumps(site.schema.body()).encode()
    try:
        with airnet.Device(site, site.good) as device:
            device.tls.settimeout(PATIENCE_S)
            outcome.judge(device.ask("GET /v1/device HTTP/1.1"), {200}, "dev", DEV)
            device.head(f"PUT /v1/requests/{request} HTTP/1.1", "Content-Type: application/json",
                        f"Content-Length: {len(text)}")
            device.send(text)
            if outcome.judge(device.receive("PUT"), {200, 201}, "id", request):
                outcome.acknowledged.add(request)
    except (OSError, ssl.SSLError, http.client.HTTPException):
        outcome.n_cuts += 1


def faults(lengths, seed):
    """All that a run does to its connections, in a random order."""
    numbers = random.Random(seed)
    made = []
    for kind, to_server in itertools.product(KINDS, lengths):
        offsets = range(lengths[to_server])
        n = (OFFSETS if not IS_SOAK else MANY_OFFSETS if kind in SLOW_KINDS else len(offsets))
        made += [Fault(kind, to_server, at) for at in numbers.sample(offsets, n)]
    numbers.shuffle(made)
    return made


def run_sessions(site, proxy, planned):
    """Devices come and go until there is no fault left to meet."""
    outcome = Outcome()

    def come_and_go():
        while not proxy.is_done() and not outcome.wrong:
            run_session(site, outcome)

    proxy.plan(*planned)
    proxy.cut()  # what was kept has no fault
    with concurrent.futures.ThreadPoolExecutor(DEVICES) as pool:
        runs = [pool.submit(come_and_go) for _ in range(DEVICES)]
        while concurrent.futures.wait(runs, PROGRESS_S).not_done:
            tell(f"{proxy.n_left()} of {len(planned)} faults to go")
        for run in runs:
            run.result()
    return outcome


@pytest.fixture
def weather(site):
    """A site whose deadlines are all 2 s, one credential playing every device."""
    site.gateway.config.update(idle_timeout="2s", sessions_per_identity=0)
    site.server.config["idle_timeout"] = "2s"
    site.start("database", "server")
    site.schema.setting(open_requests=1000000, requests_per_hour=1000000,
                        requests_per_number=1000000,
                        messages_per_hour=1000000)
    site.good = site.pki.device_leaf("good", DEV)
    yield site


def stored(site):
    return {row["id"] for row in site.schema.table("select id::text from request")}


def descriptors(part):
    return sum(process.open_files(pid) for pid in part.workers())


def check_after(site, outcome, before):
    """All is over, and as it was before."""
    assert outcome.wrong == []
    assert outcome.n_answers > 0
    assert outcome.acknowledged <= stored(site)
    wait.until(lambda: site.gateway.metrics()[OPEN] == 0, "no session left", 20)
    last = Outcome()
    for _ in range(20):  # what was refused for a moment is served again
        run_session(site, last)
        if last.acknowledged:
            break
        time.sleep(0.2)
    assert last.acknowledged and last.wrong == []
    wait.until(lambda: descriptors(site.gateway) <= before["gateway"]
               and descriptors(site.server) <= before["server"],
               "no descriptor left", 20)
    for part in (site.gateway, site.server):
        assert not [line for line in part.events("child_exit")]


def put_before(site, leg):
    """A site with the proxy on one leg."""
    proxy = FaultProxy(site.airnet_port if leg == "airnet" else site.server_port)
    site.relays.append(proxy)
    if leg == "landnet":
        site.gateway.config["route", site.pki.SRV]["address"] = [f"127.0.0.1:{proxy.port}"]
    site.start("gateway")
    if leg == "airnet":
        site.airnet_port = proxy.port
    return proxy


@pytest.mark.long
@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("leg", ["airnet", "landnet"])
def test_faults_at_any_byte(weather, leg, share):
    site = weather
    proxy = put_before(site, leg)
    proxy.begin()
    run_session(site, Outcome())
    before = {part: descriptors(getattr(site, part)) + DEVICES for part in ("gateway", "server")}
    lengths = {True: proxy.to_server_bytes, False: proxy.to_client_bytes}
    planned = faults(lengths, SEED)[share::SHARES]
    outcome = run_sessions(site, proxy, planned)
    tell(f"{leg}, share {share + 1} of {SHARES}: seed {SEED}, {len(planned)} faults planned, "
         f"{proxy.n_met} met, {outcome.n_answers} answers, {outcome.n_refusals} refused, "
         f"{outcome.n_cuts} cut")
    check_after(site, outcome, before)
    assert proxy.n_met > 0.9 * len(planned)


def test_a_damaged_handshake_says_nothing_of_the_server(weather):
    """Only one whose certificate is not accepted is refused for good."""
    proxy = put_before(weather, "landnet")
    proxy.plan(*[Fault("flip", False, 20)] * 50)
    proxy.cut()
    with airnet.Device(weather, weather.good) as device:
        answer = device.ask("GET /v1/device HTTP/1.1")
    assert (answer.status, answer.json()["reason"]) == (503, "server_unavailable")
    assert proxy.n_met > 0
