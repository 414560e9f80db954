"""A program under test: started, watched through its log, ended by its pid.

Every process of a test is started here. The test process adopts orphans, so that
at its end a child that was left behind is seen (left_behind). Log lines of the
daemons are `time LEVEL program[pid] ev=... key=value ...`.
"""

import collections
import ctypes
import os
import pathlib
import re
import shlex
import signal
import subprocess
import threading

import pytest

from harness import wait

STOP_TIMEOUT_S = 10.0  # a sanitized program on a loaded machine has taken more than five
LOG_LINE = re.compile(
    r"^(?:(?P<time>\S+Z) )?(?P<level>ERROR|WARN|INFO|DEBUG) "
    r"(?P<program>[^\s\[]+)\[(?P<pid>\d+)\] (?P<fields>ev=.*)$")
FIELD = re.compile(r'([A-Za-z_][A-Za-z0-9_.]*)=("(?:[^"\\]|\\.)*"|\S*)')

_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


def adopt_orphans():
    """Make this process the parent of what its children leave behind."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def as_user(user, *options):
    """The words before a command that have it run as this user (None: as ourselves), after
    other options of setpriv(1).

    That program does it, not subprocess, which would fork for it: to copy an interpreter with
    all its memory costs the processor five times what setpriv does.
    """
    switch = ["--reuid", user, "--regid", user, "--clear-groups"] if user else []
    return ["/usr/bin/setpriv", *options, *switch] if options or switch else []


def _preloaded(env):
    """The words before a command for what only itself is to have preloaded."""
    return ["/usr/bin/env", f"LD_PRELOAD={env.pop('LD_PRELOAD')}"] if "LD_PRELOAD" in env else []


class LogLine:
    """One line of a daemon's log; fields by item access, None where there is none."""

    def __init__(self, text):
        match = LOG_LINE.match(text)
        self.text = text
        self.level = match["level"] if match else None
        self.pid = int(match["pid"]) if match else None
        self.fields = dict(FIELD.findall(match["fields"])) if match else {}
        if match and match["time"]:
            self.fields["time"] = match["time"]

    def __getitem__(self, key):
        return self.fields.get(key)

    def __repr__(self):
        return self.text


class Log:
    """The complete lines of a log that grows, each read and taken apart once."""

    def __init__(self, path):
        self.path = path
        self.n_bytes = 0
        self.read_lines = []
        self.by_event = collections.defaultdict(list)
        self.lock = threading.Lock()

    def _read(self):
        if os.stat(self.path).st_size == self.n_bytes:
            return
        with open(self.path, "rb") as log:
            log.seek(self.n_bytes)
            # A line that is being written is not seen yet.
            whole = log.read().rpartition(b"\n")[0]
        if whole:
            self.n_bytes += len(whole) + 1
            for text in whole.decode(errors="replace").split("\n"):
                line = LogLine(text)
                self.read_lines.append(line)
                self.by_event[line["ev"]].append(line)

    def lines(self, event=None):
        """All lines so far, or those of an event."""
        with self.lock:
            self._read()
            return list(self.by_event.get(event, ()) if event else self.read_lines)


class Process:
    """A running program whose standard output and error go to a file."""

    def __init__(self, name, argv, directory, *, env=None, user=None, stdin=None):
        self.name = name
        self.argv = [str(a) for a in argv]
        self.directory = pathlib.Path(directory)
        self.log_path = self.directory / f"{name}.log"
        self.growing_log = Log(self.log_path)
        self.sanitizer_path = self.directory / f"{name}.sanitizer"
        self.exit_status = None
        sanitizer = f"log_path={self.sanitizer_path}:exitcode=99"
        environment = {
            **os.environ, "TZ": "UTC",
            "ASAN_OPTIONS": f"{sanitizer}:detect_leaks=1:verify_asan_link_order=0",
            "UBSAN_OPTIONS": f"{sanitizer}:print_stacktrace=1",
            **(env or {}),
        }
        # It ends when we do, however we end.
        before = [*as_user(user, "--pdeathsig", "KILL"), *_preloaded(environment)]
        with open(self.log_path, "ab") as log:
            self.popen = subprocess.Popen(
                [*before, *self.argv], stdin=stdin or subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.directory, env=environment)

    @property
    def pid(self):
        return self.popen.pid

    def is_running(self):
        return self.popen.poll() is None

    # -- log ---------------------------------------------------------------------

    def log(self):
        return self.log_path.read_text(errors="replace")

    def lines(self):
        """Complete lines."""
        return [line.text for line in self.growing_log.lines()]

    def events(self, event=None, **fields):
        """Log lines with this event and these fields."""
        return [line for line in self.growing_log.lines(event)
                if all(line[k] == str(v) for k, v in fields.items())]

    def wait_event(self, event, timeout_s=10.0, **fields):
        """The first log line with this event and these fields."""
        return self.wait_for(lambda: self.events(event, **fields),
                             f"ev={event} {fields or ''}", timeout_s)[0]

    def wait_for(self, condition, what, timeout_s=10.0):
        """As wait.until, but fails at once with the log's end when the program ends."""
        def or_ended():
            return condition() or not self.is_running()
        try:
            wait.until(or_ended, what, timeout_s)
            value = condition()
        except AssertionError as error:
            raise AssertionError(f"{self.name}: {error}\n{self.tail()}") from None
        assert value, (f"{self.name} ended with {self.popen.returncode} before {what}\n"
                       f"{self.tail()}")
        return value

    def wait_port(self, port, timeout_s=10.0):
        self.wait_for(lambda: wait.is_listening(port), f"port {port}", timeout_s)

    def tail(self, lines=30):
        return (f"$ {shlex.join(self.argv)}\n"
                + "\n".join(self.log().splitlines()[-lines:]))

    # -- end ---------------------------------------------------------------------

    def wait(self, timeout_s=STOP_TIMEOUT_S):
        """Exit status; fails when the program does not end by itself."""
        try:
            self.exit_status = self.popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            tree = describe_tree(self.pid)
            self.kill()
            raise AssertionError(f"{self.name} did not end within {timeout_s} s:\n{tree}\n"
                                 f"{self.tail()}") from None
        return self.exit_status

    def stop(self, timeout_s=STOP_TIMEOUT_S):
        """SIGTERM; the program must end in time."""
        if self.is_running():
            self.popen.send_signal(signal.SIGTERM)
        return self.wait(timeout_s)

    def kill(self):
        """SIGKILL to all below this process, then to it: nobody has time to end well.
        When it returns all have ended, and their ports are free."""
        if self.is_running():
            self.popen.send_signal(signal.SIGSTOP)
        below = descendants(self.pid)
        for pid in below:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if self.is_running():
            self.popen.kill()
        self.exit_status = self.popen.wait()
        for pid in below:  # which are our children now: adopt_orphans()
            try:
                os.waitpid(pid, 0)
            except ChildProcessError:
                pass

    # -- what a test asserts at its end -------------------------------------------

    def complaints(self, allowed_errors=()):
        """What is wrong with this run: ERROR lines but those named, sanitizer reports."""
        found = [f"{self.name}: {line}" for line in self.growing_log.lines()
                 if line.level == "ERROR" and line["ev"] not in allowed_errors]
        for report in sorted(self.directory.glob(f"{self.sanitizer_path.name}.*")):
            found.append(f"{self.name}: {report.name}\n{report.read_text()}")
        return found


# -- the process table -------------------------------------------------------------


def children(pid):
    """Pids of the direct children, those that ended but were not waited for included."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*"):
        try:
            found += map(int, (task / "children").read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def descendants(pid):
    found = []
    for child in children(pid):
        found += [child, *descendants(child)]
    return found


def command(pid):
    try:
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        status = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return "(gone)"
    name = b" ".join(words).decode(errors="replace").strip()
    return name or status.split(")")[0].split("(")[-1]


def describe_tree(pid):
    return "\n".join(f"{p} {command(p)}" for p in [pid, *descendants(pid)])


def open_files(pid):
    """Number of file descriptors of a process; skips the test where it may not be seen."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except PermissionError:
        pytest.skip("only root sees the descriptors of a process that is not dumpable")


def left_behind(known_pids):
    """Children of this process but the known: ended ones are reaped, others told."""
    left = []
    for pid in children(os.getpid()):
        if pid in known_pids:
            continue
        try:
            ended, _ = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            continue
        if not ended:
            left.append(f"process left behind: {pid} {command(pid)}")
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    return left
