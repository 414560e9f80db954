"""The demo's site: started by contrib/demo, kept by a process in the background.

    demo_site.py start BUILD    start everything, provision a handset, say what runs
    demo_site.py stop BUILD     end it

It stands on the harness of the flow tests: the same programs with the same kind of
configuration, but with trust anchors that are marked for demonstration.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

SOURCE = pathlib.Path(os.environ["PROVBOX_SRCDIR"])
sys.path[:0] = [str(SOURCE / "test" / "flow"), str(SOURCE / "test" / "peers")]

import demo_trouble  # noqa: E402
from demo_story import Story, heading, say, show_result, show_site, step  # noqa: E402
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

def run(program, *words):
    """Standard output of a command; fails with what it said."""
    words = list(map(str, words))
    done = subprocess.run([paths.program(program), *words], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"$ {program} {' '.join(words)}\n{done.stderr}"
    return done.stdout


class DemoDatabase:
    """Made by the operator's own commands."""

    def __init__(self, site):
        self.site = site

    def start(self):
        site = self.site
        site.db = postgres.Database(site.cluster, "provbox_demo")
        site.write_provctl_config()
        site.provctl("db", "init")
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
        """An installed provctl knows where its schema is."""
        sql_dir = f'sql_dir = "{SOURCE / "provisioning" / "sql"}"\n'
        self.provctl_conf.write_text(
            f'dsn = "{self.db.dsn("provbox_operator")}"\n'
            f'admin_dsn = "{self.db.dsn(postgres.ADMINISTRATOR)}"\n'
            + ("" if paths.IS_INSTALLED else sql_dir))

    def provctl(self, *words):
        return run("provctl", *words, "-c", self.provctl_conf)

    def make_handset(self):
        """A factory-new handset: it makes its key itself, the operator's CA signs."""
        catalogue = SOURCE / "contrib" / "catalogue"
        run("handset", "init", "--dir", self.phone, "--dev", DEV, "--number", NUMBER,
            "--model", "Example One", "--language", "en",
            "--gateway", f"127.0.0.1:{self.airnet_port}",
            "--gateway-name", self.pki.GATEWAY_NAME, "--uri", f"https://{self.pki.SRV}/",
            "--airnet-root", self.pki.airnet.path, "--proof-root", self.pki.proof.path,
            "--radio", self.smscsim.radio,
            "--resident", f"voice-mail={catalogue / 'resident' / 'voice-mail'}")
        self.pki.device.sign(self.phone / "device.csr", self.phone / "device.crt")

    def ask_handset(self, command):
        return json.loads(run("handset", command, "--dir", self.phone, "--json"))

    def story(self):
        """The stored events of the handset's request, or none yet."""
        requests = json.loads(self.provctl("request", "list", "--json"))
        if not requests:
            return None, []
        rid = requests[0]["id"]
        return rid, json.loads(self.provctl("request", "show", rid, "--json"))["story"]

    def provision(self):
        """Run the handset by its script, telling the events as they are stored."""
        script = self.directory / "keys"
        script.write_text(SCRIPT)
        handset = process.Process(
            "handset", [paths.program("handset"), "run", "--dir", self.phone, "--script",
                        script], self.directory)
        processes = {"handset": handset, "gateway": self.gateway.process,
                     "server": self.server.process}
        story = Story()
        while handset.is_running():
            story.tell(self.story()[1], processes)
            time.sleep(0.05)
        assert handset.wait() == 0, (f"the handset ended with {handset.exit_status}\n"
                                     f"{handset.tail()}")
        wait.until(lambda: any(e["event"] == "billing_done" for e in self.story()[1]),
                   "the billing event")
        rid, events = self.story()
        story.tell(events, processes)
        story.finish()
        return rid


PARTS = {
    "database": ("provctl", "has made schema, device and catalogue"),
    "billing": ("billing", "a stand-in, HTTPS"),
    "smscsim": ("smscsim", "the message centre"),
    "bearerbox": ("bearerbox", "Kannel"),
    "server": ("provbox-server", ""),
    "smsc": ("provbox-smsc", ""),
    "gateway": ("provbox-gateway", ""),
}


class Demo:
    """What was started, for the keeper to end; bring_up() may fail at any step."""

    def __init__(self, build):
        self.build = build
        self.cluster = None
        self.site = None

    def attempt(self, what, action):
        """One step; on failure say what to look at."""
        try:
            return action()
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            say(f"\ncontrib/demo: {what} failed:\n{error}")
            complaints = self.show_complaints() if self.site else []
            self.give_up(demo_trouble.advice("\n".join([repr(error), str(error), *complaints])))

    @staticmethod
    def give_up(advice):
        say(f"\nWhat to do: {advice}. Then type contrib/demo again.")
        raise SystemExit(1)

    def show_complaints(self):
        """What the logs of all parts complain of, and where they are kept."""
        complaints = [f"{name}: {text_line}" for name, text in self.site.logs().items()
                      for text_line in text.splitlines()
                      if " WARN " in text_line or " ERROR " in text_line]
        for complaint in complaints:
            say(complaint)
        failed = pathlib.Path(self.build) / "failed"
        shutil.rmtree(failed, ignore_errors=True)
        kept = self.site.keep()
        shutil.move(kept, failed)
        kept.parent.rmdir()
        say(f"All logs and configurations are in {failed}.")
        return complaints

    def bring_up(self):
        missing = demo_trouble.missing()
        if missing:
            self.give_up(missing)
        heading("A site of its own starts on loopback")
        self.cluster = self.attempt("PostgreSQL", postgres.Cluster)
        step("PostgreSQL", f"pid {self.cluster.server.pid}", "a cluster of its own")
        site = self.site = DemoSite(self.cluster)
        for part, (who, words) in PARTS.items():
            self.attempt(who, lambda part=part: site.start(part))
            running = getattr(getattr(site, part), "process", None)
            step(who, f"pid {running.pid}" if running else "", words)
        self.attempt("the SMPP link", site.bearerbox.wait_online)
        step("bearerbox", "", "is bound to the message centre by SMPP")
        self.attempt("the new handset", site.make_handset)
        step("handset", "", f"factory-new, {DEV}")
        rid = self.attempt("provisioning", site.provision)
        self.attempt("asking the handset", lambda: show_result(site))
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
        os.chdir("/")
        while True:
            signal.pause()
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        demo.take_down()
        (pathlib.Path(build) / "site").unlink(missing_ok=True)
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
    with open(reader, "rb") as told:
        for text in told:
            # Who looks on may have seen enough; what starts is not ended by that.
            with contextlib.suppress(BrokenPipeError):
                os.write(1, text)
    # The pipe is closed when all is up, or when the keeper has given up.
    if read_state(build).get("is_up"):
        return 0
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main():
    verb, build = sys.argv[1:]
    return {"start": start, "stop": stop}[verb](build)


if __name__ == "__main__":
    sys.exit(main())
