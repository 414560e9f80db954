"""Ten thousand sessions that are held, beside HAProxy and nginx: the memory of an idle
one, and how long answers take when each asks now and then, and when all ask at once."""

import statistics
import time

import parts
import proxies
from report import interval, note, ratios, say, spread, table

RUNS = 5
FULL = {"devices": 10000, "connections": 32, "asks": 2000, "seconds": 10, "count": 3}
SMOKE = {"devices": 100, "connections": 8, "asks": 200, "seconds": 1, "count": 1}
SETTLE_S = 0.5  # until the processes have put away what the last handshake needed
MEMORY_BAR = 0.9
WAIT_BAR = 1.05
WAITS = {"steady": "{asks} requests a second over {devices} sessions",
         "burst": "all {devices} sessions ask at once"}


def measure(site, proxy, plan):
    """One proxy: nobody, all idle, a rate of questions, all at once."""
    proxy.start()
    try:
        none_kib = parts.pss_kib(proxy.process.pid)
        load = parts.Part("held", **site.client(proxy), **plan)
        found = {"opened": load.read()}
        time.sleep(SETTLE_S)
        held_kib = parts.pss_kib(proxy.process.pid)
        if held_kib is not None:
            found |= {"none_kib": none_kib, "held_kib": held_kib,
                      "kib": round((held_kib - none_kib) / plan["devices"], 2)}
        with parts.first(proxy.process.pid, load.process.pid, site.upstream_pid):
            for phase in WAITS:
                if phase == "burst":  # whoever opens connections for it has them now
                    found["first_burst"] = load.ask("burst")
                began = parts.cpu_s(proxy.process.pid)
                found[phase] = load.ask(phase)
                found[phase]["cpu_s"] = round(parts.cpu_s(proxy.process.pid) - began, 3)
        load.stop()
    finally:
        proxy.stop()
    return found


def bench(site, plan=FULL, runs=RUNS):
    makers = {"provbox": proxies.Provbox, **proxies.installed_default()}
    results = {name: [] for name in makers}
    with site.upstream():
        for run in range(runs):
            for name, make in makers.items():
                say(f"run {run + 1} of {runs}: {plan['devices']} held sessions: {name}")
                results[name].append(measure(site, make(site), plan))
    show(results, plan)
    return results


# -- tables


def show_memory(results, plan):
    if "kib" not in results["provbox"][0]:
        note("Memory of held sessions: only root may look into processes that hold keys.")
        return
    each = {name: [one["kib"] for one in found] for name, found in results.items()}
    peers = [name for name in each if name != "provbox"]
    better = min(peers, default=None, key=lambda name: statistics.median(each[name]))
    table(f"Memory of an idle session, {plan['devices']} held: PSS of all processes of the "
          "proxy, less that with none",
          ["proxy", "KiB", "spread", "provbox/it", "spread"],
          [[name, *spread(values, ".1f"),
            *(spread(ratios(each["provbox"], values), ".2f") if name in peers
              else ("-", "-"))] for name, values in each.items()])
    note(f"Bar: provbox at most {MEMORY_BAR} of the better peer"
         + (f", {better}." if better else "; none is installed."))


def show_waits(results, plan, phase):
    def p99(name):
        return [one[phase]["wait"]["p99_us"] for one in results[name]]

    def failures(name):
        return sum(one[phase]["failures"] for one in results[name])

    lines = []
    for name, found in results.items():
        ratio = ratios(p99("provbox"), p99(name))
        sure = interval(ratio) if name != "provbox" else None
        lines.append([
            name, *(f"{statistics.median(one[phase]['wait'][what] for one in found) / 1000:.1f}"
                    for what in ("p50_us", "p99_us", "max_us")),
            spread([value / 1000 for value in p99(name)], ".1f")[1],
            f"{statistics.median(ratio):.2f}" if name != "provbox" else "-",
            f"{sure[0]:.2f}..{sure[1]:.2f}" if sure else "-", failures(name)])
    table(f"{WAITS[phase].format(**plan)}: wait in ms, medians of the runs",
          ["proxy", "p50", "p99", "max", "p99 spread", "p99: provbox/it", "95 %",
           "failures"], lines)


def show(results, plan):
    show_memory(results, plan)
    for phase in WAITS:
        show_waits(results, plan, phase)
    note(f"Bar: no failure; the 95 % interval of the ratio not wholly above {WAIT_BAR}.")
