"""debian/ fits the tree. Whether the packages are good, `make check-package` tells."""

import re

import tree

DEBIAN = tree.TOP / "debian"
CONTROL = (DEBIAN / "control").read_text()


def test_the_version_is_that_of_the_programs():
    (version,) = re.findall(r"AC_INIT\(\[provbox\], \[(.+?)\]\)",
                            (tree.TOP / "configure.ac").read_text())
    assert (DEBIAN / "changelog").read_text().startswith(f"provbox ({version}) ")


def test_each_program_is_in_one_package():
    makefiles = "\n".join(path.read_text() for path in (
        *tree.TOP.glob("*/local.mk"), *tree.TOP.glob("contrib/*/local.mk")))
    installed = [(place, program) for place, programs in
                 re.findall(r"^(s?bin)_PROGRAMS \+= (.+)$", makefiles, re.M)
                 for program in programs.split()]
    listed = [line for path in DEBIAN.glob("*.install")
              for line in path.read_text().splitlines()]
    assert len(installed) == 6
    for place, program in installed:
        assert listed.count(f"usr/{place}/{program.rpartition('/')[2]}") == 1, program


def test_what_building_needs_is_named_in_both_lists():
    """The others are of every machine that builds packages."""
    section = re.search(r"^# build:.*\n((?:[^#\n].*\n)+)",
                        (tree.TOP / "contrib/packages").read_text(), re.M)[1]
    libraries = {name for name in section.split() if name.endswith("-dev")}
    depends = re.search(r"^Build-Depends: (.*?)^\S", CONTROL, re.M | re.S)[1]
    assert libraries == set(re.findall(r"[\w.-]+-dev\b", depends))


def test_files_are_of_packages_that_there_are():
    packages = set(re.findall("^Package: (.+)$", CONTROL, re.M))
    named = {path.name.partition(".")[0] for path in DEBIAN.glob("provbox-*")
             if path.is_file()}
    assert named == packages


def test_what_is_copied_from_the_tree_is_there():
    for path in (*DEBIAN.glob("*.docs"), *DEBIAN.glob("*.examples")):
        for name in path.read_text().split():
            assert (tree.TOP / name).exists(), f"{path.name}: {name}"


def test_examples_are_where_documents_say_they_are():
    """A document names a file of contrib/ and the folder that packages have it in."""
    said = []
    for page in (tree.TOP / "README.md", *(tree.TOP / "doc").glob("*.md")):
        said += [(page.name, name, package) for name, package in re.findall(
            r"`contrib/(\w+)`[^`]*`/usr/share/doc/(provbox-[a-z]+)/examples`", page.read_text())]
    assert len(said) == 3
    for page, name, package in said:
        listed = (DEBIAN / f"{package}.examples").read_text().split()
        assert any(f"contrib/{name}" in (path, path.rpartition("/")[0]) for path in listed), page
