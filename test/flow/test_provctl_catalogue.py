"""provctl catalogue: folders with a manifest are loaded, whole or not at all."""

import json
import subprocess

import pytest
from harness import paths

EXAMPLE = paths.SOURCE / "contrib" / "catalogue"


def test_the_example_catalogue_loads_once(provctl, database):
    out, _ = provctl.run("catalogue", "load", EXAMPLE)
    assert out == "catalogue 1 is published\n"
    assert provctl.json("catalogue", "load", EXAMPLE / "manifest.json") == {
        "version": 1, "is_new": False}
    features = provctl.json("catalogue", "show")
    assert [(f["id"], f["kind"]) for f in features] == [
        ("compass", "module"), ("converter", "module"), ("voice-mail", "activation")]
    assert {f["uri"] for f in features} == {"https://prov.example.com:8443/"}
    stored = database.query("select bytes from provbox.content_chunk k join provbox.feature f"
                            " on f.content = k.sha256 where f.id = 'compass'")
    assert stored[0]["bytes"] == (EXAMPLE / "compass").read_bytes()
    terms = database.query("select language, text from provbox.terms")
    assert {t["language"]: t["text"] + "\n" for t in terms} == {
        language: (EXAMPLE / f"terms.{language}.txt").read_text()
        for language in ("en", "el", "bg")}
    assert provctl.json("catalogue", "list")[0]["languages"] == ["bg", "el", "en"]


def test_the_example_modules_are_what_they_say():
    for feature in json.loads((EXAMPLE / "manifest.json").read_text())["features"]:
        if feature["kind"] == "module":
            program = EXAMPLE / feature["file"]
            assert subprocess.run([program, "--self-test"]).returncode == 0
            said = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
            assert said.split() == [feature["id"], feature["version"]]
        else:
            resident = EXAMPLE / "resident" / feature["id"]
            for arguments, said in (((EXAMPLE / feature["file"],), "on\n"), ((), "off\n")):
                assert subprocess.run([resident, "--status", *arguments], capture_output=True,
                                      text=True).stdout == said


def write_manifest(folder, **change):
    content = {"default_language": "en", "provisioning_uri": "https://prov.example.com:8443/",
               "features": [
                   {"id": "big", "version": "1", "name": "Big", "kind": "module",
                    "file": "big"}],
               "terms": [{"language": "en", "version": "1", "file": "terms"}], **change}
    folder.mkdir(exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps(content))
    (folder / "big").write_bytes(bytes(range(256)) * 3000)
    (folder / "terms").write_text("Terms.\n")
    return folder


def test_large_content_survives_an_interrupted_load(provctl, database, tmp_path):
    folder = write_manifest(tmp_path / "big")
    provctl.run("catalogue", "load", folder)
    whole = (folder / "big").read_bytes()
    chunks = database.query("select bytes from provbox.content_chunk order by n")
    assert [len(chunk["bytes"]) for chunk in chunks] == [262144, 262144, len(whole) - 524288]
    assert b"".join(chunk["bytes"] for chunk in chunks) == whole
    # As a load that was killed after its first chunk leaves it.
    database.query("update provbox.catalogue set is_current = false, published = null;"
                   " update provbox.content set is_complete = false;"
                   " delete from provbox.content_chunk where n > 0")
    assert provctl.json("catalogue", "load", folder) == {"version": 1, "is_new": True}
    chunks = database.query("select bytes from provbox.content_chunk order by n")
    assert b"".join(chunk["bytes"] for chunk in chunks) == whole


@pytest.mark.parametrize("change, complaint", [
    ({"features": [{"id": "big", "version": "1", "kind": "module", "file": "big"}]}, "name"),
    ({"surplus": 1}, "surplus"),
    ({"provisioning_uri": "http://prov.example.com/"}, "violates check constraint"),
    ({"features": [{"id": "big", "version": "1", "name": "Big", "kind": "module",
                    "file": "../big"}]}, "not in the folder"),
    ({"features": [{"id": "big", "version": "1", "name": "Big", "kind": "module",
                    "file": "/etc/passwd"}]}, "not in the folder"),
    ({"features": [{"id": "big", "version": "1", "name": "Big", "kind": "module",
                    "file": "absent"}]}, "No such file"),
    ({"features": [{"id": "B", "version": "1", "name": "Big", "kind": "module",
                    "file": "big"}]}, "violates check constraint"),
    ({"features": [{"id": "big", "version": "1", "name": "Big\u001b[2J", "kind": "module",
                    "file": "big"}]}, "feature 1: version, name or description has control"),
    ({"features": [{"id": "big", "version": "1", "name": "Big", "kind": "module",
                    "file": "big", "description": "two\u009blines"}]}, "feature 1: version, name"),
    ({"terms": []}, "terms in its default language"),
    ({"terms": [{"language": "en", "version": "1", "file": "big"}]}, "UTF-8")])
def test_a_manifest_that_is_wrong_is_refused(provctl, database, tmp_path, change, complaint):
    _, errors = provctl.run("catalogue", "load", write_manifest(tmp_path / "bad", **change),
                            status=1)
    assert complaint in errors
    assert database.value("select count(*) from provbox.catalogue") == 0
