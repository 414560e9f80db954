"""A mutant that no longer fits the tree shows nothing: make mutants runs for minutes,
so that this is seen here, at once."""

import re
import subprocess

import pytest
import tree

MUTANTS = sorted((tree.TOP / "test/mutants").glob("*.patch"))


def misfit(patch):
    """What patch(1) says of a change that it cannot make."""
    tried = subprocess.run(
        ["patch", "-p1", "--dry-run", "--force", "-d", tree.TOP, "-i", patch],
        stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return tried.returncode and tried.stdout + tried.stderr


@pytest.mark.parametrize("patch", MUTANTS, ids=tree.name)
def test_a_mutant_fits_the_tree(patch):
    assert not misfit(patch)


@pytest.mark.parametrize("patch", MUTANTS, ids=tree.name)
def test_a_mutant_names_a_test_that_exists(patch):
    named = re.search(r"^Test: (\S+)$", patch.read_text(), re.MULTILINE)
    assert named, "no line `Test: NODE`"
    path, _, function = named[1].partition("::")
    if path.startswith("test/unit/"):
        assert (tree.TOP / f"{path}.c").exists()
    else:
        name = function.partition("[")[0]
        assert f"def {name}(" in (tree.TOP / "test" / path).read_text()


def test_a_patch_that_fits_nowhere_is_noticed(tmp_path):
    patch = tmp_path / "x.patch"
    patch.write_text("--- a/configure.ac\n+++ b/configure.ac\n"
                     "@@ -1,2 +1,2 @@\n no such line\n-nor this\n+other\n")
    assert misfit(patch)
