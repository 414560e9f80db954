"""Programs started in any order, or missing for a while: each waits for what it needs, says
so once, and goes on by itself.

The check takes some orders; make soak SOAK=order takes a hundred.
"""

import collections
import concurrent.futures
import os
import random
import time

import pytest
from audit import Audit
from harness import wait
from harness.handset import Handset, order
from subscribers import Crowd
from test_server_failure import allow_database, forbid_database
from victims import Kill

IS_SOAK = bool(os.environ.get("PROVBOX_SOAK"))
SEED = int(os.environ.get("PROVBOX_SOAK_SEED", "1"))
PARTS = ["database", "smscsim", "bearerbox", "server", "smsc", "gateway"]
PAUSE_S = 0.3
MISSING_S = 1.5
ORDERS = 3
# What may be said again and again in vain: at every start of a process, not at every try.
WAITING = ("db_down", "link_down", "landnet_down", "control_down", "not_ready")


def orders_of_start():
    numbers = random.Random(SEED)
    return [PARTS[::-1]] + [numbers.sample(PARTS, len(PARTS))
                            for _ in range(100 if IS_SOAK else 2)]


@pytest.fixture
def hands():
    """Threads that outlive the site: a program ends with the thread that started it."""
    with concurrent.futures.ThreadPoolExecutor(len(PARTS)) as pool:
        yield pool


@pytest.mark.parametrize("parts", orders_of_start(), ids="-".join)
def test_any_order_of_start(hands, site, parts):
    site.start("database", "billing")
    forbid_database(site)  # it is not there yet
    starts = []
    for name in parts:
        starts.append(hands.submit(allow_database, site) if name == "database"
                      else hands.submit(site.start, name))
        time.sleep(PAUSE_S)
    for start in starts:
        start.result(30)
    site.bearerbox.wait_online()
    Handset(site, retries=20).used(*order(1), "wait screen TERMS", "key YES",
                                   "wait screen DONE")
    for part in (site.server, site.smsc, site.gateway):
        said = collections.Counter((line.pid, line["ev"], line["address"])
                                   for line in part.events() if line["ev"] in WAITING)
        assert not said or max(said.values()) <= 2, said


def go_on(crowd):
    wanted = len(crowd.orders) + ORDERS
    wait.until(lambda: crowd.wrong or
               sum(each.ended is not None for each in list(crowd.orders)) >= wanted,
               "orders that end", 30)
    assert not crowd.wrong


def test_each_is_missing_for_a_while(site):
    """Under load; what was begun before ends after it, and nothing twice."""
    site.start("database", "billing", "smscsim", "bearerbox", "server", "smsc", "gateway")
    site.schema.setting(open_requests=1000, requests_per_hour=1000000,
                        messages_per_hour=1000000, part_validity="10 seconds",
                        backoff_first="200 milliseconds", backoff_cap="1 second")
    site.bearerbox.wait_online()
    crowd = Crowd(site, SEED, 4, n_devices=40)
    crowd.begin()
    missing = []
    try:
        for name in ("gateway", "server", "smsc", "database"):
            go_on(crowd)
            missing.append(Kill("SMSC link" if name == "smsc" else
                                "PostgreSQL" if name == "database" else name, time.time()))
            if name == "database":
                forbid_database(site)
            else:
                getattr(site, name).stop()
            time.sleep(MISSING_S)
            if name == "database":
                allow_database(site)
            else:
                getattr(site, name).start()
        go_on(crowd)
        crowd.end()
        problems, figures = Audit(site, crowd, missing).run()
    finally:
        crowd.end()
        crowd.close()
    assert not problems, "\n".join(problems[:20])
    assert figures["requests_done"] > 0
