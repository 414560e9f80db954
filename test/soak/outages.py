"""What breaks, and how: each part of a site with its outages.

    with part.outages["hangs"](site):
        ...                       # it hangs
    part.prepare(site)            # before anything is started
    part.is_seen(site, before)    # do the metrics tell of it?

An outage that may make a short message come twice is noted in site.repeats, as the audit
wants it.
"""

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from types import SimpleNamespace

import services
from detour import Detour
from files import Files
from harness import process, wait
from victims import Kill

SERVICE_TIMEOUT = "600ms"
LATE_S = 0.2  # of an answer that comes in time all the same


@dataclass(frozen=True)
class Part:
    """`seen`: the metric of a daemon that grows, by outage; the one at "" is of all others."""

    prepare: object
    outages: dict
    seen: dict
    is_needed: bool = False  # without it the API answers 503

    def metric(self, outage):
        return self.seen.get(outage, self.seen.get(""))


def count(site, metric):
    daemon, name = metric
    return sum(value for key, value in getattr(site, daemon).metrics().items()
               if key.startswith(name))


# ---- What others' servers do

def detoured(name):
    """An outage of the detour to a service: its method."""
    def of(method, *arguments):
        @contextlib.contextmanager
        def outage(site):
            detour = site.detours[name]
            getattr(detour, method)(*arguments)
            yield
            detour.restore()
        return outage
    return of


def told(name, **fault):
    """An outage that the stand-in plays itself."""
    @contextlib.contextmanager
    def outage(site):
        getattr(site, name).set_fault(**fault)
        yield
        getattr(site, name).set_fault()
    return outage


def impostor(name, leaf, said):
    """Somebody else answers: with the certificate leaf(site), and these bytes."""
    @contextlib.contextmanager
    def outage(site):
        other = Files(wait.free_port(), leaf(site), lambda head, write: write(said))
        site.detours[name].lead_to(other.server.server_address[1])
        yield
        site.detours[name].restore()
        other.close()
    return outage


def of_another_root(site):
    return site.other_root


YES = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}'


def https_outages(name):
    to = detoured(name)
    return {"down": to("refuse"), "hangs": to("hang"),
            "is_slow": told(name, delay_s=LATE_S), "answers_500": told(name, status=500),
            "answers_garbage": impostor(name, lambda site: site.pki.billing_server,
                                        b"\x00\x01\xffgarbage\r\n\r\n"),
            "has_another_certificate": impostor(name, of_another_root, YES)}


def detour_to(site, name, port):
    site.detours[name] = Detour(wait.free_port(), port)
    site.relays.append(site.detours[name])


def url_by_detour(site, name, url, port):
    detour_to(site, name, port)
    return url.replace(f":{port}", f":{site.detours[name].port}")


def effects(kind):
    failed = ("server", f'provbox_server_effects_total{{kind="{kind}",outcome="failed"}}')
    done = ("server", f'provbox_server_effects_total{{kind="{kind}",outcome="done"}}')
    return {"": failed, "is_slow": done}


def prepare_billing(site):
    site.server.config.update(
        billing_timeout=SERVICE_TIMEOUT,
        billing_url=url_by_detour(site, "billing", site.billing.url, site.billing.port))


def prepare_verification(site):
    services.add_verification(site)
    site.server.config.update(
        verification_url=url_by_detour(site, "verification", site.verification.url,
                                       site.verification.port),
        verification_timeout=SERVICE_TIMEOUT)
    site.parts.insert(1, "verification")
    site.settings["verification"] = "service"


def prepare_mail(site):
    services.add_mail(site)
    site.server.config.update(
        mail_url=url_by_detour(site, "mail", site.mail.url, site.mail.port),
        mail_timeout=SERVICE_TIMEOUT)
    site.parts.insert(1, "mail")
    site.has_mail = True


def mail_that(**changes):
    @contextlib.contextmanager
    def outage(site):
        kept = {name: getattr(site.mail, name) for name in changes}
        for name, value in changes.items():
            setattr(site.mail, name, value)
        site.detours["mail"].cut()  # a greeting is for those who come
        yield
        for name, value in kept.items():
            setattr(site.mail, name, value)
    return outage


# ---- The narrow band

def note_repeats(site, name):
    site.repeats.append(Kill(name, time.time()))


@contextlib.contextmanager
def repeating(outage, site, name):
    """What was on its way when it began, or when it ended, may come twice."""
    note_repeats(site, name)
    with outage(site):
        yield
        note_repeats(site, name)


def narrow(method, *arguments):
    """An outage of the way between the link and bearerbox, or bearerbox and the centre."""
    def of(way, name):
        return lambda site: repeating(detoured(way)(method, *arguments), site, name)
    return of


@contextlib.contextmanager
def stopped(*pids):
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def stopped_bearerbox(site):
    return stopped(site.bearerbox.process.pid)  # the audit sees when the link leaves it


@contextlib.contextmanager
def killed_bearerbox(site):
    note_repeats(site, "bearerbox")
    site.bearerbox.process.kill()
    yield
    site.bearerbox.start()


def prepare_bearerbox(site):
    prepare_centre(site)
    # Kannel counts what waits for each message centre, and refuses what is over it.
    site.bearerbox.configure(core_settings=["sms-outgoing-queue-limit = 3"])
    detour_to(site, "bearerbox", site.bearerbox.box_port)
    site.smsc.config["bearerbox", "sim"] = {
        "address": f"127.0.0.1:{site.detours['bearerbox'].port}"}


def prepare_centre(site):
    """Besides what is done to it, it throttles, errs, and loses, repeats and delays
    receipts all the time."""
    site.smscsim.options.update({
        "throttle": 60, "error-every": 9, "drop-receipt-every": 5,
        "repeat-receipt-every": 4, "late-receipt-ms": 100})
    centre = site.smscsim
    detour_to(site, "centre", centre.port)
    site.bearerbox.centre = SimpleNamespace(port=site.detours["centre"].port,
                                            system_id=centre.system_id,
                                            password=centre.password)
    site.bearerbox.configure()


# ---- PostgreSQL

def restarted(signal_number):
    @contextlib.contextmanager
    def outage(site):
        note_repeats(site, "PostgreSQL")
        site.cluster.server.popen.send_signal(signal_number)
        site.cluster.server.wait(20)
        yield
        site.cluster.start()
    return outage


def end_connections(site):
    site.cluster.execute("select pg_terminate_backend(pid) from pg_stat_activity"
                         f" where datname = '{site.db.name}'")


def changed(begin, end):
    """The administrator changes something, and ends the connections that began before."""
    @contextlib.contextmanager
    def outage(site):
        note_repeats(site, "PostgreSQL")
        for text in (begin, end):
            for statement in text.split(";"):
                site.cluster.execute(statement.format(name=site.db.name))
            end_connections(site)
            if text is begin:
                yield
    return outage


def stopped_database(site):
    server = site.cluster.server.pid
    return repeating(lambda _: stopped(server, *process.descendants(server)), site,
                     "PostgreSQL")


@contextlib.contextmanager
def locked_database(site):
    lock = site.cluster.connect(site.db.name)
    lock.autocommit = False
    lock.cursor().execute("lock table provbox.device, provbox.outbox"
                          " in access exclusive mode")
    note_repeats(site, "PostgreSQL")
    yield
    lock.rollback()
    lock.close()


@contextlib.contextmanager
def slow_database(site):
    """Each event takes a moment to store."""
    site.schema.table("create trigger slow before insert on event for each row"
                      " execute function public.slow()")
    yield
    site.schema.table("drop trigger slow on event")


def prepare_database(site):
    site.server.config["database_timeout"] = "1s"
    site.smsc.config["database_timeout"] = "1s"
    site.after_start.append(lambda: site.schema.table(
        "create function public.slow() returns trigger language plpgsql as"
        f" 'begin perform pg_sleep({LATE_S / 3}); return new; end'"))


DATABASE_FAILURES = ("server", "provbox_server_database_failures_total")
LINK_ENDED = ("smsc", "provbox_smsc_reconnects_total")

PARTS = {
    "postgresql": Part(prepare_database, {
        "restarted": restarted(signal.SIGINT), "crashed": restarted(signal.SIGQUIT),
        "refuses": changed("alter database {name} allow_connections false",
                           "alter database {name} allow_connections true"),
        "is_full": changed(
            "alter role provbox_server connection limit 0;"
            "alter role provbox_smsc connection limit 0",
            "alter role provbox_server connection limit -1;"
            "alter role provbox_smsc connection limit -1"),
        "is_read_only": changed(
            "alter database {name} set default_transaction_read_only = on",
            "alter database {name} reset default_transaction_read_only"),
        "hangs": stopped_database, "is_locked": locked_database, "is_slow": slow_database,
    }, {"": DATABASE_FAILURES,
        "is_slow": ("server", "provbox_server_database_calls_total")}, is_needed=True),
    "bearerbox": Part(prepare_bearerbox, {
        "away": narrow("refuse")("bearerbox", "SMSC link"),
        "hangs": stopped_bearerbox,
        "is_slow": narrow("delay", LATE_S)("bearerbox", "SMSC link"),
        "has_its_queue_full": narrow("refuse")("centre", "bearerbox"),
        "killed": killed_bearerbox,
    }, {"": LINK_ENDED, "is_slow": ("smsc", "provbox_smsc_acks_total"),
        "has_its_queue_full": ("smsc", 'provbox_smsc_acks_total{result="temporary"}')}),
    "centre": Part(prepare_centre, {
        "away": narrow("refuse")("centre", "bearerbox"),
        "hangs": narrow("hang")("centre", "bearerbox"),
        "is_slow": narrow("delay", LATE_S)("centre", "bearerbox"),
    }, {"": ("smsc", "provbox_smsc_acks_total")}),
    "billing": Part(prepare_billing, https_outages("billing"), effects("billing")),
    "verification": Part(prepare_verification, https_outages("verification"),
                         effects("verify")),
    "mail": Part(prepare_mail, {
        "down": detoured("mail")("refuse"), "hangs": detoured("mail")("hang"),
        "is_slow": mail_that(delay_s=LATE_S),
        "answers_451": mail_that(reply={"data": "451 4.3.0 Later"}),
        "answers_garbage": mail_that(speak=b"\x00\x01garbage\r\n"),
        "has_another_certificate": impostor("mail", of_another_root, b"220 localhost\r\n"),
    }, effects("mail")),
}
