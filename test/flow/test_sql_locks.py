"""The order of locks, doc/database.md: two functions are made to meet where they could cross."""

import contextlib
import datetime
import json
import re
import threading

import psycopg2
import pytest
from harness import paths, wait
from harness.schema import CRED, DEV, GATEWAY, NUMBER, device, feature, manifest

DEVICES = [f"urn:gsma:imei:35209900-30000{n}-0" for n in range(2)]


class Transaction:
    """An open transaction of the administrator that fails rather than waits."""

    def __init__(self, database):
        self.database = database
        self.connection = database.cluster.connect(database.name)
        self.connection.autocommit = False
        self.cursor = self.connection.cursor()
        self.run("set search_path = provbox; set lock_timeout = '3 s'")

    def run(self, statement, *parameters):
        self.cursor.execute(statement, parameters)

    def lock_request(self, request):
        self.run("select from request where id = %s for update", request)

    def answer(self, request, answer, how):
        self.lock_request(request)
        self.run("select offer_answer(rid, %s, %s, '{}') from request where id = %s", answer, how,
                 request)

    def holds_up(self):
        """Whether somebody waits for it."""
        return self.database.query(
            "select pid from pg_stat_activity where %s = any (pg_blocking_pids(pid))",
            self.connection.info.backend_pid)

    def commit(self):
        self.connection.commit()
        self.connection.close()


def waiting_pids(schema):
    return schema.table("select pid from pg_stat_activity where datname = current_database()"
                        " and wait_event_type = 'Lock'")


@contextlib.contextmanager
def waiting(schema, function, *parameters):
    """A call that by now waits for a lock, and has come to an end when the block is left.
    Gives the list that its result comes into."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function(*parameters)))
    thread.start()
    wait.until(lambda: waiting_pids(schema), "a call that waits for a lock")
    yield results
    thread.join()
    assert len(results) == 1


def test_short_statements_wait_for_nobody(schema):
    """They follow each other on one connection: one that waits would hold the others up."""
    request, pinned = schema.offered(), DEVICES[0]
    (made,) = schema.import_devices(device(pinned, cred=CRED.hex()))
    assert made["outcome"] == "added"
    asked = (DEV, schema.epoch(), "provision")
    calls = {"authentication_read": (pinned, CRED, "certificate", GATEWAY, b"s" * 16),
             "device_read": asked, "request_read": (*asked, request, None),
             "terms_read": (*asked, request)}
    rows = (paths.SOURCE / "provisioning" / "statement.c").read_text().split("[STATEMENT_")
    short = {re.search('"(\\w+)"', row)[1] for row in rows if ".is_short = true" in row}
    assert short == set(calls)
    tables = schema.table("select string_agg(oid::regclass::text, ', ') as names from pg_class"
                          " where relkind = 'r' and relnamespace = 'provbox'::regnamespace")
    writer = Transaction(schema.database)
    writer.run(f"lock table {tables[0]['names']} in exclusive mode")
    schema.database.query("set lock_timeout = '3 s'", role="provbox_server")
    for name, parameters in calls.items():
        row = schema.row("server", name, *parameters)
        assert row.get("outcome") == "grant" or row.get("status") == 200, (name, row)
    writer.commit()


def test_a_report_locks_the_request_before_its_offer(schema):
    request = schema.offered()
    (leased,) = schema.lease()
    first, second = schema.split(leased)
    for part, nack in (first, 0), (second, 2):
        schema.ack(part, nack)
    schema.report(first, 8)
    other = Transaction(schema.database)
    other.lock_request(request)
    with waiting(schema, schema.report, second, 8) as result:
        other.run("update offer set wrong_codes = wrong_codes")
        other.commit()
    assert result == ["accepted"]
    assert schema.receive("YES")[0] == "accepted"


def test_reports_lock_in_order_however_they_come(schema):
    """The later notice first: its lock must wait behind that of the earlier one."""
    requests = [schema.offered(name) for name in ("compass", "torch")]
    early, late = (schema.split(leased, total=1)[0] for leased in schema.lease())
    for part in early, late:
        schema.ack(part)
    other = Transaction(schema.database)
    other.run("select from outbox order by id limit 1 for update")
    with waiting(schema, schema.news, (late, None, 8, ""), (early, None, 8, "")) as result:
        other.run("select from outbox order by id desc limit 1 for update")
        other.commit()
    assert result == [[{"news": "new", "state": "accepted"}] * 2]
    assert [schema.events(request)[-1][1:4] for request in requests] == [
        ("notice", "sending", "accepted")] * 2


def test_an_answer_counts_for_the_offers_that_it_found(schema):
    schema.setting(wrong_codes=1)
    found = schema.offered()
    other = Transaction(schema.database)
    other.lock_request(found)
    with waiting(schema, schema.receive, "YES 1") as result:
        later = schema.offered()
        still = Transaction(schema.database)
        still.lock_request(later)
        other.commit()
        wait.until(lambda: result, "an answer that does not wait for the later offer")
        still.commit()
    assert result == [("offer_ended", None)]
    assert schema.table("select id::text, state from request order by rid") == [
        {"id": found, "state": "refused"}, {"id": later, "state": "offered"}]


def test_an_answer_finds_the_offers_as_others_left_them(schema):
    request = schema.offered()
    schema.send_all()
    other = Transaction(schema.database)
    other.lock_request(request)
    other.run("select request_move(rid, 'expire', 'courier', 'offer_expired', null)"
              " from request where id = %s", request)
    with waiting(schema, schema.receive, "YES") as result:
        other.commit()
    assert result == [("offer_expired", request)]


def test_of_two_answers_at_once_the_later_is_told_the_first(schema):
    """By message while the device answers, and the other way round."""
    by_device, by_message = schema.offered(), schema.offered("torch")
    schema.send_all()
    other = Transaction(schema.database)
    other.answer(by_device, "accept", "online")
    text = f"NO {schema.code(by_device)}"
    with waiting(schema, schema.receive, text) as narrow:
        other.commit()
    assert narrow == [("answered", by_device)]
    (reply,) = schema.table("select text from notice where kind = 'reply'")
    assert reply["text"] == "You accepted these terms before. Nothing has changed."

    other = Transaction(schema.database)
    other.answer(by_message, "decline", "code")
    with waiting(schema, schema.answer, by_message) as wide:
        other.commit()
    assert wide[0][:2] == (409, "answer_final")
    assert schema.table("select answer, how from acceptance order by request") == [
        {"answer": "accept", "how": "online"}, {"answer": "decline", "how": "code"}]


def test_a_late_answer_goes_by_the_order_of_requests(schema):
    """The reply belongs to the request that has ended, which comes before the open one."""
    ended, still_open = schema.offered(), schema.offered("torch")
    schema.send_all()
    schema.answer(ended)
    other = Transaction(schema.database)
    other.lock_request(ended)
    with waiting(schema, schema.receive, f"YES {schema.code(ended)}") as result:
        other.lock_request(still_open)
        other.commit()
    assert result == [("answered", ended)]


def test_a_lease_gives_up_in_the_order_of_requests(schema):
    requests = [schema.offered() for _ in range(2)]
    schema.lease()
    schema.setting(give_up="0 seconds")
    # The later one is due first.
    schema.table("update outbox set due_at = now() - id * interval '1 second' returning 1")
    other = Transaction(schema.database)
    other.lock_request(requests[0])
    with waiting(schema, schema.lease) as result:
        other.lock_request(requests[1])
        other.commit()
    assert result == [[]]
    assert [n["state"] for n in schema.table("select state from notice")] == ["failed"] * 2


def test_a_lease_ends_what_nobody_needs_in_the_order_of_requests(schema):
    requests = [schema.offered() for _ in range(2)]
    for request in requests:
        schema.answer(request)
    schema.table("update outbox set due_at = now() - id * interval '1 second' returning 1")
    other = Transaction(schema.database)
    other.lock_request(requests[0])
    with waiting(schema, schema.lease) as result:
        other.lock_request(requests[1])
        other.commit()
    assert [row["text"][:12] for row in result[0]] == ["You accepted"] * 2


def test_a_stop_and_an_operator_meet_at_the_list_alone(schema):
    schema.offered()
    other = Transaction(schema.database)
    other.run("select number_stop_put(%s, null)", NUMBER)
    with waiting(schema, schema.receive, "STOP") as result:
        # A STOP has no counter of the number in its hands while it waits for the list.
        other.run("select notice_put(null, %s, 'reply', 'en', 'x')", NUMBER)
        other.commit()
    assert result == [("stopped", None)]


def test_two_links_of_one_name_take_turns(schema):
    request = schema.offered()
    schema.lease()
    schema.setting(give_up="0 seconds")
    schema.table("update smsc_link set seen = now() - interval '1 minute' returning 1")
    schema.table("update outbox set due_at = now() - interval '1 second' returning 1")
    other = Transaction(schema.database)
    other.run("select link_slots('link-1')")
    with waiting(schema, schema.lease) as result:
        other.lock_request(request)  # the lease waits for its name before it takes any row
        other.commit()
    assert result == [[]]


@pytest.mark.parametrize("is_known", [True, False])
def test_an_import_goes_by_the_names_of_devices(schema, is_known):
    rows = [device(dev, NUMBER) for dev in DEVICES]
    if is_known:
        schema.import_devices(*rows)
    other = Transaction(schema.database)
    other.run("select device_import(%s)", json.dumps(rows[:1]))
    other.run("update device set firmware = '1' where dev = %s", DEVICES[0])
    with waiting(schema, schema.import_devices, *reversed(rows)) as result:
        other.run("select device_import(%s)", json.dumps(rows[1:]))
        other.commit()
    assert [row["dev"] for row in result[0]] == DEVICES[::-1]


def test_publishing_waits_for_a_fetch_before_it_changes_a_catalogue(schema):
    content = b"elsewhere"
    there = feature("atlas", content)
    there["content"]["url"] = "https://files.example.com/atlas"
    version = schema.load(manifest([there]), [])
    (row,) = schema.rows("server", "outbox_lease", ["fetch"], "courier-1", 1,
                         datetime.timedelta(seconds=60))
    schema.table("update outbox set payload = '{}' where id = %s returning 1", row["id"])
    other = Transaction(schema.database)
    other.run("select from outbox where id = %s for update", row["id"])
    with waiting(schema, schema.rows, "operator", "catalogue_publish", version):
        other.run("update catalogue set is_current = is_current")
        other.run("select from content for update")
        other.commit()
    assert schema.table("select payload ->> 'url' as url from outbox where kind = 'fetch'") == [
        {"url": there["content"]["url"]}]


def test_what_waits_for_content_holds_up_nobody(schema):
    """An answer that is being given, a fetch that ends, and requests that go on."""
    content = b"elsewhere"
    there = feature("atlas", content)
    there["content"]["url"] = "https://files.example.com/atlas"
    schema.catalogue = schema.load(manifest([there]), [])
    first, second = (schema.offered("atlas") for _ in range(2))
    schema.answer(first)
    schema.upload(content)
    other = Transaction(schema.database)
    other.lock_request(first)
    schema.answer(second)
    assert schema.value("server", "items_settle") is False
    other.commit()
    assert schema.value("server", "items_settle") is True
    assert schema.table("select state from item order by request") == [{"state": "ready"}] * 2


def test_a_cancel_has_the_outbox_rows_before_the_request(schema):
    """As the answer of the verification service: else the two would wait for each other."""
    schema.setting(verification="service")
    request = schema.put()[2]["id"]
    other = Transaction(schema.database)
    other.run("select from outbox where kind = 'verify' for update")
    with waiting(schema, schema.api, "request_delete", request) as result:
        other.lock_request(request)
        other.commit()
    assert (result[0][0], result[0][2]["state"]) == (200, "cancelled")


def test_an_expiry_waits_for_no_answer(schema):
    schema.setting(verification="service", verification_lifetime="0 seconds")
    request = schema.put()[2]["id"]
    other = Transaction(schema.database)
    other.run("select from outbox where kind = 'verify' for update")
    assert schema.value("server", "requests_expire", 10) == 1
    other.lock_request(request)
    other.commit()
    assert [row["state"] for row in schema.table("select state from request")] == ["expired"]
    # What it could not take back is not asked any more.
    assert schema.rows("server", "outbox_lease", ["verify"], "courier-1", 1,
                       datetime.timedelta(minutes=1)) == []
    assert schema.table("select state, payload from outbox where kind = 'verify'") == [
        {"state": "dropped", "payload": {}}]


def test_a_retry_has_all_rows_before_any_request(schema):
    """As one row after the other would not: the second would come after the first's request."""
    request = schema.offered()
    schema.answer(request)
    schema.table("select outbox_bury(id, 'smsc', 'given_up', null) from outbox")
    other = Transaction(schema.database)
    other.run("select from outbox where id = (select max(id) from outbox) for update")
    with waiting(schema, schema.rows, "operator", "request_retry", DEV, request, None) as result:
        other.lock_request(request)
        other.commit()
    assert [row["outcome"] for row in result[0]] == ["ended", "changed"]


def test_a_resent_notice_has_its_outbox_row_first(schema):
    request = schema.offered()
    schema.send_all()
    (notice,) = schema.table("select id from notice")
    other = Transaction(schema.database)
    other.run("select from outbox for update")
    with waiting(schema, schema.row, "operator", "notice_resend", notice["id"], None, "x") as result:
        other.lock_request(request)
        other.run("select notice_put(null, %s, 'reply', 'en', 'x')", NUMBER)
        other.commit()
    assert result[0]["outcome"] == "queued"


@pytest.mark.parametrize("held, later", [
    ("mo", "outbox"), ("outbox", "request"), ("request", "account"), ("request", "device"),
    ("device", "number_stop"), ("device", "number_ref")])
def test_an_erasure_goes_by_the_order(schema, held, later):
    """It waits with nothing in its hands that comes after what it waits for."""
    schema.finished("compass")
    schema.send_all()
    schema.receive("what?")
    schema.value("operator", "number_stop_put", NUMBER, None)
    other = Transaction(schema.database)
    other.run(f"select from {held} for update")
    with waiting(schema, schema.row, "operator", "user_erase", DEV, False, "x") as result:
        other.run(f"select from {later} for update")
        other.commit()
    assert result[0]["outcome"] == "erased"


def mismatched(schema):
    """A request that is refused, and of which nobody is told by a message."""
    body = schema.body()
    body["device"]["dev"] = DEVICES[0]
    assert schema.put(body)[2]["reason"] == "device_mismatch"


def erase(schema):
    """What came of it: the outcome, or the class of the error."""
    try:
        return schema.row("operator", "user_erase", DEV, False, "x")["outcome"]
    except psycopg2.Error as error:
        return type(error)


@pytest.mark.parametrize("come_in", [
    mismatched,
    lambda schema: schema.table("select notice_put(null, %s, 'reply', 'en', 'x')", NUMBER)],
    ids=["request", "notice"])
def test_an_erasure_does_nothing_when_something_comes_in(schema, come_in):
    schema.finished("compass")
    schema.send_all()
    other = Transaction(schema.database)
    other.run("select from request for update")
    with waiting(schema, erase, schema) as result:
        come_in(schema)
        other.commit()
    assert result == [psycopg2.errors.SerializationFailure]
    assert schema.row("operator", "device_show", DEV)["given_name"] == "Ada"
    assert erase(schema) == "erased"


def test_an_erasure_sees_what_comes_in_when_it_has_its_locks(schema):
    """A message to the number, which waits for none of them."""
    schema.finished("compass")
    schema.send_all()
    other = Transaction(schema.database)
    other.run("select notice_put(null, %s, 'reply', 'en', 'x')", NUMBER)
    with waiting(schema, erase, schema) as result:
        other.commit()
    assert result == [psycopg2.errors.SerializationFailure]
    assert erase(schema) == "erased"


def test_an_erasure_leaves_what_came_in_to_whoever_has_it(schema):
    """A message of a request that it waited for: the link has its row and waits for the request."""
    schema.finished("compass")
    schema.send_all()
    with_request, with_device = Transaction(schema.database), Transaction(schema.database)
    with_request.run("select from request for update")
    with_device.run("select from device for update")
    ended = {}
    eraser = threading.Thread(target=lambda: ended.update(erasure=erase(schema)))
    eraser.start()
    wait.until(with_request.holds_up, "an erasure that waits for the request")
    with_request.run("select notice_put(rid, %s, 'reply', 'en', 'x') from request", NUMBER)
    with_request.commit()
    wait.until(with_device.holds_up, "an erasure that has the request and waits for the device")
    (leased,) = schema.lease()
    first, _ = schema.split(leased)
    link = threading.Thread(target=lambda: ended.update(notice=schema.report(first, 8)))
    link.start()
    wait.until(lambda: len(waiting_pids(schema)) == 2, "a link that waits for the erasure")
    with_device.commit()
    link.join()
    eraser.join()
    assert ended == {"erasure": psycopg2.errors.SerializationFailure, "notice": "sending"}


def test_an_answer_finds_no_offer_that_was_erased_meanwhile(schema):
    """And nobody replies to a number of which nothing is held any more."""
    request = schema.offered()
    schema.send_all()
    text = f"YES {schema.code(request)}"
    other = Transaction(schema.database)
    other.run("select user_erase(%s, true, 'x')", DEV)
    with waiting(schema, schema.receive, text) as result:
        other.commit()
    assert result == [("no_offer", None)]
    assert schema.table("select id from notice where msisdn is not null") == []
