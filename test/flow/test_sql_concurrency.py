"""Many sessions at once on few devices: no deadlock, no error, and nothing done twice.

A longer and denser crowd by hand, which draws other things each time:

    PROVBOX_CROWD=60x3 make check-flow FLOW='-n 0 -k crowd'   # seconds x threads for each work
"""

import contextlib
import datetime
import json
import os
import random
import threading
import time
import uuid

import psycopg2
import pytest
from harness.schema import (FEATURES, GATEWAY, MODULE, Schema, device, digest, feature,
                            manifest)

SECONDS, THREADS = map(int, os.environ.get("PROVBOX_CROWD", "3x1").split("x"))
# A slow machine gets more: without a request that ends well the test shows nothing.
SECONDS_LIMIT = SECONDS + 37
DEVICES = [(f"urn:gsma:imei:35209900-2000{n:02d}-0", f"+4477009001{n // 2:02d}")
           for n in range(4)]  # two devices share a number

ELSEWHERE = b"elsewhere"
ATLAS = feature("atlas", ELSEWHERE)
ATLAS["content"]["url"] = "https://files.example.com/atlas"

# What belongs to a request is changed under the lock of the request, what belongs to a
# notice under that of its outbox row: such locks cannot cross.
GUARDS = """
create function crowd_guard() returns trigger language plpgsql as $$
declare
	me xid := pg_current_xact_id()::xid;
	is_locked boolean;
begin
	if tg_table_name = 'notice' then
		select xmin = me or xmax = me into is_locked from outbox where notice = old.id;
		if not found then -- one that waits for its text has no work yet
			is_locked := old.kind = 'access' and old.sealed_sha256 is null;
		end if;
	else
		select xmin = me or xmax = me into is_locked from request where rid = old.request;
	end if;
	if is_locked is not true then
		raise using message = tg_table_name || ' is changed without its lock';
	end if;
	return null;
end
$$;
create trigger crowd_guard after update on item for each row execute function crowd_guard();
create trigger crowd_guard after update on offer for each row execute function crowd_guard();
create trigger crowd_guard after update on notice for each row execute function crowd_guard();
"""


@pytest.fixture
def schema(cluster):
    database = cluster.new_database(Schema.install)
    made = Schema(database)
    made.import_devices(*(device(dev, number) for dev, number in DEVICES))
    made.setting(open_requests=1000, requests_per_hour=1000000, messages_per_hour=1000000,
                 wrong_codes=2, terms_lifetime="0.3 seconds", notice_retries=1, retransmissions=1,
                 status_interval="0.1 seconds",
                 part_validity="0.2 seconds", credential_life="1 second", backoff_first="0.05 seconds",
                 give_up="1 second")
    made.rows("operator", "policy_put", "device", "device_clone", "register")
    made.catalogue = made.load(manifest([*FEATURES, ATLAS]), [])
    made.table(GUARDS)
    yield made
    database.drop()


class Crowd:
    """What all threads know of each other."""

    def __init__(self, schema):
        self.schema = schema
        self.requests = []
        self.start = time.monotonic()
        self.is_any_done = False
        self.failures = []

    def is_over(self):
        limit = SECONDS if self.is_any_done else SECONDS_LIMIT
        return self.failures or time.monotonic() - self.start > limit

    def run(self):
        seed = random.randrange(1 << 32)
        cluster = self.schema.database.cluster
        log_start = len(cluster.server.log())
        works = [Member.handset, Member.handset, Member.answer, Member.result, Member.result,
                 Member.subscriber, Member.subscriber, Member.link, Member.courier,
                 Member.fetch, Member.fetch, Member.canceller, Member.operator,
                 Member.session, Member.session] * THREADS
        threads = [threading.Thread(target=Member(self, seed + n).loop, args=(work,))
                   for n, work in enumerate(works)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not self.failures, "\n".join(
            [f"seed {seed}", *map(str, self.failures), "---- the server's log of locks",
             cluster.lock_log(log_start)])


class Member:
    """A thread that does one thing until the time is over or one of them fails."""

    def __init__(self, crowd, seed):
        self.crowd = crowd
        self.random = random.Random(seed)
        self.schema = crowd.schema

    def loop(self, work):
        try:
            while not self.crowd.is_over():
                work(self)
        except Exception as failure:  # whatever it is, the crowd is to tell
            self.crowd.failures.append(f"{work.__name__}: {failure!r}")

    def some(self):
        return self.random.choice(self.crowd.requests[-8:] or [(DEVICES[0][0], None)])

    def handset(self):
        dev, _ = self.random.choice(DEVICES)
        _, _, body = self.schema.put(self.schema.body("compass", "torch", "atlas", dev=dev), dev=dev)
        if body:
            self.crowd.requests.append((dev, body["id"]))

    def answer(self):
        dev, request = self.some()
        if request:
            self.schema.answer(request, self.random.choice(["accept", "accept", "decline"]),
                               dev=dev)

    def result(self):
        dev, request = self.some()
        if request:
            if self.random.random() < 0.3:
                self.schema.api("content_open", digest(MODULE), dev=dev)
                self.schema.api("retransmission_post", request, "compass",
                                self.random.randrange(1, 3), "digest_mismatch", dev=dev)
            _, _, body = self.schema.result(
                request, self.random.choice(["compass", "torch", "atlas"]),
                self.random.choice(["installed", "installed", "failed"]), dev=dev)
            self.crowd.is_any_done |= bool(body) and body["state"] == "done"

    def subscriber(self):
        _, number = self.random.choice(DEVICES)
        dev, request = self.some()
        text = self.random.choice(["YES", "NO", "YES 1", "what?", "STOP", "START"])
        codes = self.schema.table("select code from offer join request on rid = request"
                                  " where id = %s", request)
        if codes and self.random.random() < 0.5:
            text = f"YES {codes[0]['code']}"
        self.schema.receive(text, sender=number)

    def link(self):
        """As a link that fails now and then, and whose SMSC is faster than its box."""
        if self.random.random() < 0.1:
            self.schema.value("smsc", "smsc_unacked", "link-1")
        for leased in self.schema.lease(limit=5, seconds=0.5):
            if self.random.random() < 0.1:
                self.schema.value("smsc", "smsc_retry", leased["notice"], leased["token"],
                                  "link_busy", False)
                continue
            told = []
            for part in self.try_split(leased):
                told += [(self.schema.ack, part, self.random.choice([0, 0, 0, 1, 2])),
                         (self.schema.report, part, self.random.choice([8, 8, 8, 1, 2]))]
            self.random.shuffle(told)
            for tell, part, word in told:
                tell(part, word)

    def try_split(self, leased):
        """The parts of a notice, none when another link has its lease by now."""
        parts = [n for n in (1, 2) if n not in leased["settled"]]
        made = [str(uuid.uuid4()) for _ in parts]
        return made if self.schema.record(leased, 2, parts, made) else []

    def courier(self):
        self.schema.value("server", "requests_expire", 10)
        self.schema.value("server", "billing_file_cut")
        for row in self.schema.rows("server", "outbox_lease", ["billing"], "courier-1", 10,
                                    datetime.timedelta(seconds=0.2)):
            if self.random.random() < 0.5:
                self.schema.value("server", "outbox_done", row["id"], row["token"])
            else:
                self.schema.value("server", "outbox_retry", row["id"], row["token"],
                                  "effect_failed", False)

    def canceller(self):
        dev, request = self.some()
        if request and self.random.random() < 0.5:
            self.schema.api("request_delete", request, dev=dev)
        elif request:
            self.schema.value("operator", "request_cancel", dev, request, None)
            self.schema.rows("operator", "request_retry", dev, request, None)
        for row in self.schema.rows("operator", "notice_list", json.dumps({"dev": dev, "limit": 1})):
            self.schema.row("operator", "notice_resend", row["id"], None, "x")
        if self.random.random() < 0.03:
            with contextlib.suppress(psycopg2.errors.SerializationFailure):
                self.schema.row("operator", "user_erase", dev, True, "x")
        time.sleep(0.1)

    def fetch(self):
        """Content that comes, does not, and has gone; and those who wait for it."""
        lease = datetime.timedelta(seconds=0.2)
        for row in self.schema.rows("server", "outbox_lease", ["fetch"], "courier-1", 1, lease):
            if self.random.random() < 0.4:
                self.schema.value("server", "outbox_retry", row["id"], row["token"],
                                  "effect_refused", True)
            elif self.schema.value("server", "fetch_chunk_put", row["id"], row["token"], 0,
                                   ELSEWHERE, lease):
                self.schema.value("server", "fetch_end", row["id"], row["token"],
                                  self.random.choice([digest(ELSEWHERE), None]))
        for chore in ("items_settle", "status_notice"):
            while self.schema.value("server", chore):
                pass
        if self.random.random() < 0.2:
            self.schema.table("update content set is_complete = false where sha256 = %s"
                              " returning 1", digest(ELSEWHERE))
        self.schema.rows("operator", "catalogue_publish", self.schema.catalogue)
        time.sleep(0.01)

    def session(self):
        """Two credentials and four sids for each device: many are clones, some are renewals."""
        dev, _ = self.random.choice(DEVICES)
        cred = bytes([self.random.randrange(2)]) * 32
        sid = digest(f"{dev} {self.random.randrange(4)}".encode())[:16]
        self.schema.rows("server", "authentication_read", dev, cred, "certificate", GATEWAY, sid)
        if self.random.random() < 0.5:
            self.schema.value("server", "session_end", sid, dev, "certificate", cred, GATEWAY,
                              "client_closed")
        self.schema.value("server", "control_forget", 10)
        time.sleep(0.02)

    def operator(self):
        dev, number = self.random.choice(DEVICES)
        if self.random.random() < 0.1:
            self.schema.value("operator", "device_trust", dev, "00" * 32)
        edit = self.random.choice(["number_stop_put", "number_stop_drop"])
        self.schema.value("operator", edit, number, None)
        for begun in self.schema.rows("operator", "notice_begin", dev):
            self.schema.value("operator", "notice_seal", begun["notice"], b"sealed")
        self.schema.value("operator", "device_block", dev, None)
        self.schema.value("operator", "device_unblock", dev)
        rows = [device(dev, number, cred="", postcode=self.random.choice(["SW1A 1AA", "sw1a  1aa"]))
                for dev, number in DEVICES]
        self.random.shuffle(rows)
        self.schema.import_devices(*rows)
        time.sleep(0.05)


def test_a_crowd_does_nothing_twice(schema):
    schema.setting(billing_delivery="both", billing_file_interval="0 seconds")
    crowd = Crowd(schema)
    crowd.run()
    while schema.value("server", "billing_file_cut"):
        pass
    states = {row["state"]: row["n"] for row in schema.table(
        "select state, count(*) as n from request group by state")}
    assert states["done"] > 0 and sum(states.values()) == len(crowd.requests)
    (done,) = schema.table(
        "select count(*) as n, count(distinct request) as requests from outbox"
        " where kind = 'billing'")
    assert done["n"] == done["requests"] == states["done"]
    in_files = schema.table(
        "select e ->> 'id' as id from outbox, jsonb_array_elements(payload -> 'events') e"
        " where kind = 'file'")
    posted = schema.table("select key as id from outbox where kind = 'billing'")
    assert sorted(row["id"] for row in in_files) == sorted(row["id"] for row in posted)
    twice = schema.table("select request, kind from event where kind in ('accept', 'decline',"
                         " 'expire', 'complete') group by request, kind having count(*) > 1")
    assert twice == []
    torn = schema.table(
        "select r.rid from request r join offer o on o.request = r.rid"
        " where o.is_open <> (r.state = 'offered')"
        " or r.state <> 'cancelled' and (r.state in ('accepted', 'delivering', 'done', 'failed', 'declined'))"
        " <> exists (select from acceptance a where a.request = r.rid)")
    assert torn == []
    states_told = schema.table(
        "select r.rid from request r where r.state <> (select to_state from event e"
        " where e.request = r.rid and e.item is null and e.kind in (select event"
        " from request_transition union select 'put') order by id desc limit 1)")
    assert states_told == []
