"""What it costs a new session that the key is in a process of its own."""

import cpu
import parts
import proxies
from harness import paths
from report import note, say, spread, table

BAR = 0.05
RUNS = 20
COUNT = 500  # sessions with the key at one place in a run
IN_FLIGHT = 16
SMOKE = 1, 10
UNITS = 100

AT_HAND = "gateway-at-hand"
paths.BESIDE_SOURCES[AT_HAND] = f"contrib/bench/{AT_HAND}"


class AtHand(proxies.Provbox):
    """The gateway, but that its worker reads its keys (signer_at_hand.c)."""

    def __init__(self, site):
        super().__init__(site)
        self.daemon.program = AT_HAND


def measure(site, make, shrink):
    """Microseconds of a session, and of its keys child where it has one."""
    settings = {"mode": "new", "devices": COUNT // shrink, "warm": COUNT // shrink,
                "count": COUNT // shrink, "connections": IN_FLIGHT}
    rows = cpu.measure(site, make(site), settings, (cpu.NEW_SEEN,), UNITS // shrink)
    assert rows[cpu.NEW_SEEN]["failures"] == 0
    return rows[cpu.NEW_SEEN]["cpu_us"]


def bench(site, runs=RUNS, shrink=1):
    results = []
    with site.upstream(), parts.alone() as is_alone:
        for run in range(runs):
            say(f"run {run + 1} of {runs}: the keys child")
            # Which of the two comes first changes with each run.
            makers = [proxies.Provbox, AtHand][::-1 if run % 2 else 1]
            found = {make: measure(site, make, shrink) for make in makers}
            session_us, here_us = found[proxies.Provbox], found[AtHand]
            results.append({"session_us": session_us, "here_us": here_us,
                            "price_us": session_us - here_us,
                            "share": (session_us - here_us) / session_us})
    show(results, is_alone)
    return results


ROWS = (("new session, key in the keys child, us", "session_us", ".0f"),
        ("new session, key at hand, us", "here_us", ".0f"),
        ("price, us", "price_us", ".1f"),
        ("price of a new session", "share", ".3f"))


def show(results, is_alone):
    table(f"The keys child, CPU, {IN_FLIGHT} sessions at a time",
          ["", "median", "spread"],
          [[name, *spread([one[key] for one in results], form)]
           for name, key, form in ROWS])
    note(f"Bar: at most {BAR} of a new session whose chain was seen before; "
         + ("with" if is_alone else "without") + " real-time priority.")
