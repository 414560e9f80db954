"""provbox-smsc on a real database, a real bearerbox and the simulated message centre."""

import contextlib
import os
import signal

import pytest
from harness import wait
from harness.schema import NUMBER, SHORT_CODE, TERMS, manifest
from harness.sms import EXTENSION, GSM7, decoded
from harness.smscsim import Radio

# Every character of both tables that a notice may have.
ALPHABET = "".join(c for c in GSM7 if c not in "\r\x1b") + "".join(EXTENSION.values())


def text_on(handset):
    """(text, parts) of one whole message, put together by its concatenation headers."""
    first = handset.next_part()
    if not first["udh"]:
        return decoded(first), [first]
    total = int(first["udh"][8:10], 16)
    parts = [first] + [handset.next_part() for _ in range(total - 1)]
    by_seq = {int(part["udh"][10:12], 16): part for part in parts}
    assert sorted(by_seq) == list(range(1, total + 1))
    assert {part["udh"][:10] for part in parts} == {first["udh"][:10]}
    return "".join(decoded(by_seq[seq]) for seq in sorted(by_seq)), parts


def start(site):
    site.start("database", "smscsim", "bearerbox", "smsc")
    site.bearerbox.wait_online()


def notice(site):
    """The newest terms notice and what became of it."""
    return site.schema.table(
        "select n.state, n.reason, n.text, n.parts, o.state as work from notice n"
        " join outbox o on o.notice = n.id where n.kind = 'terms' order by n.id desc")[0]


def wait_notice(site, state):
    wait.until(lambda: notice(site)["state"] == state, f"the notice to be {state}")


def wait_delivered(site, n):
    """All n notices are delivered."""
    wait.until(lambda: [row["state"] for row in site.schema.table(
        "select state from notice")] == ["delivered"] * n, f"{n} notices delivered", 20)


def attempts(site):
    """How often each part was written."""
    return [row["n"] for row in site.schema.table(
        "select count(*) as n from notice_part group by notice, part order by part")]


def story(site, request):
    return [(kind, before, after) for actor, kind, before, after, _
            in site.schema.events(request) if actor == "smsc"]


@contextlib.contextmanager
def frozen(pid):
    """A process that is there and does nothing."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


# ---- out ---------------------------------------------------------------------------------


@pytest.mark.parametrize("language, dcs, texts", [
    ("en", 0, {TERMS["en"][:60]: 1, "Terms. " * 50 + "End.": 3, ALPHABET * 3: 3,
               "€" * 300: 5}),
    ("el", 8, {TERMS["el"]: 4, "😀" * 100: 4}),
])
def test_texts_arrive_byte_for_byte(site, language, dcs, texts):
    start(site)
    with Radio(site.smscsim.radio, NUMBER) as handset:
        for terms, n_parts in texts.items():
            site.schema.catalogue = site.schema.load(
                manifest(terms={"en": "unused", language: terms}), [])
            site.schema.offered(language=language)
            text, parts = text_on(handset)
            assert text == notice(site)["text"]
            assert text.startswith(terms + "\n")
            assert (len(parts), {part["dcs"] for part in parts}) == (n_parts, {dcs})
            assert {part["from"] for part in parts} == {SHORT_CODE}


def test_reports_move_the_notice(site):
    start(site)
    with Radio(site.smscsim.radio, NUMBER) as handset:
        request = site.schema.offered()
        _, parts = text_on(handset)
        wait_notice(site, "delivered")
    assert attempts(site) == [1] * len(parts)
    assert notice(site)["work"] == "done"
    assert story(site, request) == [
        ("notice", "queued", "sending"), ("notice_acked", None, None),
        ("notice", "sending", "accepted"), ("notice", "accepted", "delivered")]


def test_references_count_for_each_number(site):
    start(site)
    with Radio(site.smscsim.radio, NUMBER) as handset:
        references = []
        for _ in range(2):
            site.schema.offered()
            references.append(int(text_on(handset)[1][0]["udh"][6:8], 16))
    assert references[1] == references[0] + 1


def test_accepted_is_not_delivered(site):
    start(site)
    site.schema.offered()
    wait_notice(site, "accepted")
    with Radio(site.smscsim.radio, NUMBER) as handset:
        text_on(handset)
        wait_notice(site, "delivered")


def test_what_the_centre_rejects_has_failed(site):
    site.smscsim.options = {"error-every": 1, "error-status": 11}
    start(site)
    site.schema.offered()
    wait_notice(site, "failed")
    assert notice(site)["reason"] == "message_rejected"


def test_what_bearerbox_refuses_has_failed(site):
    site.bearerbox.configure('allowed-prefix = "+1"')
    start(site)
    site.schema.offered()
    wait_notice(site, "failed")
    # bearerbox says so twice, by the acknowledgement and by a report, in either order.
    assert notice(site)["reason"] in ("message_refused", "message_rejected")
    site.smsc.wait_event("part_refused", nack=1)
    assert attempts(site) == [1] * notice(site)["parts"]


def test_the_window_bounds_what_is_unreported(site):
    site.smscsim.options = {"latency-ms": 100}
    site.smsc.config["window"] = 20
    start(site)
    site.schema.setting(requests_per_hour=1000, open_requests=1000, messages_per_hour=1000)
    for _ in range(40):
        site.schema.offered()

    def unreported():
        (row,) = site.schema.table("select count(*) as n from notice_part"
                                   " where state in ('sent', 'acked')")
        assert row["n"] <= 20

    def is_done():
        unreported()
        (row,) = site.schema.table("select count(*) as n from notice"
                                   " where state = 'accepted'")
        return row["n"] == 40

    wait.until(is_done, "all notices to be accepted", 30)


# ---- in -----------------------------------------------------------------------------------


def messages(site):
    return [(row["sender"], row["receiver"], row["text"], row["outcome"])
            for row in site.schema.table("select * from mo order by received")]


def test_an_answer_comes_in_once(site):
    start(site)
    with Radio(site.smscsim.radio, NUMBER) as handset:
        request = site.schema.offered()
        text_on(handset)
        wait_notice(site, "delivered")
        answer = f"YES {site.schema.code(request)}"
        assert "sent" in handset.send(SHORT_CODE, answer)
        wait.until(lambda: messages(site), "the message")
        assert "On its way" in text_on(handset)[0]
        assert messages(site) == [(NUMBER, SHORT_CODE, answer, "accepted")]
        site.smsc.restart()
        wait_delivered(site, 2)
    assert len(messages(site)) == 1


def test_letters_of_every_alphabet_come_in(site):
    start(site)
    with Radio(site.smscsim.radio, NUMBER) as handset:
        for dcs, data in ((0, bytes([GSM7.index("@"), 0x1B, 0x65, GSM7.index("ü")])),
                          (8, "ΝΑΙ 😀".encode("utf-16-be"))):
            handset.write({"send": {"to": SHORT_CODE, "dcs": dcs, "udh": "",
                                    "data": data.hex()}})
            assert "sent" in handset.read()
        wait.until(lambda: len(messages(site)) == 2, "both messages")
    assert [text for _, _, text, _ in messages(site)] == ["@€ü", "ΝΑΙ 😀"]


def test_binary_messages_are_dropped(site):
    start(site)
    with Radio(site.smscsim.radio, NUMBER) as handset:
        handset.write({"send": {"to": SHORT_CODE, "dcs": 4, "udh": "", "data": "00ff"}})
        assert "sent" in handset.read()
        site.smsc.wait_event("mo_binary")
        assert "sent" in handset.send(SHORT_CODE, "after it")
        wait.until(lambda: messages(site), "the message")
    assert [text for _, _, text, _ in messages(site)] == ["after it"]


def test_a_message_waits_for_the_link(site):
    start(site)
    site.smsc.stop()
    with Radio(site.smscsim.radio, NUMBER) as handset:
        assert "sent" in handset.send(SHORT_CODE, "hello")
    site.smsc.start()
    wait.until(lambda: messages(site), "the message")
    assert [text for _, _, text, _ in messages(site)] == ["hello"]


def test_nothing_is_acknowledged_that_the_database_has_not(site):
    start(site)
    with Radio(site.smscsim.radio, NUMBER) as handset:
        site.db.lock_out("provbox_smsc")
        assert "sent" in handset.send(SHORT_CODE, "kept")
        site.smsc.wait_event("db_down")
        site.smsc.kill()
        site.db.let_in("provbox_smsc")
        assert messages(site) == []
        site.smsc.start()
        wait.until(lambda: messages(site), "the message")
    assert [text for _, _, text, _ in messages(site)] == ["kept"]


def test_the_link_outlives_the_database(site):
    start(site)
    with Radio(site.smscsim.radio, NUMBER) as handset:
        site.db.lock_out("provbox_smsc")
        assert "sent" in handset.send(SHORT_CODE, "later")
        site.smsc.wait_event("not_ready")
        site.db.let_in("provbox_smsc")
        wait.until(lambda: messages(site), "the message")
        site.schema.offered()
        text_on(handset)
        wait_notice(site, "delivered")
    assert len(messages(site)) == 1


def fail_messages(site, condition, sqlstate):
    """From now on the database raises this for messages that the condition holds for."""
    site.schema.table(f"""
        create sequence tried;
        grant usage on tried to provbox_owner;
        create function fail() returns trigger language plpgsql as
        'begin if {condition} then raise using errcode = ''{sqlstate}''; end if; return new; end';
        create trigger fail before insert on mo for each row execute function fail()""")


def test_a_deadlock_costs_an_answer_nothing(site):
    start(site)
    with Radio(site.smscsim.radio, NUMBER) as handset:
        request = site.schema.offered()
        text_on(handset)
        wait_notice(site, "delivered")
        fail_messages(site, "nextval(''tried'') <= 3", "40P01")
        assert "sent" in handset.send(SHORT_CODE, f"YES {site.schema.code(request)}")
        assert "On its way" in text_on(handset)[0]
    assert [outcome for *_, outcome in messages(site)] == ["accepted"]
    assert site.schema.table("select last_value from tried") == [{"last_value": 4}]


def test_what_the_database_fails_holds_up_nothing_and_comes_again(site):
    site.smsc.config.update(give_up="300ms", redeliver="3s")
    site.smsc.expect_errors("db_failed", "fact_given_up")
    start(site)
    fail_messages(site, "new.text = ''first''", "P0001")
    with Radio(site.smscsim.radio, NUMBER) as handset:
        for text in "first", "second":
            assert "sent" in handset.send(SHORT_CODE, text)
        wait.until(lambda: messages(site), "the second message")
        assert [text for _, _, text, _ in messages(site)] == ["second"]
        given_up = site.smsc.wait_event("fact_given_up", sqlstate="P0001")
        site.schema.table("drop trigger fail on mo")
        wait.until(lambda: len(messages(site)) == 2, "the first message")
        assert site.smsc.events("link_down", why="redeliver")
        assert site.schema.table("select text from mo where id = %s", given_up["id"]) == [
            {"text": "first"}]
    assert site.smsc.metrics()["provbox_smsc_given_up_total"] >= 1


# ---- what breaks ---------------------------------------------------------------------------


def test_parts_without_acknowledgement_go_again_after_a_crash_of_bearerbox(site):
    site.smsc.config["ack_timeout"] = "20s"
    start(site)
    with Radio(site.smscsim.radio, NUMBER) as handset:
        with frozen(site.bearerbox.process.pid):
            site.schema.offered()
            site.smsc.wait_event("notice_sent")
            site.bearerbox.process.kill()
        site.smsc.wait_event("link_down")
        site.bearerbox.start()
        text, parts = text_on(handset)
        assert text == notice(site)["text"]
        wait_notice(site, "delivered")
        assert attempts(site) == [2] * len(parts)
        assert site.smsc.events("notices_again", due=1)


def test_a_bearerbox_that_does_not_acknowledge_is_left(site):
    site.smsc.config["ack_timeout"] = "300ms"
    start(site)
    with Radio(site.smscsim.radio, NUMBER) as handset:
        with frozen(site.bearerbox.process.pid):
            site.schema.offered()
            site.smsc.wait_event("link_down", why="ack_timeout")
        # bearerbox had them all the while: at least once, and the whole text.
        assert text_on(handset)[0] == notice(site)["text"]
        wait_notice(site, "delivered")


def test_a_receipt_outlives_a_crash_of_bearerbox(site):
    # Late enough for the link: bearerbox keeps what no box is there for, for a minute.
    site.smscsim.options = {"late-receipt-ms": 2000}
    start(site)
    with Radio(site.smscsim.radio, NUMBER):
        site.schema.offered()
        wait_notice(site, "accepted")
        site.bearerbox.process.kill()
        site.bearerbox.start()
        wait_notice(site, "delivered")
    assert set(attempts(site)) == {1}


def test_an_orderly_restart_of_bearerbox(site):
    start(site)
    with Radio(site.smscsim.radio, NUMBER) as handset:
        site.schema.offered()
        text_on(handset)
        wait_notice(site, "delivered")
        site.bearerbox.restart()
        site.schema.offered()
        text_on(handset)
        wait_delivered(site, 2)
        assert "sent" in handset.send(SHORT_CODE, "hello")
        wait.until(lambda: messages(site), "the message")


def test_a_crash_of_the_link_loses_nothing(site):
    site.smscsim.options = {"latency-ms": 20}
    start(site)
    site.schema.setting(requests_per_hour=1000, open_requests=1000, messages_per_hour=1000)
    with Radio(site.smscsim.radio, NUMBER):
        for _ in range(10):
            site.schema.offered()
        site.smsc.wait_event("notice_sent")
        for pid in site.smsc.workers():
            os.kill(pid, signal.SIGKILL)
        wait_delivered(site, 10)


def test_stopping_sends_nothing_twice(site):
    start(site)
    site.schema.setting(requests_per_hour=1000, open_requests=1000, messages_per_hour=1000)
    with Radio(site.smscsim.radio, NUMBER):
        for _ in range(10):
            site.schema.offered()
        site.smsc.wait_event("notice_sent")
        site.smsc.restart()
        wait_delivered(site, 10)
        assert set(attempts(site)) == {1}


def test_metrics_count_what_passed(site):
    start(site)
    with Radio(site.smscsim.radio, NUMBER) as handset:
        site.schema.offered()
        text_on(handset)
        wait_delivered(site, 1)
        assert "sent" in handset.send(SHORT_CODE, "what is this")
        wait_delivered(site, 2)  # the answer to it
    wait.until(lambda: site.smsc.metrics()["provbox_smsc_unstored"] == 0, "the last answer")
    n = len(attempts(site))
    counted = {name.removeprefix("provbox_smsc_"): value
               for name, value in site.smsc.metrics().items()
               if value and "cpu_seconds" not in name}
    assert counted == {
        "ready": 1, "generations": 1, 'link_up{bearerbox="sim"}': 1, "database_up": 1,
        'window_parts{bearerbox="sim"}': 1000, "notices_total": 2, "parts_total": n,
        'acks_total{result="success"}': n, 'reports_total{event="accepted"}': n,
        'reports_total{event="delivered"}': n, "mo_total": 1}


def test_logs_hold_no_number_and_no_text(site):
    site.smsc.config["log_level"] = "debug"
    start(site)
    with Radio(site.smscsim.radio, NUMBER) as handset:
        request = site.schema.offered()
        text_on(handset)
        wait_notice(site, "delivered")
        handset.send(SHORT_CODE, f"YES {site.schema.code(request)}")
        wait.until(lambda: messages(site), "the message")
    log = site.smsc.process.log()
    assert NUMBER[1:] not in log and "Terms" not in log and "YES" not in log
    assert "*" * 10 + NUMBER[-3:] in log
