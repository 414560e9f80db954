"""Includes go one way between folders, and each folder is entered by its front door."""

import re

import tree

# folder: the folders that it may include besides itself
ALLOWED = {
    "base": set(),
    "auth": {"base"},
    "gateway": {"auth", "base"},
    "provisioning": {"auth", "base"},
    "smsc": {"base"},
    "provctl": {"base"},
    "contrib/bench": {"auth", "base", "contrib/handset", "smsc"},
    "contrib/handset": {"auth", "base"},
    "contrib/smscsim": {"base"},
}
# Every header of base/ is a door; of auth/ only this one is.
FRONT_DOORS = {"auth": {"auth/auth.h"}}

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"')


def folder_of(name):
    parts = name.split("/")
    return "/".join(parts[:2]) if parts[0] == "contrib" else parts[0]


def project_includes():
    """(file, line, included) for each include in double quotes."""
    for path in tree.c_files():
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if match := INCLUDE.match(line):
                yield tree.name(path), number, match.group(1)


def test_includes_go_one_way():
    wrong = []
    for file, number, included in project_includes():
        here, there = folder_of(file), folder_of(included)
        if there != here and there not in ALLOWED[here]:
            wrong.append(f"{file}:{number}: {here} includes {included}")
    assert not wrong, "\n".join(wrong)


def test_folders_are_entered_by_their_front_door():
    wrong = []
    for file, number, included in project_includes():
        there = folder_of(included)
        doors = FRONT_DOORS.get(there)
        if there != folder_of(file) and doors and included not in doors:
            wrong.append(f"{file}:{number}: {included} is no front door of {there}")
    assert not wrong, "\n".join(wrong)


def test_includes_name_the_path_from_the_top():
    wrong = [
        f"{file}:{number}: no file {included} from the top"
        for file, number, included in project_includes()
        if not (tree.TOP / included).is_file()
    ]
    assert not wrong, "\n".join(wrong)


def test_a_source_includes_its_own_header_first():
    wrong = []
    for path in tree.c_files():
        header = path.with_suffix(".h")
        if path.suffix != ".c" or not header.exists():
            continue
        first = next((m.group(1) for m in map(INCLUDE.match, path.read_text().splitlines())
                      if m), None)
        if first != tree.name(header):
            wrong.append(f"{tree.name(path)}: includes {first} before its own header")
    assert not wrong, "\n".join(wrong)
