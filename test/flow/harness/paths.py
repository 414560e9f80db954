"""Where the sources, the built programs, the system's programs and scratch space are."""

import os
import pathlib
import shutil

SOURCE = pathlib.Path(os.environ.get("PROVBOX_SRCDIR", pathlib.Path(__file__).parents[3]))
BUILD = pathlib.Path(os.environ.get("PROVBOX_BUILDDIR", "."))
IS_INSTALLED = bool(os.environ.get("PROVBOX_INSTALLED"))  # programs as the system has them
POSTGRES = max(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), default=None)

MEMORY_BYTES = 1 << 30

# Programs that are built beside their sources; the others are at the top.
BESIDE_SOURCES = {
    "handset": "contrib/handset/handset",
    "provctl": "provctl/provctl",
    "smscsim": "contrib/smscsim/smscsim",
}


def program(name):
    if IS_INSTALLED:
        path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/local/sbin:/usr/sbin")
        assert path, f"{name} is not installed"
        return path
    path = BUILD / BESIDE_SOURCES.get(name, name)
    assert os.access(path, os.X_OK), f"{path} is not built"
    return str(path)


def is_sanitized():
    """Whether the programs are a build with sanitizers, which is slower, keeps freed memory
    for a while, and has to be dumpable for its search for leaks."""
    return b"libasan" in pathlib.Path(program("provbox-gateway")).read_bytes()


def memory_directory():
    """Memory, when there is room and programs may run from it: a new database or a
    spooled message costs a disk some hundred milliseconds."""
    shm = pathlib.Path("/dev/shm")
    if (os.access(shm, os.W_OK) and shutil.disk_usage(shm).free > MEMORY_BYTES
            and not os.statvfs(shm).f_flag & os.ST_NOEXEC):
        return shm
    return pathlib.Path("/tmp")
