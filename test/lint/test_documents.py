"""Documents name what exists: files, links, functions, commands, options, targets.

What they say about it is for people to check; a name that is gone is found here.
"""

import ast
import contextlib
import functools
import pathlib
import re
import shlex

import pytest
import tree

PAGES = sorted([*tree.TOP.glob("*.md"), *(tree.TOP / "doc").rglob("*.md")])
FOLDERS = (*tree.PRODUCT_FOLDERS, "doc", "m4", "test")
SUFFIXES = "c|h|md|mk|py|sh|sql|svg|txt|yaml"

# What stands for one of many, as in "test_x.c for x.c".
PATTERNS = {"x.c", "test_x.c", "test_x.py", "fuzz_x.c", "NNN_*.sql", "*.sql"}
# Of automake, or of everybody's shell.
TARGETS = {"all", "check", "clean", "dist", "distcheck", "install", "uninstall"}
VARIABLES = {"DESTDIR", "TESTS", "CC"}
OPTIONS = {"--args"}  # of gdb


def sources():
    """What functions and options are looked for in."""
    files = [*tree.c_files(*tree.PRODUCT_FOLDERS, "test"),
             *(tree.TOP / "provisioning" / "sql").glob("*.sql"),
             *(tree.TOP / "m4").glob("*.m4"), *(tree.TOP / "test/flow").rglob("*.py"),
             *(tree.TOP / "contrib").glob("*"), tree.TOP / "test" / "mutants" / "run",
             tree.TOP / "configure.ac"]
    return "\n".join(path.read_text() for path in files if path.is_file())


@functools.cache
def names():
    """Words that are followed by a parenthesis, and words that are quoted or a flag."""
    text = sources()
    return (set(re.findall(r"\b(\w+)\s*\(", text)),
            set(re.findall(r"[\"'](?:--)?([a-z][a-z0-9-]+)[\"']", text))
            | set(re.findall(r"--([a-z][a-z0-9-]+)", text)))


@functools.cache
def makefiles():
    paths = [tree.TOP / "Makefile.am", *tree.TOP.glob("*/local.mk"),
             *tree.TOP.glob("contrib/*/local.mk")]
    return "\n".join(path.read_text() for path in paths)


@functools.cache
def file_names():
    return {path.name for folder in FOLDERS for path in (tree.TOP / folder).rglob("*")}


def commands_of_provctl():
    rows = (tree.TOP / "provctl" / "commands.c").read_text()
    return {tuple(words.split()) for words in re.findall(r'ROW\("([a-z ]+)"\)', rows)}


def anchor(heading):
    return re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-")


# -- one kind of name each: (text of a page, its folder) -> what is wrong ------------


def wrong_links(text, folder):
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"\w+:", target):
            continue
        path, _, heading = target.partition("#")
        file = folder / path if path else None
        if file and not file.exists():
            yield f"link to {target}"
        page = file.read_text() if file and file.is_file() else text
        headings = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
        if heading and heading not in map(anchor, headings):
            yield f"link to {target}: no such heading"


def expand(path):
    """a{b,c}d as shells do."""
    match = re.fullmatch(r"([^{]*)\{([^}]*)\}(.*)", path)
    if not match:
        return [path]
    return [match[1] + middle + match[3] for middle in match[2].split(",")]


def wrong_files(text, _folder):
    paths = set(re.findall(r"(?<![\w/.])((?:%s)/[\w./*{},-]*[\w*}/])" % "|".join(FOLDERS), text))
    paths |= set(re.findall(r"(?<![\w/.*-])([\w./*-]+\.(?:%s))\b" % SUFFIXES, text))
    for path in sorted(paths):
        for one in expand(path.rstrip(".")):
            if one[0] == "/" or one.split("/")[-1] in PATTERNS or one in file_names():
                continue
            places = (one, f"{one}.c", f"*/{one}")  # a program is made of its .c
            if not any(any(tree.TOP.glob(place)) for place in places):
                yield f"file {one}"


def wrong_functions(text, _folder):
    functions, _ = names()
    for name in sorted(set(re.findall(r"`(\w+)\(\)`", text))):
        if name not in functions:
            yield f"function {name}()"


def wrong_tables(text, _folder):
    source = sources()
    for name in sorted(set(re.findall(r"`(\w+)\[\]`", text))):
        if not re.search(rf"\b{name}\[\w*\] = \{{", source):
            yield f"table {name}[]"


def wrong_places(text, _folder):
    """`table[]` in `file`, `function()` (file)."""
    place = r"`(\w+)(\[\]|\(\))`\s(?:in `([\w/]+\.[ch])`|\(([\w/]+\.(?:c|sql))\b)"
    for name, kind, inside, beside in re.findall(place, text):
        file = inside or beside
        files = [path for folder in tree.PRODUCT_FOLDERS + ("test",)
                 for path in (tree.TOP / folder).rglob(pathlib.Path(file).name)
                 if tree.name(path).endswith(file)]
        made = rf"\b{name}\[\w*\] = \{{" if kind == "[]" else rf"^\w.*\b{name}\("
        if not any(re.search(made, path.read_text(), re.MULTILINE) for path in files):
            yield f"{name}{kind} in {file}"


def wrong_options(text, _folder):
    _, options = names()
    for option in sorted(set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+\b(?!-)", text))):
        known = option[2:].removeprefix("enable-")
        if option not in OPTIONS and known not in options | set(switches()):
            yield f"option {option}"


def switches():
    """--enable-NAME of configure."""
    return re.findall(r"AC_ARG_ENABLE\(\[(\w+)\]", (tree.TOP / "m4/provbox.m4").read_text())


def command_lines(text):
    """Indented lines, and what stands in backticks, without comments."""
    for line in re.findall(r"^\t(.*)$", text, re.MULTILINE) + re.findall(r"`([^`\n]+)`", text):
        for command in re.split(r"&&|;|\|", line.split(" #")[0]):
            with contextlib.suppress(ValueError):  # a quote that ends on another line
                words = shlex.split(command)
                if words:
                    yield words


def wrong_targets(text, _folder):
    known = TARGETS | {target for line in re.findall(r"^([\w -]+):(?!=)", makefiles(), re.M)
                       for target in line.split()}
    variables = VARIABLES | set(re.findall(r"^(\w+) =", makefiles(), re.M))
    for program, *words in command_lines(text):
        if program != "make":
            continue
        for word in words:
            name, equals, _ = word.partition("=")
            if equals and name not in variables:
                yield f"make variable {name}"
            if not equals and re.fullmatch(r"[a-z][a-z-]*", word) and word not in known:
                yield f"make target {word}"


def wrong_commands(text, _folder):
    for program, *words in command_lines(text):
        if program.split("/")[-1] == "provctl":
            words = [w for w in words if re.fullmatch(r"[a-z]+", w)][:2]
            if words and not any(tuple(words[:len(known)]) == known
                                 for known in commands_of_provctl()):
                yield f"command provctl {' '.join(words)}"
        if program.startswith("contrib/") and words and (tree.TOP / program).is_file():
            help_text = (tree.TOP / program).read_text()
            for word in words:
                if word not in help_text and not word.isupper():
                    yield f"{program} {word}"


def wrong_events(text, _folder):
    source = sources()
    for event in sorted(set(re.findall(r"\bev=(\w+)", text))):
        if f'"{event}"' not in source:
            yield f"event ev={event}"


CHECKS = (wrong_links, wrong_files, wrong_functions, wrong_tables, wrong_places, wrong_options,
          wrong_targets, wrong_commands, wrong_events)


def test_a_decision_has_a_number_of_its_own_and_stands_under_it():
    pages = sorted((tree.TOP / "doc" / "decisions").glob("*.md"))
    assert [path.name[:3] for path in pages] == [
        f"{number:03}" for number in range(1, len(pages) + 1)]
    for path in pages:
        assert path.read_text().startswith(f"# {path.name[:3]}: "), path.name


@pytest.mark.parametrize("page", PAGES, ids=tree.name)
def test_a_page_names_what_exists(page):
    found = [f"{tree.name(page)}: {wrong}" for check in CHECKS
             for wrong in check(page.read_text(), page.parent)]
    assert not found, "named, but not there:\n" + "\n".join(found)


@pytest.mark.parametrize("check, text", [
    (wrong_links, "[x](doc/nowhere.md)"),
    (wrong_links, "[x](HACKING.md#no-such-heading)"),
    (wrong_files, "`base/nowhere.c`"),
    (wrong_files, "`test/vectors/{grant,nowhere}.json`"),
    (wrong_files, "see nowhere.sql"),
    (wrong_functions, "`no_such_function()`"),
    (wrong_tables, "`no_such_table[]`"),
    (wrong_places, "`routes[]` in `gateway/route.c`"),
    (wrong_places, "`relay()` (pool.c)"),
    (wrong_options, "`--no-such-option`"),
    (wrong_targets, "\tmake nowhere"),
    (wrong_targets, "\tmake check NOTHING=x"),
    (wrong_commands, "\tprovctl device destroy DEV"),
    (wrong_commands, "\tcontrib/demo --nowhere"),
    (wrong_commands, "\tcontrib/check lint nowhere"),
    (wrong_events, "`ev=no_such_event`"),
])
def test_a_name_that_is_gone_is_noticed(check, text):
    assert list(check(text, tree.TOP))


# -- facts that stand in two places --------------------------------------------------


def test_the_exit_statuses_of_the_handset_are_those_of_its_page():
    page = (tree.TOP / "doc/airnet.md").read_text()
    table = re.search(r"exit status:\n\n(.*?)\n\n", page, re.DOTALL)[1]
    told = {name: int(number) for number, name in re.findall(r"\| (\d+) (\w+)", table)}
    words = (tree.TOP / "contrib/handset/words.c").read_text()
    known = {name: int(number) for name, number in
             re.findall(r'\[OUTCOME_\w+\] = \{ "(\w+)", (\d+) \}', words)}
    assert len(known) > 10 and told == known


def test_every_setting_is_documented():
    """With its default; settings that belong together share a row."""
    migrations = "\n".join(path.read_text() for path in
                           (tree.TOP / "provisioning" / "sql").glob("*.sql"))
    rows = "".join(re.findall(r"insert into setting \([^)]*\) values\n(.*?;\n)", migrations,
                              re.DOTALL))
    known = {key: value or "none" for key, value in re.findall(
        r"^\('(\w+)', '\w+',\s+'(?:[^']|'')*',\s+'([^']*)'", rows, re.MULTILINE)}
    page = (tree.TOP / "doc/database.md").read_text()
    told = {}
    for keys, values in re.findall(r"^\| (`[^|]*) \| ([^|]*) \|",
                                   page.split("\n## Settings\n")[1].split("\n## ")[0], re.M):
        told.update(zip(re.findall(r"`(\w+)`", keys), values.split(", ")))
    assert len(known) > 20
    wrong = {key for key in known.keys() | told.keys() if known.get(key) != told.get(key)}
    assert not wrong, (
        f"otherwise, or not at all, in `Settings` of doc/database.md: {', '.join(sorted(wrong))}")


def test_every_call_is_documented():
    rows = re.findall(r"\{ HTTP_([A-Z]+), \"(/v1/[^\"]+)\"",
                      (tree.TOP / "provisioning/route.c").read_text())
    document = (tree.TOP / "doc/openapi.yaml").read_text()
    told = [(method.upper(), path)
            for path, body in re.findall(r"^  (/\S+):\n((?:    .*\n|\n)*)", document, re.M)
            for method in re.findall(r"^    (get|put|post|delete):", body, re.M)]
    assert len(rows) > 10
    assert not set(rows) ^ set(told), (
        "in one alone of provisioning/route.c and doc/openapi.yaml: "
        + ", ".join(" ".join(call) for call in sorted(set(rows) ^ set(told))))


def test_a_gateway_forwards_every_call_of_the_device():
    """A call under a new first segment is of no use before it is in a default."""
    config = (tree.TOP / "gateway/gateway_config.c").read_text()
    prefixes = [ast.literal_eval(f"'{prefix}'") for prefix in
                re.findall(r'\\"(/v1/\w+)\\"', config)]
    assert len(prefixes) > 3
    document = (tree.TOP / "doc/openapi.yaml").read_text()
    paths = dict(re.findall(r"^  (/\S+):\n(?:.*\n)*?      tags: \[(\w+)\]", document, re.M))
    calls = [path for path, tag in paths.items() if tag == "device"]
    assert len(calls) > 5
    for path in calls:
        assert any(path == p or path.startswith(p + "/") for p in prefixes), (
            f"no `care` or `provision` of gateway/gateway_config.c forwards {path}")
