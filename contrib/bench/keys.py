"""What it costs a new session that the key is in a process of its own."""

import cpu
import parts
import proxies
from report import note, say, spread, table

BAR = 0.05
RUNS = 5
COUNT = 1000  # handshakes with the child, and as many without
SESSIONS = {"mode": "new", "devices": 1000, "warm": 100, "count": 900, "connections": 16}
SMOKE = 1, 10


def measure(site, shrink):
    """Microseconds of one run: handshakes of both kinds, and a session of the gateway."""
    p = site.pki
    with parts.alone() as is_alone:
        found = parts.run(
            "signing", count=COUNT // shrink, chain=p.gateway_airnet.path,
            key=p.gateway_airnet.key_path, trust=p.device.path, issuer=p.device.path,
            issuer_key=p.device.key_path)
        settings = {key: value // shrink if key in ("devices", "warm", "count") else value
                    for key, value in SESSIONS.items()}
        rows = cpu.measure(site, proxies.Provbox(site), settings,
                           (cpu.NEW_FIRST, cpu.NEW_SEEN), COUNT // shrink // 10)
    price_us = found["worker_us"] + found["child_us"] - found["here_us"]
    session_us = rows[cpu.NEW_SEEN]["cpu_us"]
    return {**found, "price_us": price_us, "session_us": session_us,
            "share": price_us / session_us, "alone": is_alone}


def bench(site, runs=RUNS, shrink=1):
    results = []
    with site.upstream():
        for run in range(runs):
            say(f"run {run + 1} of {runs}: the keys child")
            results.append(measure(site, shrink))
    show(results)
    return results


def show(results):
    def row(name, key, form):
        return [name, *spread([one[key] for one in results], form)]

    table("The keys child, CPU", ["", "median", "spread"], [
        row("handshake, key in the child: worker, us", "worker_us", ".0f"),
        row("the same: keys child, us", "child_us", ".1f"),
        row("handshake, key at hand, us", "here_us", ".0f"),
        row("price, us", "price_us", ".1f"),
        row("new session of the gateway, us", "session_us", ".0f"),
        row("price of a new session", "share", ".3f")])
    note(f"Bar: at most {BAR} of a new session whose chain was seen before. Both sides of "
         "a handshake are counted; "
         + ("with" if all(one["alone"] for one in results) else "without")
         + " real-time priority.")
