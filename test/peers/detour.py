"""A relay on the way to a server, which can lead nowhere, on for ever, or to another.

    detour = Detour(port, server.port)
    detour.refuse()        # nobody listens
    detour.hang()          # somebody does, and says nothing
    detour.delay(0.2)      # each piece of an answer is late
    detour.lead_to(port)   # somebody else answers
    detour.restore()       # as it was; what went wrong is cut
"""

import contextlib
import socket
import threading
import time

from relay import Relay


class Detour(Relay):
    def __init__(self, port, target_port, host="127.0.0.1"):
        self.own_target = (host, target_port)
        self.is_refusing = False
        self.delay_s = 0
        super().__init__(target_port, host, port)

    def _pass(self, pair, sink, data):
        if sink is pair[0]:
            time.sleep(self.delay_s)
        super()._pass(pair, sink, data)

    def refuse(self):
        """The port stays ours: a listener that was shut down may listen again where it was
        bound, when it did not leave the choice to the kernel (Linux)."""
        self.is_refusing = True
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.threads[0].join()
        self.cut()

    def hang(self):
        self.swallow(self.connected())

    def delay(self, seconds):
        self.delay_s = seconds

    def lead_to(self, port):
        self.target = (self.target[0], port)
        self.cut()

    def restore(self):
        self.target, self.delay_s = self.own_target, 0
        self.pass_on()
        self.cut()
        if self.is_refusing:
            self.is_refusing = False
            self.listener.listen()
            self.threads[0] = threading.Thread(target=self._accept, daemon=True)
            self.threads[0].start()
