"""What lies in the tree is built, run or installed: a file that no local.mk names is not."""

import re

import tree


def words_of_makefiles():
    files = [tree.TOP / "Makefile.am", *tree.TOP.glob("*/local.mk"),
             *tree.TOP.glob("contrib/*/local.mk")]
    return set(re.findall(r"[\w./-]+", "\n".join(file.read_text() for file in files)))


def test_every_unit_test_is_a_program():
    named = words_of_makefiles()
    left_out = [tree.name(path) for path in tree.c_files("test/unit")
                if path.suffix == ".c" and tree.name(path).removesuffix(".c") not in named]
    assert not left_out, f"check_PROGRAMS of no local.mk has {' '.join(left_out)}"


def test_every_source_is_built():
    named = words_of_makefiles()
    left_out = [tree.name(path) for path in tree.c_files(*tree.PRODUCT_FOLDERS)
                if tree.name(path) not in named]
    assert not left_out, f"no local.mk names {' '.join(left_out)}"


def test_every_migration_is_installed():
    named = words_of_makefiles()
    left_out = [tree.name(path) for path in sorted((tree.TOP / "provisioning/sql").glob("*.sql"))
                if tree.name(path) not in named]
    assert not left_out, f"provisioning/local.mk does not name {' '.join(left_out)}"


def test_programs_are_made_for_the_last_migration():
    last = max(int(path.name[:3]) for path in (tree.TOP / "provisioning/sql").glob("[0-9]*.sql"))
    stands = (tree.TOP / "base/schema.h").read_text()
    assert f"#define SCHEMA_VERSION {last}\n" in stands, "base/schema.h names another version"
