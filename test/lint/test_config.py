"""A setting that nobody reads is a promise that nobody keeps."""

import re

import pytest
import tree

CONFIGS = ["gateway/gateway_config", "provisioning/server_config", "smsc/smsc_config"]


def members(header):
    """Of its structs, but for what base/ reads of every daemon."""
    code = "\n".join(line for _, line in tree.code_lines(header))
    for body in re.findall(r"^struct \w+ \{\n(.*?)^\};", code, re.DOTALL | re.MULTILINE):
        for names in re.findall(r"^\t[\w ]+?[ *](\w+(?:, \w+)*);", body, re.MULTILINE):
            yield from set(names.split(", ")) - {"daemon"}


def unread(names, texts):
    return [name for name in names
            if not any(re.search(rf"(?:->|\.){name}\b", text) for text in texts)]


@pytest.mark.parametrize("config", CONFIGS)
def test_every_setting_is_read(config):
    names = list(members(tree.TOP / f"{config}.h"))
    assert len(names) > 10
    texts = ["\n".join(line for _, line in tree.code_lines(path))
             for path in tree.c_files(config.split("/")[0])]
    assert unread(names, texts) == [], f"of {config}.h nobody reads these"


def test_every_setting_of_the_database_is_read():
    text = "\n".join(path.read_text() for path in (tree.TOP / "provisioning").rglob("*.[chs]*"))
    rows = r"insert into setting \([^)]*\) values\n(.*?;\n)"
    keys = re.findall(r"^\('(\w+)'", "".join(re.findall(rows, text, re.DOTALL)), re.MULTILINE)
    read = set(re.findall(r"(?<!^\()'(\w+)'", text, re.MULTILINE))
    assert len(keys) > 10 and sorted(set(keys) - read) == []


def test_an_unread_setting_is_noticed():
    assert unread(["greeting", "workers"], ["return config->workers;"]) == ["greeting"]
