"""Hold answers of the running server against doc/openapi.yaml.

check() fails on anything that the document does not promise, and remembers what it
has seen, so that a test can ask at the end what was documented and never provoked.
"""

import functools
import json
import re

import jsonschema
import yaml

from harness import paths

DOCUMENT = paths.SOURCE / "doc" / "openapi.yaml"
METHODS = ("get", "put", "post", "delete", "head", "patch")


@functools.cache
def _document(path):
    """Read once: it takes a third of a second."""
    return yaml.safe_load(path.read_text())


class Api:
    def __init__(self, path=DOCUMENT):
        self.document = _document(path)
        self.resolver = jsonschema.RefResolver("", self.document)
        self.seen = set()

    def _resolve(self, node):
        while "$ref" in node:
            _, node = self.resolver.resolve(node["$ref"])
        return node

    def operations(self):
        """(path template, METHOD): operation"""
        return {(path, method.upper()): operation
                for path, item in self.document["paths"].items()
                for method, operation in item.items() if method in METHODS}

    def documented(self):
        """Every (path template, METHOD, status) of the document."""
        return {(path, method, str(status))
                for (path, method), operation in self.operations().items()
                for status in operation["responses"]}

    def unseen(self):
        return sorted(self.documented() - self.seen)

    def template(self, method, target):
        """The path template of a request target; fails when none or several match."""
        path = target.split("?")[0]
        found = [template for template, known in self.operations()
                 if known == method
                 and re.fullmatch(re.sub(r"\\\{[^/]+?\\\}", "[^/]+", re.escape(template)), path)]
        literal = [template for template in found if "{" not in template]
        found = literal or found
        assert len(found) == 1, f"{method} {path}: templates {found} of the document match"
        return found[0]

    def check(self, method, target, answer):
        """Fail unless status, headers, media type and body are as documented.

        `answer` has status, headers (a case-insensitive mapping) and body (bytes).
        """
        template = self.template(method, target)
        responses = self.operations()[template, method]["responses"]
        by_status = {str(status): response for status, response in responses.items()}
        what = f"{method} {template} {answer.status}"
        assert str(answer.status) in by_status, f"{what} is not documented: {answer.body!r}"
        response = self._resolve(by_status[str(answer.status)])
        self._check_headers(what, response, answer)
        self._check_body(what, response, answer)
        self.seen.add((template, method, str(answer.status)))

    def _check_headers(self, what, response, answer):
        for name, header in response.get("headers", {}).items():
            header = self._resolve(header)
            value = answer.headers.get(name)
            if value is None:
                assert not header.get("required"), f"{what}: no header {name}"
                continue
            schema = self._resolve(header.get("schema", {}))
            typed = int(value) if schema.get("type") == "integer" else value
            self._validate(f"{what} header {name}", schema, typed)

    def _check_body(self, what, response, answer):
        content = response.get("content")
        if not content:
            assert not answer.body, f"{what}: a body is not documented: {answer.body!r}"
            return
        media_type = (answer.headers.get("Content-Type") or "").split(";")[0].strip()
        described = content.get(media_type) or content.get("*/*")
        assert described is not None, f"{what}: Content-Type {media_type!r}"
        if media_type.endswith("json"):
            self._validate(what, described.get("schema", {}), json.loads(answer.body))

    def _validate(self, what, schema, value):
        validator = jsonschema.Draft202012Validator(
            schema, resolver=self.resolver,
            format_checker=jsonschema.draft202012_format_checker)
        errors = [f"{'/'.join(map(str, e.absolute_path))}: {e.message}"
                  for e in validator.iter_errors(value)]
        assert not errors, f"{what}:\n" + "\n".join(errors)
