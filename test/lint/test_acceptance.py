"""doc/acceptance.md: each line of the list stands once, and each named test exists."""

import ast
import collections
import re

import pytest
import tree

PAGE = (tree.TOP / "doc" / "acceptance.md").read_text()
LINES = [f"A{n:03}" for n in range(1, 298)]
SCOPES = {"C", "S"}
LINES_PER_TEST = 6

ROW = re.compile(r"^\| (A\S*) \|.*\| (\S+) \| ([^|]*) \|$", re.MULTILINE)
TEST = re.compile(r"`([^`]+)::([^`]+)`")
BULLET = re.compile(r"^- (A[^:]*):", re.MULTILINE)  # A001, A004 to A006: why
RANGE = re.compile(r"(A\d+)(?:\s+to\s+(A\d+))?")


def names_in(file):
    """Names of the tests of a pytest module or of a CUnit program."""
    path = tree.TOP / file
    if not path.is_file():
        return set()
    text = path.read_text()
    if path.suffix == ".c":
        return set(re.findall(r"\bTEST\((\w+)\)", text))
    return {node.name for node in ast.parse(text).body
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def numbers(text):
    """The lines that a list with ranges names, in order."""
    for first, last in RANGE.findall(text):
        yield first
        yield from (f"A{n:03}" for n in range(int(first[1:]) + 1, int((last or first)[1:]) + 1))


def complaints(page):
    """What is wrong with a page, in words."""
    rows = ROW.findall(page)
    placed = [line for line, _, _ in rows]
    for bullet in BULLET.findall(page):
        placed += numbers(bullet)
    for line, n in collections.Counter(placed).items():
        if line not in LINES:
            yield f"{line}: no such line"
        if n > 1:
            yield f"{line}: stands {n} times"
    yield from (f"{line}: stands nowhere" for line in LINES if line not in placed)

    carried = collections.defaultdict(list)
    for line, scope, shown_by in rows:
        if scope not in SCOPES:
            yield f"{line}: no scope {scope}"
        if not TEST.search(shown_by) or TEST.sub("", shown_by).strip():
            yield f"{line}: not a list of tests: {shown_by}"
        for file, test in TEST.findall(shown_by):
            carried[file, test].append(line)
    for file, test in sorted(set(TEST.findall(page))):
        lines = carried[file, test]
        if test not in names_in(file):
            yield f"no test {file}::{test} for {', '.join(lines) or 'the text'}"
        if len(lines) > LINES_PER_TEST:
            yield f"{file}::{test} carries {len(lines)} lines: {', '.join(lines)}"


def test_the_page_is_in_order():
    found = list(complaints(PAGE))
    assert not found, "\n".join(found)


FLOW = "test/flow/test_provisioning.py::test_declined_terms_end_the_request"
UNIT = "test/unit/test_view.c::marks_one_choice"
LAST_ROW = ROW.findall(PAGE)[-1][0]


def added(*rows):
    """The page with rows after its last one; each is what stands before the scope."""
    end = PAGE.index("\n", PAGE.index(f"| {LAST_ROW} |")) + 1
    return PAGE[:end] + "".join(f"{row}\n" for row in rows) + PAGE[end:]


@pytest.mark.parametrize("page, complaint", [
    (PAGE.replace(FLOW, f"{FLOW}_now"), "no test test/flow/"),
    (PAGE.replace(UNIT, f"{UNIT}_now"), "no test test/unit/"),
    (PAGE.replace(FLOW, FLOW.replace("provisioning", "nothing")), "no test test/flow/"),
    (PAGE.replace(f"`{UNIT}`", "by hand and"), "not a list of tests"),
    (added(f"| A298 | beyond | C | `{UNIT}` |"), "A298: no such line"),
    (added(f"| A104 | again | C | `{UNIT}` |"), "A104: stands 2 times"),
    (PAGE + "- A100 to A104: later\n", "A104: stands 2 times"),
    (PAGE.replace("| A104 | ", "| A999 | "), "A104: stands nowhere"),
    (PAGE.replace("A283 to A290", "A283 to A289"), "A290: stands nowhere"),
    (added(f"| A012 | voice | X | `{UNIT}` |"), "A012: no scope X"),
    (added(*(f"| A9{n} | more | C | `{UNIT}` |" for n in range(6))), "carries 7 lines"),
], ids=lambda value: value if len(value) < 40 else "")
def test_a_page_that_is_wrong_is_noticed(page, complaint):
    assert page != PAGE
    assert any(complaint in found for found in complaints(page))
