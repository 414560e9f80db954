"""A handset with its storage, used through its keys as a person uses it.

    handset = Handset(site)
    run = handset.use("wait screen MENU", *ORDER, "wait screen TERMS", "key YES")
    run.wait(20)

Scripts are the commands of `handset run --script` (contrib/handset/script.h).
"""

import json
import shutil
import subprocess

from harness import paths, process
from harness.schema import DEV, NUMBER

# Exit statuses, by the name of the outcome.
OUTCOMES = {"done": 0, "failed": 1, "declined": 10, "refused": 11, "not_installed": 12,
            "expired": 13, "device_unknown": 14, "device_blocked": 15, "limited": 16,
            "not_authenticated": 17, "not_proven": 18, "stopped": 19, "script": 20,
            "unreachable": 69, "config": 78}

FORM = {"given_name": "Ada", "family_name": "Lovelace", "postcode": "SW1A 1AA",
        "reference": "acct-0123456789"}


def order(*numbers, **form):
    """Script lines that order features by their number on the screen."""
    fields = {**FORM, **form}
    return ["wait screen MENU", "key 2", *(f"key {n}" for n in numbers), "key OK",
            "wait screen FORM", *(f"type {name} {text}" for name, text in fields.items()),
            "key OK"]


class Handset:
    """A device on the airnet of a site; `settings` override its handset.conf."""

    def __init__(self, site, name="handset", *, dev=DEV, number=NUMBER, leaf=None,
                 model="Example One", language="en", residents=(), **settings):
        self.site, self.name = site, name
        self.directory = site.directory / name
        self.runs = 0
        p = site.pki
        self._command("init", "--dev", dev, "--number", number, "--model", model,
                      "--firmware", "7.1", "--language", language,
                      "--gateway", f"127.0.0.1:{site.airnet_port}",
                      "--gateway-name", p.GATEWAY_NAME, "--uri", f"https://{p.SRV}/",
                      "--airnet-root", p.airnet.path, "--proof-root", p.proof.path,
                      "--radio", site.smscsim.radio,
                      *(word for resident in residents for word in ("--resident", resident)))
        self._certify(leaf)
        chosen = {"handshake_timeout": "2s", "response_timeout": "7s", "body_timeout": "2s",
                  "poll_delay": "100ms", "wait": 1, "retry_delay": "100ms", "retries": 2, "again_limit": "100ms",
                  **settings}
        self.configure(**chosen)

    def _certify(self, leaf):
        """The device root signs the handset's request, or `leaf` replaces key and all."""
        if leaf is None:
            self.site.pki.device.sign(self.directory / "device.csr",
                                      self.directory / "device.crt")
        else:
            shutil.copy(leaf.key_path, self.directory / "device.key")
            shutil.copy(leaf.path, self.directory / "device.crt")

    def configure(self, **settings):
        """Change keys of handset.conf."""
        path = self.directory / "handset.conf"
        kept = [line for line in path.read_text().splitlines()
                if line.split(" ")[0] not in settings]
        added = [f"{name} = {value if isinstance(value, int) else json.dumps(str(value))}"
                 for name, value in settings.items()]
        path.write_text("\n".join(kept + added) + "\n")

    def _command(self, command, *arguments):
        ended = subprocess.run(
            [paths.program("handset"), command, "--dir", self.directory, *map(str, arguments)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def use(self, *lines):
        """Switch on with a script; returns the running process."""
        self.runs += 1
        script = self.site.directory / f"{self.name}-{self.runs}.script"
        script.write_text("\n".join(lines) + "\n")
        run = process.Process(
            f"{self.name}-{self.runs}",
            [paths.program("handset"), "run", "--dir", self.directory, "--script", script],
            self.site.directory)
        self.site.watch(run)
        return run

    def used(self, *lines, outcome="done", timeout_s=30):
        """Switch on, run the script to its end, and demand an outcome."""
        run = self.use(*lines)
        status = run.wait(timeout_s)
        assert status == OUTCOMES[outcome], f"ended with {status}\n{run.tail(60)}"
        return run

    def status(self):
        return json.loads(self._command("status", "--json"))

    def messages(self):
        return json.loads(self._command("messages", "--json"))
