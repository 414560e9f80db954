"""doc/attacks.md: each attack has a test, and each named test exists."""

import re

import tree
from test_acceptance import TEST, names_in

PAGE = (tree.TOP / "doc" / "attacks.md").read_text()
ROW = re.compile(r"^\| (?!attack|-|\| attack)(.*) \| ([^|]*) \|$", re.MULTILINE)


def complaints(page):
    rows = ROW.findall(page)
    yield from (f"no list of tests: {shown_by}" for _, shown_by in rows
                if not TEST.search(shown_by) or TEST.sub("", shown_by).strip())
    yield from (f"no test {file}::{test}" for file, test in sorted(set(TEST.findall(page)))
                if test not in names_in(file))


def test_every_attack_has_its_test():
    assert len(ROW.findall(PAGE)) > 20
    assert list(complaints(PAGE)) == []


def test_a_page_that_is_wrong_is_noticed():
    file, test = TEST.findall(PAGE)[0]
    assert any(test in text for text in complaints(PAGE.replace(f"::{test}", f"::{test}_now")))
    assert any("by hand" in text for text in complaints(PAGE.replace(f"`{file}::{test}`", "by hand")))
