"""Many sessions at once on few devices: no deadlock, no error, and nothing done twice."""

import random
import threading
import time

import psycopg2
import pytest
from harness.postgres import Database
from harness.schema import Schema, device

SECONDS = 3
# A slow machine gets more: without a request that ends well the test shows nothing.
SECONDS_LIMIT = 40
DEVICES = [(f"urn:gsma:imei:35209900-2000{n:02d}-0", f"+4477009001{n // 2:02d}")
           for n in range(4)]  # two devices share a number


@pytest.fixture
def schema(cluster):
    database = cluster.new_database(Database.install_schema)
    made = Schema(database)
    made.import_devices(*(device(dev, number) for dev, number in DEVICES))
    made.setting(open_requests=1000, requests_per_hour=100000, messages_per_hour=100000,
                 wrong_codes=2, terms_lifetime="0.3 seconds")
    yield made
    database.drop()


class Crowd:
    """Threads that do one thing each, until the time is over or one of them fails."""

    def __init__(self, schema):
        self.schema = schema
        self.requests = []
        self.start = time.monotonic()
        self.is_any_done = False
        self.failures = []

    def some(self):
        dev, request = random.choice(self.requests[-8:] or [(DEVICES[0][0], None)])
        return dev, request

    def handset(self):
        dev, _ = random.choice(DEVICES)
        _, _, body = self.schema.put(self.schema.body("compass", "torch", dev=dev), dev=dev)
        if body:
            self.requests.append((dev, body["id"]))

    def answer(self):
        dev, request = self.some()
        if request:
            self.schema.answer(request, random.choice(["accept", "accept", "decline"]), dev=dev)

    def result(self):
        dev, request = self.some()
        if request:
            _, _, body = self.schema.result(request, random.choice(["compass", "torch"]), dev=dev)
            self.is_any_done |= bool(body) and body["state"] == "done"

    def subscriber(self):
        _, number = random.choice(DEVICES)
        dev, request = self.some()
        text = random.choice(["YES", "NO", "YES 1", "what?"])
        if request and random.random() < 0.5:
            text = f"YES {self.schema.code(request)}"
        self.schema.receive(text, sender=number)

    def link(self):
        for leased in self.schema.lease(limit=5):
            for part in self.schema.split(leased):
                self.schema.ack(part, random.choice([0, 0, 0, 2]))
                self.schema.report(part, random.choice([8, 8, 1, 2]))

    def courier(self):
        self.schema.value("server", "requests_expire", 10)

    def operator(self):
        dev, _ = random.choice(DEVICES)
        self.schema.value("operator", "device_block", dev, None)
        self.schema.value("operator", "device_unblock", dev)
        time.sleep(0.05)

    def is_over(self):
        limit = SECONDS if self.is_any_done else SECONDS_LIMIT
        return self.failures or time.monotonic() - self.start > limit

    def loop(self, work):
        try:
            while not self.is_over():
                work()
        except (psycopg2.Error, AssertionError) as failure:
            self.failures.append(failure)

    def run(self):
        work = [self.handset, self.handset, self.answer, self.result, self.result,
                self.subscriber, self.subscriber, self.link, self.courier, self.operator]
        threads = [threading.Thread(target=self.loop, args=(one,)) for one in work]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not self.failures, self.failures


def test_a_crowd_does_nothing_twice(schema):
    crowd = Crowd(schema)
    crowd.run()
    states = {row["state"]: row["n"] for row in schema.table(
        "select state, count(*) as n from request group by state")}
    assert states["done"] > 0 and sum(states.values()) == len(crowd.requests)
    (done,) = schema.table(
        "select count(*) as n, count(distinct request) as requests from outbox"
        " where kind = 'billing'")
    assert done["n"] == done["requests"] == states["done"]
    twice = schema.table("select request, kind from event where kind in ('accept', 'decline',"
                         " 'expire', 'complete') group by request, kind having count(*) > 1")
    assert twice == []
    torn = schema.table(
        "select r.rid from request r join offer o on o.request = r.rid"
        " where o.is_open <> (r.state = 'offered')"
        " or (r.state in ('accepted', 'delivering', 'done', 'declined'))"
        " <> exists (select from acceptance a where a.request = r.rid)")
    assert torn == []
    states_told = schema.table(
        "select r.rid from request r where r.state <> (select to_state from event e"
        " where e.request = r.rid and e.item is null and e.kind in (select event"
        " from request_transition union select 'put') order by id desc limit 1)")
    assert states_told == []
