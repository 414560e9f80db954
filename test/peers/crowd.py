"""Many slow handsets at once, in one thread.

Each opens a connection of its own, does what its kind does, and reads until the gateway
ends it; what it was answered is the result.

    answers = crowd.run(site, leaf, 1000, crowd.silent)
"""

import asyncio
import resource
import ssl

from harness import http as plain

DRIP_S = 0.3
OPENING = 64  # handshakes at a time: a handset that waits for its turn is not slow


class Peer:
    """One connection, without TLS until open_tls()."""

    def __init__(self, site, context, gate):
        self.site, self.context, self.gate = site, context, gate

    async def open(self, **tls):
        self.reader, self.writer = await asyncio.open_connection(
            "127.0.0.1", self.site.airnet_port, limit=1 << 16, **tls)

    async def open_tls(self):
        async with self.gate:
            await self.open(ssl=self.context, server_hostname=self.site.pki.GATEWAY_NAME)

    def head(self, line, *fields):
        lines = [line, f"Host: {self.site.pki.SRV}", *fields]
        return "".join(f"{text}\r\n" for text in [*lines, ""]).encode()

    async def drip(self, data):
        """A byte at a time, until there are no more or nobody takes them."""
        for byte in data:
            self.writer.write(bytes([byte]))
            await self.writer.drain()
            await asyncio.sleep(DRIP_S)

    async def rest(self):
        """What comes until the end."""
        data = b""
        try:
            while piece := await self.reader.read(65536):
                data += piece
        except OSError:
            pass
        return data

    async def drip_and_rest(self, data):
        dripping = asyncio.ensure_future(self.drip(data))
        answer = await self.rest()
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)
        return answer


def _client_hello(context, name):
    sent = ssl.MemoryBIO()
    try:
        context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname=name).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return sent.read()


async def silent(peer):
    await peer.open()
    return await peer.rest()


async def dripping_hello(peer):
    await peer.open()
    return await peer.drip_and_rest(_client_hello(peer.context, peer.site.pki.GATEWAY_NAME))


async def half_closed(peer):
    await peer.open()
    peer.writer.write_eof()
    return await peer.rest()


async def slow_head(peer):
    await peer.open_tls()
    return await peer.drip_and_rest(peer.head("GET /v1/device HTTP/1.1"))


async def slow_body(peer):
    await peer.open_tls()
    peer.writer.write(peer.head("PUT /v1/requests/slow HTTP/1.1", "Content-Length: 100")
                      + b"x" * 50)
    return await peer.rest()


async def slow_reader(peer):
    """Asks for more than all buffers between hold, and takes nothing until it is cut."""
    await peer.open_tls()
    peer.writer.transport.pause_reading()
    peer.writer.write(peer.head("GET /v1/content/large HTTP/1.1"))
    await peer.cut_off.wait()
    peer.writer.transport.resume_reading()
    return await peer.rest()


async def _one(peer, kind):
    try:
        return await kind(peer)
    except OSError:
        return None  # cut off where it stood
    finally:
        if hasattr(peer, "writer"):
            peer.writer.transport.abort()


async def _all(site, leaf, n, kind, until):
    context = plain.context(site.pki.airnet, leaf)
    gate, cut_off = asyncio.Semaphore(OPENING), asyncio.Event()
    peers = [Peer(site, context, gate) for _ in range(n)]
    for peer in peers:
        peer.cut_off = cut_off
    running = asyncio.gather(*(_one(peer, kind) for peer in peers))
    if until:
        await asyncio.get_running_loop().run_in_executor(None, until)
        cut_off.set()
    return await running


def run(site, leaf, n, kind, until=None):
    """What each of n handsets of one kind read; None: it was cut off.

    Those that read nothing cannot see their own end: `until()` returns when it has come.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        return asyncio.run(_all(site, leaf, n, kind, until))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
