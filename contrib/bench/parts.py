"""Processes of the bench: its own parts, the core that each is on, and what they cost."""

import contextlib
import ctypes
import json
import os
import pathlib
import signal
import subprocess

from harness import paths, process

PR_SET_PDEATHSIG = 1
# The proxy has one core to itself; load and upstream share another.
CORES = sorted(os.sched_getaffinity(0))
PROXY_CORE, LOAD_CORE = CORES[0], CORES[-1]

_libc = ctypes.CDLL(None)


is_polite = False  # to other work of the machine: it comes first, and on any core


def stay(*cores):
    """This process, and what it will start."""
    if not is_polite:
        os.sched_setaffinity(0, cores)


def pin(pid, *cores):
    """A process and all below it."""
    for one in [] if is_polite else [pid, *process.descendants(pid)]:
        os.sched_setaffinity(one, cores)


def _own_schedstat(pid, column):
    """Seconds, of all threads of a process, in a column of the scheduler's accounts."""
    return sum(int(path.read_text().split()[column])
               for path in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def _schedstat(pid, column):
    """The same of a process and all below it."""
    return sum(_own_schedstat(one, column) for one in [pid, *process.descendants(pid)])


def own_cpu_s(pid):
    """CPU seconds so far of a process, without those below it."""
    return _own_schedstat(pid, 0)


def ended_cpu_s(pid):
    """CPU seconds of its children that have ended."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def cpu_s(pid):
    """CPU seconds so far of a process and all below it."""
    return _schedstat(pid, 0)


def queued_s(pid):
    """Seconds that they were ready to run and others had their core."""
    return _schedstat(pid, 1)


def pss_kib(pid):
    """Resident memory of a process and all below it, what they share counted once; None
    where this user may not look into them (they hold keys: only root may)."""
    total = 0
    for one in [pid, *process.descendants(pid)]:
        try:
            rows = pathlib.Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
        except PermissionError:
            return None
        total += sum(int(row.split()[1]) for row in rows if row.startswith("Pss:"))
    return total


@contextlib.contextmanager
def alone():
    """What is started meanwhile goes before other work of the machine, if this user may do
    that (real time, in turn among themselves); yields whether it does."""
    normal = os.sched_param(0)
    try:
        if is_polite:
            raise PermissionError
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        yield False
        return
    try:
        yield True
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, normal)


@contextlib.contextmanager
def first(*pids):
    """These processes and all below them go before other work of the machine meanwhile, if
    this user may do that."""
    every = [one for pid in pids for one in [pid, *process.descendants(pid)]]
    try:
        for one in [] if is_polite else every:
            os.sched_setscheduler(one, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        pass
    yield
    for one in every:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.sched_setscheduler(one, os.SCHED_OTHER, os.sched_param(0))


class Part:
    """`bench PART name=value...`, ready; on one core, or with None on all."""

    def __init__(self, part, /, core=LOAD_CORE, **settings):
        def prepare():
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            stay(*(CORES if core is None else [core]))

        words = [f"{key}={value}" for key, value in settings.items() if value is not None]
        self.process = subprocess.Popen(
            [paths.BUILD / "contrib/bench/bench", part, *words], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=prepare)
        line = self.process.stdout.readline()
        assert line == "ready\n", f"bench {part} {' '.join(words)}: {line or 'ended'}"

    def go(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def read(self):
        """One line of its output, JSON."""
        line = self.process.stdout.readline()
        assert line, "a part of the bench has ended"
        return json.loads(line)

    def ask(self, word):
        """Have it do what the word says; what came of it."""
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        return self.read()

    def result(self):
        out, _ = self.process.communicate()
        assert self.process.returncode == 0
        return json.loads(out)

    def stop(self):
        self.process.terminate()
        self.process.communicate()


def run(part, /, **settings):
    """What a part that needs nobody prints, on the core of the proxy."""
    words = [f"{key}={value}" for key, value in settings.items()]
    done = subprocess.run(
        [paths.BUILD / "contrib/bench/bench", part, *words], check=True,
        capture_output=True, preexec_fn=lambda: stay(PROXY_CORE))
    return json.loads(done.stdout)


def unit_us(count):
    """CPU microseconds of one handshake in memory, on the core of the proxy, now."""
    return run("unit", count=count)["unit_us"]
