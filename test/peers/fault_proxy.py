"""A TCP relay that does to a connection what networks do, at a byte of its choice.

    proxy = FaultProxy(port)
    proxy.plan(Fault("reset", to_server=True, at=517))

Each connection takes the next fault that was planned; one without a fault is relayed as
it is. A fault whose connection ended before its byte is for another one, a few times.
"""

import socket
import struct
import time
from dataclasses import dataclass

from relay import Relay

KINDS = ("reset", "end", "hole", "lose", "flip", "delay", "drip")
DELAY_S = 0.02
DRIP_BYTES = 40  # sent one by one
HOLDING_UP = ("delay", "drip")  # the connection goes on as if nothing had been
TRIES = 4


@dataclass(frozen=True)
class Fault:
    """What becomes of the bytes of one direction from offset `at` on.

    reset: both sides are reset; end: both sides are closed; hole: neither side hears
    of the other again; lose: one byte is missing; flip: one bit of it is another;
    delay: what comes then is late; drip: it comes byte by byte for a while.
    """
    kind: str
    to_server: bool
    at: int


class FaultProxy(Relay):
    def __init__(self, target_port, host="127.0.0.1"):
        self.faults = []  # (fault, how many connections had it)
        self.taken = {}  # by connection: such a pair, and the bytes each way since it has it
        self.broken = set()  # connections that met one and do not go on
        self.n_met = 0
        self.met_at = time.monotonic()
        super().__init__(target_port, host)

    def plan(self, *faults):
        """For the next connections, one each, in this order; one whose fault only held it
        up takes another."""
        with self.lock:
            self.faults.extend((fault, 0) for fault in faults)

    def n_left(self):
        """How many faults no connection has taken yet."""
        with self.lock:
            return len(self.faults)

    def is_done(self, quiet_s=1):
        """Whether every fault is taken, and none was met for a while: one may wait for bytes
        that never come that way."""
        with self.lock:
            return not self.faults and time.monotonic() - self.met_at > quiet_s

    def _take(self, pair):
        fault = self.faults.pop(0) if self.faults else (None, 0)
        self.taken[pair] = (*fault, {True: 0, False: 0})

    def _pump(self, pair):
        try:
            super()._pump(pair)
        finally:
            with self.lock:
                self.broken.discard(pair)
                fault, n_tries, _ = self.taken.pop(pair, (None, 0, None))
                if fault is not None and n_tries + 1 < TRIES:
                    self.faults.append((fault, n_tries + 1))

    def _pass_end(self, pair, sink):
        with self.lock:
            is_hole = pair in self.swallowed
        if not is_hole:
            super()._pass_end(pair, sink)

    def _pass(self, pair, sink, data):
        to_server = sink is pair[1]
        with self.lock:
            if pair not in self.taken or (self.taken[pair][0] is None
                                          and pair not in self.broken):
                self._take(pair)
            fault, _, seen = self.taken[pair]
            begin = seen[to_server]
            seen[to_server] += len(data)
            is_met = (fault is not None and fault.to_server == to_server
                      and begin + len(data) > fault.at)
            if is_met:
                self.n_met += 1
                self.met_at = time.monotonic()
                self.taken[pair] = (None, 0, seen)
                if fault.kind not in HOLDING_UP:
                    self.broken.add(pair)
        if not is_met:
            sink.sendall(data)
            return
        cut = max(fault.at - begin, 0)
        sink.sendall(data[:cut])
        getattr(self, f"_{fault.kind}")(pair, sink, data[cut:])

    @staticmethod
    def _reset(pair, sink, rest):
        for s in pair:
            # With nothing to linger for, close() resets.
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise ConnectionResetError

    @staticmethod
    def _end(pair, sink, rest):
        raise ConnectionAbortedError

    def _hole(self, pair, sink, rest):
        with self.lock:
            self.swallowed.add(pair)

    @staticmethod
    def _lose(pair, sink, rest):
        sink.sendall(rest[1:])

    @staticmethod
    def _flip(pair, sink, rest):
        sink.sendall(bytes([rest[0] ^ 1]) + rest[1:])

    @staticmethod
    def _delay(pair, sink, rest):
        time.sleep(DELAY_S)
        sink.sendall(rest)

    @staticmethod
    def _drip(pair, sink, rest):
        for i in range(min(len(rest), DRIP_BYTES)):
            sink.sendall(rest[i:i + 1])
            time.sleep(0.001)
        sink.sendall(rest[DRIP_BYTES:])
