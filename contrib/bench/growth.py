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
    return (last - first) / (time.monotonic() - began)


def grow(site, database, size, found):
    """Import what is missing up to that size; the rate over all of it."""
    began, first = time.monotonic(), found
    for at in range(found, size, FILE_ROWS):
        rate = import_file(site, database.dsn("provbox_operator"), at, min(at + FILE_ROWS, size))
        say(f"growth: {min(at + FILE_ROWS, size)} of {size} devices, {rate:.0f} a second")
    rate = (size - first) / (time.monotonic() - began)
    database.query("vacuum analyze")
    return rate


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
        " pg_database_size(current_database()) / 1048576.0 as database")
    return {name: float(value) for name, value in row.items()}


def measure(site, database, plan, size, rate):
    catalogue = str(schema.Schema(database).catalogue)
    result = {"import_rate": rate, "sizes": sizes(database), "ms": ask(database)}
    time.sleep(1)  # statistics come when sessions have ended
    before = scans(database)
    with step.serving(site, database) as server:
        for mode, count in plan["count"].items():
            say(f"growth: {size} devices: {step.WORDS[mode]}")
            result[mode] = step.measure_server(site, server, database, mode, count, size,
                                               catalogue)
        result["server_pss_mib"] = parts.pss_kib(server.process.pid) / 1024
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
            rate = grow(site, database, size, found)
            results[size], found = measure(site, database, plan, size, rate), size
        database.drop()
    show(results)
    return results


def show(results):
    def us(one, mode, call):
        return f"{one[mode]['waits'][call]['p50_us']}"

    def cpu(found):
        return f"{found['cpu_us']:.0f}", f"{found['postgres_cpu_us']:.0f}"

    table(f"Imported devices, and what a step costs; {step.CONNECTIONS} at a time",
          ["devices", "imported a second", "authentications a second", "p50 us", "CPU us",
           "of PostgreSQL", "new requests a second", "p50 us", "CPU us", "of PostgreSQL",
           "server MiB", "sequential scans"],
          [[f"{size:,}", f"{one['import_rate']:.0f}", f"{one['authentication']['rate']:.0f}",
            us(one, "authentication", "authentication"), *cpu(one["authentication"]),
            f"{one['request']['rate']:.0f}", us(one, "request", "request"), *cpu(one["request"]),
            f"{one['server_pss_mib']:.1f}",
            ", ".join(f"{name} {n}" for name, n in one["scans"].items()) or "none"]
           for size, one in results.items()])
    table("MiB on disk, and ms of provctl",
          ["devices", "device", "index by dev", "by number", "database", *QUESTIONS],
          [[f"{size:,}", *(f"{value:.1f}" for value in one["sizes"].values()),
            *(f"{value:.0f}" for value in one["ms"].values())] for size, one in results.items()])
    note(f"Sequential scans: of tables of more than {SMALL_ROWS} rows, while the steps ran.")
