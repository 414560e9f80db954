"""Whole provisionings: new devices with `handset load` against a whole site on loopback, how
long each took, and what each cost by program, statement and disk."""

import pathlib
import re
import statistics
import time

import cluster
import parts
from harness import fleet, kannel, process, wait
from harness import site as site_module
from report import note, say, spread, table

PLAN = {"runs": 3, "devices": 1000, "at_once": 64}
SMOKE = {"runs": 1, "devices": 20, "at_once": 8}
PARTS = ("database", "billing", "smscsim", "bearerbox", "server", "smsc", "gateway")
SMS, WIDE, HALF = "terms by SMS", "over the wide band", "by SMS, at half that rate"
ROWS = {SMS: (), WIDE: ("--online",), HALF: ()}
QUANTILES = ("p50", "p90", "p99", "max")
PATIENCE_S = 120
SEEN_MS = 0.005  # what costs less is not shown
REPORT_S = 2     # after which the database has told what its sessions did
STAND_IN = "(stand-in)"  # what an operator has elsewhere, or not at all
STATEMENTS = 12  # that are shown: those that took longest
FUNCTIONS = 20

# Processes of PostgreSQL that serve a connection have its role in their title, the others
# what they are: "postgres: provbox_server provbox1 [local] idle", "postgres: walwriter".
ROLE = re.compile(r"postgres: (?:(provbox_\w+) |(.+?)\s*$)")


class Cluster(cluster.Cluster):
    """On a disk, and counting what statements take."""

    place = "/var/tmp"
    settings = cluster.SETTINGS + "shared_preload_libraries = 'pg_stat_statements'\n"


class Bearerbox(kannel.Bearerbox):
    """One that does not tell of each message, which costs it half of its speed."""

    log_level = 3
    options = ("-v", "3")


class Site(site_module.Site):
    impatience = {}
    bearerbox_class = Bearerbox


# ---- Costs -----------------------------------------------------------------------


def programs(site):
    """{pid: name} of all processes of the site but short-lived ones."""
    found = {site.billing.process.pid: f"billing {STAND_IN}",
             site.smscsim.process.pid: f"smscsim {STAND_IN}",
             site.bearerbox.process.pid: "bearerbox"}
    for name in ("server", "smsc", "gateway"):
        daemon = getattr(site, name)
        found[daemon.process.pid] = f"{daemon.program}: supervisor"
        for pid in process.descendants(daemon.process.pid):
            role = pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
            found[pid] = f"{daemon.program}: {role}"
    for pid in process.children(site.cluster.server.pid):
        if match := ROLE.match(process.command(pid)):
            found[pid] = f"postgres: {match[1] or 'own processes'}"
    found[site.cluster.server.pid] = "postgres: own processes"
    return found


def cpu_by_program(site):
    """{name: CPU seconds so far}."""
    used = {}
    for pid, name in programs(site).items():
        used[name] = used.get(name, 0) + parts.own_cpu_s(pid)
    used["postgres: own processes"] += parts.ended_cpu_s(site.cluster.server.pid)
    return used


def disk(database):
    """What the database has written so far."""
    database.query("select pg_stat_force_next_flush()")
    (row,) = database.query(
        "select xact_commit as commits, wal_bytes::float8, wal_sync as syncs,"
        " pg_database_size(datname)::float8 as bytes"
        " from pg_stat_database, pg_stat_wal where datname = current_database()")
    return row


def statements(database, count):
    """What took longest in PostgreSQL, per provisioning; the time contains waiting."""
    return [{**row, "function": re.sub(r"\s+", " ", row["query"])[:60]}
            for row in database.query(
                "select coalesce(substring(query from 'provbox\\.\\w+'), query) as query,"
                " sum(calls) / %s::float8 as calls, sum(total_exec_time) / %s::float8 as ms,"
                " sum(wal_bytes)::float8 / %s as wal from pg_stat_statements"
                " where userid::regrole::text like 'provbox_%%' and toplevel"
                " group by 1 order by 3 desc limit %s", count, count, count, STATEMENTS)]


def functions(database, count):
    """Of each function what it took without those that it called, per provisioning."""
    return [row for row in database.query(
        "select funcname as name, calls / %s::float8 as calls, self_time / %s::float8 as ms"
        " from pg_stat_user_functions where schemaname = 'provbox' order by 3 desc",
        count, count)]


def difference(after, before):
    return {name: value - before.get(name, 0) for name, value in after.items()}


# ---- Loads -----------------------------------------------------------------------


def settle(database):
    """Billing events, reports and confirmations follow a provisioning, and are of its cost."""
    wait.until(lambda: not database.value(
        "select (select count(*) from provbox.outbox where state = 'due')"
        " + (select count(*) from provbox.notice where state in ('due', 'sent'))"),
        "the last effects", PATIENCE_S)


def measure(site, devices, first, plan, words):
    """One load, on devices that were never there."""
    count, database = plan["devices"], site.db
    database.query("select pg_stat_statements_reset()")
    cpu, written = cpu_by_program(site), disk(database)
    report, load_s = devices.measure("--first", 1 + first, "--count", count,
                                     "--at-once", plan["at_once"], *words)
    assert report["done"] + report["failed"] == count, report
    settle(database)
    cpu = {**difference(cpu_by_program(site), cpu), f"handset load {STAND_IN}": load_s}
    return {"report": report, "statements": statements(database, count),
            "cpu_ms": {name: 1000 * used / count for name, used in sorted(cpu.items())},
            "disk": {name: value / count for name, value in
                     difference(disk(database), written).items()}}


def profile(site, devices, first, plan, words):
    """The same, by function of the database, which costs a little more."""
    site.cluster.execute("alter system set track_functions = 'pl'")
    site.cluster.execute("select pg_reload_conf()")
    measure(site, devices, first, plan, words)
    time.sleep(REPORT_S)
    return functions(site.db, plan["devices"])


def run(site, plan):
    results = {row: [] for row in ROWS}
    total = plan["devices"] * plan["runs"] * len(ROWS)
    site.start(*PARTS)
    site.bearerbox.wait_online()
    site.db.query("create extension pg_stat_statements")
    devices = fleet.Fleet(site, total + plan["devices"])
    # Not the tables that are empty: what is known of them would be true of a site at rest.
    site.db.query("vacuum analyze provbox.device")
    for first in range(0, total, plan["devices"]):
        row = list(ROWS)[(first // plan["devices"]) % len(ROWS)]
        say(f"run {len(results[row]) + 1} of {plan['runs']}: provisioning: {row}")
        words = ROWS[row]
        if row == HALF:
            words = ("--rate", max(1, int(results[SMS][-1]["report"]["per_second"] / 2)))
        results[row].append(measure(site, devices, first, plan, words))
    say(f"provisioning: {HALF}, by function")
    return results, profile(site, devices, total, plan, words)


def bench(_site, plan=PLAN):
    with cluster.running(Cluster) as postgres:
        whole = Site(postgres)
        try:
            results, found = run(whole, plan)
        finally:
            problems = whole.finish()
            whole.remove()
    assert not problems, "\n".join(problems)
    show(results, plan)
    show_functions(found)
    return {"runs": results, "functions": found}


# ---- Tables ----------------------------------------------------------------------


def median(runs, *keys):
    """Of the runs, what the keys lead to in each; a run that has it not has nought."""
    def find(one):
        for key in keys:
            one = one.get(key, 0)
        return one
    return statistics.median(map(find, runs))


def show(results, plan):
    table(f"Whole provisionings, {plan['at_once']} devices at once, {plan['devices']} a run",
          ["", "a second", "spread", *(f"{name} ms" for name in QUANTILES), "not provisioned"],
          [[row, *spread([one["report"]["per_second"] for one in runs], ".1f"),
            *(f"{median(runs, 'report', 'milliseconds', 'whole', name):.0f}"
              for name in QUANTILES), failures(runs)] for row, runs in results.items()])
    table("Milliseconds of each part of it, p50",
          ["", *(name for name in results[SMS][0]["report"]["milliseconds"])],
          [[row, *(f"{median(runs, 'report', 'milliseconds', name, 'p50'):.1f}"
                   for name in runs[0]["report"]["milliseconds"])]
           for row, runs in results.items()])
    names = sorted({name for runs in results.values() for one in runs
                    for name, ms in one["cpu_ms"].items() if ms >= SEEN_MS})
    table("CPU of one provisioning, ms",
          ["program", *results], [*(cpu_row(name, results) for name in names),
                                  ["all but stand-ins", *map(whole_cpu, results.values())]])
    table("What PostgreSQL writes for one provisioning",
          ["", "commits", "flushes of the log", "KB of log", "KB of tables and indexes"],
          [[row, *(f"{median(runs, 'disk', name) / unit:.1f}" for name, unit in
                   (("commits", 1), ("syncs", 1), ("wal_bytes", 1000), ("bytes", 1000)))]
           for row, runs in results.items()])
    table(f"Statements that take longest, per provisioning, {SMS}",
          ["statement", "calls", "ms", "KB of log"],
          [[f"`{one['function']}`", f"{one['calls']:.2f}", f"{one['ms']:.2f}",
            f"{one['wal'] / 1000:.1f}"] for one in results[SMS][-1]["statements"]])
    note("The time of a statement is CPU and waiting; its commit is not in it.")


def show_functions(found):
    table(f"Functions of the database, per provisioning, {HALF}", ["function", "calls", "ms"],
          [[f"`{one['name']}`", f"{one['calls']:.2f}", f"{one['ms']:.2f}"]
           for one in found[:FUNCTIONS]]
          + [["the others", f"{sum(one['calls'] for one in found[FUNCTIONS:]):.2f}",
              f"{sum(one['ms'] for one in found[FUNCTIONS:]):.2f}"]])
    note("Without the functions that each calls.")


def failures(runs):
    reasons = {}
    for one in runs:
        for name, n in one["report"]["reasons"].items():
            reasons[name] = reasons.get(name, 0) + n
    return ", ".join(f"{name} {n}" for name, n in reasons.items()) or "none"


def cpu_row(name, results):
    return [name, *(f"{median(runs, 'cpu_ms', name):.2f}" for runs in results.values())]


def whole_cpu(runs):
    """Median, and the spread behind it."""
    middle, width = spread([sum(ms for name, ms in one["cpu_ms"].items()
                                if STAND_IN not in name) for one in runs], ".1f")
    return f"{middle} ({width})"
