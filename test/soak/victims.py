"""Processes that are killed -9: which, in what order, and how each comes back.

    plan = victims.plan(seed, 200)          # the same seed, the same order and pauses
    executioner = victims.Executioner(site)
    for name, pause_s in plan:
        time.sleep(pause_s)
        executioner.kill(name)

The children of a daemon are started again by their supervisor. Supervisors, bearerbox and
PostgreSQL are started again by us, as systemd would.
"""

import datetime
import os
import random
import signal
import time
from dataclasses import dataclass

from harness import process, wait

# name: attribute of the site, and what the child is called in the process table.
CHILDREN = {
    "gateway worker": ("gateway", "worker"),
    "keys child": ("gateway", "keys"),
    "landnet worker": ("server", "landnet"),
    "courier": ("server", "courier"),
    "zone": ("server", "zone"),
    "SMSC link": ("smsc", "link"),
    "keys child of the server": ("server", "keys"),
}
SUPERVISORS = {
    "gateway supervisor": "gateway",
    "server supervisor": "server",
    "SMSC supervisor": "smsc",
}
# Those of which each run kills as many; of what is over, the others get the same share.
NAMED = ("gateway worker", "keys child", "landnet worker", "courier", "zone", "SMSC link",
         "bearerbox", "PostgreSQL")
OTHERS = ("keys child of the server", *SUPERVISORS)
# A message part that one of these has in hand may go out again.
NARROW_BAND = ("SMSC link", "SMSC supervisor", "bearerbox", "PostgreSQL")
# A mail that one of these has in hand may go out again.
MAILING = ("courier", "server supervisor")

RESTART_S = 0.1  # systemd's RestartSec
END_S = 10  # for children whose supervisor is gone
BACK_S = 20  # for a child to be there again


def plan(seed, n_kills, longest_pause_s):
    """[(name, pause before the kill)]; at least a tenth of all kills for each of NAMED."""
    numbers = random.Random(seed)
    each = max(2, n_kills * 9 // (10 * len(NAMED)))
    names = list(NAMED) * each
    names += [OTHERS[n % len(OTHERS)] for n in range(n_kills - len(names))]
    numbers.shuffle(names)
    return [(name, numbers.uniform(0, longest_pause_s)) for name in names]


def seconds(stamp):
    """The time of a log line, by the wall clock."""
    return datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()


def _has_ended(pid):
    """Of a process whose parent was killed: it is our child now (process.adopt_orphans)."""
    try:
        ended, _ = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return not os.path.exists(f"/proc/{pid}")
    return ended == pid


@dataclass
class Kill:
    name: str
    at: float  # by the wall clock, as the database and the logs have it
    back_s: float | None = None


class Executioner:
    def __init__(self, site):
        self.site = site
        self.kills = []

    def kill(self, name):
        """Returns when what the harness restarts is back; a child comes back by itself."""
        if name in CHILDREN:
            self._child(*CHILDREN[name], name)
        elif name in SUPERVISORS:
            self._supervisor(getattr(self.site, SUPERVISORS[name]), name)
        elif name == "PostgreSQL":
            self._whole(self.site.cluster.server, self.site.cluster.start, name)
        else:
            self._whole(self.site.bearerbox.process, self.site.bearerbox.start, name)

    def _note(self, name):
        self.kills.append(Kill(name, time.time()))
        return self.kills[-1]

    def _child(self, part, role, name):
        daemon = getattr(self.site, part)
        title = f"{daemon.program}: {role} 0"
        pid = wait.until(lambda: next((pid for pid in daemon.workers()
                                       if process.command(pid) == title), None),
                         f"{title} to be there", BACK_S)
        self._note(name)
        os.kill(pid, signal.SIGKILL)

    def _supervisor(self, daemon, name):
        below = daemon.workers()
        kill = self._note(name)
        daemon.process.popen.kill()
        daemon.process.popen.wait()
        wait.until(lambda: all(map(_has_ended, below)),
                   f"the children of {daemon.program} to end with it", END_S)
        self._start(daemon.start, kill)

    def _whole(self, running, start, name):
        kill = self._note(name)
        running.kill()
        self._start(start, kill)

    @staticmethod
    def _start(start, kill):
        time.sleep(RESTART_S)
        start()
        kill.back_s = time.time() - kill.at

    def measure(self):
        """How long each child was away, by the log of its supervisor."""
        ready = {part: [seconds(line["time"])
                        for line in getattr(self.site, part).events("ready")]
                 for part in SUPERVISORS.values()}
        for kill in self.kills:
            if kill.name in CHILDREN:
                part, _ = CHILDREN[kill.name]
                kill.back_s = next((at - kill.at for at in ready[part] if at > kill.at), None)
