"""A dump of a running system, restored into another cluster, goes on: doc/backup.md."""

import json
import os
import subprocess
import threading

import pytest
from harness import paths, pki, postgres, wait
from harness.schema import DEV, Schema, device, request_key

N_DEVICES = 12
N_AFTER = 3  # of them order after the dump


def dev(i):
    return f"urn:gsma:imei:35209900-{500000 + i:06d}-0"


def number(i):
    return f"+4477009009{i:02d}"


class BareCluster(postgres.Cluster):
    """Knows nothing of Provbox, as after the loss of a machine."""

    model = None


@pytest.fixture(scope="module")
def another(cluster):
    running = BareCluster()
    yield running
    running.stop()


def provctl(dsn, *arguments, status=0):
    done = subprocess.run(
        [paths.program("provctl"), *arguments, "--json", f"--dsn={dsn}"], text=True,
        capture_output=True, timeout=60,
        env={**os.environ, "PROVBOX_SQL_DIR": str(postgres.SQL)})
    assert done.returncode == status, done
    return json.loads(done.stdout)


def dump(database, file):
    with open(file, "wb") as out:
        subprocess.run([paths.POSTGRES / "pg_dump", "-Fc", database.dsn("postgres")],
                       check=True, stdout=out)


def restore(cluster, file, name):
    """The commands of doc/backup.md."""
    made = postgres.Database(cluster, name)
    psql = [paths.POSTGRES / "psql", "-qX", "-v", "ON_ERROR_STOP=1"]
    subprocess.run([*psql, "-f", postgres.SQL / "roles.sql", cluster.dsn("postgres", "postgres")],
                   check=True, stdout=subprocess.DEVNULL)
    subprocess.run([*psql, "-c", f"create database {name} owner provbox_owner encoding 'UTF8'"
                    " template template0", cluster.dsn("postgres", "postgres")], check=True)
    subprocess.run([paths.POSTGRES / "pg_restore", "--exit-on-error", "--single-transaction",
                    "--dbname", made.dsn("postgres"), file], check=True)
    return made


class Customers(threading.Thread):
    """Devices that go through a request each, one step after the other; the last come after
    the dump, however long that takes."""

    def __init__(self, database):
        super().__init__()
        self.schema = Schema(database)
        self.requests = {}  # device: id, as they made them
        self.is_dumped = threading.Event()

    def run(self):
        for i in range(N_DEVICES):
            if i == N_DEVICES - N_AFTER:
                assert self.is_dumped.wait(60)
            status, _, body = self.schema.put(self.schema.body(dev=dev(i)), dev=dev(i))
            assert status == 201
            self.requests[dev(i)] = body["id"]
            if i % 4:
                self.schema.answer(body["id"], dev=dev(i))
            if i % 4 > 1:
                self.schema.result(body["id"], "compass", dev=dev(i))
            self.schema.table("select pg_sleep(0.05)")


def finish(schema, requests):
    """What the devices do after the restore: each asks again for what it asked for."""
    for name, request in requests.items():
        status, _, body = schema.put(schema.body(dev=name), request=request, dev=name)
        assert status in (200, 201), body
        if body["state"] == "offered":
            schema.answer(request, dev=name)
        if schema.api("request_read", request, None, dev=name)[2]["state"] in (
                "accepted", "delivering"):
            assert schema.result(request, "compass", dev=name)[0] == 200


@pytest.mark.long
def test_a_dump_of_a_running_system_goes_on(site, another):
    site.start("database", "billing", "smscsim", "bearerbox", "server", "smsc")
    site.bearerbox.wait_online()
    old = site.db
    site.schema.import_devices(*[device(dev(i), number(i)) for i in range(N_DEVICES)])
    customers = Customers(old)
    customers.start()
    wait.until(lambda: len(customers.requests) > N_DEVICES // 2, "half of the requests", 30)
    dump(old, site.directory / "provbox.dump")
    customers.is_dumped.set()
    customers.join()
    assert len(customers.requests) == N_DEVICES
    wait.until(site.billing.records, "a first billing event")
    # The machine is lost, and with it all that came after the dump.
    site.server.expect_errors("effect_dead")
    site.server.stop()
    site.smsc.stop()
    booked = {record["key"] for record in site.billing.records()}

    new = restore(another, site.directory / "provbox.dump", "goes_on")
    stored = new.value("select count(*) from provbox.request")
    assert 0 < stored < N_DEVICES
    status = provctl(new.dsn("provbox_operator"), "db", "status")
    assert {row["state"] for row in status} == {"applied"}
    pki.write_secret(site.server.config["grant_key_file"],
                     f"{os.urandom(8).hex()} {os.urandom(32).hex()}\n".encode())
    site.server.config["dsn"] = new.dsn("provbox_server")
    site.smsc.config["dsn"] = new.dsn("provbox_smsc")
    # Leases of the lost machine need not be waited for.
    new.query("update provbox.outbox set due_at = clock_timestamp() where state = 'due'")
    site.server.start()
    site.smsc.start()
    finish(Schema(new), customers.requests)
    wait.until(lambda: new.value(
        "select count(*) from provbox.request where state = 'done'") == N_DEVICES,
        "the end of all requests", 20)
    wait.until(lambda: new.value(
        "select count(*) from provbox.outbox where kind = 'billing' and state <> 'due'")
        == N_DEVICES, "all events", 30)

    # Whatever was sent from both databases was sent under one key, and booked once.
    records = site.billing.records()
    keys = {request_key(request, name) + "/done" for name, request in customers.requests.items()}
    assert sorted(record["key"] for record in records if not record["repeated"]) == sorted(keys)
    # What had been booked, and was done once more, is another event under that key.
    dead = {row["key"]: row["id"] for row in provctl(
        new.dsn("provbox_operator"), "outbox", "list", "--state=dead")}
    assert set(dead) <= booked
    for row in dead.values():
        provctl(new.dsn("provbox_operator"), "outbox", "drop", str(row), "--reason=booked before")
    assert provctl(new.dsn("provbox_operator"), "outbox", "list", "--state=dead") == []
    new.close()


def test_a_restored_database_has_the_rights_of_the_one_that_was_dumped(site, another):
    site.start("database")
    dump(site.db, site.directory / "provbox.dump")
    new = restore(another, site.directory / "provbox.dump", "has_rights")
    rights = ("set search_path = provbox; select p.oid::regprocedure::text as name, p.proacl::text as acl, p.proconfig::text"
              " as config from pg_proc p where pronamespace = 'provbox'::regnamespace order by 1")
    assert new.query(rights) == site.db.query(rights)
    assert new.value("select nspowner::regrole::text from pg_namespace"
                     " where nspname = 'provbox'") == "provbox_owner"
    assert provctl(new.dsn("provbox_operator"), "device", "show", DEV)
    new.close()
