"""What a program says of itself with --describe (base/describe.h)."""

import subprocess

from harness import paths

PROGRAMS = ["provctl", "handset", "smscsim", "provbox-gateway", "provbox-server", "provbox-smsc"]
FIELDS = {
    "command": ("words", "arguments", "help", "example"),
    "option": ("words", "letter", "name", "argument", "help"),
    "section": ("name", "help"),
    "key": ("section", "name", "type", "need", "default", "min", "max", "help"),
}


def rows(program, kind):
    """Its rows of a kind, each a dict of texts."""
    done = subprocess.run([paths.program(program), "--describe"], text=True, capture_output=True,
                          check=True, timeout=20)
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    return [dict(zip(FIELDS[kind], line[1:], strict=True)) for line in lines if line[0] == kind]
