"""What is typed wrongly, or configured so: each program says what, where, why and what to do."""

import os
import shlex
import subprocess

import pytest
from harness import paths, pki
from harness.schema import DEV

NEW = f"handset init --dir new --dev {DEV} --number +447700900123"
CENTRE = "smscsim --radio radio.sock --password-file smpp.password"

# A command line, its exit status, and what is said in standard error, word by word.
WRONG = [
    ("provctl", 2, "provctl: a command is missing; see provctl --help"),
    ("provctl dance", 2, "provctl: no such command: dance; see provctl --help"),
    ("provctl number", 2, "provctl: what to do with number is missing; there is\n"
                          "  provctl number stop NUMBER\n  provctl number allow NUMBER\n"
                          "  provctl number list [NUMBER]"),
    ("provctl db down", 2, "provctl: no such command: db down; there is\n  provctl db init"),
    ("provctl request show", 2, "provctl: request show: something is missing;"
                                " usage: provctl request show ID"),
    ("provctl status now", 2, "provctl: status: that is too much; usage: provctl status"),
    ("provctl request show 42", 2, "provctl: 42 is no id of a request, a UUID in lower case;"
                                   " see provctl request list"),
    ("provctl outbox list --request 42", 2, "provctl: --request: 42 is no id, a UUID in lower"
                                            " case; see provctl request list"),
    ("provctl outbox retry one", 2, "provctl: one is no id of the outbox; see provctl outbox list"),
    ("provctl notice show one", 2, "provctl: one is no id of a notice; see provctl notice list"),
    ("provctl outbox drop 42", 2, "provctl: a row is dropped for a reason: --reason TEXT"),
    ("provctl request list --limit many", 2,
     "provctl: --limit is not a number up to 1000000: many"),
    ("provctl catalogue show latest", 2, "provctl: no version of the catalogue: latest; it is a"
                                         " number of provctl catalogue list"),
    ("provctl request list --dev", 2, "provctl: --dev needs a value: --dev DEV"),
    ("provctl status --dev x", 2,
     "provctl: status takes no --dev; see provctl status --help"),
    ("provctl device import devices.csv --watch", 2,
     "provctl: device import takes no --watch; see provctl device import --help"),
    ("provctl --wat", 2, "provctl: no such option: --wat; see provctl --help"),
    ("provctl status --json=1", 2, "provctl: --json takes no value: leave =1 out"),
    ("provctl user erase +447700900123", 2,
     "provctl: nobody can be asked here whether that is meant; see --yes"),
    ("provctl -c nowhere.conf status", 78, "nowhere.conf: No such file or directory\n"
     "provctl: give -c the path of your configuration; without -c it is "),
    ("provctl -c unknown.conf status", 78,
     "unknown.conf:2: unknown key `colour`, see the keys with --help-config"),
    ("provctl -c open.conf status", 78, "open.conf:1: the string is not closed on its line"),
    ("provctl --dsn hots=/x status", 78, 'provctl: the DSN cannot be parsed: invalid connection'
     ' option "hots"; mend dsn of the configuration, or --dsn'),
    ("provctl --dsn host=/nowhere status", 69, "No such file or directory\nprovctl: is PostgreSQL"
     " running, and is host= the folder of its socket? see pg_lsclusters\nprovctl: the DSN was"
     ' "host=/nowhere"; name another in the configuration (-c FILE) or with --dsn'),
    ("provctl db init --sql-dir nowhere", 1, "provctl: nowhere/roles.sql: No such file or"
     " directory\nprovctl: name the folder of the migrations with --sql-dir"),
    (f"provctl notice send {DEV} letter.txt", 78, "provctl: seal_key_file is not configured: a"
     " secret goes into the database sealed or not at all; doc/smsc.md tells how to make one"),
    ("provctl device import nowhere.csv", 1, "provctl: nowhere.csv: No such file or directory"),
    ("provctl device import columns.csv", 1, "provctl: columns.csv:1: the heading names a column"
                                             " that is not known, colour; see doc/devices.md"),
    ("provctl catalogue load .", 1, "provctl: ./manifest.json:2: "),

    ("handset", 2, "handset: command line: a command is missing; see handset --help"),
    ("handset dance", 2, "handset: dance: no such command; see handset --help"),
    ("handset run", 2, "handset: --dir: is missing; see handset --help"),
    ("handset run --dir", 2, "handset: --dir: needs a value; see handset --help"),
    ("handset run --dir . --wat", 2, "handset: --wat: no such option here; see handset --help"),
    ("handset run --dir nowhere", 1, "handset: nowhere: No such file or directory; see --dir"),
    ("handset status --dir .", 78,
     "handset: .: is no handset; make one with handset init"),
    ("handset run --dir phone", 78,
     "/phone/handset.conf:1: unknown key `colour`, see the keys with --help-config"),
    (NEW.replace(DEV, "42"), 2, "handset: 42: is no canonical equipment identifier such as"
                                " urn:gsma:imei:35209900-176148-0"),
    (NEW.replace("+447700900123", "0"), 2,
     "handset: 0: is no number, write + and 3 to 15 digits"),
    (f"{NEW} --resident compass", 2,
     "handset: compass: is not ID=PROGRAM; see handset --help"),

    ("smscsim", 2, "smscsim: --radio and --password-file are needed, nothing else without an"
                   " option; see --help"),
    (f"{CENTRE} more", 2, "nothing else without an option; see --help"),
    ("smscsim --wat", 2, "unrecognized option '--wat'\nsmscsim: see --help"),
    (f"{CENTRE} --port", 2, "option '--port' requires an argument\nsmscsim: see --help"),
    (f"{CENTRE} --port x", 2, "smscsim: --port: x is no number of 0 to 65535"),
    (f"{CENTRE} --log-level loud", 2,
     "smscsim: --log-level: loud is none of error, warn, info, debug"),
    ("smscsim --radio r --password-file nowhere", 1, "smscsim: --password-file: nowhere: cannot"
     " be read, is empty, or others may read it: put the password into it, and chmod 600"),
    ("smscsim --radio r --password-file long.password", 1,
     "smscsim: --password-file: long.password: an SMPP password has 1 to 8 characters"),
    (f"{CENTRE} --listen here", 1,
     'ev=listen_failed address=here why="not ip:port, [ip6]:port or unix:/path"'),
]
for daemon in ("provbox-gateway", "provbox-server", "provbox-smsc"):
    WRONG += [
        (f"{daemon} --wat", 2, f"unrecognized option '--wat'\n{daemon}: see --help"),
        (f"{daemon} -c", 2, f"option requires an argument -- 'c'\n{daemon}: see --help"),
        (f"{daemon} now", 2, f"{daemon}: unexpected argument `now`, see --help"),
        (f"{daemon} -c nowhere.conf", 78, "nowhere.conf: No such file or directory\n"
         f"{daemon}: make it, man {daemon}.conf has an example, or name another with -c FILE;"
         " its keys: --help-config"),
        (f"{daemon} -c unknown.conf -t", 78,
         "unknown.conf:2: unknown key `colour`, see the keys with --help-config"),
        (f"{daemon} -c open.conf -t", 78, "open.conf:1: the string is not closed on its line"),
    ]
WRONG += [
    ("provbox-gateway -c values.conf -t", 78, "values.conf:1: `workers` is out of range, give 1 to 64"),
    ("provbox-gateway -c values.conf -t", 78, "values.conf:2: `airnet_listen` "),
    ("provbox-gateway -c values.conf -t", 78, "is no numeric address, write like 127.0.0.1:8443"),
    ("provbox-gateway -c values.conf -t", 78,
     "values.conf:3: `idle_timeout` is no duration, write like 250ms, 2s, 5m, 1h or 7d"),
    ("provbox-gateway -c values.conf -t", 78,
     "values.conf: `airnet_key` is missing: Its private key, readable by its owner alone."),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("typed")
    for name, text in {
            "unknown.conf": 'user = "root"\ncolour = "red"\n', "open.conf": 'dsn = "open\n',
            "values.conf": 'workers = 0\nairnet_listen = {"here"}\nidle_timeout = soon\n',
            "columns.csv": "dev,colour\n", "devices.csv": "dev\n", "letter.txt": "4711",
            "manifest.json": "{\n"}.items():
        (made / name).write_text(text)
    (made / "phone").mkdir()
    (made / "phone" / "handset.conf").write_text('colour = "red"\n')
    pki.write_secret(made / "smpp.password", b"secret\n")
    pki.write_secret(made / "long.password", b"much too long\n")
    return made


@pytest.mark.parametrize("line, status, said", WRONG, ids=lambda value: str(value)[:40])
def test_an_error_says_what_where_why_and_what_to_do(folder, line, status, said):
    program, *arguments = shlex.split(line)
    done = subprocess.run([paths.program(program), *arguments], cwd=folder, text=True, timeout=20,
                          stdin=subprocess.DEVNULL, capture_output=True,
                          env={**os.environ, "PGHOST": "/nowhere"})
    assert (done.returncode, done.stdout) == (status, ""), done
    assert said in done.stderr, done.stderr
    assert "Sanitizer" not in done.stderr
    assert not (folder / "new").exists()


@pytest.mark.parametrize("line", [
    "provctl --help", "provbox-gateway --help-config",
    "provbox-server --help", "provbox-smsc --version"])
def test_output_for_which_there_is_no_room_is_an_error(folder, line):
    program, *arguments = shlex.split(line)
    with open("/dev/full", "w") as full:
        done = subprocess.run([paths.program(program), *arguments], cwd=folder, text=True,
                              timeout=20, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr == (f"{program}: standard output cannot be written: "
                           "No space left on device\n")
