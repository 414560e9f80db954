"""A header says what it is for, and what its functions promise."""

import re

import pytest
import tree

HEADERS = [path for path in tree.c_files() if path.suffix == ".h"]
PROTOTYPE = re.compile(r"^(?!static|typedef|enum|struct \w+ \{)[a-z][\w ]*[ *](\w+)\(")
# Pairs of the field, whose promise is in their names.
PLAIN = ("_free", "_close", "_name", "_parse")


def bare(text):
    """Public functions without a comment: none above them, nor above the lines that they
    stand together with."""
    is_told = False
    for line in text.splitlines():
        if line.endswith("*/"):
            is_told = True
        elif not line:
            is_told = False
        found = PROTOTYPE.match(line)
        if found and not is_told and not found[1].endswith(PLAIN):
            yield found[1]


@pytest.mark.parametrize("path", HEADERS, ids=tree.name)
def test_a_header_opens_with_what_it_is_for(path):
    assert re.match(r"/\*(\n \*)? \S.+\n", path.read_text())


@pytest.mark.parametrize("path", HEADERS, ids=tree.name)
def test_a_public_function_says_what_it_promises(path):
    assert list(bare(path.read_text())) == []


def test_a_function_without_a_comment_is_noticed():
    assert list(bare("int x_count(void);\nvoid x_free(struct x *x);\n")) == ["x_count"]
    assert list(bare("/** Of x. */\nint x_n(void);\nint x_m(void);\n\nint x_o(void);\n")) == ["x_o"]
