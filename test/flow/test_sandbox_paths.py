"""What confined processes do rarely: tell systemd, ask a name server."""

import contextlib
import os
import signal
import socket
import struct
import subprocess
import threading

import pytest
from harness import airnet, openapi, pki, postgres, wait
from harness.caller import Caller
from harness.schema import DEV

USER = postgres.OS_USER
DAEMONS = ("server", "smsc", "gateway")


def died(daemon):
    return daemon.events("child_exit")


# ---- systemd -----------------------------------------------------------------------


@pytest.mark.parametrize("name", DAEMONS)
def test_systemd_is_told_of_every_change(site, name):
    site.start("database", *(("smscsim", "bearerbox") if name == "smsc" else ()))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(site.directory / "notify"))
        heard.settimeout(10)
        daemon = getattr(site, name)
        daemon.env = {"NOTIFY_SOCKET": str(site.directory / "notify")}
        if USER:
            daemon.config["user"] = USER
        site.start(name)
        assert heard.recv(100) == b"READY=1"
        os.kill(daemon.process.pid, signal.SIGHUP)
        assert heard.recv(100).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        assert heard.recv(100) == b"READY=1\nSTATUS="
        daemon.wait_event("reloaded")
        daemon.stop()
        assert heard.recv(100) == b"STOPPING=1"
    assert not died(daemon) and not daemon.events("notify_failed")


# ---- The log -----------------------------------------------------------------------


@pytest.mark.parametrize("is_pipe", [False, True], ids=["file", "pipe"])
def test_the_log_goes_on_after_a_reload(site, is_pipe):
    """As of a service manager: nothing but a pipe, and no file may grow."""
    if is_pipe:
        site.gateway.prefix = ["bash", "-c", 'exec "$@" > >(exec cat) 2>&1', "bash"]
    if USER:
        site.gateway.config["user"] = USER
    site.start("database", "server", "gateway")
    leaf = site.pki.device_leaf("good", DEV)
    for generation in (2, 3):
        os.kill(site.gateway.process.pid, signal.SIGHUP)
        site.gateway.wait_event("reloaded", generation=generation)
        wait.until(lambda: len(site.gateway.events("draining")) == generation - 1, "one worker")
        with airnet.Device(site, leaf) as device:
            assert device.ask("GET /v1/device HTTP/1.1").status == 200
        wait.until(lambda: len(site.gateway.events("session_end")) == generation - 1, "the end")
    begun = site.gateway.events("session_begin")
    assert len({line.pid for line in begun}) == 2 and not died(site.gateway)


# ---- Names -------------------------------------------------------------------------


class NameServer:
    """Knows one name, on an address of its own."""

    A, AAAA = 1, 28

    def __init__(self, name):
        self.name = b"".join(bytes([len(label)]) + label.encode()
                             for label in [*name.split("."), ""])
        self.asked = set()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.address = f"127.{os.getpid() >> 8 & 0xff}.{os.getpid() & 0xff}.53"
        self.socket.bind((self.address, 53))
        self.socket.settimeout(0.05)
        self.is_closed = threading.Event()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while not self.is_closed.is_set():
            with contextlib.suppress(TimeoutError):
                question, peer = self.socket.recvfrom(4096)
                self.socket.sendto(self._answer(question), peer)

    def _answer(self, question):
        """RFC 1035, 4.1."""
        end = question.index(b"\0", 12) + 5
        name, (kind,) = question[12:end - 4], struct.unpack(">H", question[end - 4:end - 2])
        is_known = name.lower() == self.name
        self.asked.add((name, kind))
        n = int(is_known and kind == self.A)
        answer = struct.pack(">HHHIH4s", 0xc00c, self.A, 1, 60, 4, bytes([127, 0, 0, 1]))
        return (question[:2] + struct.pack(">HHHHH", 0x8180 if is_known else 0x8183, 1, n, 0, 0)
                + question[12:end] + answer * n)

    def close(self):
        self.is_closed.set()
        self.thread.join(5)
        self.socket.close()


BILLING_NAME = "billing.example.com"


def can_mount():
    return os.geteuid() == 0 and subprocess.run(
        ["unshare", "--mount", "true"], capture_output=True).returncode == 0


@pytest.fixture
def named(site):
    """A server whose billing has a name that only a name server of the test knows."""
    if not can_mount():
        pytest.skip("only root may give a program files of its own")
    names = NameServer(BILLING_NAME)
    (site.directory / "resolv.conf").write_text(
        f"nameserver {names.address}\noptions timeout:1 attempts:1\n")
    site.server.prefix = [
        "unshare", "--mount", "--propagation", "private", "sh", "-c",
        f'mount --bind {site.directory}/resolv.conf /etc/resolv.conf && exec "$@"', "sh"]
    site.server.config["user"] = USER
    site.names = names
    site.start("database")
    site.schema.setting(backoff_first="100 milliseconds")
    yield site
    names.close()


def finish_request(site):
    with Caller(site, openapi.Api()) as caller:
        caller.authenticate()
        path = caller.accepted("compass")
        caller.ask("PUT", f"{path}/items/compass/result", 200,
                   {"result": "installed", "version": "1.4.0"})


def test_the_courier_asks_a_name_server(named):
    named.pki.billing_server = named.pki.billing.issue(
        "billing-named", dns=[BILLING_NAME, "localhost"], usages=[pki.SERVER])
    named.server.config["billing_url"] = f"https://{BILLING_NAME}:{named.billing.port}/events"
    named.start("billing", "server")
    finish_request(named)
    wait.until(named.billing.records, "the billing event")
    assert (named.names.name, NameServer.A) in named.names.asked
    assert not died(named.server)


def test_the_courier_outlives_a_name_that_nobody_knows(named):
    """Asked of a server that says so, and of one that is not there: each is tried again."""
    named.server.config["billing_url"] = "https://nobody.example.com/events"
    named.server.config["billing_timeout"] = "500ms"
    named.start("server")
    finish_request(named)
    attempts = "select attempt from provbox.outbox where kind = 'billing'"
    wait.until(lambda: named.db.value(attempts) >= 2, "a second attempt")
    assert named.names.asked and BILLING_NAME not in str(named.names.asked)
    named.names.close()
    tried = named.db.value(attempts)
    wait.until(lambda: named.db.value(attempts) > tried, "one more attempt")
    assert not died(named.server)
