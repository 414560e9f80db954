"""Terms by mail, brought to a real SMTP server: once it takes them, and not before."""

import pytest
from detour import Detour
from harness import mail, pki, wait
from harness.schema import TERMS, device

# Of the server of the test, which has TLS from the first byte there.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")

TO, FROM = "ada.lovelace@example.com", "terms@provbox.example.com"


@pytest.fixture
def mailing(site):
    """A site whose server has mail to bring, and where to; neither is started."""
    site.mail = mail.Mail(site.pki)
    site.start("database")
    site.schema.setting(backoff_first="100 milliseconds")
    configure(site)
    site.schema.import_devices(device(email=TO))
    return site


def configure(site, **changes):
    credentials = site.directory / "mail.credentials"
    pki.write_secret(credentials, f"{mail.USER}:{mail.PASSWORD}\n".encode())
    site.server.config.update({
        "mail_url": site.mail.url, "mail_trust": site.mail.trust, "mail_from": FROM,
        "mail_credentials": credentials, "mail_timeout": "1s", **changes})


def use_wrong_password(site):
    wrong = site.directory / "wrong.credentials"
    pki.write_secret(wrong, b"provbox:wrong\n")
    site.server.config["mail_credentials"] = wrong


def row(site):
    (found,) = site.db.query("select state, attempt, reason, key from provbox.outbox"
                             " where kind = 'mail'")
    return found


def wait_attempts(site, n):
    """The row is kept, and was tried so often; nothing is logged as done."""
    wait.until(lambda: row(site)["attempt"] >= n, f"{n} attempts", 15)
    assert row(site)["state"] == "due"
    assert site.server.events("effect_done", kind="mail") == []


@pytest.mark.parametrize("is_implicit", [False, True], ids=["starttls", "smtps"])
@pytest.mark.parametrize("language", ["en", "el"])
def test_terms_arrive_by_mail(mailing, is_implicit, language):
    mailing.mail = mail.Mail(mailing.pki, is_implicit=is_implicit)
    configure(mailing)
    request = mailing.schema.offered(language=language)
    mailing.start("mail", "server")
    (message,) = wait.until(lambda: mailing.mail.messages, "the mail")
    assert (message.sender, message.recipients, message.user, message.is_encrypted) == (
        FROM, [TO], mail.USER, True)
    assert message.name == "provbox.example.com"
    parsed = message.parsed()
    assert (parsed["From"], parsed["To"]) == (FROM, TO)
    assert parsed["Subject"] == {"en": "The terms of your order",
                                 "el": "Οι όροι της παραγγελίας σας"}[language]
    assert parsed["Date"].datetime.utcoffset().total_seconds() == 0
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert parsed["MIME-Version"] == "1.0" and not parsed.defects
    (part,) = parsed.iter_parts()
    assert (part.get_content_type(), part.get_content_charset()) == ("text/plain", "utf-8")
    assert part["Content-Language"] == language
    text = part.get_payload(decode=True).decode().replace("\r\n", "\n")
    assert text.startswith(TERMS[language] + "\n\n-- \n")
    assert message.content.isascii()
    assert max(map(len, message.content.split(b"\r\n"))) <= 998
    wait.until(lambda: row(mailing)["state"] == "done", "the end of the effect")
    assert parsed["Message-ID"] == f"<{row(mailing)['key']}@provbox.example.com>"
    assert request in parsed["Message-ID"]
    assert len(mailing.mail.messages) == 1
    told = [event[1] for event in mailing.schema.events(request)]
    assert told.index("mail_queued") < told.index("mail_done")
    log = mailing.server.process.log()
    assert TO not in log and mail.PASSWORD not in log


def test_many_mails_arrive_once_each(mailing):
    mailing.schema.setting(open_requests=40, requests_per_hour=40, messages_per_hour=40)
    requests = {mailing.schema.offered() for _ in range(30)}
    mailing.start("mail", "server")
    wait.until(lambda: len(mailing.mail.messages) >= 30 and mailing.db.query(
        "select 1 as n from provbox.outbox where kind = 'mail' and state <> 'done'") == [],
        "all mails", 60)
    ids = [message.parsed()["Message-ID"] for message in mailing.mail.messages]
    assert len(ids) == len(set(ids)) == 30
    assert {one.split("/")[1] for one in ids} == requests
    # Connections are used again.
    assert mailing.mail.attempts < 30


@pytest.mark.parametrize("step, said", [
    ("rcpt", "450 4.2.0 Mailbox busy"), ("mail", "500 5.5.1 What?"), ("data", "500 5.5.1 What?"),
    ("data", "452 4.3.1 Disk full"), ("data", "554 5.3.0 Broken"), ("data", "garbage")])
def test_what_may_be_taken_later_is_tried_again(mailing, step, said):
    mailing.mail.reply[step], mailing.mail.times = said, 2
    mailing.schema.offered()
    mailing.start("mail", "server")
    wait.until(lambda: row(mailing)["state"] == "done", "the mail", 20)
    assert row(mailing)["attempt"] == 3
    assert len(mailing.mail.messages) == 1


def test_a_mail_that_may_have_arrived_is_sent_again_under_its_id(mailing):
    """The server took it, and the connection broke before it could say so."""
    mailing.mail.reply["data"], mailing.mail.times = "lost", 1
    mailing.schema.offered()
    mailing.start("mail", "server")
    wait.until(lambda: row(mailing)["state"] == "done", "the mail", 20)
    first, second = (message.parsed() for message in mailing.mail.messages)
    assert first["Message-ID"] == second["Message-ID"]
    assert first["Date"] == second["Date"]


@pytest.mark.parametrize("said", ["550 5.1.1 No such user", "553 5.1.3 What address?"])
def test_an_address_that_is_refused_is_dead_and_raises_an_alarm(mailing, said):
    mailing.mail.reply["rcpt"] = said
    mailing.server.expect_errors("effect_dead")
    request = mailing.schema.offered()
    mailing.start("mail", "server")
    mailing.server.wait_event("effect_dead", kind="mail", status=said[:3])
    assert (row(mailing)["state"], row(mailing)["attempt"]) == ("dead", 1)
    assert ("courier", "mail_dead", None, None, "effect_refused") in (
        mailing.schema.events(request))
    # The offer goes on without it.
    assert mailing.schema.api("request_read", request, None)[2]["state"] == "offered"
    metrics = mailing.server.metrics()
    assert metrics['provbox_server_effects_total{kind="mail",outcome="dead"}'] == 1
    assert TO not in mailing.server.process.log()


def test_mail_waits_for_its_server(mailing):
    mailing.schema.offered()
    mailing.start("server")
    wait_attempts(mailing, 2)
    mailing.start("mail")
    wait.until(lambda: row(mailing)["state"] == "done", "the mail", 20)


@pytest.mark.parametrize("speak", [b"", b"\x00\xff" * 5000, b"220 " + b"x" * 100000,
                                   b"HTTP/1.1 400 Bad Request\r\n\r\n",
                                   b"554 5.3.2 Not now\r\n"],
                         ids=["silent", "binary", "endless", "http", "refusing"])
def test_a_server_that_speaks_nonsense_is_left_in_time(mailing, speak):
    mailing.mail.speak = speak
    mailing.server.config["mail_timeout"] = "300ms"
    mailing.schema.offered()
    mailing.start("mail", "server")
    wait_attempts(mailing, 2)


def test_a_slow_server_is_left_in_time(mailing):
    mailing.mail.delay_s = 3
    mailing.server.config["mail_timeout"] = "300ms"
    mailing.schema.offered()
    mailing.start("mail", "server")
    wait_attempts(mailing, 2)
    assert mailing.mail.messages == []


def test_idle_connections_are_not_taken_leave_of(mailing):
    """libcurl would wait for an answer to that, and nothing else would go on."""
    mailing.schema.setting(open_requests=40, requests_per_hour=40, messages_per_hour=40)
    mailing.mail = mail.Mail(mailing.pki, is_implicit=True)
    detour = Detour(wait.free_port(), mailing.mail.port)
    mailing.relays.append(detour)
    configure(mailing, mail_timeout="5s", mail_url=f"smtps://localhost:{detour.port}")
    for _ in range(12):
        mailing.schema.offered()
    mailing.mail.delay_s = 0.3
    mailing.start("mail", "billing", "server")
    wait.until(lambda: len(mailing.server.events("effect_done", kind="mail")) == 12, "all mails")
    detour.hang()
    for n in range(1, 4):  # each call that ends is one more connection that is idle
        mailing.schema.finished("voice-mail")
        wait.until(lambda: len(mailing.billing.records()) == n, f"billing event {n}", 15)
    detour.refuse()  # what hangs would hold up the end of the server, too


@pytest.mark.parametrize("is_implicit", [False, True], ids=["starttls", "smtps"])
@pytest.mark.parametrize("step", ["rcpt", "password"])
def test_a_server_that_takes_no_leave_holds_up_nothing(mailing, step, is_implicit):
    """It refuses, and never answers to QUIT: mails to others, too, are tried meanwhile."""
    mailing.mail = mail.Mail(mailing.pki, is_implicit=is_implicit)
    mailing.mail.reply["rcpt"], mailing.mail.leave_s = "451 4.2.0 Later", 60
    configure(mailing, mail_timeout="60s")
    if step == "password":
        use_wrong_password(mailing)
    mailing.schema.finished("compass")
    mailing.start("mail", "billing")
    mailing.schema.table("update outbox set due_at = now() + interval '1 second'"
                         " where kind = 'billing'")
    mailing.start("server")
    wait_attempts(mailing, 2)
    wait.until(mailing.billing.records, "the billing event", 15)
    assert mailing.server.events("effect_failed", kind="mail")[0]["status"] == (
        "451" if step == "rcpt" else "535")


def test_nothing_is_sent_in_the_clear(mailing):
    """Whoever sits between could take the offer of STARTTLS away."""
    mailing.mail.has_starttls = False
    mailing.schema.offered()
    mailing.start("mail", "server")
    wait_attempts(mailing, 2)
    assert mailing.mail.messages == []


@pytest.mark.parametrize("change", [
    lambda site: {"mail_trust": site.pki.landnet.path},
    lambda site: {"mail_url": site.mail.url.replace("localhost", "127.0.0.1")}],
    ids=["another root", "another name"])
@pytest.mark.parametrize("is_implicit", [False, True], ids=["starttls", "smtps"])
def test_a_server_that_is_another_gets_nothing(mailing, change, is_implicit):
    mailing.mail = mail.Mail(mailing.pki, is_implicit=is_implicit)
    configure(mailing)
    configure(mailing, **change(mailing))
    mailing.schema.offered()
    mailing.start("mail", "server")
    wait_attempts(mailing, 2)
    assert mailing.mail.messages == []


def test_a_wrong_password_loses_no_mail(mailing):
    use_wrong_password(mailing)
    mailing.schema.offered()
    mailing.start("mail", "server")
    wait_attempts(mailing, 2)
    assert mailing.mail.messages == []


@pytest.mark.parametrize("payload", [
    '{"to": "a@example.com\\r\\nBcc: b@example.com"}', '{"to": "<a@example.com>"}',
    '{"date": "today\\nBcc: b@example.com"}', '{"language": "en\\r\\nBcc: b@example.com"}',
    '{"bcc": "b@example.com"}', '{"to": 7}'])
def test_a_row_that_is_no_message_reaches_nobody(mailing, payload):
    mailing.server.expect_errors("effect_dead")
    mailing.schema.offered()
    mailing.schema.table("update outbox set payload = payload || %s where kind = 'mail'"
                         " returning 1", payload)
    mailing.start("mail", "server")
    mailing.server.wait_event("effect_dead", kind="mail")
    assert mailing.mail.attempts == 0


def test_a_subject_cannot_add_a_field(mailing):
    mailing.schema.table("update template set text = E'Terms\\r\\nBcc: eve@example.org'"
                         " where kind = 'mail_subject' returning 1")
    mailing.schema.offered()
    mailing.start("mail", "server")
    (message,) = wait.until(lambda: mailing.mail.messages, "the mail")
    assert message.parsed()["Bcc"] is None and message.recipients == [TO]


def test_mail_waits_while_no_server_is_configured(mailing):
    mailing.server.config["mail_url"] = ""
    mailing.schema.offered()
    mailing.start("server")
    wait.until(lambda: mailing.server.metrics()['provbox_server_outbox{kind="mail",state="due"}'] == 1,
               "the gauge")
    assert row(mailing)["attempt"] == 0
