"""Where the sources, the built programs and the system's programs are."""

import os
import pathlib

SOURCE = pathlib.Path(os.environ.get("PROVBOX_SRCDIR", pathlib.Path(__file__).parents[3]))
BUILD = pathlib.Path(os.environ.get("PROVBOX_BUILDDIR", "."))
POSTGRES = max(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), default=None)

# program: its path in the build directory
PROGRAMS = {
    "provbox-gateway": "gateway/provbox-gateway",
    "provbox-server": "provisioning/provbox-server",
    "provbox-smsc": "smsc/provbox-smsc",
    "provctl": "provctl/provctl",
    "handset": "contrib/handset/handset",
    "smscsim": "contrib/smscsim/smscsim",
}


def program(name):
    path = BUILD / PROGRAMS[name]
    assert os.access(path, os.X_OK), f"{path} is not built"
    return str(path)
