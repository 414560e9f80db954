"""What a step of the demo that failed probably failed by, and what to do about it."""

import re

from harness import paths

# In what was said, by the first of these that is in it.
CAUSES = (
    (r"No space left on device|Disk quota exceeded|ENOSPC",
     "a disk is full: `df -h . /dev/shm /tmp` shows which"),
    (r"Cannot allocate memory|out of memory|MemoryError",
     "there is not enough memory: `free -m`"),
    (r"[Aa]ddress already in use",
     "another program has taken one of its ports, which are free ones each time: `ss -ltnp` names"
     " it, and `contrib/demo --stop` ends another demo"),
    (r"Permission denied|Operation not permitted|PermissionError",
     "a file belongs to somebody else, mostly to root, who ran the demo before:"
     " `sudo rm -rf build/demo`; or a container forbids what the sandbox needs"),
    (r"error while loading shared libraries",
     "a library is missing: `contrib/install-packages`; after an upgrade of the system"
     " `rm -rf build/demo`"),
    (r"is not installed|is not built|No such file or directory: '[^']*(initdb|postgres|bearerbox)",
     "a program is missing: `contrib/install-packages`"),
    (r"waited [0-9.]+ s in vain|TimeoutExpired|timed out after",
     "this machine is too busy, see `uptime`, or a part hangs: its log is the one that ends"
     " earliest"),
)
OTHERWISE = "read the last lines above from the end, and the log of the part that failed"


def advice(said):
    """What to do after a failure with these words."""
    return next((what for pattern, what in CAUSES if re.search(pattern, said)), OTHERWISE)


def missing():
    """What the demo cannot begin without; None: all is there."""
    if paths.POSTGRES is None:
        return "there is no PostgreSQL server in /usr/lib/postgresql: `contrib/install-packages`"
    return None
