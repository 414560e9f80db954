"""Devices that order, answer the terms, fetch, install and confirm, and retry as a handset
does: the same request id, the same body, until they are answered.

    crowd = Crowd(site, seed, n_threads=8)
    crowd.begin()
    ...
    crowd.end()        # what was begun is finished
    crowd.orders       # what each was told, and what should have become of it

Everything goes the whole way: TLS to the gateway, short messages over the air.
"""

import hashlib
import http.client
import json
import random
import re
import socket
import threading
import time
import uuid
from dataclasses import dataclass, field

from harness import sms
from harness.schema import SHORT_CODE, TERMS, device, digest

ITEMS = ("compass", "voice-mail")
ORDERS_EACH = 30  # of one device, one after the other; its message references do not repeat
# Of one order, kills included.
PATIENCE_S = 120
# A subscriber who sees nothing happen answers again.
ANSWER_AGAIN_S = 4
PAUSE_S = 0.1
ENDED = {"done", "declined", "refused", "failed", "expired", "cancelled"}
CODE = re.compile(r"Reply YES (\d{4}) or NO")


class Phone:
    """A number in coverage: keeps each message part that comes, and when it came."""

    def __init__(self, path, number):
        self.number = number
        self.parts = []  # (time, part)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self._write({"attach": number})
        self.attached = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()
        assert self.attached.wait(PATIENCE_S), f"{number} has no coverage"

    def _write(self, line):
        self.socket.sendall(json.dumps(line).encode() + b"\n")

    def _listen(self):
        with self.socket.makefile("r", encoding="utf-8", newline="\n") as lines:
            for line in map(json.loads, lines):
                if "part" in line:
                    self.parts.append((time.time(), line["part"]))
                self.attached.set()

    def send(self, text):
        """Whether the message centre takes it is not waited for: who waits sends again."""
        self._write({"send": {"to": SHORT_CODE, "dcs": 0, "udh": "",
                              "data": text.encode().hex()}})

    def codes(self, since):
        """The codes in the whole terms messages that came after `since`, in that order. One of
        an earlier order may come late, and last."""
        whole, found = {}, []
        for _, part in self.parts[since:]:
            ref, total, seq = position(part)
            whole.setdefault(ref, {})[seq] = sms.decoded(part)
            text = "".join(whole[ref][n] for n in sorted(whole[ref]))
            if len(whole[ref]) == total and (match := CODE.search(text)):
                found.append(match[1])
        return list(dict.fromkeys(found))

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def position(part):
    """(reference, parts, number of this part); no reference for a message of one part."""
    if not part["udh"]:
        return None, 1, 1
    header = bytes.fromhex(part["udh"])
    return header[3], header[4], header[5]


@dataclass
class Order:
    """What a device asked for and was told. `fate`: the state in which it must end."""

    dev: str
    item: str
    fate: str
    is_online: bool
    request: str = field(default_factory=lambda: str(uuid.uuid4()))
    acknowledged: dict = field(default_factory=dict)  # what: when
    ended: str | None = None
    installs: int = 0


class WrongAnswer(Exception):
    """One that no device should ever see, whatever was killed."""


class Device:
    """One device with its credential, its number, and what it counts."""

    def __init__(self, site, dev, number, leaf):
        self.site, self.dev = site, dev
        self.phone = Phone(site.smscsim.radio, number)
        self.client = site.device(leaf)
        self.n_cuts = self.n_refused = 0

    def ask(self, method, target, deadline, body=None, **headers):
        """Ask until there is an answer that is not "later"."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        while time.monotonic() < deadline:
            try:
                answer = self.client.request(method, target, body, fields)
            except (OSError, http.client.HTTPException):
                self.client.close()
                self.n_cuts += 1
                time.sleep(PAUSE_S)
                continue
            if answer.status in (200, 201, 304):
                return answer
            if answer.status != 503 or not answer.headers["Retry-After"]:
                raise WrongAnswer(f"{method} {target}: {answer.status} {answer.body[:300]}")
            self.n_refused += 1
            time.sleep(int(answer.headers["Retry-After"]))
        raise WrongAnswer(f"{method} {target}: none within {PATIENCE_S} s")

    def run(self, order):
        """One order from its beginning to its end."""
        deadline = time.monotonic() + PATIENCE_S
        since = len(self.phone.parts)
        path = f"/v1/requests/{order.request}"
        body = json.dumps(self.site.schema.body(order.item, dev=self.dev)).encode()

        def put(what, target, content):
            self.ask("PUT", target, deadline, content, Content_Type="application/json")
            order.acknowledged[what] = time.time()

        put("request", path, body)
        self._await(path, deadline, lambda state: state != "verifying")
        self._answer(order, path, since, deadline, put)
        request = self._await(path, deadline, lambda state: state != "offered")
        if request["state"] in ("accepted", "delivering"):
            put("result", f"{path}/items/{order.item}/result",
                self._install(order, request, deadline))
        order.ended = self._await(path, deadline, lambda state: state in ENDED)["state"]

    def _await(self, path, deadline, is_it):
        tag = {}
        while True:
            answer = self.ask("GET", path, deadline, Prefer="wait=1", **tag)
            if answer.status == 200:
                request = answer.json()
                if is_it(request["state"]):
                    return request
                tag = {"If_None_Match": answer.headers["ETag"]}
            if time.monotonic() > deadline:
                raise WrongAnswer(f"{path}: no change within {PATIENCE_S} s")

    def _answer(self, order, path, since, deadline, put):
        word = "NO" if order.fate == "declined" else "YES"
        if order.is_online:
            put("answer", f"{path}/answer", json.dumps({
                "answer": "decline" if word == "NO" else "accept",
                "sha256": digest(TERMS["en"].encode()).hex()}).encode())
            return
        answered, n_answers = 0.0, 0
        while self.ask("GET", path, deadline).json()["state"] == "offered":
            codes = self.phone.codes(since)
            if codes and time.monotonic() - answered > ANSWER_AGAIN_S:
                self.phone.send(f"{word} {codes[-1 - n_answers % len(codes)]}")
                answered = time.monotonic()
                n_answers += 1
            time.sleep(PAUSE_S)
            if time.monotonic() > deadline:
                raise WrongAnswer(f"{path}: still offered after {PATIENCE_S} s")

    def _install(self, order, request, deadline):
        """Fetch and check the content; the body that tells what became of it."""
        (item,) = request["items"]
        wanted = item["content"]["sha256"]
        content = self.ask("GET", f"/v1/content/{wanted}", deadline).body
        if hashlib.sha256(content).hexdigest() != wanted:
            raise WrongAnswer(f"{order.request}: content of another digest")
        if order.fate == "failed":
            return json.dumps({"result": "failed", "reason": "storage_full"}).encode()
        order.installs += 1
        return json.dumps({"result": "installed", "version": "1.4.0"}).encode()

    def close(self):
        self.client.close()
        self.phone.close()


class Crowd:
    """Threads with one device each at a time, and a new one after ORDERS_EACH orders."""

    def __init__(self, site, seed, n_threads, n_devices, *, has_mail=False):
        self.site = site
        self.orders, self.devices, self.wrong = [], [], []
        self.ending = threading.Event()
        self.lock = threading.Lock()
        self.waiting = [(f"urn:gsma:imei:35209900-{n:06d}-0", f"+999{n:09d}")
                        for n in range(n_devices)]
        site.schema.import_devices(*(
            device(dev, number, email=f"{number[1:]}@example.com") if has_mail
            else device(dev, number) for dev, number in self.waiting))
        self.threads = [threading.Thread(target=self._work, args=[random.Random(f"{seed} {n}")])
                        for n in range(n_threads)]

    def begin(self):
        for thread in self.threads:
            thread.start()

    def end(self):
        self.ending.set()
        for thread in self.threads:
            thread.join()

    def close(self):
        for each in self.devices:
            each.close()

    def _new_device(self):
        with self.lock:
            dev, number = self.waiting.pop()
            made = Device(self.site, dev, number, self.site.pki.only_leaf(dev))
            self.devices.append(made)
            return made

    def _work(self, numbers):
        while not self.ending.is_set():
            try:
                each = self._new_device()
                for _ in range(ORDERS_EACH):
                    if not self.ending.is_set():
                        self._order(each, numbers)
                each.client.close()
            except Exception as error:  # of the crowd itself: told, not lost with the thread
                self.wrong.append(repr(error))
                raise

    def _order(self, each, numbers):
        order = Order(each.dev, numbers.choice(ITEMS),
                      numbers.choices(("done", "declined", "failed"), (8, 1, 1))[0],
                      numbers.random() < 0.2)
        self.orders.append(order)
        try:
            each.run(order)
        except WrongAnswer as error:
            self.wrong.append(str(error))
