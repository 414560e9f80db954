"""Text of the tree: no leftovers, one form of header guards and of section rulers."""

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


def test_header_guards_name_the_file_and_differ():
    found, seen = [], {}
    for path in tree.c_files(*tree.PRODUCT_FOLDERS, "test"):
        if path.suffix != ".h":
            continue
        match = re.search(r"#ifndef (\w+)\n#define \1\n", path.read_text())
        guard = match.group(1) if match else ""
        if not guard.endswith(re.sub(r"\W", "_", path.name).upper()):
            found.append(f"{tree.name(path)}: guard is {guard!r}")
        if seen.setdefault(guard, path) is not path:
            found.append(f"{tree.name(path)}: shares its guard with {tree.name(seen[guard])}")
    assert not found, "\n".join(found)


def test_rulers_are_one_short_line():
    """Longer ones are broken in two by clang-format."""
    found = [
        f"{tree.name(path)}:{number}: {line}"
        for path in tree.c_files(*tree.PRODUCT_FOLDERS, "test")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if "/* --" in line and not re.fullmatch(r"/\* ---- .*[^-] ---- \*/", line)
    ]
    assert not found, "\n".join(found)
