"""provctl device import: files of devices, as they come."""

import json
import re
import subprocess
import textwrap

import pytest
from harness import paths
from harness.provctl import PROVCTL
from harness.schema import DEV, DEV2, Schema

HEADING = "dev,msisdn,model,given_name,family_name,postcode\n"
# The example of the page that describes the file.
CSV = textwrap.dedent(re.search(r"(?:^\t.*,.*\n){3,}",
                                (paths.SOURCE / "doc/devices.md").read_text(), re.M)[0])


@pytest.fixture
def schema(database):
    return Schema(database)


def test_devices_come_from_csv_and_json(provctl, tmp_path):
    path = tmp_path / "devices.csv"
    path.write_text("\ufeff" + CSV.replace("\n", "\r\n"))
    assert provctl.run("device", "import", path)[0] == (
        "2 added, 0 changed, 0 unchanged, 0 refused\n")
    assert provctl.json("device", "import", "-", stdin=CSV)["unchanged"] == 2
    provctl.run("device", "import", "absent.csv", status=1)
    shown = provctl.json("device", "show", DEV2)
    assert shown["device"]["model"] == 'Example "Two"'
    assert [event["event"] for event in shown["events"]] == ["import_added"]
    rows = json.dumps([{"dev": DEV2, "msisdn": "+447700900125", "model": "Example Two",
                        "given_name": "Alan", "family_name": "Turing", "postcode": "CB3 9AA"}])
    assert provctl.json("device", "import", "-", stdin=rows)["changed"] == 1


def test_a_bad_row_is_named_and_the_others_are_imported(provctl):
    out, errors = provctl.run("device", "import", "-", stdin=CSV.replace("+447700900123", "0"),
                              status=1)
    assert out == "1 added, 0 changed, 0 unchanged, 1 refused\n"
    assert errors == "provctl: -:2: msisdn is not + and 7 to 15 digits\n"
    report = provctl.json("device", "import", "-", stdin=CSV.replace("+447700900123", "0"),
                          status=1)
    assert report["problems"] == [
        {"row": 1, "line": 2, "dev": DEV, "problem": "msisdn is not + and 7 to 15 digits"}]


@pytest.mark.parametrize("text, complaint", [
    ("", "no heading"), ("dev,imei\n", "a column that is not known, imei"),
    ("dev,msisdn\n" + DEV + "\n", "no column model"), ("dev;msisdn\n", "no commas"),
    (HEADING + DEV + "\n", "-:2: has 1 fields, where the heading has 6"),
    (HEADING + '"open', "-:2: a quote that does not end"),
    (HEADING + "\na\"b\n", "-:3: a quote or carriage return inside"),
    ('{"dev": 1}', "no array"), ("[{]", "-:1: "), (HEADING + "a,b,c,d,e,\xff", "UTF-8"),
    ("\xff\xfed\0e\0v\0", "UTF-16")])
def test_a_file_that_cannot_be_read_is_refused_with_its_line(provctl, text, complaint):
    done = subprocess.run([PROVCTL, "device", "import", "-", f"--dsn={provctl.dsn}"],
                          input=text.encode("latin-1"), capture_output=True)
    assert done.returncode == 1
    assert complaint in done.stderr.decode()


def many_devices(count):
    return HEADING + "".join(f"urn:gsma:imei:35209900-{n:06d}-0,+4477009{n:05d},Example One,A,B,C\n"
                             for n in range(count))


def test_many_devices_go_in_batches(provctl):
    assert provctl.json("device", "import", "-", stdin=many_devices(1201))["added"] == 1201


def test_of_a_file_with_a_bad_line_at_its_end_nothing_is_imported(provctl, schema):
    (before,) = schema.table("select count(*) as n from device")
    out, errors = provctl.run("device", "import", "-", stdin=many_devices(1201) + "one\n", status=1)
    assert out == "" and "-:1203: has 1 fields" in errors
    assert schema.table("select count(*) as n from device") == [before]


def test_an_import_that_breaks_off_says_how_far_it_came(provctl, schema):
    """After a first batch."""
    schema.table("alter table device add constraint broken check (dev <> %s)",
                 "urn:gsma:imei:35209900-000700-0")
    out, errors = provctl.run("device", "import", "-", stdin=many_devices(1201), status=1)
    assert out == "" and "500 of 1201 devices are done; import the file again" in errors
    schema.table("alter table device drop constraint broken")
    report = provctl.json("device", "import", "-", stdin=many_devices(1201))
    assert (report["unchanged"], report["added"]) == (500, 701)


def test_of_many_refused_devices_some_are_named(provctl):
    text = many_devices(1100).replace("+", "")
    report = provctl.json("device", "import", "-", stdin=text, status=1)
    assert report["refused"] == 1100 and len(report["problems"]) == 1000
    assert provctl.run("device", "import", "-", stdin=text, status=1)[1].endswith(": and 100 more\n")


@pytest.mark.skipif(paths.is_sanitized(), reason="sanitizers keep what was freed")
def test_memory_does_not_grow_with_the_file(tmp_path):
    """What is wrong at its end is said after all of it was read, in 16 MiB."""
    path = tmp_path / "devices.csv"
    path.write_text(many_devices(100000) + "one\n")
    done = subprocess.run(["sh", "-c", 'ulimit -d 16384; exec "$0" device import "$1"', PROVCTL, path],
                          capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr == (
        f"provctl: {path}:100002: has 1 fields, where the heading has 6\n")
