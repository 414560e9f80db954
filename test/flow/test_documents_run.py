"""What README and the pages of doc/ have one type is typed here, or named with a reason why not."""

import re
import shutil

import pytest
from harness import paths
from harness.schema import DEV

# doc/first-site.md wants a Debian of its own: contrib/package/check types it, step boot.
PAGES = ["README.md", *sorted(f"doc/{path.name}" for path in (paths.SOURCE / "doc").glob("*.md")
                              if path.name != "first-site.md")]
OURS = {"provctl", "handset", "smscsim", "provbox-gateway", "provbox-server", "provbox-smsc"}
OF_SHELLS = {"for", "umask", "cd", "echo", "printf"}

# Blocks by their page and first line; who runs them otherwise, or why nobody does.
NOT_RUN = {
    ("README.md", "contrib/demo"): "test_demo.py does",
    ("README.md", "contrib/demo --stop"): "test_demo.py does",
    ("README.md", "contrib/check"): "this is a part of it",
    ("README.md", "contrib/install-packages"): "contrib/check builds and installs",
    ("README.md", "apt-get build-dep ."): "make check-package builds and installs",
    ("README.md", "chown provbox-gateway /etc/provbox/gateway.key && chmod 400"
                  " /etc/provbox/gateway.key"): "contrib/package/first_site.py does",
    ("README.md", "systemctl restart systemd-sysusers systemd-tmpfiles-setup"):
        "needs systemd; test_systemd.py looks at the units",
    ("doc/airnet.md", "handset init --dir D --dev urn:gsma:imei:35209900-176148-0"
                      " --number +447700900123 \\"):
        "needs an authority; harness/handset.py does it in every flow of a handset",
    ("doc/backup.md", 'pg_dump -Fc -f provbox.dump "host=/run/postgresql dbname=provbox'
                      ' user=postgres"'): "test_backup.py does",
    ("doc/backup.md", "psql -v ON_ERROR_STOP=1 -f /usr/share/provbox/provisioning/sql/roles.sql"
                      " postgres"): "test_backup.py does, in another cluster",
    ("doc/database.md", 'for f in provisioning/sql/[0-9]*.sql; do'):
        "what provctl db init does, for where it cannot; test_provctl.py",
    ("doc/doctor.md", "provctl doctor [--server FILE] [--smsc FILE] [--gateway FILE]"
                      " [--kannel FILE] [--json]"): "names what there is; test_provctl_doctor.py",
    ("doc/load.md", "cd build/demo; PATH=$PWD/provctl:$PWD/contrib/handset:$PATH"):
        "needs a demo that runs; test_handset_load.py does the same on a site of the tests",
    ("doc/operations.md", "journalctl -u provbox-gateway -g ev=session_end -n 50"):
        "needs a journal",
    ("doc/smsc.md", "provbox-smsc  --box protocol-->  bearerbox (Kannel)  --SMPP 3.4-->"
                    "  message centre"): "a drawing",
    ("doc/smsc.md", "smscsim --radio PATH --password-file FILE [--port N | --listen IP:PORT]"
                    " [--system-id ID] [OPTION...]"): "names what there is; test_smscsim.py",
    ("doc/user-data.md", "provctl user export urn:gsma:imei:35209900-176148-0 >held.json"):
        "asks on a terminal; test_provctl_work.py answers",
}


def blocks(page):
    """Each run of indented lines, without the indentation."""
    text = (paths.SOURCE / page).read_text()
    for block in re.findall(r"(?:^\t.*\n)+", text, re.M):
        yield re.sub(r"^\t", "", block, flags=re.M)


def is_command(block):
    """What begins with a program, a word of the shell or a script of the tree. Targets of make
    are looked at by test/lint/test_documents.py: those of the pages take minutes."""
    word = next(iter(re.sub(r"^(#.*\n)+", "", block).split()), "")
    if word == "make":
        return False
    return (word in OURS | OF_SHELLS or word == word.lower() and shutil.which(word) is not None
            or re.fullmatch(r"[\w/-]+/[\w-]+", word) and (paths.SOURCE / word).is_file())


COMMANDS = [(page, block) for page in PAGES for block in blocks(page) if is_command(block)]


def key(page, block):
    return page, block.splitlines()[0]


def typed(page):
    """Whole command lines of provctl in the text of a page."""
    spans = re.findall(r"`(provctl [^`\n]+)`", (paths.SOURCE / page).read_text())
    return list(dict.fromkeys(spans))


def check(desk, text, **environment):
    done = desk.run(text, **environment)
    assert done.returncode == 0 and "Sanitizer" not in done.stderr, (text, done)


def first_site(mark):
    """A block of the first site, in the desk's folder in place of the folders of that machine."""
    (block,) = [block for block in blocks("doc/first-site.md") if mark in block]
    block = re.sub(r"^(umask|mkdir|cd|cp) .*\n", "", block, flags=re.M)
    return block.replace("/etc/provbox", "etc").replace("-o provbox-gateway ", "").replace(
        "-o provbox-server ", "")


def authorities():
    """What makes the authorities that other pages sign with, and a device of one of them."""
    return first_site("issue()") + (
        f"issue devices client device URI:{DEV}\n")


def test_what_is_not_run_is_there():
    assert set(NOT_RUN) <= {key(*command) for command in COMMANDS}
    assert len(COMMANDS) - len(NOT_RUN) >= 12


@pytest.mark.parametrize("page", sorted({page for page, block in COMMANDS
                                         if key(page, block) not in NOT_RUN} - {"README.md"}))
def test_the_commands_of_a_page_run(desk, page):
    desk.put_request()
    if page in ("doc/proof.md", "doc/operations.md"):
        check(desk, authorities())
    for block in blocks(page):
        if is_command(block) and key(page, block) not in NOT_RUN:
            check(desk, block)


@pytest.mark.parametrize("daemon", ["gateway", "server"])
def test_certificates_of_the_first_site_are_those_of_the_examples(desk, daemon):
    """Daemons look at all of them: owner, mode, dates, use, chains, and what they are to each
    other."""
    (desk.folder / "etc").mkdir()
    check(desk, authorities() + first_site("for name in devices landnet proof"))
    text = (paths.SOURCE / f"contrib/examples/{daemon}.conf").read_text()
    # The unit's user may not exist here.
    (desk.folder / "etc/example.conf").write_text(f'{text}user = "root"\n')
    check(desk, f"{paths.program(f'provbox-{daemon}')} -c etc/example.conf -t")


def test_the_commands_of_readme_run(desk):
    ours = [block for block in blocks("README.md")
            if is_command(block) and key("README.md", block) not in NOT_RUN]
    assert len(ours) == 2
    check(desk, ours[0])
    desk.site.start("server", "gateway")
    check(desk, ours[1])


@pytest.mark.parametrize("page", ["README.md", "doc/operations.md"])
def test_what_one_types_in_passing_runs(desk, page):
    """What ends a thing comes after what looks at it."""
    spans = typed(page)
    assert len(spans) > 10
    for last in ("notice", "request cancel", "user export", "device block", "user erase"):
        spans.sort(key=lambda span, last=last: last in span)
    desk.put_request()
    for span in spans:
        if "notice show" in span:
            desk.send_notice()
        if re.search("outbox retry|request retry|outbox drop", span):
            desk.bury_work()
        if "user erase" in span:
            span += " --cancel --yes"  # nobody is there to be asked
        if span == "provctl doctor":
            span += " || test $? = 1"  # it is not content with a site of which nothing runs
        check(desk, span)
