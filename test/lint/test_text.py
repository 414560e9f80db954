"""Text of the tree: no leftovers, one header guard form."""

import re

import tree

LEFTOVER = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b")


def test_nothing_is_left_to_do():
    found = [
        f"{tree.name(path)}:{number}: {line.strip()}"
        for path in tree.c_files(*tree.PRODUCT_FOLDERS, "test")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if LEFTOVER.search(line)
    ]
    assert not found, "\n".join(found)


def test_header_guards_are_the_path():
    found = []
    for path in tree.c_files(*tree.PRODUCT_FOLDERS, "test"):
        guard = re.sub(r"\W", "_", tree.name(path)).upper()
        if path.suffix == ".h" and f"#ifndef {guard}\n#define {guard}\n" not in path.read_text():
            found.append(f"{tree.name(path)}: guard is not {guard}")
    assert not found, "\n".join(found)
