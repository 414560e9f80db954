"""The operator's command line, run to its end."""

import json
import os
import re
import subprocess

from harness import paths
from harness.postgres import SQL

PROVCTL = paths.program("provctl")
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")  # as its times are


class Provctl:
    def __init__(self, dsn, sql_dir=SQL):
        self.dsn, self.sql_dir = dsn, sql_dir

    def run(self, *arguments, status=0, stdin=""):
        """(stdout, stderr) of a run that must end with `status`."""
        done = subprocess.run(
            [PROVCTL, *arguments, *([f"--dsn={self.dsn}"] if self.dsn else [])],
            input=stdin, capture_output=True, text=True, timeout=60,
            env={**os.environ, "PROVBOX_SQL_DIR": str(self.sql_dir)})
        assert done.returncode == status, (arguments, done)
        assert "Sanitizer" not in done.stderr and "runtime error" not in done.stderr
        return done.stdout, done.stderr

    def json(self, *arguments, **knobs):
        return json.loads(self.run(*arguments, "--json", **knobs)[0])
