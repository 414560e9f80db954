"""After the kills: what was acknowledged, stored, applied and repeated.

    problems, figures = audit.Audit(site, crowd, kills).run()
"""

import collections

from harness import sms, wait
from services import MAIL_FROM
from subscribers import position
from victims import MAILING, NARROW_BAND, Kill, seconds

SETTLE_S = 70  # leases and the validity of parts run out


def text_of(message):
    """Of a mail, whose only part it is."""
    (part,) = message.parsed().iter_parts()
    return part.get_payload(decode=True).decode().replace("\r\n", "\n")


class Audit:
    def __init__(self, site, crowd, kills):
        self.site, self.crowd, self.kills = site, crowd, kills
        self.problems, self.figures = list(crowd.wrong), {}

    def run(self):
        self._settle()
        self._requests()
        self._billing()
        self._verification()
        self._mail()
        self._messages()
        return self.problems, self.figures

    def _must(self, is_right, what):
        if not is_right:
            self.problems.append(what)

    def _table(self, statement):
        return self.site.schema.table(statement)

    def _settle(self):
        """Every effect is done by itself."""
        due = "select id, kind, key, attempt, reason from outbox where state = 'due'"
        if not wait.in_vain_until(lambda: not self._table(due), SETTLE_S):
            self.problems += [f"still due after {SETTLE_S} s: {dict(row)}"
                              for row in self._table(due)]
        self.problems += [f"dead: {row}" for row in self._table(
            "select kind, key, reason from outbox where state = 'dead'")]

    def _requests(self):
        stored = {row["id"]: row for row in self._table(
            "select id::text, dev, state, (select count(*) from event e where"
            " e.request = r.rid and e.kind = 'install') as installs,"
            " (select array_agg(answer) from acceptance a where a.request = r.rid) as answers"
            " from request r")}
        orders = {order.request: order for order in self.crowd.orders}
        told = [order for order in orders.values() if "request" in order.acknowledged]
        for order in told:
            row = stored.get(order.request)
            if row is None:
                self.problems.append(f"acknowledged and not stored: {order}")
                continue
            self._must(row["dev"] == order.dev, f"stored for another device: {order}")
            self._must(row["state"] == order.ended == order.fate,
                       f"is {row['state']}: {order}")
            self._must(row["installs"] == order.installs == (order.fate == "done"),
                       f"installed {row['installs']} times: {order}")
            wanted = "decline" if order.fate == "declined" else "accept"
            self._must(row["answers"] == [wanted], f"answers {row['answers']}: {order}")
        self._must(stored.keys() <= orders.keys(), "requests that nobody made")
        self._must(told, "nothing was acknowledged")
        states = collections.Counter(row["state"] for row in stored.values())
        self.figures.update(
            requests_made=len(orders), requests_acknowledged=len(told),
            requests_stored=len(stored), **{f"requests_{s}": n for s, n in states.items()},
            installed_once=sum(row["installs"] == 1 for row in stored.values()),
            cut_off=sum(device.n_cuts for device in self.crowd.devices),
            told_to_come_later=sum(device.n_refused for device in self.crowd.devices))

    def _billing(self):
        """One key for each request that is done."""
        done = {row["id"] for row in self._table(
            "select id::text from request where state = 'done'")}
        self._posted("billing", self.site.billing, done)

    def _verification(self):
        """One key for each request of a device that none had provisioned before."""
        if self.site.verification:
            provisioned, asked = set(), set()
            for order in self.crowd.orders:  # those of one device one after the other
                if order.dev not in provisioned:
                    asked.add(order.request)
                if order.ended == "done":
                    provisioned.add(order.dev)
            self._posted("verify", self.site.verification, asked)

    def _posted(self, kind, service, requests):
        """Each of these requests has one key of this kind; the service applied each once,
        however often it was sent."""
        effects = {row["key"]: row["id"] for row in self._table(
            "select key, r.id::text from outbox join request r on rid = request"
            f" where kind = '{kind}'")}
        received = service.records()
        applied = collections.Counter(record["key"] for record in received
                                      if not record["repeated"])
        self._must(applied.keys() == effects.keys(),
                   f"keys at {service.NAME} are not those stored")
        self._must(set(applied.values()) <= {1}, f"{service.NAME} applied a key twice")
        self._must(sorted(effects.values()) == sorted(requests),
                   f"the requests at {service.NAME} are not those that should be there")
        self.figures.update({f"{service.NAME}_keys": len(effects),
                             f"{service.NAME}_sent": len(received),
                             f"{service.NAME}_applied": sum(applied.values())})

    # -- mail ----------------------------------------------------------------------

    def _mail(self):
        """Each copy of terms came, with its text; once more only where the courier could not
        know, or tell the database, that the server had it."""
        if not self.site.mail:
            return
        came = collections.defaultdict(list)
        for message in self.site.mail.messages:
            came[message.parsed()["Message-ID"]].append(message)
        unsure = collections.Counter(
            line["key"] for event in ("effect_failed", "effect_unstored")
            for line in self.site.server.events(event, kind="mail"))
        rows = {f"<{row['key']}@{MAIL_FROM.split('@')[1]}>": row for row in self._table(
            "select o.key, o.state, r.state as request,"
            " extract(epoch from o.changed)::float8 as ended,"
            " payload ->> 'to' as to, payload ->> 'text' as text"
            " from outbox o join request r on rid = request where kind = 'mail'")}
        self._must(came.keys() <= rows.keys(), "mail that nobody wrote")
        self.figures.update(mail_written=len(rows), mail_arrived=sum(map(len, came.values())),
                            mail_repeats=0, mail_repeats_allowed=0, mail_not_needed=0)
        for name, row in rows.items():
            self._copy(row, came.get(name, []), unsure[row["key"]])

    def _copy(self, row, came, n_unsure):
        allowed = n_unsure + sum(
            kill.name in MAILING and bool(came) and came[0].at - 0.05 < kill.at < row["ended"]
            for kill in self.kills)
        is_needed = row["state"] == "done" or row["request"] != "declined"
        repeats = max(len(came) - 1, 0)
        self.figures["mail_not_needed"] += not came
        self.figures["mail_repeats"] += repeats
        self.figures["mail_repeats_allowed"] += allowed
        self._must((came or not is_needed) and repeats <= allowed,
                   f"mail came {len(came)} times, {allowed} may repeat: {row}")
        self._must(all(message.recipients == [row["to"]] and text_of(message) == row["text"]
                       for message in came), f"mail to another, or of another text: {row}")

    # -- short messages ----------------------------------------------------------

    def _arrived(self):
        """(when, text) of each part that came, by number and place in its message."""
        arrived = collections.defaultdict(list)
        for device in self.crowd.devices:
            for at, part in list(device.phone.parts):
                ref, total, seq = position(part)
                text = sms.decoded(part)
                key = device.phone.number, (ref, seq) if total > 1 else text
                arrived[key].append((at, text))
        return arrived

    def _written(self):
        """The attempts at each part, in the same way."""
        written = collections.defaultdict(list)
        for row in self._table(
                "select n.id, msisdn, text, concat_ref, parts, n.reason, part,"
                " array_agg(extract(epoch from p.sent)::float8 order by p.sent) as sent,"
                # Of the last attempt: an earlier one may have been refused for a while.
                " max(extract(epoch from p.acked)::float8) as acked,"
                " min(extract(epoch from p.reported)::float8) as reported,"
                " bool_or(p.state in ('acked', 'accepted', 'delivered')) as is_taken"
                " from notice n join notice_part p on notice = n.id group by n.id, part"):
            place = ((row["concat_ref"], row["part"]) if row["parts"] > 1 else row["text"])
            written[row["msisdn"], place].append(row)
        return written

    def _given_up(self):
        """When the link left a bearerbox that did not acknowledge in time, as often as it
        did: what was on its way it sends again."""
        return [Kill("SMSC link", seconds(line["time"]))
                for line in self.site.smsc.events("link_down", why="ack_timeout")]

    @staticmethod
    def _must_arrive(row):
        """Not a part that bearerbox never took, when its terms were answered (over the wide
        band) before it was due again: then nobody needs it any more."""
        return row["is_taken"] or row["reason"] != "notice_not_needed"

    def _has_arrived(self, written):
        arrived = self._arrived()
        return all(len(arrived.get(key, [])) >= sum(map(self._must_arrive, rows))
                   for key, rows in written.items())

    def _messages(self):
        """Each message that was needed arrived with its text; a part more often than once
        only if it was unacknowledged at a kill, and not more often than that."""
        self.kills = self.kills + self._given_up()
        # What bearerbox has it may be keeping for another try at the message centre.
        written = self._written()
        wait.in_vain_until(lambda: self._has_arrived(written), SETTLE_S)
        written, arrived = self._written(), self._arrived()
        self.figures.update(sms_parts=sum(map(len, written.values())),
                            sms_attempts=sum(len(row["sent"]) for rows in written.values()
                                             for row in rows),
                            sms_arrived=sum(map(len, arrived.values())), sms_repeats=0,
                            sms_repeats_allowed=0, sms_not_needed=0)
        self._must(arrived.keys() <= written.keys(), "messages that nobody wrote")
        for key, rows in written.items():
            self._part(key, rows, arrived.get(key, []))
        self._texts(arrived, written)

    def _part(self, key, rows, came):
        allowed = sum(map(self._in_hand, rows))
        wanted = sum(map(self._must_arrive, rows))
        repeats = len(came) - len(rows)
        self.figures["sms_not_needed"] += max(-repeats, 0)
        self.figures["sms_repeats"] += max(repeats, 0)
        self.figures["sms_repeats_allowed"] += allowed
        self._must(len(came) >= wanted and repeats <= allowed,
                   f"{key}: {len(came)} of {len(rows)} came, {wanted} must,"
                   f" {allowed} may repeat: {rows}")
        self._must(all(any(text in row["text"] for row in rows) for _, text in came),
                   f"{key}: another text: {came}")

    def _in_hand(self, row):
        """Kills at which this part was written, and unacknowledged: to the database by
        bearerbox, or to bearerbox by the message centre."""
        def ends(kill):
            return row["reported"] if kill.name == "bearerbox" else row["acked"]
        return sum(kill.name in NARROW_BAND and row["sent"][0] < kill.at + 0.05
                   and (ends(kill) is None or ends(kill) > kill.at)
                   for kill in self.kills)

    def _texts(self, arrived, written):
        """The parts of a message, put together, are its text."""
        by_notice = collections.defaultdict(dict)
        for key, rows in written.items():
            if len(rows) == 1 and arrived.get(key):
                by_notice[rows[0]["id"], rows[0]["text"]][rows[0]["part"]] = arrived[key][0][1]
        n_parts = {rows[0]["id"]: rows[0]["parts"] for rows in written.values()}
        for (notice, text), parts in by_notice.items():
            if len(parts) < n_parts[notice]:
                continue  # what is missing is told, or was not needed
            whole = "".join(parts[part] for part in sorted(parts))
            self._must(whole == text, f"notice {notice} arrived as {whole!r}, not {text!r}")
