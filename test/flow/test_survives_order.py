"""Programs started in any order, or missing for a while: each waits for what it needs, says
so once, and goes on by itself.

The check takes some orders; make soak SOAK=order takes a hundred.
"""

import collections
import concurrent.futures
import os
import random
import shutil
import time

import pytest
from audit import Audit
from harness import wait
from harness.handset import Handset, order
from harness.postgres import SQL
from harness.provctl import Provctl
from subscribers import Crowd
from test_server_failure import allow_database, forbid_database
from victims import Kill

IS_SOAK = bool(os.environ.get("PROVBOX_SOAK"))
SEED = int(os.environ.get("PROVBOX_SOAK_SEED", "1"))
PARTS = ["database", "smscsim", "bearerbox", "server", "smsc", "gateway"]
PAUSE_S = 0.3
MISSING_S = 1.5
ORDERS = 3
SOON_S = 60
# What may be said again and again in vain: at every start of a process, not at every try; and
# what is said when it has come. After that it may go once more.
WAITING = {"db_up": "db_down", "link_up": "link_down", "landnet_open": "landnet_down",
           "control_up": "control_down", "ready": "not_ready"}


def orders_of_start():
    numbers = random.Random(SEED)
    return [PARTS[::-1]] + [numbers.sample(PARTS, len(PARTS))
                            for _ in range(100 if IS_SOAK else 2)]


@pytest.fixture
def hands():
    """Threads that outlive the site: a program ends with the thread that started it."""
    with concurrent.futures.ThreadPoolExecutor(len(PARTS)) as pool:
        yield pool


def said_in_vain(part):
    """How often each process said that it waits for the same, before that came."""
    said, most = collections.Counter(), collections.Counter()
    for line in part.events():
        waits_for = WAITING.get(line["ev"], line["ev"])
        key = line.pid, waits_for, line["address"]
        if line["ev"] in WAITING:
            said[key] = 0
        elif waits_for in WAITING.values():
            said[key] += 1
            most[key] = max(most[key], said[key])
    return most


@pytest.mark.long
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
        said = said_in_vain(part)
        assert not said or max(said.values()) <= 2, said


def go_on(crowd):
    wanted = len(crowd.orders) + ORDERS
    wait.until(lambda: crowd.wrong or
               sum(each.ended is not None for each in list(crowd.orders)) >= wanted,
               "orders that end", SOON_S)
    assert not crowd.wrong


@pytest.fixture
def crowd(site):
    """A whole site, and some devices that keep it busy."""
    site.start("database", "billing", "smscsim", "bearerbox", "server", "smsc", "gateway")
    site.schema.setting(open_requests=1000, requests_per_hour=1000000,
                        messages_per_hour=1000000, part_validity="10 seconds",
                        backoff_first="200 milliseconds", backoff_cap="1 second")
    site.bearerbox.wait_online()
    made = Crowd(site, SEED, 4, n_devices=40)
    made.begin()
    yield made
    made.end()
    made.close()


def check(site, crowd, missing):
    crowd.end()
    problems, figures = Audit(site, crowd, missing).run()
    assert not problems, "\n".join(problems[:20])
    assert figures["requests_done"] > 0


@pytest.mark.long
def test_each_is_missing_for_a_while(site, crowd):
    """Under load; what was begun before ends after it, and nothing twice."""
    missing = []
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
    check(site, crowd, missing)


# What a later version may do to the functions and tables of this one: results have more columns.
LATER = """
set local search_path = provbox, pg_temp;
alter table request add column later text;
alter function outbox_lease rename to outbox_lease_before;
create function outbox_lease(p_kinds text[], p_worker text, p_limit int, p_lease interval)
returns table (id bigint, kind text, key text, attempt int, payload jsonb, token uuid, later text)
language sql security definer set search_path = provbox, pg_temp as $$
	select *, 'later' from outbox_lease_before(p_kinds, p_worker, p_limit, p_lease)
$$;
alter function authentication_read rename to authentication_read_before;
create function authentication_read(p_dev text, p_cred bytea, p_method text, p_gw bytea, p_sid bytea,
	out standing text, out epoch bigint, out outcome text, out reason text, out later text)
language sql security definer set search_path = provbox, pg_temp as $$
	select *, 'later' from authentication_read_before(p_dev, p_cred, p_method, p_gw, p_sid)
$$;
revoke execute on function outbox_lease_before, authentication_read_before from provbox_server;
grant execute on function outbox_lease, authentication_read to provbox_server;
"""


@pytest.mark.long
def test_the_schema_is_upgraded_under_load(site, crowd, tmp_path):
    """Programs of this version go on with what they have, on the schema of the next."""
    folder = shutil.copytree(SQL, tmp_path / "sql")
    (folder / "900_later.sql").write_text(LATER)
    go_on(crowd)
    Provctl(site.db.dsn("postgres"), folder).run("db", "upgrade")
    go_on(crowd)
    assert "900_later.sql" in Provctl(site.db.dsn("provbox_operator"), folder).run("db", "status")[0]
    check(site, crowd, [])
    for daemon in (site.server, site.smsc):
        assert not daemon.events("child_exit")
