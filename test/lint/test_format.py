"""The C files are as `make format` leaves them."""

import re
import shutil
import subprocess

import pytest
import tree

# Each version formats a little differently; this is Debian 12's.
VERSION = "14"


def test_make_format_changes_nothing():
    program = shutil.which("clang-format")
    if not program:
        pytest.skip("no clang-format")
    told = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
    version = re.search(r"version (\d+)", told)
    if not version or version[1] != VERSION:
        pytest.skip(f"not version {VERSION}: {told.strip()}")
    files = list(tree.c_files(*tree.PRODUCT_FOLDERS, "test"))
    ended = subprocess.run([program, "--dry-run", "-Werror", *files], capture_output=True,
                           text=True, cwd=tree.TOP)
    wrong = sorted({line.split(":")[0].removeprefix(f"{tree.TOP}/")
                    for line in ended.stderr.splitlines() if ": error: " in line})
    assert ended.returncode == 0, f"type `make format`; it changes {' '.join(wrong)}"
