"""Pages that are made from tables are as their tables are."""

import subprocess
import sys

import tree


def made(script, *arguments):
    return subprocess.run([sys.executable, tree.TOP / "contrib/pages" / script, *arguments],
                          stdout=subprocess.PIPE, text=True, check=True).stdout


def test_the_page_of_reasons_is_that_of_the_schema():
    assert (tree.TOP / "doc/reasons.md").read_text() == made("reasons"), (
        "contrib/pages/reasons >doc/reasons.md")
