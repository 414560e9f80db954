"""Steps of the server a second, over kept landnet connections of a gateway (step.c), beside
`pgbench -M prepared` that calls the same functions of the same database.

Both have one core, with PostgreSQL on it; what asks the server has another. pgbench asks
itself, in the place of the server.
"""

import contextlib
import os
import pathlib
import re
import secrets
import statistics
import subprocess
import tempfile

import cluster
import parts
from harness import daemon, paths, pki, schema, wait
from report import note, ratios, say, spread, table

BAR = 0.7
CONNECTIONS = 8
# pgbench by seconds, of which the first is to warm up; ours by steps, after some to warm up.
PLAN = {"runs": 7, "devices": 10000, "seconds": 3,
        "count": {"authentication": 50000, "device": 50000, "request": 1000}}
SMOKE = {"runs": 1, "devices": 500, "seconds": 1,
         "count": {"authentication": 400, "device": 400, "request": 80}}
WARM = 0.3  # of the count
# Each statement with the parameters of the server; pgbench makes the text of a device, and
# for that does a little more.
DEVICE = ":prefix::text || :n::text || '-0'"
AUTHENTICATION = (
    "select standing, epoch, outcome, reason from provbox.authentication_read("
    f"{DEVICE}, '\\x{cluster.CRED}', 'certificate', '\\x{'00' * 32}', '\\x{'00' * 16}')")
SCRIPTS = {
    "authentication": f"{AUTHENTICATION};",
    "device": f"""select status, reason, etag, body, retry_s from provbox.device_read(
        {DEVICE}, @EPOCH@ + :n::bigint, 'care');""",
    "request": AUTHENTICATION + " \\gset\n" + f"""
        select status, reason, etag, body, retry_s from provbox.request_put(
        {DEVICE}, :epoch::bigint, 'provision', gen_random_uuid(), '\\x{'00' * 32}', (
        '{{"user": {{"given_name": "Ada", "family_name": "Lovelace", "postcode": "SW1A 1AA",
        "language": "en"}}, "accounting": {{"reference": "acct-0123456789"}},
        "catalogue": @CATALOGUE@, "items": ["compass"],
        "device": {{"dev": "' || {DEVICE} || '", "model": "Example One",
        "firmware": "7.1"}}}}')::jsonb);""".lstrip(),
}
WORDS = {"authentication": "POST /v1/authentication", "device": "GET /v1/device",
         "request": "POST /v1/authentication, then PUT /v1/requests/{uuid}"}


def serve(site, database, directory):
    """A server on the database, as it is configured where nothing is said."""
    p = site.pki
    place = pathlib.Path(tempfile.mkdtemp(prefix="server-", dir=directory))
    grant_keys = place / "grant.keys"
    pki.write_secret(grant_keys, f"{secrets.token_hex(8)} {secrets.token_hex(32)}\n".encode())
    port = wait.free_port()
    server = daemon.Daemon("provbox-server", place, {
        "listen": [f"127.0.0.1:{port}"], "certificate": p.server_landnet.path,
        "key": p.server_landnet.key_path, "trust": p.landnet.path, "crl": p.landnet.crl_path,
        "provisioning_uri": f"https://{p.SRV}/", "grant_key_file": grant_keys,
        "proof_certificate": p.proof_leaf.path, "proof_key": p.proof_leaf.key_path,
        "dsn": database.dsn("provbox_server"), "admin": f"unix:{place}/server.sock",
        "user": "root" if os.geteuid() == 0 else "",
        ("gateway", "bench"): {"certificate": p.gateway_landnet.path}})
    server.port = port
    return server


@contextlib.contextmanager
def serving(site, database):
    server = serve(site, database, site.directory)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def measure_server(site, server, database, mode, count, devices, catalogue):
    p, postgres = site.pki, database.cluster.server.pid
    part = parts.Part("step", mode=mode, port=server.port, name=p.SERVER_NAME, srv=p.SRV,
                      trust=p.landnet.path, chain=p.gateway_landnet.path,
                      key=p.gateway_landnet.key_path, connections=CONNECTIONS,
                      warm=int(WARM * count), count=count, devices=devices, target=catalogue)
    pids = {"cpu_us": server.process.pid, "postgres_cpu_us": postgres}
    before = {name: parts.cpu_s(pid) for name, pid in pids.items()}
    part.go()
    result = part.result()
    return {"rate": count / result["seconds"],
            **{name: (parts.cpu_s(pid) - before[name]) * 1e6 / count
               for name, pid in pids.items()},
            "waits": {name: result[name] for name in ("authentication", "device", "request")
                      if result[name]["n"]}}


def measure_pgbench(directory, database, mode, seconds, devices, epoch, catalogue):
    """Of the devices that have six digits."""
    script = pathlib.Path(directory) / f"{mode}.sql"
    script.write_text(f"\\set n random({cluster.FIRST_SERIAL}, "
                      f"{cluster.FIRST_SERIAL + min(devices, cluster.SERIALS) - 1})\n"
                      + re.sub(r"\n\s+", " ", SCRIPTS[mode])
                      .replace("@EPOCH@", str(epoch - cluster.FIRST_SERIAL))
                      .replace("@CATALOGUE@", catalogue) + "\n")
    done = subprocess.run(
        [paths.POSTGRES / "pgbench", "-n", "-M", "prepared", "-c", str(CONNECTIONS),
         "-T", str(seconds + 1), "-P", "1", "-f", script,
         "-D", f"prefix=urn:gsma:imei:{cluster.FIRST_TAC}-", database.dsn("provbox_server")],
        capture_output=True, text=True,
        preexec_fn=lambda: parts.stay(parts.PROXY_CORE))
    assert done.returncode == 0, done.stderr
    rates = re.findall(r"^progress: .* ([0-9.]+) tps", done.stderr, re.M)
    return {"rate": statistics.mean(map(float, rates[1:seconds + 1]))}


def prepare(database, devices, progress):
    """A site without the limits that one load over few devices would meet."""
    cluster.site(database)
    one = schema.Schema(database)
    one.setting(open_requests=10**6, requests_per_hour=10**6, requests_per_number=10**6,
                messages_per_hour=10**6)
    for first in range(0, devices, 10000):
        say(f"{progress}: importing devices, {first} of {devices}")
        cluster.import_devices(one, first, min(first + 10000, devices))
    database.query("vacuum analyze")
    return one


@contextlib.contextmanager
def on_one_core(postgres, server):
    """Both there, before other work of the machine, as what is started meanwhile; yields
    whether the user may do that."""
    for pid in (postgres, server):
        parts.pin(pid, parts.PROXY_CORE)
    with parts.first(postgres, server), parts.alone() as is_alone:
        yield is_alone
    parts.pin(postgres, *parts.CORES)


def measure(site, database, server, mode, plan, epoch, catalogue, is_first):
    """{name: figures}; which of the two comes first should not matter."""
    measures = {
        "provbox": lambda: measure_server(site, server, database, mode, plan["count"][mode],
                                          plan["devices"], catalogue),
        "pgbench": lambda: measure_pgbench(site.directory, database, mode, plan["seconds"],
                                           plan["devices"], epoch, catalogue)}
    found = {}
    for name in sorted(measures, reverse=is_first):
        database.query("vacuum analyze")
        database.query("checkpoint")
        found[name] = measures[name]()
    return found


def bench(site, plan=PLAN):
    results = {mode: {"provbox": [], "pgbench": []} for mode in plan["count"]}
    with cluster.running() as postgres:
        database = postgres.new_database(lambda made: None)
        one = prepare(database, plan["devices"], "step")
        catalogue = str(one.catalogue)
        epoch = one.epoch(cluster.dev(0))
        with serving(site, database) as server, \
                on_one_core(postgres.server.pid, server.process.pid) as is_alone:
            # Requests last: what devices are told of theirs is of the other steps' cost.
            for mode in results:
                for run in range(plan["runs"]):
                    say(f"run {run + 1} of {plan['runs']}: step: {WORDS[mode]}")
                    for name, found in measure(site, database, server, mode, plan, epoch,
                                               catalogue, run % 2).items():
                        results[mode][name].append(found)
        database.drop()
    show(results, is_alone)
    return results


def show(results, is_alone):
    rows = []
    for mode, names in results.items():
        ratio = ratios(*([one["rate"] for one in names[name]] for name in ("provbox", "pgbench")))
        for name, runs in names.items():
            is_ours = name == "provbox"
            rows.append([WORDS[mode] if is_ours else "", name,
                         *spread([one["rate"] for one in runs], ".0f"),
                         *(spread(ratio, ".2f") if is_ours else ("", "")),
                         *(f"{statistics.median(one[cpu] for one in runs):.0f}"
                           if is_ours else "" for cpu in ("cpu_us", "postgres_cpu_us"))])
    table(f"Steps a second, {CONNECTIONS} connections, one core",
          ["step", "", "a second", "spread", "of pgbench", "spread", "CPU us of the server",
           "of PostgreSQL"], rows)
    note(f"Bar: {BAR} of pgbench. Other work of the machine "
         f"{'went behind' if is_alone else 'competed'}.")
