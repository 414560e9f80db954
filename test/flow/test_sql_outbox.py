"""The outbox: leased by one, given back by silence, tried again with back-off, buried."""

import datetime
import time
import uuid

import pytest


def lease(schema, worker="courier-1", kinds=("billing",), seconds=60.0):
    return schema.rows("server", "outbox_lease", list(kinds), worker, 10,
                       datetime.timedelta(seconds=seconds))


def retry(schema, row, permanent=False, reason="effect_failed"):
    return schema.value("server", "outbox_retry", row["id"], row["token"], reason, permanent)


def test_a_row_is_leased_by_one_and_done_once(schema):
    request = schema.finished("compass")
    (row,) = lease(schema)
    assert (row["kind"], row["attempt"]) == ("billing", 1)
    assert lease(schema, "courier-2") == []
    done = (row["id"], row["token"])
    assert schema.value("server", "outbox_done", row["id"], str(uuid.uuid4())) is False
    assert schema.value("server", "outbox_done", *done) is True
    assert schema.value("server", "outbox_done", *done) is False
    assert retry(schema, row) is None
    schema.make_due()
    assert lease(schema) == []
    assert ("courier", "billing_done", None, None, None) in schema.events(request)


def test_two_workers_never_lease_the_same_row(schema):
    schema.finished("compass")
    connections = [schema.database.cluster.connect(schema.database.name, "provbox_server")
                   for _ in range(2)]
    cursors = []
    for connection in connections:
        connection.autocommit = False
        cursor = connection.cursor()
        cursor.execute("set lock_timeout = '5s'")  # nobody waits for the other
        cursor.execute("select id from provbox.outbox_lease('{billing}', 'w', 10, '1 minute')")
        cursors.append(cursor.fetchall())
    assert [len(rows) for rows in cursors] == [1, 0]
    for connection in connections:
        connection.rollback()
        connection.close()
    assert len(lease(schema)) == 1


def test_a_worker_that_dies_gives_its_rows_back(schema):
    schema.finished("compass")
    (first,) = lease(schema, seconds=0.2)
    assert lease(schema, "courier-2") == []
    time.sleep(0.3)
    (second,) = lease(schema, "courier-2")
    assert (second["id"], second["key"], second["attempt"]) == (first["id"], first["key"], 2)
    assert second["token"] != first["token"]
    assert schema.value("server", "outbox_done", first["id"], first["token"]) is False
    assert schema.value("server", "outbox_done", second["id"], second["token"]) is True


def test_failures_wait_twice_as_long_each_time_up_to_a_cap(schema):
    schema.finished("compass")
    schema.setting(backoff_first="1 second", backoff_cap="10 seconds")
    waits = []
    for _ in range(6):
        (row,) = lease(schema)
        assert retry(schema, row) == "due"
        waits.append(schema.table(
            "select round(extract(epoch from due_at - changed))::int as s from outbox"
            " where kind = 'billing'")[0]["s"])
        schema.make_due()
    assert waits == [1, 2, 4, 8, 10, 10]
    assert schema.table("select backoff(1000) = setting_interval('backoff_cap') as it")[0]["it"]


def test_what_fails_for_too_long_is_dead_with_an_event(schema):
    request = schema.finished("compass")
    (row,) = lease(schema)
    schema.setting(give_up="0 seconds")
    assert retry(schema, row) == "dead"
    schema.make_due()
    assert lease(schema) == []
    assert ("courier", "billing_dead", None, None, "given_up") in schema.events(request)
    (queue,) = [q for q in schema.rows("server", "queue_read") if q["kind"] == "billing"]
    assert (queue["due"], queue["dead"], queue["oldest_s"]) == (0, 1, 0)


def test_workers_that_only_die_end_it_too(schema):
    request = schema.finished("compass")
    assert len(lease(schema)) == 1
    schema.make_due()
    schema.setting(give_up="0 seconds")
    assert lease(schema) == []
    assert ("courier", "billing_dead", None, None, "given_up") in schema.events(request)


def test_a_permanent_failure_is_dead_at_once(schema):
    request = schema.finished("compass")
    (row,) = lease(schema)
    assert retry(schema, row, permanent=True, reason="never heard of") == "dead"
    assert ("courier", "billing_dead", None, None, "reason_unlisted") in schema.events(request)


def test_messages_are_not_for_couriers(schema):
    schema.offered()
    assert lease(schema, kinds=("sms",)) == []
    (row,) = schema.lease()
    (stored,) = schema.table("select id, token from outbox where token = %s", row["token"])
    assert schema.value("server", "outbox_done", stored["id"], stored["token"]) is False
    assert schema.value("server", "outbox_retry", stored["id"], stored["token"], "x", True) is None


def test_the_queue_counts(schema):
    schema.offered()
    time.sleep(0.05)
    (queue,) = [q for q in schema.rows("smsc", "queue_read") if q["kind"] == "sms"]
    assert (queue["due"], queue["dead"]) == (1, 0) and 0.05 <= queue["oldest_s"] < 10


# The operator

def bury(schema, row):
    retry(schema, row, permanent=True, reason="effect_refused")


def test_a_dead_row_comes_back_under_its_key_with_attempts_and_time_anew(schema):
    schema.finished("compass")
    (row,) = lease(schema)
    bury(schema, row)
    schema.table("update outbox set created = now() - interval '3 days' returning 1")
    assert schema.value("operator", "outbox_revive", row["id"], None) == "changed"
    assert schema.value("operator", "outbox_revive", row["id"], None) == "due"
    (again,) = lease(schema)
    assert (again["key"], again["attempt"]) == (row["key"], 1)
    assert retry(schema, again) == "due"  # its time is not over
    assert schema.value("operator", "outbox_revive", 0, None) is None


def test_a_dropped_row_is_leased_no_more_and_its_worker_is_not_believed(schema):
    request = schema.finished("compass")
    (row,) = lease(schema)
    assert schema.value("operator", "outbox_drop", row["id"], "billed by hand") == "changed"
    assert schema.value("server", "outbox_done", row["id"], row["token"]) is False
    assert retry(schema, row) is None
    schema.make_due()
    assert lease(schema) == []
    assert schema.value("operator", "outbox_drop", row["id"], "again") == "dropped"
    assert schema.value("operator", "outbox_revive", row["id"], None) == "dropped"
    assert ("operator", "billing_dropped", None, None, "dropped_by_operator") in (
        schema.events(request))


def test_terms_go_out_again_only_while_they_are_offered(schema):
    request = schema.offered("compass")
    (row,) = schema.table("select id, notice from outbox where kind = 'sms'")

    def bury_terms():
        schema.table("select outbox_bury(%s, 'smsc', 'given_up', null)", row["id"])

    def state():
        return schema.table("select state from notice where id = %s", row["notice"])[0]["state"]

    bury_terms()
    assert state() == "failed"
    assert schema.value("operator", "outbox_revive", row["id"], None) == "changed"
    assert state() == "queued"
    bury_terms()
    schema.table("select request_move(rid, 'cancel', 'operator', null, null) from request"
                 " where id = %s", request)
    assert schema.value("operator", "outbox_revive", row["id"], None) == "ended"
    assert state() == "failed"
    assert schema.value("operator", "outbox_drop", row["id"], "too late") == "changed"


@pytest.mark.parametrize("table, row, call", [
    ("outbox", "(kind, key, due_at) select 'hook', n::text, now() + '1 hour'",
     "outbox_lease('{hook}', 'courier-1', 10, '1 minute')"),
    ("outbox", "(kind, key, due_at, slot) select 'sms', n::text, now() + '1 hour', mod(n, 256)",
     "smsc_lease('link-1', 10, '1 minute')"),
    ("live_credential", "select sha256(n::text::bytea), substr(sha256(n::text::bytea), 1, 16),"
     " 'x', sha256(''), now()", "control_forget(10)")])
def test_what_is_not_due_is_not_looked_at(schema, table, row, call):
    """However many wait: an index ends at those whose time has come."""
    schema.table(f"insert into {table} {row} from generate_series(1, 1000) n; analyze {table}")
    (read,) = schema.table(
        "begin; set local enable_seqscan = off; set local enable_bitmapscan = off;"
        " set local enable_hashjoin = off; set local enable_mergejoin = off;"
        f" select from {call}; select idx_tup_fetch + seq_tup_read as rows"
        " from pg_stat_xact_user_tables where relname = %s", table)
    schema.table("rollback")
    assert read["rows"] == 0
