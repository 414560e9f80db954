"""How long honest handsets wait while others are slow."""

import parts
import proxies
from harness import wait
from report import note, say, table

KINDS = {  # of slow peers: how many come a second
    "none": None, "silent": 5000, "dripping_hello": 5000, "half_closed": 5000,
    "slow_head": 200, "slow_body": 200, "slow_reader": 200}
LARGE = "/v1/content/large"
# Those that find no place among the large answers wait for one, are told so, and idle.
READER_MORE_S = 9
PATIENCE_S = 20
BAR_MS = 50
FULL = {"kinds": list(KINDS), "peers": 1000, "seconds": 12, "deadline": "3s"}
# The deadline is for the server, too, which stands behind other work of the machine here.
SMOKE = {"kinds": ["none", "silent", "slow_body"], "peers": 20, "seconds": 4,
         "deadline": "10s"}
HONEST = {"mode": "honest", "devices": 500, "warm": 20, "rate": 50, "connections": 16,
          "asks": 320}


def ends(gateway):
    """How sessions and handshakes have ended so far: {reason: n}."""
    return {name.split('"')[1]: value for name, value in gateway.daemon.metrics().items()
            if "_session_ends_total{" in name or "_handshake_failures_total{" in name}


def among(site, gateway, kind, plan, echo):
    """One kind of slow peer beside honest handsets."""
    client = site.client(gateway)
    is_reader, slow = kind == "slow_reader", None
    seconds = plan["seconds"] + (READER_MORE_S if is_reader else 0)
    honest = parts.Part("load", **client, **HONEST, seconds=seconds, echo=echo)
    if KINDS[kind]:
        slow = parts.Part("slow", **client, mode=kind, count=plan["peers"],
                          rate=KINDS[kind], target=LARGE if is_reader else None,
                          # Who does not read does not see its end.
                          seconds=seconds + (1 if is_reader else PATIENCE_S))
    before, queued = ends(gateway), parts.queued_s(gateway.process.pid)
    honest.go()
    if slow:
        slow.go()
    result = honest.result()
    if slow:
        result["slow"] = slow.result()
    result["queued_ms"] = round(1000 * (parts.queued_s(gateway.process.pid) - queued))
    result["ends"] = {reason: int(n - before.get(reason, 0))
                      for reason, n in ends(gateway).items() if n != before.get(reason, 0)}
    return result


def bench(site, plan=FULL):
    gateway = proxies.Provbox(site, **{f"{name}_timeout": plan["deadline"] for name in
                                       ("handshake", "head", "body", "write")},
                              idle_timeout="5s")
    results = {}
    with parts.alone() as is_alone, site.upstream():
        gateway.start()
        port = wait.free_port()
        echo = parts.Part("echo", parts.PROXY_CORE, port=port)
        for kind in plan["kinds"]:
            say(f"honest handsets among {plan['peers'] if KINDS[kind] else 'no'} slow "
                f"peers: {kind}")
            results[kind] = among(site, gateway, kind, plan, port)
        echo.stop()
        gateway.stop()
    show(results, plan, is_alone)
    return {"is_alone": is_alone, "kinds": results}


def show(results, plan, is_alone):
    def ms(waits, name):
        return f"{waits[name] / 1000:.1f}"

    rows = [[kind, *(ms(one[what], name) for what in ("new", "kept")
                     for name in ("p50_us", "p99_us", "max_us")),
             ms(one["pulse"], "max_us"), ms(one["late"], "max_us"), one["failures"]]
            for kind, one in results.items()]
    table(f"Honest wait in ms: {HONEST['rate']} new sessions a second, {HONEST['asks']} "
          f"requests a second on {HONEST['connections']} kept ones, {plan['peers']} slow "
          "peers",
          ["slow peers", "new: p50", "p99", "max", "kept: p50", "p99", "max", "pulse max",
           "load late", "failures"], rows)
    worst = max(one[what]["max_us"] for one in results.values() for what in ("new", "kept"))
    others = "went behind" if is_alone else "competed"
    note(f"Worst {worst / 1000:.1f} ms; bar {BAR_MS} ms. Other work of the machine {others}.\n"
         "Pulse: a byte to a bare loop on the gateway's core and back, meanwhile: what the "
         "machine alone may add.\nLoad late: the load's own lateness, part of its waits.")
