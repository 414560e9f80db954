"""provctl on a terminal: colour, and a command that is watched."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest
from harness.postgres import SQL
from harness.provctl import PROVCTL, Provctl
from harness.schema import DEV, DEV2, Schema

RED, BOLD = "\033[31m", "\033[1m"
CLEAR = "\033[H\033[J"
LINES, COLUMNS = 20, 80


@pytest.fixture
def database(schema):
    return schema.database


class Terminal:
    """A command with a terminal of its own, LINES by COLUMNS."""

    def __init__(self, database, *arguments, **environment):
        self.shown = ""
        self.fd, ours = pty.openpty()
        fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        known = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        self.process = subprocess.Popen(
            [PROVCTL, *arguments, f"--dsn={database.dsn('provbox_operator')}"], stdin=ours,
            stdout=ours, stderr=subprocess.PIPE, text=True,
            env={**known, "TERM": "xterm", "PROVBOX_SQL_DIR": str(SQL), **environment})
        os.close(ours)

    def read(self, is_enough=lambda text: False):
        """What it shows until that is enough, or it ends."""
        deadline = time.monotonic() + 30
        while not is_enough(self.shown) and time.monotonic() < deadline:
            if not select.select([self.fd], [], [], 0.1)[0]:
                continue
            try:
                self.shown += os.read(self.fd, 65536).decode().replace("\r\n", "\n")
            except OSError:  # the other end is closed
                break
        return self.shown

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        os.close(self.fd)


def test_colour_is_for_terminals(database):
    schema = Schema(database)
    schema.rows("operator", "device_block", DEV, "stolen")
    show = ("device", "show", DEV)
    with Terminal(database, *show) as terminal:
        shown = terminal.read()
    assert f"{RED}blocked\033[0m" in shown and BOLD in shown
    without = re.sub("\033\\[[0-9;]*m", "", shown)
    for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        with Terminal(database, *show, **environment) as terminal:
            assert terminal.read() == without
    assert Provctl(database.dsn("provbox_operator")).run(*show)[0] == without


def test_a_watch_shows_what_changes_in_one_place(database):
    schema = Schema(database)
    with Terminal(database, "request", "list", "--watch", NO_COLOR="1") as terminal:
        assert "(none)" in terminal.read(lambda text: "(none)" in text)
        request = schema.offered("compass")
        shown = terminal.read(lambda text: request in text)
        screens = shown.split(CLEAR)
        assert screens[0] == "" and len(screens) >= 3
        assert screens[1].startswith("provctl request list, ") and "Ctrl-C" in screens[1]
        assert request in screens[-1] and "(none)" not in screens[-1]
        terminal.process.send_signal(signal.SIGINT)
        terminal.process.wait(20)
        assert terminal.process.returncode == -signal.SIGINT


def test_a_watch_keeps_to_its_screen(database):
    schema = Schema(database)
    for n in range(LINES):
        schema.database.query("select provbox.event_put(%s, null, 'device_changed', 'operator',"
                              " null, '{}')", DEV)
    with Terminal(database, "device", "show", DEV, "-w", NO_COLOR="1") as terminal:
        shown = terminal.read(lambda text: text.count(CLEAR) >= 2)
    first = shown.split(CLEAR)[1].splitlines()
    assert len(first) > LINES // 2
    assert sum(-(-len(line) // COLUMNS) for line in first) <= LINES - 1


def test_a_watch_that_nobody_looks_at_tells_changes(database):
    schema = Schema(database)
    dsn = database.dsn("provbox_operator")
    with subprocess.Popen([PROVCTL, "request", "list", "--watch", "--json", f"--dsn={dsn}"],
                          stdout=subprocess.PIPE, text=True) as watch:
        assert watch.stdout.readline() == "[]\n"
        time.sleep(2.5)  # a turn in which nothing changes
        request = schema.offered("compass")
        line = watch.stdout.readline()
        while request not in line:
            assert line != "[]\n"
            line = watch.stdout.readline()
        watch.terminate()
        assert "[]" not in watch.stdout.read()
    assert Provctl(dsn).run("request", "show", request, "--watch", "--dev", DEV2,
                            status=1)[1].startswith("provctl: no such request")
