"""What it costs a new session that the key is in a process of its own."""

import time
import types

import cpu
import parts
import proxies
from harness import process, wait
from report import note, say, spread, table

BAR = 0.05
RUNS = 5
IN_FLIGHT = 16, 1  # sessions at a time
BLOCK = 100  # sessions with the key at one place in a row
BLOCKS = 10
SETTLE_S = 0.01  # in which the last ones end
SESSIONS = {"mode": "new", "devices": BLOCK, "warm": BLOCK}
SMOKE = 1, 10
UNITS = 100


class Server:
    """One worker whose key is in a keys child at one port, and at hand at the other."""

    def __init__(self, site, connections, block):
        self.block = block
        p = site.pki
        ports = {"child": wait.free_port(), "here": wait.free_port()}
        self.part = parts.Part(
            "signing", core=parts.PROXY_CORE, port=ports["child"],
            port_at_hand=ports["here"], chain=p.gateway_airnet.path,
            key=p.gateway_airnet.key_path, trust=p.device.path, crl=p.device.crl_path,
            devices=2 * BLOCK)
        self.pid = self.part.process.pid
        [self.child_pid] = process.descendants(self.pid)
        self.loads = {
            place: parts.Part("load", **site.client(types.SimpleNamespace(port=port)),
                              **SESSIONS, count=block, connections=connections)
            for place, port in ports.items()}

    def measure(self, place):
        """CPU seconds of worker and child for one block."""
        began = parts.own_cpu_s(self.pid), parts.own_cpu_s(self.child_pid)
        found = self.loads[place].ask("")
        assert found["failures"] == 0, found["first_failure"]
        time.sleep(SETTLE_S)
        return (parts.own_cpu_s(self.pid) - began[0],
                parts.own_cpu_s(self.child_pid) - began[1])

    def stop(self):
        for part in [*self.loads.values(), self.part]:
            part.stop()


def measure_server(site, connections, shrink):
    """Microseconds of a session: the worker with the key in the child, the child, and the
    worker with the key at hand."""
    server = Server(site, connections, BLOCK // shrink)
    worker_s = child_s = here_s = 0
    try:
        for _ in range(BLOCKS):
            worker, child = server.measure("child")
            here, _ = server.measure("here")
            worker_s, child_s, here_s = worker_s + worker, child_s + child, here_s + here
    finally:
        server.stop()
    us = 1e6 / (BLOCKS * server.block)
    return {"worker_us": worker_s * us, "child_us": child_s * us, "here_us": here_s * us}


def measure(site, connections, shrink):
    with parts.alone() as is_alone:
        found = measure_server(site, connections, shrink)
        rows = cpu.measure(site, proxies.Provbox(site),
                           {**SESSIONS, "count": BLOCKS * BLOCK // shrink,
                            "connections": connections}, (cpu.NEW_SEEN,), UNITS // shrink)
    price_us = found["worker_us"] + found["child_us"] - found["here_us"]
    session_us = rows[cpu.NEW_SEEN]["cpu_us"]
    return {**found, "price_us": price_us, "session_us": session_us,
            "share": price_us / session_us, "alone": is_alone}


def bench(site, runs=RUNS, shrink=1):
    results = {}
    with site.upstream():
        for run in range(runs):
            for connections in IN_FLIGHT:
                say(f"run {run + 1} of {runs}: the keys child, {connections} at a time")
                results.setdefault(connections, []).append(
                    measure(site, connections, shrink))
    show(results)
    return results


ROWS = (("key in the child: worker, us", "worker_us", ".0f"),
        ("the same: keys child, us", "child_us", ".1f"),
        ("key at hand: worker, us", "here_us", ".0f"),
        ("price, us", "price_us", ".1f"),
        ("new session of the gateway, us", "session_us", ".0f"),
        ("price of a new session", "share", ".3f"))


def show(results):
    head = [""]
    for connections in results:
        head += [f"{connections} at a time", "spread"]
    table("The keys child, CPU", head, [
        [name, *(cell for found in results.values()
                 for cell in spread([one[key] for one in found], form))]
        for name, key, form in ROWS])
    is_alone = all(one["alone"] for found in results.values() for one in found)
    note(f"Bar: at most {BAR} of a new session whose chain was seen before, under load; "
         + ("with" if is_alone else "without") + " real-time priority.")
