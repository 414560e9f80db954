"""A real SMTP server (aiosmtpd) in a thread of the test, that fails as a test tells it.

    site.mail = mail.Mail(site.pki)
    site.mail.reply["rcpt"] = "450 4.2.0 Later"
    site.start("mail")

aiosmtpd is packaged, shares no code with libcurl, and needs no user of the system, no spool
and no daemon of its own, as a mail transfer agent would.

It wants TLS (STARTTLS, or from the first byte) and the user's password before it takes a
message, and keeps what it took in `messages`. `reply` is what it says instead at a step
(mail, rcpt, data), as often as `times` says; `speak` are bytes that it sends in place of
a greeting; `delay_s` is how long it waits before it takes a message, `confirm_s` before it
says that it did, `leave_s` before it answers to QUIT.
"""

import asyncio
import email
import email.policy
import ssl
import threading
import time
from dataclasses import dataclass

from aiosmtpd import smtp

from harness import wait
from harness.pki import SERVER

USER, PASSWORD = "provbox", "correct horse"


@dataclass
class Message:
    sender: str
    recipients: list
    name: str  # that the client greeted by
    is_encrypted: bool
    user: str
    content: bytes
    at: float  # when it was taken, by the wall clock

    def parsed(self):
        return email.message_from_bytes(self.content, policy=email.policy.default)


class _Speaker(asyncio.Protocol):
    """Says some bytes and nothing else."""

    def __init__(self, said):
        self.said = said

    def connection_made(self, transport):
        transport.write(self.said)


class Mail:
    def __init__(self, pki, *, is_implicit=False):
        leaf = pki.billing.issue("mail-server", dns=["localhost"], usages=[SERVER])
        self.trust = pki.billing.path
        self.is_implicit = is_implicit
        self.port = wait.free_port()
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.load_cert_chain(leaf.path, leaf.key_path)
        self.has_starttls = True
        self.messages, self.attempts = [], 0
        self.reply, self.times = {}, 1000
        self.speak = None
        self.delay_s = self.confirm_s = self.leave_s = 0
        self.loop = asyncio.new_event_loop()
        self.server = self.thread = None

    @property
    def url(self):
        return f"{'smtps' if self.is_implicit else 'smtp'}://localhost:{self.port}"

    def start(self):
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        wait.until(lambda: wait.is_listening(self.port), "the mail server")

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()

    def complaints(self):
        return []

    def _run(self):
        asyncio.set_event_loop(self.loop)
        self.server = self.loop.run_until_complete(self.loop.create_server(
            self._protocol, "127.0.0.1", self.port,
            ssl=self.context if self.is_implicit else None))
        self.loop.run_forever()
        self.server.close()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()

    def _protocol(self):
        self.attempts += 1
        if self.speak is not None:
            return _Speaker(self.speak)
        starttls = {"tls_context": self.context, "require_starttls": True} if (
            self.has_starttls and not self.is_implicit) else {}
        return smtp.SMTP(self, loop=self.loop, hostname="localhost", auth_required=True,
                         auth_require_tls=not self.is_implicit and self.has_starttls,
                         authenticator=self._authenticate, **starttls)

    def _authenticate(self, _server, session, _envelope, _mechanism, given):
        is_right = (given.login, given.password) == (USER.encode(), PASSWORD.encode())
        session.user = given.login.decode()
        return smtp.AuthResult(success=is_right, handled=False)

    def _instead(self, step):
        if step not in self.reply or self.times == 0:
            return None
        self.times -= 1
        return self.reply[step]

    # What aiosmtpd asks its handler.

    async def handle_MAIL(self, _server, _session, envelope, address, options):
        if said := self._instead("mail"):
            return said
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, _server, _session, envelope, address, _options):
        if said := self._instead("rcpt"):
            return said
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_QUIT(self, _server, _session, _envelope):
        await asyncio.sleep(self.leave_s)
        return "221 Bye"

    async def handle_DATA(self, _server, session, envelope):
        await asyncio.sleep(self.delay_s)
        said = self._instead("data")
        if said is None or said.startswith("lost"):
            self.messages.append(Message(
                envelope.mail_from, envelope.rcpt_tos, session.host_name,
                session.ssl is not None or self.is_implicit, session.user, envelope.content,
                time.time()))
            await asyncio.sleep(self.confirm_s)
        if said and said.startswith("lost"):
            _server.transport.abort()
        return said or "250 OK"
