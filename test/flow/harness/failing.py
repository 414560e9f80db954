"""One call of one process fails: test/fault/failing_calls.c is preloaded into a daemon.

    plan = failing.Plan(site.directory)
    site.gateway.env.update(plan.environment)
    ...
    plan.arm("worker", failing.CALLS, 7)
    ...
    name = plan.disarm()  # of the call that failed, or None when there were fewer
"""

import mmap
import struct

from harness import paths

CALLS, MEMORY = 1, 2
LAYOUT = struct.Struct("IIIi16s16s")  # as struct plan


class Plan:
    def __init__(self, directory):
        path = directory / "failing-calls"
        path.write_bytes(bytes(LAYOUT.size))
        with open(path, "r+b") as file:
            self.shared = mmap.mmap(file.fileno(), LAYOUT.size)
        self.environment = {"LD_PRELOAD": str(paths.BUILD / "test/fault/failing_calls.so"),
                            "FAILING_CALLS": str(path)}

    def arm(self, role, what, n, error=0):
        """The n-th call from now on fails in a process of the role."""
        self.shared[:] = LAYOUT.pack(0, n, 0, error, role.encode(), b"")
        self.shared[:4] = struct.pack("I", what)

    def disarm(self):
        self.shared[:4] = struct.pack("I", 0)
        failed = LAYOUT.unpack(self.shared[:])[5]
        return failed.rstrip(b"\0").decode() or None
