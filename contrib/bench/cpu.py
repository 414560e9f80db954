"""CPU of a session and of a request, beside HAProxy and nginx."""

import statistics

import parts
import proxies
from report import note, ratios, say, spread, table

NEW_FIRST = "new session, every certificate for the first time"
NEW_SEEN = "new session, chains seen before"
KEPT = "request on a kept session, 64 connections"
BARS = {NEW_SEEN: 0.7, NEW_FIRST: 0.85, KEPT: 1.0}
# A load, and what it does one after the other with the same proxy. The ten thousand
# devices come all once, a hundred of them to warm up, and then all again.
LOADS = (
    ({"mode": "new", "devices": 10000, "warm": 100, "count": 9900, "connections": 16},
     (NEW_FIRST, NEW_SEEN)),
    ({"mode": "kept", "devices": 64, "count": 40000, "connections": 64}, (KEPT,)))
RUNS = 5
UNITS = 200  # handshakes in memory, before and after each


def measure_row(proxy, load, settings, n_units):
    """CPU of one row, in microseconds a session or request, and in units."""
    before_us = parts.unit_us(n_units)
    began = parts.cpu_s(proxy.process.pid)
    result = load.ask("")
    used = parts.cpu_s(proxy.process.pid) - began
    unit_us = (before_us + parts.unit_us(n_units)) / 2
    cpu_us = used * 1e6 / settings["count"]
    return {"cpu_us": round(cpu_us, 1), "unit_us": round(unit_us, 1),
            "units": round(cpu_us / unit_us, 4), "failures": result["failures"],
            "seconds": result["seconds"],
            "wait": result["new" if settings["mode"] == "new" else "kept"]}


def measure(site, proxy, settings, rows, n_units):
    """{row: figures} of one load with a new proxy."""
    proxy.start()
    try:
        load = parts.Part("load", **site.client(proxy), **settings)
        found = {row: measure_row(proxy, load, settings, n_units) for row in rows}
        load.stop()
    finally:
        proxy.stop()
    return found


def bench(site, runs=RUNS, shrink=1):
    # Tickets are of handshakes; a smoke run does without those rows.
    every = {"provbox": proxies.Provbox, **proxies.installed()}
    default = {"provbox": proxies.Provbox, **proxies.installed_default()}
    results = {}
    with site.upstream():
        for run in range(runs):
            for settings, rows in LOADS:
                settings = {key: value // shrink if key in ("devices", "warm", "count")
                            and settings["mode"] == "new" or key == "count" else value
                            for key, value in settings.items()}
                makers = every if settings["mode"] == "new" and shrink == 1 else default
                for name, make in makers.items():
                    say(f"run {run + 1} of {runs}: {'; '.join(rows)}: {name}")
                    for row, figures in measure(site, make(site), settings, rows,
                                                UNITS // shrink).items():
                        results.setdefault(row, {}).setdefault(name, []).append(figures)
    show(results)
    return results


def units(found):
    return [one["units"] for one in found]


def better_peer(names):
    """The better of those that are as operators have them, or None."""
    return min((name for name in names if name in proxies.DEFAULTS), default=None,
               key=lambda name: statistics.median(units(names[name])))


def show(results):
    for row, names in results.items():
        lines = []
        for name, found in names.items():
            ratio = ratios(units(names["provbox"]), units(found))
            lines.append([name, *spread([one["cpu_us"] for one in found], ".0f"),
                          *spread(units(found), ".3f"),
                          *(spread(ratio, ".2f") if ratio and name != "provbox"
                            else ("-", "-")),
                          sum(one["failures"] for one in found)])
        table(f"{row}: CPU of all processes of the proxy",
              ["proxy", "CPU, us", "spread", "units", "spread", "provbox/it", "spread",
               "failures"], lines)
        better = better_peer(names)
        note(f"Bar: provbox at most {BARS[row]} of the better peer"
             + (f", {better}." if better else "; none is installed."))
