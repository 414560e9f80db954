"""Reports and faults of a message centre, as Kannel passes them on."""

import datetime

import pytest
from harness import wait
from harness.schema import NUMBER, SHORT_CODE
from harness.smscsim import Radio


def start(site):
    site.start("database", "smscsim", "bearerbox", "smsc")
    site.bearerbox.wait_online()
    site.schema.setting(messages_per_hour=1000)


def queue(site, n=1, text="news"):
    site.schema.table("select notice_put(null, %s, 'status', 'en', %s) from generate_series(1, %s)",
                      NUMBER, text, n)


def states(site):
    return [row["state"] for row in site.schema.table("select state from notice order by id")]


def wait_all(site, state, n):
    wait.until(lambda: states(site) == [state] * n, f"{n} notices {state}", 30)


def attempts(site):
    return {row["n"] for row in site.schema.table(
        "select count(*) as n from notice_part group by notice, part")}


@pytest.mark.parametrize("hex_ids, msg_id_type", [(1, "0x01"), (2, "0x02"), (3, "0x03")])
def test_a_centre_that_counts_in_two_ways_is_understood(site, hex_ids, msg_id_type):
    site.smscsim.options = {"hex-ids": hex_ids}
    site.bearerbox.configure(f"msg-id-type = {msg_id_type}")
    start(site)
    with Radio(site.smscsim.radio, NUMBER):
        queue(site, 3)
        wait_all(site, "delivered", 3)


def test_without_msg_id_type_its_receipts_are_nobody_s(site):
    site.smscsim.options = {"hex-ids": 1, "log-level": "debug"}
    start(site)
    with Radio(site.smscsim.radio, NUMBER):
        queue(site, 3)
        # Receipts have come to Kannel, which finds no message of theirs; ours are truthful.
        wait.until(lambda: len(site.smscsim.process.events("deliver_answered")) == 3, "receipts")
        wait_all(site, "accepted", 3)


def test_receipts_that_come_twice_and_late_count_once(site):
    site.smscsim.options = {"repeat-receipt-every": 1, "late-receipt-ms": 300}
    start(site)
    with Radio(site.smscsim.radio, NUMBER):
        queue(site, 5)
        wait_all(site, "delivered", 5)
    assert attempts(site) == {1}
    events = site.schema.table("select to_state from event where kind = 'notice' order by id")
    assert sorted(event["to_state"] for event in events) == (
        ["accepted"] * 5 + ["delivered"] * 5 + ["sending"] * 5)


def test_lost_receipts_leave_what_is_known(site):
    site.smscsim.options = {"drop-receipt-every": 2}
    start(site)
    with Radio(site.smscsim.radio, NUMBER):
        queue(site, 4)
        wait.until(lambda: sorted(states(site)) == ["accepted"] * 2 + ["delivered"] * 2,
                   "half of the receipts", 20)
    assert {row["state"] for row in site.schema.table("select state from outbox")} == {"done"}


def test_a_centre_that_throttles_gets_everything_once(site):
    site.smscsim.options = {"throttle": 15}
    site.smsc.config["window"] = 20
    start(site)
    with Radio(site.smscsim.radio, NUMBER):
        queue(site, 40)
        wait_all(site, "delivered", 40)
    assert attempts(site) == {1}
    site.smscsim.process.stop()
    (stopped,) = site.smscsim.process.events("stopped")
    assert stopped["submitted"] == "40" and stopped["refused"] != "0"


def test_what_is_unreported_counts_after_a_crash(site):
    site.smscsim.options = {"latency-ms": 10000}
    site.smsc.config["window"] = 20
    start(site)
    queue(site, 40)

    def n_sent():
        (row,) = site.schema.table("select count(*) as n from notice_part")
        return row["n"]

    def unreported():
        return site.smsc.metrics().get('provbox_smsc_unreported_parts{bearerbox="sim"}')

    site.smsc.process.wait_for(lambda: n_sent() == 20, "a full window")
    wait.until(lambda: site.schema.table("select count(*) as n from notice_part"
                                         " where state = 'acked'") == [{"n": 20}], "all acked")
    site.smsc.kill()
    site.smsc.start()
    site.smsc.process.wait_for(lambda: unreported() == 20, "the window of before")
    assert n_sent() == 20  # and nothing beside it


def test_validity_goes_with_the_message(site):
    site.smscsim.options = {"log-level": "debug"}
    start(site)
    site.schema.setting(part_validity="30 minutes")
    before = datetime.datetime.now(datetime.timezone.utc)
    queue(site)
    submit = site.smscsim.process.wait_event("submit")
    until = datetime.datetime.strptime(str(submit["validity"])[:12] + "+0000", "%y%m%d%H%M%S%z")
    assert 29 * 60 < (until - before).total_seconds() < 31 * 60


def say(handset, parts, reference="07"):
    for n, text in enumerate(parts, 1):
        handset.write({"send": {"to": SHORT_CODE, "dcs": 0, "data": text.encode().hex(),
                                "udh": f"050003{reference}{len(parts):02x}{n:02x}"}})
        assert "sent" in handset.read()


def test_a_long_message_of_a_handset_comes_in_once_and_whole(site):
    start(site)
    parts = ["x" * 153, "y" * 20]
    with Radio(site.smscsim.radio, NUMBER) as handset:
        say(handset, parts)
        wait.until(lambda: site.schema.table("select text from mo"), "the message")
        assert site.schema.table("select text from mo") == [{"text": "".join(parts)}]
    assert site.smsc.metrics()["provbox_smsc_mo_parts_total"] == 0


def test_a_part_of_a_message_is_no_answer(site):
    site.bearerbox.configure(core_settings=["sms-combine-concatenated-mo = false"])
    start(site)
    with Radio(site.smscsim.radio, NUMBER) as handset:
        say(handset, ["YES 4711", " would be a mistake"])
        assert "sent" in handset.send(SHORT_CODE, "NO")
        wait.until(lambda: site.schema.table("select text from mo"), "the message after it")
        assert site.schema.table("select text from mo") == [{"text": "NO"}]
    assert len(site.smsc.events("mo_part")) == 2
    assert site.smsc.metrics()["provbox_smsc_mo_parts_total"] == 2


def test_stop_and_start_by_sms(site):
    start(site)
    with Radio(site.smscsim.radio, NUMBER) as handset:
        for word, reply, state in (("STOP", "You will get no more", "stopped"),
                                   ("START", "You will get messages", "delivered")):
            assert "sent" in handset.send(SHORT_CODE, word)
            assert bytes.fromhex(handset.next_part()["data"]).decode().startswith(reply)
            queue(site, text=word)
            wait.until(lambda word=word, state=state: site.schema.table(
                "select state from notice where text = %s", word) == [{"state": state}], state)
        assert bytes.fromhex(handset.next_part()["data"]) == b"START"


def test_what_the_centre_was_away_for_is_sent_when_it_is_back(site):
    site.start("database", "bearerbox", "smsc")
    site.schema.setting(part_validity="2 seconds")
    queue(site)
    # bearerbox keeps the part, lets it expire, and says so in the SMSC's name.
    wait.until(lambda: site.schema.table("select 1 as n from notice_part where state = 'expired'"),
               "a part to expire", 20)
    assert states(site) == ["sending"]
    site.schema.setting(part_validity="1 hour")
    site.start("smscsim")
    with Radio(site.smscsim.radio, NUMBER) as handset:
        handset.next_part()
        wait_all(site, "delivered", 1)


def test_an_answer_that_a_crash_left_unacknowledged_counts_once(site):
    start(site)
    site.schema.table("""
        create function dawdle() returns trigger language plpgsql as
        'begin perform pg_sleep(1); return new; end';
        create trigger dawdle before insert on mo for each row execute function dawdle()""")
    with Radio(site.smscsim.radio, NUMBER) as handset:
        request = site.schema.offered()
        wait_all(site, "delivered", 1)
        assert "sent" in handset.send(SHORT_CODE, f"YES {site.schema.code(request)}")
        # The statement is on its way in the database, and ends there without us.
        wait.until(lambda: site.schema.table(
            "select 1 as n from pg_stat_activity where wait_event = 'PgSleep'"), "the statement")
        site.smsc.kill()
        wait.until(lambda: site.schema.table("select outcome from mo"), "the message")
        site.smsc.start()
        wait_all(site, "delivered", 2)
        site.smsc.wait_event("mo", outcome="accepted")  # told once more, under the same id
    assert site.schema.table("select outcome from mo") == [{"outcome": "accepted"}]
    assert [kind for _, kind, *_ in site.schema.events(request)].count("accept") == 1
