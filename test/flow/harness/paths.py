"""Where the sources, the built programs and the system's programs are."""

import os
import pathlib

SOURCE = pathlib.Path(os.environ.get("PROVBOX_SRCDIR", pathlib.Path(__file__).parents[3]))
BUILD = pathlib.Path(os.environ.get("PROVBOX_BUILDDIR", "."))
POSTGRES = max(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), default=None)

# Programs that are built beside their sources; the others are at the top.
BESIDE_SOURCES = {
    "handset": "contrib/handset/handset",
    "provctl": "provctl/provctl",
    "smscsim": "contrib/smscsim/smscsim",
}


def program(name):
    path = BUILD / BESIDE_SOURCES.get(name, name)
    assert os.access(path, os.X_OK), f"{path} is not built"
    return str(path)
