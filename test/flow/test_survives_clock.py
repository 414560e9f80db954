"""The wall clock of one daemon jumps two hours back, and a month forward, under load: no
deadline comes early or late, no session ends of it, nothing is lost or done twice.

The check jumps each daemon once each way; make soak SOAK=clock does it for minutes.
"""

import os
import random
import socket
import threading
import time

import pytest
from audit import Audit
from harness import airnet, pki, wait
from harness.caller import Caller
from harness.clock import HOUR_S, MONTH_S, Clock
from harness.openapi import Api
from harness.schema import DEV
from subscribers import Crowd

IS_SOAK = bool(os.environ.get("PROVBOX_SOAK"))
SEED = int(os.environ.get("PROVBOX_SOAK_SEED", "1"))
N_ROUNDS = 20 if IS_SOAK else 1
DAEMONS = ("gateway", "server", "smsc")
JUMPS = {"two hours back": -2 * HOUR_S, "a month forward": MONTH_S}
MARGIN_S = 3  # of a deadline of 2 s, on a machine with other work
ORDERS = 3  # that must end in a new time, and again in the old one


@pytest.fixture(autouse=True)
def long_lived(monkeypatch):
    """Certificates and lists of a hundred days: they are not what a month is to end."""
    monkeypatch.setattr(pki, "DAY", 5 * pki.DAY)


@pytest.fixture
def clocks(site):
    """Of each daemon, one that can be wrong."""
    made = {name: Clock(site.directory, name) for name in DAEMONS}
    for name, clock in made.items():
        getattr(site, name).env.update(clock.environment)
    return made


class Regular:
    """A device that keeps one session and asks all the time."""

    def __init__(self, site):
        self.client = site.device(site.pki.device_leaf("regular", DEV))
        self.n_answers, self.wrong, self.slowest_s = 0, [], 0
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self._ask)
        self.thread.start()

    def _ask(self):
        while not self.ending.wait(0.02):
            began = time.monotonic()
            try:
                answer = self.client.get("/v1/device")
            except OSError as error:
                self.wrong.append(repr(error))
                return
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)
            self.n_answers += answer.status == 200
            if answer.status != 200:
                self.wrong.append(answer)

    def end(self):
        self.ending.set()
        self.thread.join()
        self.client.close()


def ended(crowd):
    return sum(order.ended is not None for order in list(crowd.orders))


def go_on(crowd, regular):
    """Orders that were begun after the jump come to their ends, and the session goes on."""
    orders, answers = len(crowd.orders), regular.n_answers
    wait.until(lambda: crowd.wrong or regular.wrong
               or (ended(crowd) >= orders + ORDERS and regular.n_answers > answers),
               "orders that end", 30)
    assert not crowd.wrong and not regular.wrong


def test_clocks_jump_under_load(site, clocks):
    site.start("database", "billing", "smscsim", "bearerbox", "server", "smsc", "gateway")
    site.schema.setting(open_requests=1000, requests_per_hour=1000000,
                        messages_per_hour=1000000)
    site.bearerbox.wait_online()
    crowd = Crowd(site, SEED, 4, n_devices=40 + 100 * N_ROUNDS)
    regular = Regular(site)
    crowd.begin()
    try:
        numbers = random.Random(SEED)
        for n in range(N_ROUNDS):
            jumps = [(name, jump) for name in DAEMONS for jump in JUMPS]
            numbers.shuffle(jumps)
            for name, jump in jumps:
                if IS_SOAK:
                    print(f"{n + 1}/{N_ROUNDS} {name}: {jump}, {ended(crowd)} orders ended",
                          flush=True)
                clocks[name].shift(JUMPS[jump])
                go_on(crowd, regular)
                clocks[name].shift(0)
                go_on(crowd, regular)
        crowd.end()
        problems, figures = Audit(site, crowd, []).run()
    finally:
        crowd.end()
        regular.end()
        crowd.close()
    assert not problems, "\n".join(problems[:20])
    assert figures["requests_done"] > 0
    assert regular.slowest_s < MARGIN_S
    for name in DAEMONS:
        part = getattr(site, name)
        late = [line for line in part.events() if "timeout" in (line["reason"] or "")
                or line["ev"] in ("child_exit", "not_ready")]
        assert not late, late


@pytest.mark.parametrize("jump", JUMPS)
def test_no_deadline_of_the_edge_moves(site, clocks, jump):
    """Of a handshake, a head, a wait for the next request: each at its 2 s."""
    site.gateway.config["idle_timeout"] = "2s"
    site.start("database", "server", "gateway")
    leaf = site.pki.device_leaf("good", DEV)
    silent = socket.create_connection(("127.0.0.1", site.airnet_port))
    idle, half = airnet.Device(site, leaf), airnet.Device(site, leaf)
    began = time.monotonic()
    half.send(b"GET /v1/dev")
    time.sleep(0.7)
    clocks["gateway"].shift(JUMPS[jump])
    clocks["server"].shift(JUMPS[jump])
    ends = {}
    reasons = ("handshake_timeout", "idle_timeout", "head_timeout")

    def look():
        for reason in reasons:
            if site.gateway.events("session_end", reason=reason):
                ends.setdefault(reason, time.monotonic() - began)
        return len(ends) == len(reasons)

    wait.until(look, f"{reasons}, had {ends}")
    assert all(1.5 < at_s < 2 + MARGIN_S for at_s in ends.values()), ends
    for connection in (silent, idle, half):
        connection.close()


@pytest.mark.parametrize("jump", JUMPS)
def test_nothing_is_older_than_it_is(site, clocks, jump):
    """A daemon, its generation and its processes, in /status."""
    site.start("database", "server", "gateway")
    clocks["gateway"].shift(JUMPS[jump])
    status = site.gateway.status()
    (generation,) = status["generations"]
    ages = [status["uptime_ms"], generation["age_ms"],
            *(process["uptime_ms"] for process in generation["processes"])]
    assert all(0 <= age_ms < 60000 for age_ms in ages), ages


def test_lists_go_stale_by_the_wall_clock(site, clocks):
    """A month on they are worth nothing; who is there stays, and all is well again when the
    clock is."""
    site.pki.device.write_crl(next_update=pki.now() + 2 * pki.DAY)
    site.start("database", "server", "gateway")
    leaf = site.pki.device_leaf("good", DEV)
    with site.device(leaf) as there:
        assert there.get("/v1/device").status == 200
        clocks["gateway"].shift(MONTH_S)
        with pytest.raises(OSError), site.device(leaf) as late:
            late.get("/v1/device")
        site.gateway.wait_event("session_end", reason="crl_stale", phase="handshake")
        assert site.gateway.metrics()['provbox_gateway_expiry_seconds{key="airnet_crl"}'] < 0
        assert there.get("/v1/device").status == 200
        clocks["gateway"].shift(0)
        with site.device(leaf) as again:
            assert again.get("/v1/device").status == 200
        assert site.gateway.metrics()['provbox_gateway_expiry_seconds{key="airnet_crl"}'] > 0
        assert there.get("/v1/device").status == 200


@pytest.mark.parametrize("issued, used", [(0, MONTH_S), (MONTH_S, 0), (0, -2 * HOUR_S),
                                          (-2 * HOUR_S, 0)])
def test_a_grant_of_another_time_is_renewed(site, clocks, issued, used):
    """It holds for ten minutes of the clock that it was made by, and at most for ten before:
    one that was made a month ahead would hold for a month."""
    site.start("database", "server")
    with Caller(site, Api()) as caller:
        clocks["server"].shift(issued)
        caller.authenticate()
        caller.ask("GET", "/v1/device", 200)
        clocks["server"].shift(used)
        caller.ask("GET", "/v1/device", 401, reason="grant_expired")
        caller.authenticate()
        caller.ask("GET", "/v1/device", 200)
