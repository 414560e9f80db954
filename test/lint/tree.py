"""The source tree as lint tests see it: C files without comments and strings."""

import os
import pathlib
import re

TOP = pathlib.Path(os.environ.get("PROVBOX_SRCDIR", pathlib.Path(__file__).parents[2]))
PRODUCT_FOLDERS = (
    "base", "auth", "gateway", "provisioning", "smsc", "provctl", "contrib",
)

_COMMENT_OR_STRING = re.compile(
    r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.DOTALL)


def c_files(*folders):
    """Paths of all C sources and headers of some top-level folders, sorted."""
    for folder in folders or PRODUCT_FOLDERS:
        yield from sorted(p for p in (TOP / folder).rglob("*.[ch]"))


def _blank(match):
    """Keep line numbers: a comment becomes its newlines, a string an empty one."""
    text = match.group()
    return "\n" * text.count("\n") + ('""' if text[0] == '"' else "")


def code_lines(path):
    """(line number, code) of a file, without comments and the insides of strings."""
    code = _COMMENT_OR_STRING.sub(_blank, path.read_text())
    return enumerate(code.splitlines(), 1)


def name(path):
    return str(path.relative_to(TOP))
