"""Any process is killed -9 at any moment, under load: nothing that was acknowledged is lost,
nothing is done twice.

The check kills two of each; make soak SOAK=kills SOAK_SEED=7 SOAK_KILLS=200 does it for
minutes. The same seed kills in the same order with the same pauses.
"""

import collections
import json
import os
import time

import pytest
import services
import subscribers
from audit import Audit
from harness import paths, postgres
from subscribers import Crowd
from victims import NAMED, SUPERVISORS, Executioner, plan

# Of the mail server of the test, which has TLS from the first byte.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")

IS_SOAK = bool(os.environ.get("PROVBOX_SOAK"))
SEED = int(os.environ.get("PROVBOX_SOAK_SEED", "1"))
N_KILLS = int(os.environ.get("PROVBOX_SOAK_KILLS", "200")) if IS_SOAK else 16
LONGEST_PAUSE_S = 2.0 if IS_SOAK else 1.0
DEVICES_AT_ONCE = 8
PROGRESS = 10  # kills between two lines


class DurableCluster(postgres.Cluster):
    """What is committed must outlive the server, as in operation."""

    settings = postgres.SETTINGS.replace("= off", "= on")


@pytest.fixture(scope="module")
def cluster():
    running = DurableCluster()
    yield running
    running.stop()


@pytest.fixture
def loaded(site, monkeypatch):
    """A whole site, and a crowd that keeps it busy."""
    site.gateway.config["idle_timeout"] = "10s"
    services.add_verification(site)
    services.add_mail(site)
    site.server.config.update(billing_timeout="1s", verification_timeout="1s", mail_timeout="5s")
    site.smsc.config.update(lease="5s")
    site.smscsim.options["latency-ms"] = 30
    for daemon in (site.gateway, site.server, site.smsc):
        daemon.expect_errors("child_exit")  # five deaths in a row are an alarm
    site.start("database", "billing", "verification", "mail", "smscsim", "bearerbox", "server",
               "smsc", "gateway")
    site.schema.setting(open_requests=1000, requests_per_hour=1000000,
                        messages_per_hour=1000000, part_validity="10 seconds",
                        backoff_first="200 milliseconds", backoff_cap="1 second",
                        verification="service")
    site.bearerbox.wait_online()
    for service in (site.billing, site.verification):
        service.set_fault(delay_s=0.1)  # so that a kill meets what is on its way
    site.mail.delay_s = site.mail.confirm_s = 0.05
    # Only a device that was not provisioned before is verified.
    monkeypatch.setattr(subscribers, "ORDERS_EACH", 6)
    crowd = Crowd(site, SEED, DEVICES_AT_ONCE, n_devices=40 + 15 * N_KILLS, has_mail=True)
    crowd.begin()
    yield site, crowd
    crowd.end()
    crowd.close()


def say(text):
    print(text, flush=True)


def summary(kills, figures):
    """A table of the kills, and what was counted."""
    times = collections.defaultdict(list)
    for kill in kills:
        times[kill.name].append(kill.back_s)
    say(f"\n{'process':<26}{'kills':>6}{'back after, s: median':>23}{'longest':>9}")
    for name, all_times in sorted(times.items()):
        known = sorted(t for t in all_times if t is not None)
        say(f"{name:<26}{len(all_times):>6}{known[len(known) // 2]:>23.2f}{known[-1]:>9.2f}")
    for name, value in figures.items():
        say(f"{name:<26}{value:>6}")
    return {name: {"kills": len(known), "back_s": known} for name, known in times.items()}


@pytest.mark.long
def test_kills_lose_nothing_and_repeat_nothing(loaded):
    site, crowd = loaded
    executioner = Executioner(site)
    begun = time.monotonic()
    say(f"\nseed {SEED}, {N_KILLS} kills")
    for n, (name, pause_s) in enumerate(plan(SEED, N_KILLS, LONGEST_PAUSE_S), 1):
        time.sleep(pause_s)
        executioner.kill(name)
        if n % PROGRESS == 0:
            ended = sum(order.ended is not None for order in list(crowd.orders))
            say(f"{time.monotonic() - begun:6.0f} s  {n:4} kills  {ended:5} requests ended"
                f"  {len(crowd.wrong)} wrong")
    crowd.end()
    executioner.measure()
    problems, figures = Audit(site, crowd, executioner.kills).run()
    table = summary(executioner.kills, figures)
    if IS_SOAK:
        (paths.BUILD / f"soak-kills-{SEED}.json").write_text(json.dumps(
            {"seed": SEED, "kills": table, "figures": figures, "problems": problems,
             "seconds": time.monotonic() - begun}, indent=1) + "\n")
    assert not problems, "\n".join(problems[:20])
    assert min(table[name]["kills"] for name in NAMED) >= (N_KILLS // 10 if N_KILLS >= 20 else 2)
    assert all(figures[name] > 0 for name in ("requests_done", "verification_keys",
                                              "mail_arrived"))


def test_a_seed_is_replayed_and_spares_nobody():
    kills = plan(7, 200, 2.0)
    assert kills == plan(7, 200, 2.0) != plan(8, 200, 2.0)
    counts = collections.Counter(name for name, _ in kills)
    assert len(kills) == 200 and min(counts[name] for name in NAMED) >= 20
    assert counts.keys() >= {*NAMED, *SUPERVISORS}
