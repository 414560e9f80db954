"""Notices a second: from the queue in PostgreSQL through provbox-smsc, bearerbox with a
spool store and the message centre until both reports are stored; beside a bare box that
fills the same bearerbox with messages that cost it nothing (box.c). Nothing goes before other work
of the machine: real-time priority spreads the threads of bearerbox over the cores, where they hold
each other up, so that the bare box was slower than with ours."""

import contextlib
import os
import pathlib
import shutil
import statistics
import tempfile
import time

import cluster
import parts
from harness import daemon, kannel, schema, smscsim
from report import ratios, say, spread, table

BAR = 0.8
PLAN = {"count": 10000, "runs": 5, "window": 1000}
SMOKE = {"count": 300, "runs": 1, "window": 100}
ALL_CORES = None
PATIENCE_S = 120


class Bearerbox(kannel.Bearerbox):
    """One that does not tell of each message, which costs it half of its speed, and waits for
    no acknowledgement before a window of reports is without."""

    log_level = 3
    options = ("-v", "3")
    window = 500

    def configure(self, *smsc_settings, core_settings=()):
        super().configure(*smsc_settings, core_settings=(
            f"smsbox-max-pending = {PLAN['window']}", *core_settings))


@contextlib.contextmanager
def narrow_band(directory):
    """bearerbox on a message centre, both new."""
    place = pathlib.Path(tempfile.mkdtemp(prefix="narrow-", dir=directory))
    centre = smscsim.Smscsim(place)
    centre.options = {"deliver-all": 1}
    bearerbox = Bearerbox(place, centre)
    centre.start()
    bearerbox.start()
    try:
        bearerbox.wait_online()
        yield bearerbox
    finally:
        bearerbox.process.kill()
        centre.process.kill()
        shutil.rmtree(place)


def measure_bare(directory, plan):
    with narrow_band(directory) as bearerbox:
        box = parts.Part("box", ALL_CORES, port=bearerbox.box_port, name=bearerbox.BOX_ID,
                         count=plan["count"], window=plan["window"])
        box.go()
        result = box.result()
        assert result["failures"] == 0, result
        return {"rate": plan["count"] / result["seconds"],
                "bearerbox_cpu_us": parts.cpu_s(bearerbox.process.pid) * 1e6 / plan["count"]}


def queue(database, count):
    """Terms of one message for each of so many devices, through the device API."""
    cluster.site(database)
    one = schema.Schema(database)
    cluster.import_devices(one, 0, count)
    for n in range(count):
        if n % 2000 == 0:
            say(f"notices: queueing, {n} of {count}")
        cluster.put_request(one, n)
    database.query("vacuum analyze")


def measure_ours(directory, postgres, template, plan):
    database = template()
    with narrow_band(directory) as bearerbox:
        place = pathlib.Path(tempfile.mkdtemp(prefix="link-", dir=directory))
        link = daemon.Daemon("provbox-smsc", place, {
            ("bearerbox", "bench"): {"address": f"127.0.0.1:{bearerbox.box_port}"},
            "box_id": bearerbox.BOX_ID, "dsn": database.dsn("provbox_smsc"),
            "window": plan["window"], "admin": f"unix:{place}/smsc.sock", "user": "root" if os.geteuid() == 0 else ""})
        before = parts.cpu_s(postgres.server.pid)
        link.start()
        deadline = time.monotonic() + PATIENCE_S
        while left := database.value(
                "select count(*) from provbox.notice where state <> 'delivered'"):
            assert time.monotonic() < deadline, link.process.tail()
            say(f"notices: {plan['count'] - left} of {plan['count']} delivered")
            time.sleep(1)
        seconds, n = database.query(
            "select extract(epoch from max(reported) - min(sent))::float8 as s, count(*) as n"
            " from provbox.notice_part")[0].values()
        assert n == plan["count"]
        result = {"rate": n / seconds,
                  "bearerbox_cpu_us": parts.cpu_s(bearerbox.process.pid) * 1e6 / n,
                  "link_cpu_us": parts.cpu_s(link.process.pid) * 1e6 / n,
                  "postgres_cpu_us": (parts.cpu_s(postgres.server.pid) - before) * 1e6 / n}
        link.stop()
    database.drop()
    return result


def bench(site, plan=PLAN):
    results = {"provbox": [], "bare box": []}
    with cluster.running() as postgres:
        def prepare(database):
            queue(database, plan["count"])

        def template():
            return postgres.new_database(prepare)
        for run in range(plan["runs"]):
            say(f"run {run + 1} of {plan['runs']}: notices: bare box")
            results["bare box"].append(measure_bare(site.directory, plan))
            say(f"run {run + 1} of {plan['runs']}: notices: provbox")
            results["provbox"].append(
                measure_ours(site.directory, postgres, template, plan))
    show(results, plan)
    return results


def show(results, plan):
    ratio = ratios(*([one["rate"] for one in results[name]] for name in ("provbox", "bare box")))
    rows = [[name, *spread([one["rate"] for one in runs], ".0f"),
             *(spread(ratio, ".2f") if name == "provbox" else ("", "")),
             *(f"{statistics.median([one[part] for one in runs]):.0f}" if part in runs[0]
               else "" for part in ("bearerbox_cpu_us", "link_cpu_us", "postgres_cpu_us"))]
            for name, runs in results.items()]
    table(f"Notices a second, {plan['count']} of one message each, both reports stored, "
             f"window {plan['window']}; bar: {BAR} of the bare box",
             ["", "a second", "spread", "of the bare box", "spread", "CPU us of bearerbox",
              "of the link", "of PostgreSQL"], rows)
