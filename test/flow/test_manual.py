"""The manual: pages that mandoc has nothing against, made of the tables, with examples that run."""

import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess

import pytest
from harness import described, paths, pki
from harness.postgres import SQL
from harness.schema import CRED, DEV, NUMBER, Schema

PAGES = sorted((paths.BUILD / "man").glob("*.[158]"))
CONFIGS = {"provbox-gateway": "gateway", "provbox-server": "server", "provbox-smsc": "smsc"}
REQUEST = "0b7a3a58-7e0c-4d6f-9d2e-6a1c0f5e2b91"


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
    for name, path in {
            "airnet.pem": p.gateway_airnet.path, "airnet.key": p.gateway_airnet.key_path,
            "devices.pem": p.device.path, "devices.crl": p.device.crl_path,
            "gateway.pem": p.gateway_landnet.path, "gateway.key": p.gateway_landnet.key_path,
            "landnet.pem": p.landnet.path, "landnet.crl": p.landnet.crl_path,
            "server.pem": p.server_landnet.path, "server.key": p.server_landnet.key_path,
            "proof.pem": p.proof.path, "proof-leaf.pem": p.proof_leaf.path,
            "proof-leaf.key": p.proof_leaf.key_path}.items():
        shutil.copy(path, tmp_path / name)
    pki.write_secret(tmp_path / "grant.keys", b"0011223344556677 " + b"5a" * 32 + b"\n")
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
    for arguments, said in (run, "device.crt"), (status, ""):
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


class Operator:
    """A folder in which the examples of provctl's commands can be typed."""

    def __init__(self, cluster, folder):
        self.cluster, self.folder = cluster, folder
        self.database = cluster.new_database(Schema.install)
        self.schema = Schema(self.database)
        self.made = f"made_by_manual_{os.getpid()}"
        pki.write_secret(folder / "seal.keys", b"0011223344556677 " + b"5a" * 32 + b"\n")
        (folder / "provctl.conf").write_text(
            f'dsn = "{self.database.dsn("provbox_operator")}"\n'
            f'admin_dsn = "{self.database.dsn("postgres")}"\n'
            f'sql_dir = "{SQL}"\nseal_key_file = "seal.keys"\n')
        (folder / "letter.txt").write_text("The code is 1234.\n")
        (folder / "devices.csv").write_text(
            "dev,msisdn,model,given_name,family_name,postcode\n"
            "urn:gsma:imei:35209900-176149-0,+447700900124,Example One,Alan,Turing,CB3 9AA\n")
        (folder / "contrib").symlink_to(paths.SOURCE / "contrib")
        (folder / "bin").mkdir()
        wrapper = folder / "bin" / "provctl"
        wrapper.write_text(f'#!/bin/sh\nexec {paths.program("provctl")} "$@" '
                           f"-c {folder}/provctl.conf\n")
        wrapper.chmod(0o755)
        self.number = ""

    def arrange(self, words):
        """What must be there before an example of these words can be run."""
        schema = self.schema
        if words == "request list":
            schema.rows("operator", "device_unblock", DEV)
            (row,) = schema.table("select version from catalogue where is_current")
            schema.catalogue = row["version"]  # of contrib/catalogue
            status, reason, _ = schema.put(request=REQUEST)
            assert (status, reason) == (201, None)
        if words == "request retry":
            schema.table("select outbox_bury(id, 'courier', 'given_up', null) from outbox")
        if words == "outbox retry":
            self.number = self.dead()
        if words == "notice show":
            other = schema.offered("converter")
            schema.send_all()
            (row,) = schema.table("select n.id from notice n join request r on r.rid = n.request"
                                  " where r.id = %s", other)
            self.number = str(row["id"])

    def dead(self):
        self.schema.table("select outbox_bury(id, 'courier', 'given_up', null) from outbox")
        (row,) = self.schema.table("select max(id) as id from outbox where state = 'dead'")
        return str(row["id"])

    def run(self, line):
        line = line.replace("host=/run/postgresql dbname=provbox user=postgres",
                            self.cluster.dsn(self.made, "postgres"))
        line = re.sub(r"\b42\b", self.number, line)
        if "--watch" in line:
            line = f"timeout 3 {line} || test $? = 124"
        return subprocess.run(["bash", "-c", line], cwd=self.folder, text=True,
                              capture_output=True, timeout=60,
                              env={**os.environ,
                                   "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}"})

    def close(self):
        self.database.drop()
        self.cluster.execute(f"drop database if exists {self.made}")


@pytest.fixture
def operator(cluster, tmp_path):
    made = Operator(cluster, tmp_path)
    yield made
    made.close()


def test_the_example_of_each_command_runs(operator):
    """In the order of the page, but that an end comes last."""
    commands = described.rows("provctl", "command")
    commands.sort(key=lambda row: row["words"] in ("request cancel", "user erase"))
    assert len(commands) > 40 and CRED.hex() in str(commands) and NUMBER in str(commands)
    for command in commands:
        assert command["example"].startswith(f"provctl {command['words']}")
        operator.arrange(command["words"])
        done = operator.run(command["example"])
        # A doctor is not content with a site of which nothing runs.
        wanted = (0, 1) if command["words"] == "doctor" else (0,)
        assert done.returncode in wanted, (command, done)
        assert "Sanitizer" not in done.stderr
        assert command["words"] == "doctor" or not done.stderr, (command, done)
