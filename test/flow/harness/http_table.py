"""The table of HTTP messages, test/vectors/http.txt, which describes itself.

    for row in http_table.rows("request"):
        device.send(row.data)
"""

import re
from dataclasses import dataclass

from harness import paths

TABLE = paths.SOURCE / "test" / "vectors" / "http.txt"

# Of the names of base/http.h, as a server answers them (RFC 9110, 15).
STATUS = {
    "bad_line": 400, "bad_target": 400, "bad_field": 400, "bare_lf": 400, "bad_length": 400,
    "bad_chunk": 400, "bad_host": 400, "target_too_long": 414, "unwanted_upgrade": 501,
    "bad_expect": 417, "head_too_large": 431, "too_many_fields": 431, "unknown_method": 501,
    "bad_coding": 501, "bad_version": 505,
}

_REPEAT = re.compile(r"\\\(((?:[^*])*)\*(\d+)\)")
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|(.))")
_LETTERS = {"r": "\r", "n": "\n", "t": "\t", "s": " ", "\\": "\\"}


@dataclass(frozen=True)
class Row:
    name: str
    kind: str
    result: str
    data: bytes

    @property
    def is_refused(self):
        return self.result not in ("ok", "more")


def _unescape(text):
    text = _REPEAT.sub(lambda match: match[1] * int(match[2]), text)
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)) if match[1] else _LETTERS[match[2]],
                       text).encode("latin-1")


def rows(*kinds):
    """The messages of some kinds, in the order of the table."""
    made = []
    for line in TABLE.read_text().splitlines():
        if line and line[0] != "#":
            name, kind, result, text = line.split(" ", 3)
            made.append(Row(name, kind, result, _unescape(text)))
    return [row for row in made if row.kind in kinds]
