"""A wall clock that jumps: test/fault/shifted_clock.c is preloaded into a daemon.

    clock = clock.Clock(site.directory, "gateway")
    site.gateway.env.update(clock.environment)
    ...
    clock.shift(clock.MONTH_S)  # all its processes, from now on
"""

import mmap
import struct

from harness import paths

HOUR_S = 3600
MONTH_S = 30 * 24 * HOUR_S
SHIFT = struct.Struct("q")


class Clock:
    def __init__(self, directory, name):
        path = directory / f"{name}.clock"
        path.write_bytes(bytes(SHIFT.size))
        with open(path, "r+b") as file:
            self.shared = mmap.mmap(file.fileno(), SHIFT.size)
        self.environment = {"LD_PRELOAD": str(paths.BUILD / "test/fault/shifted_clock.so"),
                            "SHIFTED_CLOCK": str(path)}

    def shift(self, seconds):
        """By how much it differs from everybody's."""
        self.shared[:] = SHIFT.pack(seconds)
