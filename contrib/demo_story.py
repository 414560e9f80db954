"""What the demo tells of a provisioning: stored events and log lines, each once, in order
of time and in plain words. A line whose second column begins with `ev=` is from the log of
a process, any other is a row of the database, as `provctl request show` has it.
"""

import datetime
import json
import os
import pathlib
import textwrap
import time

from harness import paths

START = time.time()

# The first fact of a kind begins a part of the story.
HEADINGS = {
    "ev=session_begin": "A handset that nobody has configured is switched on;"
                        " device and server prove themselves",
    "put": "It asks for features; the server verifies who asks, and for what",
    "notice_queued": "The terms go to the handset by SMS",
    "ev=answer": "The subscriber presses one key; the answer goes back by SMS",
    "fetch": "What was accepted is downloaded, installed and tested",
    "complete": "The request is done, an account is opened, billing is told",
}
# These are told by the notice as a whole.
LEFT_OUT = {"part_sent", "part_reported", "notice_acked"}


def notice_words(event):
    if event["to_state"] == "sending":
        return f"goes to bearerbox in {event['detail']['parts']} part(s)"
    return {"accepted": "the message centre has every part",
            "delivered": "the handset has every part"}.get(event["to_state"], "")


EVENTS = {
    "put": lambda e: "stored: " + " and ".join(e["detail"]["items"]),
    "verify": lambda _: "user and device are compared with the operator's records",
    "offer": lambda e: f"terms of version {e['detail']['version']} are offered",
    "notice_queued": lambda e: f"{e['detail']['notice_kind']}, for {e['detail']['number']}",
    "notice": notice_words,
    "accept": lambda e: "YES, with the code of the offer",
    "ready": lambda _: "may be fetched by this device alone",
    "fetch": lambda _: "the device downloads it",
    "install": lambda e: f"version {e['detail']['version']} is in force on the device",
    "complete": lambda _: "every item has its result",
    "account_opened": lambda _: "with the accounting reference of the request",
    "billing_done": lambda e: f"billing took the event {e['detail']['key']}",
}

# (program, event, fields that it must have): words, with the line's fields
LOG_LINES = {
    ("gateway", "session_begin", ()):
        "a TLS session with a device whose certificate is good",
    ("gateway", "landnet_open", ()):
        "a second TLS session, with {srv}",
    ("server", "request", (("route", "/v1/authentication"),)):
        "answers the gateway: who this device is, a grant, a proof",
    ("handset", "proven", ()):
        "believes the proof of {srv}; nothing of the user was sent before",
    ("handset", "answer", ()):
        "{answer}, by {by}",
    ("handset", "test", (("option", "--self-test"),)):
        "self-test of {item}: {result}",
}


def stamp(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def of_event(event):
    move = event["to_state"] or ""
    if event["from_state"]:
        move = f"{event['from_state']} -> {move}"
    words = EVENTS.get(event["event"], lambda _: "")(event)
    return (stamp(event["at"]), event["actor"], event["event"],
            "  ".join(filter(None, (f"{event['subject']:<10}", words,
                                    f"[{move}]" if move else ""))))


def of_logs(processes):
    """Facts from the logs of running programs, {name: process}."""
    for (program, event, fields), words in LOG_LINES.items():
        for line in processes[program].events(event, **dict(fields)):
            yield (stamp(line["time"]), program, f"ev={event}",
                   words.format_map(line.fields))


def say(text=""):
    print(text, flush=True)


def line(at, who, what, words=""):
    say(f"{at - START:6.2f} s  {who:<15}  {what:<16}  {words}".rstrip())


def step(who, what, words=""):
    """A step of the demo itself, now."""
    line(time.time(), who, what, words)


def heading(text):
    say(f"\n{text}")


class Story:
    """Tells each fact of a provisioning once."""

    def __init__(self):
        self.told = set()
        self.headings = dict(HEADINGS)
        self.left_out = 0

    def tell(self, events, processes):
        """What is new among stored events and the logs of programs."""
        facts = {*map(of_event, events), *of_logs(processes)} - self.told
        self.told |= facts
        for at, who, what, words in sorted(facts):
            if what in LEFT_OUT:
                self.left_out += 1
                continue
            if what in self.headings:
                heading(self.headings.pop(what))
            line(at, who, what, words)

    def finish(self):
        say(f"\n({self.left_out} rows about single parts of messages are left out here.)")


def show_result(site):
    """What the handset has, run from its storage, and what billing was told."""
    heading("What the handset has, from its own storage")
    status = site.ask_handset("status")
    for feature in status["features"]:
        says = f"executed, it says: {feature['says']}" if feature.get("says") else ""
        step("handset", "feature", f"{feature['id']} {feature['version']}  {says}")
    for resident in status["resident"]:
        step("handset", "resident", f"{resident['id']} is {resident['status']}")
    for message in site.ask_handset("messages"):
        step("handset", "message", f"{message['parts']} part(s), {message['encoding']}")
        for paragraph in message["text"].splitlines():
            say(textwrap.indent(textwrap.fill(paragraph, 64), 24 * " "))
    for record in site.billing.records():
        event = record["event"]
        step("billing", "event", f"{event['type']}  {event['id']}")


def show_site(site, build, rid):
    """Where everything is; `site` beside the programs is short for the directory."""
    link = pathlib.Path(build) / "site"
    link.unlink(missing_ok=True)
    link.symlink_to(site.directory)
    here = os.path.relpath(build)
    if here.startswith(".."):
        here = build
    provctl, handset = (
        name if paths.IS_INSTALLED else f"{here}/{paths.BESIDE_SOURCES[name]}"
        for name in ("provctl", "handset"))
    waiting = [n["id"] for n in json.loads(site.provctl("notice", "list", "--json"))
               if n["state"] != "delivered"]
    news = f": message {waiting[0]} is waiting for it" if waiting else ""
    rows = (
        ("provbox-gateway", f"127.0.0.1:{site.airnet_port}, airnet", "provbox-gateway"),
        ("provbox-server", f"127.0.0.1:{site.server_port}, landnet", "provbox-server"),
        ("provbox-smsc", "connects to bearerbox", "provbox-smsc"),
        ("bearerbox", f"127.0.0.1:{site.bearerbox.box_port}, boxes", "kannel/kannel"),
        ("smscsim", f"127.0.0.1:{site.smscsim.port}, SMPP", "smscsim"),
        ("billing", site.billing.url, "billing"),
        ("PostgreSQL", site.cluster.directory, None),
    )
    heading(f"Running on loopback, with configurations, logs and sockets in {here}/site")
    for name, where, log in rows:
        say(f"  {name:<16}  {where!s:<34}  {log + '.log' if log else ''}".rstrip())
    say(f"""
Try next:
  # the whole story of the request
  {provctl} -c {here}/site/provctl.conf request show {rid}
  # the handset by its keys{news}
  {handset} run --dir {here}/site/handset
  # what the gateway counted
  curl -s --unix-socket {here}/site/gateway.sock http://localhost/metrics

End it with contrib/demo --stop.""")
