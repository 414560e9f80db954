"""The handset in a terminal: every key as a person presses it."""

import os
import re
import select
import subprocess
import time

import pytest
from harness import paths, process
from harness.handset import FORM, Handset, order


CLEAR = "\033[H\033[J"


@pytest.fixture
def edge(site):
    site.start("database", "billing", "smscsim", "server", "gateway")
    return site


class Terminal:
    """A handset whose keyboard is a terminal of the test."""

    def __init__(self, site, handset):
        self.master, slave = os.openpty()
        self.run = process.Process(
            "terminal", [paths.program("handset"), "run", "--dir", handset.directory],
            site.directory, stdin=slave)
        os.close(slave)
        site.watch(self.run)

    def press(self, keys, screen):
        """Press keys and wait for the screen to which they lead."""
        seen = len(self.run.events("screen", name=screen))
        os.write(self.master, keys)
        self.run.wait_for(lambda: len(self.run.events("screen", name=screen)) > seen,
                          f"screen {screen}")

    def close(self):
        os.close(self.master)


def test_a_feature_is_ordered_by_hand(edge):
    handset = Handset(edge)
    terminal = Terminal(edge, handset)
    terminal.run.wait_event("screen", name="MENU")
    terminal.press(b"\x1b[B\r", "FEATURES")   # down, Enter
    terminal.press(b"\x1b", "MENU")           # Escape: back
    terminal.press(b"2", "FEATURES")
    terminal.press(b"\t", "PHONE")            # Tab: MENU
    terminal.press(b"b", "MENU")
    terminal.press(b"2", "FEATURES")
    terminal.press(b"]", "MENU")              # the right soft key
    terminal.press(b"2", "FEATURES")
    terminal.press(b"1\r", "FORM")
    *fields, last = FORM.values()
    for value in fields:
        os.write(terminal.master, f"{value}x\x7f\r".encode())  # with a slip, erased
    terminal.press(f"{last}\r".encode(), "WAITING")
    terminal.run.wait_event("state", to="offered")
    terminal.press(b"[", "TERMS")
    terminal.press(b"y", "DONE")
    body = edge.db.query("select body from provbox.request")[0]["body"]
    assert body["user"]["family_name"] == FORM["family_name"]
    os.write(terminal.master, b"\r")
    assert terminal.run.wait() == 0
    terminal.close()
    assert "> 2 Features" in terminal.run.log()
    assert re.search(r"\| Order +Back \|", terminal.run.log())


def stored(site):
    (row,) = site.db.query("select state, reason from provbox.request")
    return row["state"], row["reason"]


def test_an_order_is_cancelled_by_hand(edge):
    handset = Handset(edge)
    terminal = Terminal(edge, handset)
    terminal.run.wait_event("screen", name="MENU")
    terminal.press(b"2", "FEATURES")
    terminal.press(b"1\r", "FORM")
    *fields, last = FORM.values()
    for value in fields:
        os.write(terminal.master, f"{value}\r".encode())
    terminal.press(f"{last}\r".encode(), "WAITING")
    terminal.run.wait_event("state", to="offered")
    terminal.press(b"]", "CANCEL")
    terminal.press(b"]", "WAITING")   # on second thoughts
    terminal.press(b"n", "CANCEL")
    terminal.press(b"[", "ENDED")
    assert stored(edge) == ("cancelled", "cancelled_by_device")
    os.write(terminal.master, b"\r")
    assert terminal.run.wait() == 1
    terminal.close()
    assert "You cancelled the request." in terminal.run.log()


def test_a_script_cancels_and_orders_anew(edge):
    handset = Handset(edge)
    handset.used(*order(1), "wait state offered", "cancel", "wait screen ENDED",
                 outcome="failed")
    assert stored(edge) == ("cancelled", "cancelled_by_device")
    handset.used("wait screen MENU", "cancel", outcome="script")  # there is nothing any more
    handset.used(*order(1), "wait state offered", "key SOFT1", "wait screen TERMS", "key YES",
                 "wait screen DONE")


def test_the_terminal_that_closes_switches_off(edge):
    handset = Handset(edge)
    terminal = Terminal(edge, handset)
    terminal.run.wait_event("screen", name="MENU")
    terminal.close()
    assert terminal.run.wait() == 19


def read_until(master, words, timeout_s=10):
    """What a terminal shows, up to these words; fails when they do not come."""
    shown, end = "", time.monotonic() + timeout_s
    while words not in shown:
        assert select.select([master], [], [], end - time.monotonic())[0], shown
        shown += os.read(master, 65536).decode(errors="replace")
    return shown


def test_a_person_sees_one_screen_in_one_place(edge):
    handset = Handset(edge)
    master, slave = os.openpty()
    run = subprocess.Popen([paths.program("handset"), "run", "--dir", handset.directory],
                           stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    try:
        shown = read_until(master, "What do you want to set up?")
        os.write(master, b"\x04")
        assert run.wait(10) == 19
    finally:
        run.kill()
        run.wait()
        os.close(master)
    assert "ev=" not in shown
    assert shown.startswith(CLEAR) and shown.count(CLEAR) > 1
    assert "Ctrl-D: off" in shown
    assert "ev=screen name=MENU" in (handset.directory / "handset.log").read_text()


def test_sigterm_switches_off(edge):
    handset = Handset(edge)
    terminal = Terminal(edge, handset)
    terminal.run.wait_event("screen", name="MENU")
    assert terminal.run.stop() == 19
    terminal.close()
    edge.gateway.wait_event("session_end", reason="client_closed")
