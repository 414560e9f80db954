"""What others run breaks and comes back, while devices provision: work is kept and goes on by
itself, and what does not depend on it is answered meanwhile.

The check breaks each part once in each way, for a moment; make soak SOAK=outages does it for
longer, three times, and prints how long the answers took beside those of quieter times.
outages.py says what is broken, and how.
"""

import os
import statistics
import time

import pytest
import subscribers
from audit import Audit
from harness import pki, postgres, wait
from harness.schema import DEV
from outages import PARTS, count
from probe import CUT_OFF, Probe, percentile

# Of the mail server of the test, which has TLS from the first byte.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")

IS_SOAK = bool(os.environ.get("PROVBOX_SOAK"))
SEED = int(os.environ.get("PROVBOX_SOAK_SEED", "1"))
STAY_S = 5.0 if IS_SOAK else 0.3
ROUNDS = 3 if IS_SOAK else 1
DEVICES_AT_ONCE = 5
# For what an outage is to be told by, and for the first order to end after it.
SOON_S = 60
# What 99 of 100 answers may take that do not depend on what is broken, in what they take
# without; below the floor it is the machine that is measured, and what else it does.
P99_STAYS = 3
P99_FLOOR_S = 0.03
# Of an answer, whatever is broken: twice any deadline that the site has.
DEADLINE_S = 6


class DurableCluster(postgres.Cluster):
    """What is committed must outlive the server, as in operation."""

    settings = postgres.SETTINGS.replace("= off", "= on")


@pytest.fixture(scope="module")
def cluster():
    running = DurableCluster()
    yield running
    running.stop()


@pytest.fixture
def busy(site, monkeypatch, request):
    """A whole site with one part that may be broken, and a crowd that keeps it busy."""
    part = PARTS[request.param]
    # Only a device's first order is verified.
    monkeypatch.setattr(subscribers, "ORDERS_EACH", 1 if request.param == "verification" else 30)
    site.detours, site.repeats, site.after_start, site.has_mail = {}, [], [], False
    site.parts = ["database", "billing", "smscsim", "bearerbox", "server", "smsc", "gateway"]
    site.settings = {"open_requests": 1000, "requests_per_hour": 1000000,
                     "messages_per_hour": 1000000, "part_validity": "30 seconds",
                     "backoff_first": "200 milliseconds", "backoff_cap": "1 second"}
    site.other_root = site.pki.landnet.issue("impostor", dns=["localhost"], usages=[pki.SERVER])
    site.gateway.config["idle_timeout"] = "10s"
    site.smsc.config["lease"] = "5s"
    site.smscsim.options["latency-ms"] = 10
    part.prepare(site)
    site.start("database")
    site.schema.setting(**site.settings)
    for act in site.after_start:
        act()
    site.start(*site.parts[1:])
    site.bearerbox.wait_online()
    crowd = subscribers.Crowd(site, SEED, DEVICES_AT_ONCE, n_devices=20000 if IS_SOAK else 1000,
                              has_mail=site.has_mail)
    probe = Probe(site, site.pki.only_leaf(DEV))
    crowd.begin()
    probe.begin()
    yield site, part, crowd, probe
    probe.end()
    crowd.end()
    crowd.close()


def n_ended(crowd):
    return sum(order.ended is not None for order in list(crowd.orders))


def go_on(crowd):
    """Orders end, those that were begun by now among them."""
    open_now = [order for order in list(crowd.orders) if order.ended is None]
    before = n_ended(crowd)
    wait.until(lambda: crowd.wrong or (all(order.ended for order in open_now)
                                       and n_ended(crowd) > before),
               "orders to end", SOON_S)
    assert crowd.wrong == []


def go_through(site, part, name, crowd, probe):
    """One outage; the answers that the probe had while it lasted."""
    metric = part.metric(name)
    before = count(site, metric)
    begin = time.monotonic()
    with part.outages[name](site):
        time.sleep(STAY_S)
        wait.until(lambda: count(site, metric) > before, f"{metric} to tell of {name}", SOON_S)
        end = time.monotonic()
    go_on(crowd)
    return probe.between(begin, end)


def check_answers(part, name, answers):
    """In time; and with what was asked for, unless it depends on what is broken."""
    late = [answer for answer in answers if answer[1] > DEADLINE_S]
    assert not late, f"{name}: {late}"
    wanted = {200, 503, CUT_OFF} if part.is_needed else {200}
    assert {status for _, _, status in answers} <= wanted, name


def say_ratio(name, pairs):
    """How much longer 99 of 100 answers took: the median of all rounds, and their spread."""
    ratios = [percentile([s for _, s, _ in broken], 0.99)
              / percentile([s for _, s, _ in whole], 0.99) for broken, whole in pairs]
    last = [s for _, s, _ in pairs[-1][1]]
    print(f"{name:<40} p99 {percentile(last, 0.99) * 1000:7.1f} ms without,"
          f" {statistics.median(ratios):6.2f} times that with"
          f" ({min(ratios):.2f} to {max(ratios):.2f})", flush=True)


def p99_stays(pairs):
    """In most rounds."""
    return statistics.median(
        percentile([s for _, s, _ in broken], 0.99)
        / max(percentile([s for _, s, _ in whole], 0.99), P99_FLOOR_S)
        for broken, whole in pairs) < P99_STAYS


@pytest.mark.long
@pytest.mark.parametrize("busy", PARTS, indirect=True)
def test_work_goes_on_by_itself(busy, request):
    site, part, crowd, probe = busy
    part_name = request.node.callspec.params["busy"]
    go_on(crowd)
    for name in part.outages:
        pairs = []
        for _ in range(ROUNDS):
            quiet = time.monotonic()
            time.sleep(STAY_S if IS_SOAK else 0)
            whole = probe.between(quiet, time.monotonic())
            pairs.append((go_through(site, part, name, crowd, probe), whole))
            check_answers(part, name, pairs[-1][0])
        if IS_SOAK:
            say_ratio(f"{part_name} {name}", pairs)
            assert part.is_needed or p99_stays(pairs), name
    probe.end()
    crowd.end()
    assert probe.wrong == []
    problems, figures = Audit(site, crowd, site.repeats).run()
    print(f"{part_name}: {figures}")
    assert not problems, "\n".join(problems[:20])
