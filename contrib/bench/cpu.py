"""CPU of a session and of a request, beside HAProxy and nginx."""

import statistics

import parts
import proxies
from report import note, ratios, say, spread, table

NEW_SEEN = "new session, chains seen before"
NEW_FIRST = "new session, every certificate for the first time"
KEPT = "request on a kept session, 64 connections"
ROWS = {
    NEW_SEEN: {"mode": "new", "devices": 200, "warm": 200, "count": 1000, "connections": 16},
    NEW_FIRST: {"mode": "new", "devices": 1100, "warm": 100, "count": 1000,
                "connections": 16},
    KEPT: {"mode": "kept", "devices": 64, "count": 40000, "connections": 64}}
BARS = {NEW_SEEN: 0.7, NEW_FIRST: 0.85, KEPT: 1.0}
RUNS = 5
UNITS = 200  # handshakes in memory, before and after each


def measure(site, proxy, settings, n_units):
    """CPU of one row, in microseconds a session or request, and in units."""
    proxy.start()
    try:
        before_us = parts.unit_us(n_units)
        load = parts.Part("load", **site.client(proxy), **settings)
        began = parts.cpu_s(proxy.process.pid)
        load.go()
        result = load.result()
        used = parts.cpu_s(proxy.process.pid) - began
        unit_us = (before_us + parts.unit_us(n_units)) / 2
    finally:
        proxy.stop()
    cpu_us = used * 1e6 / settings["count"]
    return {"cpu_us": round(cpu_us, 1), "unit_us": round(unit_us, 1),
            "units": round(cpu_us / unit_us, 4), "failures": result["failures"],
            "seconds": result["seconds"],
            "wait": result["new" if settings["mode"] == "new" else "kept"]}


def bench(site, runs=RUNS, shrink=1):
    makers = {"provbox": proxies.Provbox, **proxies.installed()}
    results = {row: {name: [] for name in makers
                     if "," not in name or (row != KEPT and shrink == 1)} for row in ROWS}
    with site.upstream():
        for run in range(runs):
            for row, settings in ROWS.items():
                settings = {**settings, "count": settings["count"] // shrink}
                for name in results[row]:
                    say(f"run {run + 1} of {runs}: {row}: {name}")
                    results[row][name].append(
                        measure(site, makers[name](site), settings, UNITS // shrink))
    show(results)
    return results


def units(found):
    return [one["units"] for one in found]


def show(results):
    for row, names in results.items():
        better = min((name for name in names if name in ("haproxy", "nginx")), default=None,
                     key=lambda name: statistics.median(units(names[name])))
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
        note(f"Bar: provbox at most {BARS[row]} of the better peer"
             + (f", {better}." if better else "; none is installed."))
