"""The help of each program and each of its commands fits a terminal of 24 lines of 80
characters, with a line for the prompt, and names all that the program takes there."""

import subprocess

import pytest
from harness import described, paths

LINES, COLUMNS = 23, 79


def commands():
    """(program, words of a command, or of the beginning of one)"""
    for program in described.PROGRAMS:
        words = [row["words"].split() for row in described.rows(program, "command")]
        yield from dict.fromkeys(
            (program, *part) for all_of in [[], *words]
            for part in (all_of[:n] for n in range(len(all_of) + 1)))


def help_of(*typed):
    done = subprocess.run([*typed, "--help"], text=True, capture_output=True, timeout=20,
                          stdin=subprocess.DEVNULL, check=False)
    assert (done.returncode, done.stderr) == (0, ""), typed
    return done.stdout


def test_each_help_fits_a_screen():
    all_of = list(commands())
    assert len(all_of) > 60
    for program, *words in all_of:
        lines = help_of(paths.program(program), *words).splitlines()
        assert 0 < len(lines) <= LINES, (program, words)
        assert max(map(len, lines)) <= COLUMNS, (program, words)


@pytest.mark.parametrize("program", described.PROGRAMS)
def test_the_help_of_a_command_names_each_of_its_options(program):
    """An option that every command takes stands in the help of each, or of the program."""
    options = described.rows(program, "option")
    assert len(options) > 2
    commands_of = [row["words"] for row in described.rows(program, "command")]
    for option in options:
        where = [option["words"]] if option["words"] else ["", *commands_of[:1]]
        text = "".join(help_of(paths.program(program), *words.split()) for words in where)
        assert f"--{option['name']}" in text, option
