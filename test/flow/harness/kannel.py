"""Kannel's bearerbox, with a configuration of its own and generated passwords.

No smsbox runs, but bearerbox wants its group. A box with a name gets messages of
handsets by an smsbox-route only. wapbox-port stays out: it would listen on every
address.
"""

import pathlib
import secrets
import signal
import urllib.request

from harness import process, wait

CONFIGURATION = """\
group = core
admin-port = {admin_port}
admin-interface = 127.0.0.1
admin-password = {admin_password}
status-password = {status_password}
admin-deny-ip = "*.*.*.*"
admin-allow-ip = "127.0.0.1"
smsbox-port = {box_port}
smsbox-interface = 127.0.0.1
box-deny-ip = "*.*.*.*"
box-allow-ip = "127.0.0.1"
log-file = "{directory}/kannel.log"
log-level = {log_level}
store-type = spool
store-location = "{directory}/spool"
dlr-storage = spool
dlr-spool = "{directory}/dlr"
sms-resend-freq = 1
{core_settings}
group = smsc
smsc = smpp
smsc-id = {smsc_id}
host = 127.0.0.1
port = {smpp_port}
transceiver-mode = true
smsc-username = {system_id}
smsc-password = {password}
system-type = ""
interface-version = 34
address-range = ""
enquire-link-interval = 30
max-pending-submits = {window}
reconnect-delay = 1
{smsc_settings}
group = smsbox
bearerbox-host = 127.0.0.1

group = smsbox-route
smsbox-id = {box_id}
smsc-id = {smsc_id}
"""

STOP_PATIENCE_S = 5.0  # it waits for messages that nobody fetches, until it is killed

# Kannel's own, between its threads at the end: when it stops while the connection of one
# who asked for its status is being closed.
OWN_RACE = "HTTP: Race condition in client_destroy"


class Bearerbox:
    """bearerbox on an SMPP message centre; restart() keeps ports, store and passwords."""

    # Of its log and, with -v, of what it says on standard error, which it does for each message;
    # and of SMPP.
    log_level = 1
    options = ()
    window = 100
    SMSC_ID = "sim"
    BOX_ID = "provbox-test"

    def __init__(self, directory, centre):
        """On the message centre `centre`, which has port, system_id and password."""
        self.directory = pathlib.Path(directory) / "kannel"
        for folder in ("spool", "dlr"):
            (self.directory / folder).mkdir(parents=True)
        self.box_port = wait.free_port()
        self.admin_port = wait.free_port()
        self.status_password = secrets.token_hex(8)
        self.centre = centre
        self.admin_password = secrets.token_hex(8)
        self.conf = self.directory / "kannel.conf"
        self.configure()
        self.process = None
        self.n_starts = 0

    def configure(self, *smsc_settings, core_settings=()):
        """Write the configuration; lines for the groups of the message centre and of the
        core are added."""
        self.conf.write_text(CONFIGURATION.format(
            directory=self.directory, log_level=self.log_level, window=self.window, admin_port=self.admin_port, box_port=self.box_port,
            admin_password=self.admin_password, status_password=self.status_password,
            smsc_id=self.SMSC_ID, box_id=self.BOX_ID, smpp_port=self.centre.port,
            system_id=self.centre.system_id, password=self.centre.password,
            smsc_settings="".join(f"{line}\n" for line in smsc_settings),
            core_settings="".join(f"{line}\n" for line in core_settings)))
        self.conf.chmod(0o600)

    def start(self):
        self.process = process.Process(
            "bearerbox", ["/usr/sbin/bearerbox", *self.options, self.conf], self.directory)
        self.n_starts += 1
        self.process.wait_port(self.admin_port)
        self.process.wait_port(self.box_port)

    def status(self):
        url = (f"http://127.0.0.1:{self.admin_port}/status.txt"
               f"?password={self.status_password}")
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.read().decode()

    def wait_online(self):
        """Until the link to the message centre is bound, and messages are taken from there:
        the store is loaded after that."""
        self.process.wait_for(lambda: f"{self.SMSC_ID}[" in self.status()
                              and "(online" in self.status(), "the SMPP link")
        if not self.options:  # that make it tell less
            self.process.wait_for(
                lambda: self.process.log().count("Start-up done") >= self.n_starts, "the store")

    def stop(self):
        """bearerbox waits for messages that nobody fetches: then it is killed."""
        if self.process.is_running():
            self.process.popen.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_PATIENCE_S)
            except AssertionError:
                pass

    def restart(self):
        self.stop()
        self.start()

    def complaints(self):
        """What it panicked of; the first line tells, the others are its stack."""
        panics = [line for line in self.process.lines() if "PANIC" in line]
        if panics and OWN_RACE in panics[0]:
            return []
        return [f"bearerbox: {line}" for line in panics]
