"""Charts of what was measured, by gnuplot where it is installed: small, and readable on
a light and on a dark page."""

import pathlib
import shutil
import statistics
import subprocess

import cpu
import held
import honest
from report import ratios, say

GREY = "#808080"  # of all text and lines: seen on white and on black
COLOURS = ("#2f81f7", "#d97706", "#3aa655", "#a371f7")
SETTINGS = f"""
set terminal svg size {{width}},{{height}} dynamic font "sans-serif,13" name "chart"
set border 3 lc rgb "{GREY}"
set tics textcolor rgb "{GREY}" nomirror
set xtics scale 0
set ytics
set grid ytics lc rgb "{GREY}" dt 3 lw 0.5
set key outside top center horizontal textcolor rgb "{GREY}" samplen 1.5
set title "{{title}}" textcolor rgb "{GREY}"
set ylabel "{{unit}}" textcolor rgb "{GREY}"
set yrange [0:*]
set style data histogram
set style histogram errorbars gap 1.5 lw 1
set style fill solid 0.9 noborder
set errorbars 0.4 lc rgb "{GREY}"
set bmargin 3.5
set xrange [-0.6:{{last}}]
"""


def bars(path, title, unit, series, groups, bar=None, size=(760, 320)):
    """One group of bars for each name in groups: {name: {series: (value, low, high)}}.

    @param bar  {group: value}: what may at most be reached, drawn as a short line
    """
    rows = []
    for group, found in groups.items():
        cells = [number for one in series
                 for number in found.get(one, ("NaN", "NaN", "NaN"))]
        limit = (bar or {}).get(group, "NaN")
        rows.append(" ".join([f'"{group}"', *map(str, cells), str(limit)]))
    columns = [f"$data using {2 + 3 * n}:{3 + 3 * n}:{4 + 3 * n}"
               + (":xtic(1)" if n == 0 else "")
               + f' title "{one}" lc rgb "{COLOURS[n]}"' for n, one in enumerate(series)]
    if bar:
        columns.append(f"$data using ($0 - 0.45):{2 + 3 * len(series)}:(0.9):(0) "
                       f'with vectors nohead lw 2 lc rgb "{GREY}" title "bar"')
    script = ("$data << END\n" + "\n".join(rows) + "\nEND\n"
              + SETTINGS.format(title=title, unit=unit, width=size[0], height=size[1],
                                last=len(groups) - 0.4)
              + "plot " + ", \\\n ".join(columns) + "\n")
    done = subprocess.run(["gnuplot"], input=script, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pathlib.Path(path).write_text(done.stdout)
    say(f"chart in {path}")


def _share(values):
    return statistics.median(values), min(values), max(values)


def draw_proxies(found, path):
    """Every figure of the better peer is 1, run by run."""
    figures, limits = {}, {}  # {group: {proxy: [value of each run]}}
    labels = {cpu.NEW_SEEN: "new session:\\nchains seen", cpu.NEW_FIRST: "new session:\\nfirst time",
              cpu.KEPT: "request on\\na kept session"}
    for row, names in found.get("peers", {}).items():
        figures[labels[row]] = {name: cpu.units(runs) for name, runs in names.items()}
        limits[labels[row]] = cpu.BARS[row]
    if sessions := found.get("held"):
        if "kib" in sessions["provbox"][0]:
            figures["idle session:\\nmemory"] = {
                name: [one["kib"] for one in runs] for name, runs in sessions.items()}
            limits["idle session:\\nmemory"] = held.MEMORY_BAR
        for phase, label in (("steady", "2,000 a second:\\np99"), ("burst", "all at once:\\np99")):
            figures[label] = {name: [one[phase]["wait"]["p99_us"] for one in runs]
                              for name, runs in sessions.items()}
            limits[label] = held.WAIT_BAR
    groups = {}
    for group, names in figures.items():
        peers = [name for name in names if name in ("haproxy", "nginx")]
        if not peers:
            continue
        better = min(peers, key=lambda name: statistics.median(names[name]))
        groups[group] = {name: _share(ratios(names[name], names[better]))
                         for name in ("provbox", *peers)}
    if groups:
        bars(path, "Beside HAProxy and nginx: the better of them is 1, less is better",
             "share", ("provbox", "haproxy", "nginx"), groups, limits)


def draw_waits(found, path):
    """Honest waits, by kind of slow peer."""
    if kinds := found.get("slow", {}).get("kinds"):
        def one(value_us):
            return (value_us / 1000,) * 3
        groups = {kind.replace("_", "\\n"): {
            "new: p99": one(waits["new"]["p99_us"]), "new: max": one(waits["new"]["max_us"]),
            "kept: p99": one(waits["kept"]["p99_us"]), "kept: max": one(waits["kept"]["max_us"])}
            for kind, waits in kinds.items()}
        bars(path, f"Honest waits among a thousand slow peers; bar {honest.BAR_MS} ms", "ms",
             ("new: p99", "new: max", "kept: p99", "kept: max"), groups)


def draw(found, directory):
    """What of the run there are charts for, as files beside its figures."""
    if not shutil.which("gnuplot"):
        say("no charts: gnuplot is not installed (apt-get install gnuplot-nox)")
        return
    draw_proxies(found, pathlib.Path(directory) / "bench-proxies.svg")
    draw_waits(found, pathlib.Path(directory) / "bench-waits.svg")
