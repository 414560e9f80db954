"""The demo's site: started by contrib/demo, kept by a process in the background.

    demo_site.py start BUILD    start everything, provision a handset, say what runs
    demo_site.py stop BUILD     end it

It stands on the harness of the flow tests: the same programs with the same kind of
configuration, but with trust anchors that are marked for demonstration.
"""

import datetime
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

SOURCE = pathlib.Path(os.environ["PROVBOX_SRCDIR"])
sys.path[:0] = [str(SOURCE / "test" / "flow"), str(SOURCE / "test" / "peers")]

from harness import paths, postgres, process, wait  # noqa: E402
from harness.site import Site  # noqa: E402

ORGANIZATION = "Provbox demo, not for production"
DEV = "urn:gsma:imei:35209900-176148-0"
NUMBER = "+447700900123"
STOP_S = 30
SCRIPT = """\
wait screen MENU
key 2
wait screen FEATURES
key 1
key 3
key OK
wait screen FORM
type given_name Ada
type family_name Lovelace
type postcode SW1A 1AA
type reference demo-account-0001
key OK
wait screen TERMS 30
key YES
wait state done 60
"""
DEVICE = [{"dev": DEV, "msisdn": NUMBER, "model": "Example One", "given_name": "Ada",
           "family_name": "Lovelace", "postcode": "SW1A 1AA"}]

START = time.time()


def say(text=""):
    print(text, flush=True)


def step(what, detail="", at=None):
    say(f"{(at or time.time()) - START:6.2f} s  {what:<26} {detail}".rstrip())


def seconds(at):
    """Unix time of RFC 3339."""
    return datetime.datetime.fromisoformat(at).timestamp()


# What a change of the handset's state means to who looks on.
HANDSET_STATES = {
    "session": "reached the gateway, TLS is mutual",
    "device": "verified the server's proof; nothing personal was sent before",
    "requesting": "sends its request",
    "deciding": "shows the terms that came as short messages",
    "answered": "key YES",
    "testing": "installed, runs what it installed",
}


def tell_handset(line):
    """A line of the handset's own log."""
    if words := HANDSET_STATES.get(line["to"]):
        step("handset", words, seconds(line["time"]))


def tell(event):
    """A stored event, with the time at which it was stored."""
    move = event["to_state"] or ""
    if event["from_state"]:
        move = f"{event['from_state']} -> {move}"
    words = (event["event"], event["subject"], move, event["reason"])
    step(f"stored event: {event['actor']}", "  ".join(filter(None, words)),
         seconds(event["at"]))


class DemoDatabase:
    """Made by the operator's own commands."""

    def __init__(self, site):
        self.site = site

    def start(self):
        site = self.site
        site.db = postgres.Database(site.cluster, "provbox_demo")
        site.write_provctl_config()
        site.provctl("db", "init", f"--dsn={site.db.dsn(postgres.ADMINISTRATOR)}")
        site.server.config["dsn"] = site.db.dsn("provbox_server")
        site.smsc.config["dsn"] = site.db.dsn("provbox_smsc")
        devices = site.directory / "devices.json"
        devices.write_text(json.dumps(DEVICE))
        site.provctl("device", "import", devices)
        site.provctl("catalogue", "load", SOURCE / "contrib" / "catalogue")

    def stop(self):
        pass

    def complaints(self):
        return []


class DemoSite(Site):
    def __init__(self, cluster):
        super().__init__(cluster, organization=ORGANIZATION)
        self.database = DemoDatabase(self)
        self.server.config["demo"] = True
        self.gateway.config["demo"] = True
        self.provctl_conf = self.directory / "provctl.conf"
        self.phone = self.directory / "handset"

    def write_provctl_config(self):
        self.provctl_conf.write_text(f'dsn = "{self.db.dsn("provbox_operator")}"\n')

    def provctl(self, *words):
        done = subprocess.run(
            [paths.program("provctl"), *map(str, words), "-c", self.provctl_conf],
            capture_output=True, text=True, timeout=60,
            env={**os.environ, "PROVBOX_SQL_DIR": str(SOURCE / "provisioning" / "sql")})
        assert done.returncode == 0, f"provctl {' '.join(map(str, words))}:\n{done.stderr}"
        return done.stdout

    def make_handset(self):
        """A factory-new handset: it makes its key itself, the operator's CA signs."""
        catalogue = SOURCE / "contrib" / "catalogue"
        subprocess.run(
            [paths.program("handset"), "init", "--dir", self.phone, "--dev", DEV,
             "--number", NUMBER, "--model", "Example One", "--language", "en",
             "--gateway", f"127.0.0.1:{self.airnet_port}",
             "--gateway-name", self.pki.GATEWAY_NAME, "--uri", f"https://{self.pki.SRV}/",
             "--airnet-root", self.pki.airnet.path, "--proof-root", self.pki.proof.path,
             "--radio", self.smscsim.radio,
             "--resident", f"voice-mail={catalogue / 'resident' / 'voice-mail'}"],
            check=True, stdout=subprocess.DEVNULL)
        self.pki.device.sign(self.phone / "device.csr", self.phone / "device.crt")

    def ask_handset(self, command):
        return json.loads(subprocess.run(
            [paths.program("handset"), command, "--dir", self.phone, "--json"],
            check=True, capture_output=True, text=True).stdout)

    def story(self):
        """The stored events of the handset's request, or none yet."""
        requests = json.loads(self.provctl("request", "list", "--json"))
        if not requests:
            return None, []
        rid = requests[0]["id"]
        return rid, json.loads(self.provctl("request", "show", rid, "--json"))["story"]

    def provision(self):
        """Run the handset by its script, telling what happens in the order of time."""
        script = self.directory / "keys"
        script.write_text(SCRIPT)
        handset = process.Process(
            "handset", [paths.program("handset"), "run", "--dir", self.phone, "--script",
                        script], self.directory)
        n_events, n_states = 0, 0
        is_running = True
        while is_running:
            is_running = handset.is_running()
            rid, events = self.story()
            states = handset.events("state")
            steps = [(event["at"], tell, event) for event in events[n_events:]]
            steps += [(line["time"], tell_handset, line) for line in states[n_states:]]
            for _, say_it, what in sorted(steps, key=lambda one: seconds(one[0])):
                say_it(what)
            n_events, n_states = len(events), len(states)
            time.sleep(0.05)
        assert handset.wait() == 0, f"the handset did not get its features\n{handset.tail()}"
        return rid


PARTS = {
    "database": "schema, device, catalogue",
    "billing": "billing",
    "smscsim": "message centre",
    "bearerbox": "Kannel's bearerbox",
    "server": "provbox-server",
    "smsc": "provbox-smsc",
    "gateway": "provbox-gateway",
}
FIXES = {
    "database": "is PostgreSQL 15 installed, and is there room in /tmp?",
    "bearerbox": "is Debian's kannel installed?",
    "handset": "the log above names the last state; contrib/demo starts anew",
}


class Demo:
    """What was started, for the keeper to end; bring_up() may fail at any step."""

    def __init__(self, build):
        self.build = build
        self.cluster = None
        self.site = None

    def attempt(self, part, what, action):
        """One step; on failure say what to look at."""
        try:
            return action()
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            say(f"\ncontrib/demo: {what} failed:\n{error}")
            say(f"\nWhat to do: {FIXES.get(part, 'read the end of the log above')}.")
            raise SystemExit(1) from None

    def bring_up(self):
        self.cluster = self.attempt("database", "PostgreSQL", postgres.Cluster)
        step("PostgreSQL", f"pid {self.cluster.server.pid}, socket {self.cluster.directory}")
        site = self.site = DemoSite(self.cluster)
        for part, what in PARTS.items():
            self.attempt(part, what, lambda part=part: site.start(part))
            running = getattr(getattr(site, part), "process", None)
            step(what, f"pid {running.pid}" if running else "by provctl")
        self.attempt("bearerbox", "the SMPP link", site.bearerbox.wait_online)
        step("SMPP link", "bearerbox is bound to the message centre")
        self.attempt("handset", "the new handset", site.make_handset)
        step("handset", f"factory-new, {DEV}")
        rid = self.attempt("handset", "provisioning", site.provision)
        show_result(site)
        show_site(site, self.build, rid)

    def take_down(self):
        """In reverse order; then whatever is still below us."""
        if self.site:
            for problem in self.site.finish():
                say(problem)
            self.site.remove()
        if self.cluster:
            self.cluster.stop()
        for pid in process.descendants(os.getpid()):
            os.kill(pid, signal.SIGKILL)


def show_result(site):
    """What the handset has, run from its storage, and what billing was told."""
    for message in site.ask_handset("messages"):
        step("message on the handset",
             f"{message['parts']} part(s), {message['encoding']}: {message['text'][:60]}...")
    status = site.ask_handset("status")
    for feature in status["features"]:
        step("on the handset", f"{feature['id']} {feature['version']}"
             + (f", runs and says: {feature['says']}" if feature.get("says") else ""))
    for resident in status["resident"]:
        step("on the handset", f"resident feature {resident['id']} is {resident['status']}")
    wait.until(site.billing.records, "the billing event")
    for record in site.billing.records():
        event = record["event"]
        step("billing received", f"{event['type']}  {event['id']}")


def show_site(site, build, rid):
    provctl = f"{build}/provctl/provctl -c {site.provctl_conf}"
    say(f"""
Running, all on loopback, in {site.directory}:
  provbox-gateway   127.0.0.1:{site.airnet_port} (airnet)      gateway.sock
  provbox-server    127.0.0.1:{site.server_port} (landnet)     server.sock
  provbox-smsc      box of 127.0.0.1:{site.bearerbox.box_port}       smsc.sock
  bearerbox         127.0.0.1:{site.bearerbox.box_port} (boxes)       kannel/kannel.log
  smscsim           127.0.0.1:{site.smscsim.port} (SMPP)        radio.sock
  billing stand-in  {site.billing.url}
  PostgreSQL        {site.cluster.directory}

Try next:
  {provctl} request show {rid}
  {build}/contrib/handset/handset run --dir {site.phone}
  curl -s --unix-socket {site.directory}/gateway.sock http://localhost/metrics

End it with contrib/demo --stop.""")


# -- the keeper: a process that stays, and ends what it started ----------------------


def state_path(build):
    return pathlib.Path(build) / "running.json"


def write_state(build, is_up):
    state_path(build).write_text(json.dumps({"pid": os.getpid(), "is_up": is_up}))


def read_state(build):
    """What the keeper wrote, while it lives; else nothing."""
    try:
        state = json.loads(state_path(build).read_text())
        command = pathlib.Path(f"/proc/{state['pid']}/cmdline").read_bytes()
    except (OSError, ValueError, KeyError):
        return {}
    return state if b"demo_site.py" in command else {}


def on_sigterm(_signum, _frame):
    raise SystemExit(0)


def stop(build):
    pid = read_state(build).get("pid")
    if pid is None:
        say("No demo is running.")
        return 0
    os.kill(pid, signal.SIGTERM)
    for _ in range(STOP_S * 10):
        if not read_state(build):
            say("The demo has ended; nothing of it is left.")
            return 0
        time.sleep(0.1)
    say(f"contrib/demo: process {pid} does not end; kill -9 {pid} ends it and all it started")
    return 1


def let_go_of_terminal(build):
    """From now on nobody reads us."""
    with open(pathlib.Path(build) / "keeper.log", "ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)


def keep(build, pipe):
    """In the background: start, tell through the pipe, stay until SIGTERM."""
    os.setsid()
    os.dup2(pipe, 1)
    os.dup2(pipe, 2)
    os.close(pipe)
    signal.signal(signal.SIGTERM, on_sigterm)
    process.adopt_orphans()
    demo = Demo(build)
    try:
        write_state(build, is_up=False)
        demo.bring_up()
        write_state(build, is_up=True)
        let_go_of_terminal(build)
        while True:
            signal.pause()
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        demo.take_down()
        state_path(build).unlink(missing_ok=True)


def start(build):
    if read_state(build):
        say("A demo is running; it is ended first.")
        stop(build)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        try:
            keep(build, writer)
        except SystemExit as end:
            os._exit(end.code)
    os.close(writer)
    with open(reader, encoding="utf-8", errors="replace") as told:
        for line in told:
            print(line, end="", flush=True)
    # The pipe is closed when all is up, or when the keeper has given up.
    if read_state(build).get("is_up"):
        return 0
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main():
    verb, build = sys.argv[1:]
    return {"start": start, "stop": stop}[verb](build)


if __name__ == "__main__":
    sys.exit(main())
