"""The manual: pages that mandoc has nothing against, made of the tables, with examples that run."""

import re
import shlex
import signal
import subprocess

import pytest
from harness import described, paths, pki
from harness.schema import CRED, DEV, NUMBER

PAGES = sorted((paths.BUILD / "man").glob("*.[158]"))
CONFIGS = {"provbox-gateway": "gateway", "provbox-server": "server", "provbox-smsc": "smsc"}


def page(name):
    return (paths.BUILD / "man" / name).read_text()


def shown(name):
    """As a reader sees it, in lines of any length."""
    return subprocess.run(["mandoc", "-Tascii", "-Owidth=400", paths.BUILD / "man" / name],
                          text=True, capture_output=True, check=True, timeout=20).stdout


def plain(text):
    """Without what overstrikes for bold and underlined."""
    return re.sub(".\b", "", text)


def page_of(program, suffix=""):
    (found,) = [each.name for each in PAGES if re.fullmatch(rf"{program}{suffix}\.[158]", each.name)]
    return found


def examples(name):
    """The literal blocks of its last EXAMPLES."""
    section = page(name).split(".Sh EXAMPLES\n")[1].split("\n.Sh ")[0]
    blocks = re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", section, re.M | re.S)
    return [block.replace("\\e", "\\") for block in blocks]


def test_every_program_and_configuration_has_a_page():
    assert {each.name.rsplit(".", 1)[0] for each in PAGES} == {
        *described.PROGRAMS, *(f"{name}.conf" for name in described.PROGRAMS if name != "smscsim")}
    for program in described.PROGRAMS:
        assert f".Nm {program}\n" in page(page_of(program))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_man_k_finds_it_and_shows_its_whole_line(path):
    (described_as,) = re.findall(r"^\.Nd (.*)$", path.read_text(), re.M)
    name, section = path.stem, path.suffix[1:]
    line = f"{name} ({section})".ljust(20) + f" - {described_as}"
    assert "provbox" in line.lower() and len(line) < 80, line


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_mandoc_has_nothing_against_a_page(path):
    done = subprocess.run(["mandoc", "-Tlint", path], text=True, capture_output=True, timeout=20)
    # It looks for other pages where they are installed; where ours lie is looked at below.
    ours = {f"Xr {each.name.replace('.conf', '%').replace('.', ' ').replace('%', '.conf')}"
            for each in PAGES}
    found = [line for line in done.stdout.splitlines()
             if not ("referenced manual not found" in line
                     and re.sub(r" \(\d+ times\)$", "", line).split(": ")[-1] in ours)]
    assert not found, "\n".join(found)
    assert not re.search("^@|@[a-z]+@", path.read_text(), re.M)


@pytest.mark.parametrize("program", described.PROGRAMS)
def test_a_page_has_what_the_program_takes(program):
    text = plain(shown(page_of(program)))
    for command in described.rows(program, "command"):
        assert re.search(rf"^ +{re.escape(command['words'])}\b", text, re.M), command
        assert command["example"] in text
    options = described.rows(program, "option")
    assert len(options) > 5
    for option in options:
        assert re.search(rf"^ +.*--{option['name']}\b", text, re.M), option
    keys = described.rows(program, "key")
    if program == "smscsim":
        assert not keys
        return
    text = plain(shown(page_of(program, r"\.conf")))
    for key in keys:
        assert re.search(rf"^ +{key['name']} = {re.escape(key['type'])}$", text, re.M), key
        assert key["need"] != "default" or key["default"] in text


# Examples

@pytest.fixture
def folder(tmp_path):
    """Files by the names that the pages give them, in a made-up PKI."""
    p = pki.Pki(tmp_path / "pki")
    p.copy_as_named(tmp_path)
    return tmp_path


@pytest.mark.parametrize("program", CONFIGS)
def test_the_least_configuration_is_enough(folder, program):
    (example,) = examples(f"{program}.conf.5")
    path = folder / f"{program}.conf"
    path.write_text(example.replace("prov.example.com:8443", pki.Pki.SRV) + 'user = "root"\n')
    done = subprocess.run([paths.program(program), "-c", path, "-t"], text=True,
                          capture_output=True, timeout=20)
    assert (done.returncode, done.stdout) == (0, f"{path}: ok\n"), done.stderr
    for line in example.splitlines():  # and no line is one too many
        name = re.match(r"(\w+) = ", line)
        if not name:
            continue
        path.write_text(example.replace(line, "") + 'user = "root"\n')
        done = subprocess.run([paths.program(program), "-c", path, "-t"], text=True,
                              capture_output=True, timeout=20)
        assert done.returncode == 78 and name[1] in done.stderr


def test_a_handset_is_made_as_its_page_says(folder):
    (example,) = examples("handset.1")
    first, run, status = [shlex.split(line) for line in
                          example.replace("\\\n", " ").splitlines()]
    subprocess.run([paths.program("handset"), *first[1:]], cwd=folder, check=True, timeout=20)
    made = (folder / "phone" / "handset.conf").read_text()
    (settings,) = examples("handset.conf.5")
    for line in settings.splitlines():
        name, value = line.split(" = ")
        assert re.search(rf"^{name} = .*{re.escape(value.strip(chr(34)))}\"$", made, re.M), made
    for arguments, said in (run, "handset: phone: device.crt is missing: have an authority"
                                " sign device.csr"), (status, ""):
        done = subprocess.run([paths.program("handset"), *arguments[1:]], cwd=folder, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=20)
        assert done.returncode != 2 and said in done.stderr, done


def test_a_message_centre_starts_as_its_page_says(tmp_path):
    pki.write_secret(tmp_path / "smpp.password", b"secret\n")
    (example,) = examples("smscsim.1")
    arguments = [*shlex.split(example.replace("\\\n", " "))[1:], "--port", "0"]
    with subprocess.Popen([paths.program("smscsim"), *arguments], cwd=tmp_path, text=True,
                          stderr=subprocess.PIPE) as process:
        assert "ev=listening" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def arrange(desk, words):
    """What must be there before an example of these words can be run."""
    if words == "request list":
        desk.schema.rows("operator", "device_unblock", DEV)
        desk.put_request()
    if words in ("request retry", "outbox retry"):
        desk.bury_work()
    if words == "notice show":
        desk.send_notice()


def test_the_example_of_each_command_runs(desk):
    """In the order of the page, but that an end comes last."""
    commands = described.rows("provctl", "command")
    commands.sort(key=lambda row: row["words"] in ("request cancel", "user erase"))
    assert len(commands) > 40 and CRED.hex() in str(commands) and NUMBER in str(commands)
    for command in commands:
        assert command["example"].startswith(f"provctl {command['words']}")
        arrange(desk, command["words"])
        done = desk.run(command["example"])
        # A doctor is not content with a site of which nothing runs.
        wanted = (0, 1) if command["words"] == "doctor" else (0,)
        assert done.returncode in wanted, (command, done)
        assert "Sanitizer" not in done.stderr
        assert command["words"] == "doctor" or not done.stderr, (command, done)
