"""How cost grows with imported devices: importing them by provctl, an authentication and a new
request at each size, what is read one by one and what is searched, sizes, and provctl's answers."""

import pathlib
import subprocess
import time

import cluster
import parts
import step
from harness import provctl, schema
from report import note, say, table

PLAN = {"sizes": [1000, 10000, 100000, 1000000], "count": {"authentication": 10000,
                                                           "request": 2000}}
SMOKE = {"sizes": [200, 1000], "count": {"authentication": 200, "request": 80}}
FILE_ROWS = 100000
# A table that is this small may be read from end to end.
SMALL_ROWS = 500
COLUMNS = "dev,msisdn,model,given_name,family_name,postcode,cred"
QUESTIONS = {"device show": ("device", "show", cluster.dev(7)), "request list": ("request", "list"),
             "notice list": ("notice", "list"), "status": ("status",)}


def import_file(site, operator, first, last):
    """By the operator's command; devices a second."""
    path = pathlib.Path(site.directory) / "devices.csv"
    with path.open("w") as file:
        file.write(f"{COLUMNS}\n")
        for n in range(first, last):
            one = cluster.device(n)
            file.write(",".join(one[name] for name in COLUMNS.split(",")) + "\n")
    began = time.monotonic()
    done = subprocess.run([provctl.PROVCTL, "device", "import", path, f"--dsn={operator}"],
                          capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.endswith(" 0 refused\n"), done
    path.unlink()
    return time.monotonic() - began


def grow(site, database, size, found):
    """Import what is missing up to that size; what it cost, by device."""
    used, postgres = 0, database.cluster.server.pid
    cpu = parts.cpu_s(postgres) + parts.ended_cpu_s(postgres)
    for at in range(found, size, FILE_ROWS):
        last = min(at + FILE_ROWS, size)
        used += import_file(site, database.dsn("provbox_operator"), at, last)
        say(f"growth: {last} of {size} devices in {used:.0f} s")
    cpu = parts.cpu_s(postgres) + parts.ended_cpu_s(postgres) - cpu
    database.query("vacuum analyze")
    return {"rate": (size - found) / used, "postgres_cpu_us": cpu * 1e6 / (size - found)}


def scans(database):
    """Sequential scans of tables that are not small: {table: count}."""
    database.query("select pg_stat_clear_snapshot()")
    return {row["relname"]: row["seq_scan"] for row in database.query(
        "select s.relname, s.seq_scan from pg_stat_user_tables s join pg_class c on c.oid = s.relid"
        " where c.reltuples > %s", SMALL_ROWS)}


def ask(database):
    """Milliseconds that provctl takes to answer, its start included."""
    times = {}
    for name, words in QUESTIONS.items():
        began = time.monotonic()
        provctl.Provctl(database.dsn("provbox_operator")).run(*words)
        times[name] = 1000 * (time.monotonic() - began)
    return times


def sizes(database):
    (row,) = database.query(
        "select pg_table_size('provbox.device') / 1048576.0 as device,"
        " pg_relation_size('provbox.device_pkey') / 1048576.0 as by_dev,"
        " pg_relation_size('provbox.device_msisdn') / 1048576.0 as by_number,"
        " pg_total_relation_size('provbox.event') / 1048576.0 as events,"
        " pg_database_size(current_database()) / 1048576.0 as database")
    return {name: float(value) for name, value in row.items()}


def measure(site, database, plan, size, imported):
    catalogue = str(schema.Schema(database).catalogue)
    result = {"import": imported, "sizes": sizes(database), "ms": ask(database)}
    time.sleep(1)  # statistics come when sessions have ended
    before = scans(database)
    postgres = database.cluster.server.pid
    with step.serving(site, database) as server, step.on_one_core(postgres, server.process.pid):
        for mode, count in plan["count"].items():
            say(f"growth: {size} devices: {step.WORDS[mode]}")
            result[mode] = step.measure_server(site, server, database, mode, count, size,
                                               catalogue)
        result["pss_kib"] = {name: parts.pss_kib(pid) for name, pid in
                             (("server", server.process.pid), ("postgres", postgres))}
    time.sleep(1)
    result["scans"] = {name: count - before[name] for name, count in scans(database).items()
                       if name in before and count != before[name]}
    return result


def bench(site, plan=PLAN):
    results, found = {}, 0
    with cluster.running() as postgres:
        database = postgres.new_database(lambda made: None)
        step.prepare(database, 0, "growth")
        for size in plan["sizes"]:
            imported = grow(site, database, size, found)
            results[size], found = measure(site, database, plan, size, imported), size
        database.drop()
    show(results)
    return results


def show(results):
    def us(one, mode, call):
        return f"{one[mode]['waits'][call]['p50_us']}"

    def cpu(found):
        return f"{found['cpu_us']:.0f}", f"{found['postgres_cpu_us']:.0f}"

    table(f"Imported devices, and what a step costs; {step.CONNECTIONS} at a time, one core",
          ["devices", "authentications a second", "p50 us", "CPU us", "of PostgreSQL",
           "new requests a second", "p50 us", "CPU us", "of PostgreSQL", "sequential scans"],
          [[f"{size:,}", f"{one['authentication']['rate']:.0f}",
            us(one, "authentication", "authentication"), *cpu(one["authentication"]),
            f"{one['request']['rate']:.0f}", us(one, "request", "request"), *cpu(one["request"]),
            ", ".join(f"{name} {n}" for name, n in one["scans"].items()) or "none"]
           for size, one in results.items()])
    table("Import by provctl; MiB on disk and, resident, in memory; ms of provctl",
          ["devices", "imported a second", "CPU us of PostgreSQL", "device", "index by dev",
           "by number", "events", "database", "server", "PostgreSQL", *QUESTIONS],
          [[f"{size:,}", f"{one['import']['rate']:.0f}", f"{one['import']['postgres_cpu_us']:.0f}",
            *(f"{value:.1f}" for value in one["sizes"].values()),
            *(f"{kib / 1024:.1f}" if kib else "-" for kib in one["pss_kib"].values()),
            *(f"{value:.0f}" for value in one["ms"].values())] for size, one in results.items()])
    note(f"Sequential scans: of tables of more than {SMALL_ROWS} rows, while the steps ran.")
