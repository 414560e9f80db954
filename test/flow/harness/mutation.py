"""JSON bodies that are wrong, made from one that is right and its schema in doc/openapi.yaml."""

import copy
import json

import jsonschema

# One of each type; what a schema takes is left out.
TYPES = [None, True, 7, -1, 1.5, "", "text", [], [1], {}, {"a": 1}]
HUGE = "x" * 400


def _paths(value, path=()):
    """Every member of an object, and every element, by its path."""
    pairs = value.items() if isinstance(value, dict) else (
        enumerate(value) if isinstance(value, list) else ())
    for key, below in pairs:
        yield (*path, key)
        yield from _paths(below, (*path, key))


def _objects(value):
    return [(), *(path for path in _paths(value) if isinstance(_at(value, path), dict))]


def _at(value, path):
    for key in path:
        value = value[key]
    return value


def _changed(body, path, value):
    made = copy.deepcopy(body)
    _at(made, path[:-1])[path[-1]] = value
    return made


def _without(body, path):
    made = copy.deepcopy(body)
    del _at(made, path[:-1])[path[-1]]
    return made


def _candidates(body):
    for path in _paths(body):
        name = ".".join(map(str, path))
        yield f"{name} left out", _without(body, path)
        for value in [*TYPES, HUGE, [HUGE], 2 ** 63, "\u0000", "a\nb", "a\u009bb", "\u007f"]:
            yield f"{name} = {json.dumps(value)[:20]}", _changed(body, path, value)
    for path in _objects(body):
        for name in ("unknown", "__proto__", "", "\u001b[2J", "v ", "V"):
            yield f"{'.'.join(path)} with {name!r}", _changed(body, (*path, name), 1)


def of_values(api, schema, body):
    """(what is wrong, JSON text) of every change that the schema refuses."""
    validator = jsonschema.Draft202012Validator(schema, resolver=api.resolver)
    assert validator.is_valid(body)
    for what, made in _candidates(body):
        if not validator.is_valid(made):
            yield what, json.dumps(made).encode()


def _twice(body, path):
    """A member twice, first as it is, then as something else."""
    text = json.dumps(_changed(body, path, "\u0001twice"))
    name = json.dumps(path[-1])
    value = json.dumps(_at(body, path))
    return text.replace(f'{name}: "\\u0001twice"', f"{name}: {value}, {name}: {value}")


def of_text(body):
    """(what is wrong, bytes) of texts that are no JSON, or that two readers read in two ways."""
    good = json.dumps(body).encode()
    text = json.dumps(next(path[-1] for path in _paths(body)))
    for path in _paths(body):
        if isinstance(path[-1], str):
            yield f"{path[-1]} twice", _twice(body, path).encode()
    for what, member in {
        "deep list": "[" * 1500, "deep object": '{"a":' * 300, "deep and closed":
        "[" * 200 + "]" * 200, "too deep": "[" * 16 + "]" * 16,
        "lone high surrogate": '"\\ud800"', "lone low surrogate": '"\\udc00x"',
        "surrogates turned round": '"\\udc00\\ud800"', "escaped NUL": '"a\\u0000b"',
        "huge exponent": "1e999", "huge integer": "9" * 400, "no number": "NaN",
        "infinite": "-Infinity", "leading zero": "007", "hexadecimal": "0x1", "plus": "+1",
        "single quotes": "'a'", "comment": '/* a */ "a"', "raw newline": '"a\nb"',
        "bad escape": '"\\x41"', "cut escape": '"\\u12"', "trailing comma": "[1,]",
    }.items():
        yield what, b"{" + text.encode() + b": " + member.encode() + b"}"
    for what, data in {
        "bad UTF-8": b"\xff", "overlong UTF-8": b"\xc0\xaf", "UTF-8 of a surrogate":
        b"\xed\xa0\x80", "cut UTF-8": b"\xe2\x82", "raw NUL": b"\x00",
    }.items():
        yield what, b"{" + text.encode() + b': "' + data + b'"}'
    yield from {
        "nothing": b"", "a space": b" ", "byte order mark": b"\xef\xbb\xbf" + good,
        "UTF-16": good.decode().encode("utf-16"), "two": good + good, "more": good + b" x",
        "cut": good[:-1], "a list": b"[" + good + b"]", "a string": b'"text"', "null": b"null",
        "NUL after it": good + b"\x00",
    }.items()
