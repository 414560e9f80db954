"""A TCP relay that counts bytes each way, independent of what passes through it.

It stands on the landnet leg as the witness that nothing of a request was forwarded,
and can cut connections for tests of what happens then.
"""

import contextlib
import selectors
import socket
import threading
import time

CHUNK_BYTES = 64 * 1024


class Relay:
    """Listens on a loopback port of its own, or a given one, and connects each client to the
    target."""

    def __init__(self, target_port, host="127.0.0.1", port=0):
        self.target = (host, target_port)
        self.listener = socket.create_server((host, port))
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.to_server_bytes = 0
        self.to_client_bytes = 0
        self.connections = 0
        self.pairs = set()
        self.swallowed = set()
        self.swallows_new = False
        self.is_open = True
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()

    def _accept(self):
        while self.is_open:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._relay, args=(client,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def _relay(self, client):
        with contextlib.ExitStack() as sockets:
            sockets.enter_context(client)
            try:
                server = sockets.enter_context(socket.create_connection(self.target))
            except OSError:
                return
            pair = (client, server)
            with self.lock:
                self.connections += 1
                self.pairs.add(pair)
                if self.swallows_new:
                    self.swallowed.add(pair)
            try:
                self._pump(pair)
            except OSError:
                pass
            finally:
                with self.lock:
                    self.pairs.discard(pair)
                    self.swallowed.discard(pair)

    def _pump(self, pair):
        """Until both directions have ended; an end is passed on as an end."""
        client, server = pair
        for s in pair:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            while selector.get_map():
                for key, _ in selector.select():
                    data = key.fileobj.recv(CHUNK_BYTES)
                    if not data:
                        selector.unregister(key.fileobj)
                        self._pass_end(pair, key.data)
                        continue
                    with self.lock:
                        if key.fileobj is client:
                            self.to_server_bytes += len(data)
                        else:
                            self.to_client_bytes += len(data)
                        if pair in self.swallowed:
                            continue
                    self._pass(pair, key.data, data)

    def _pass_end(self, pair, sink):
        sink.shutdown(socket.SHUT_WR)

    def _pass(self, pair, sink, data):
        """Bytes that came in on the other end of a pair; an OSError ends the pair."""
        sink.sendall(data)

    def wait_quiet(self, quiet_s=0.2):
        """Until nothing has gone to the server for some time."""
        before = None
        while before != self.to_server_bytes:
            before = self.to_server_bytes
            time.sleep(quiet_s)

    def begin(self):
        """Count from here on: a gateway has opened its control streams."""
        with self.lock:
            self.connections = self.to_server_bytes = self.to_client_bytes = 0

    def connected(self):
        """The connections of now."""
        with self.lock:
            return list(self.pairs)

    def swallow(self, pairs):
        """Keep these connections, and all to come, but pass nothing on any more."""
        with self.lock:
            self.swallowed.update(pairs)
            self.swallows_new = True

    def pass_on(self):
        """Cut what is swallowed, and pass on what comes from now on."""
        with self.lock:
            pairs, self.swallows_new = list(self.swallowed), False
        self._cut(pairs)

    def cut(self):
        """End every connection at once, as a broken link does."""
        self._cut(self.connected())

    @staticmethod
    def _cut(pairs):
        for pair in pairs:
            for s in pair:
                with contextlib.suppress(OSError):
                    s.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.is_open = False
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()
        for thread in self.threads:
            thread.join(5)
