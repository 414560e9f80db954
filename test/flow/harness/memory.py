"""How much memory a program has ever had."""

import pathlib

from harness import paths


def peak_kib(pid):
    """Of a process that runs; 0 once it has gone."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    found = status.partition("VmHWM:")[2].split()
    return int(found[0]) if found else 0


def is_judged():
    """Not in a sanitized build: it keeps freed memory for a while."""
    return not paths.is_sanitized()
