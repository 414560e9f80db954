"""Alerts and dashboard. Whether daemons have what they speak of, test/flow/test_monitoring.py
tells."""

import json
import re
import shutil
import subprocess
import sys

import pytest
import test_documents
import tree

FOLDER = tree.TOP / "contrib/monitoring"
RULES = (FOLDER / "provbox.rules.yml").read_text()


def promtool(*arguments):
    if not shutil.which("promtool"):
        pytest.skip("no promtool; it is in the package prometheus")
    done = subprocess.run(["promtool", *arguments], cwd=FOLDER, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_rules():
    promtool("check", "rules", "--lint-fatal", "provbox.rules.yml")


def test_alerts_come_when_they_should():
    promtool("test", "rules", "provbox.rules.test.yml")


def test_prometheus_understands_each_panel(tmp_path):
    """As rules: JSON is YAML."""
    panels = json.loads((FOLDER / "provbox-dashboard.json").read_text())["panels"]
    expressions = [target["expr"].replace("$__rate_interval", "5m")
                   for panel in panels for target in panel.get("targets", [])]
    assert len(expressions) > 40
    rules = tmp_path / "panels.yml"
    rules.write_text(json.dumps({"groups": [{"name": "panels", "rules": [
        {"record": f"panel:{i}", "expr": expression}
        for i, expression in enumerate(expressions)]}]}))
    promtool("check", "rules", rules)


def test_each_alert_has_a_section_that_says_what_to_do():
    page = (tree.TOP / "doc/operations.md").read_text()
    anchors = set(map(test_documents.anchor, re.findall("^#+ (.*)$", page, re.M)))
    alerts = RULES.split("- alert: ")[1:]
    assert len(alerts) > 20
    for alert in alerts:
        section = re.search(r"^ +runbook: operations\.md#(.+)$", alert, re.M)
        assert section and section[1] in anchors, alert


def test_the_dashboard_is_that_of_its_table():
    made = subprocess.run([sys.executable, FOLDER / "dashboard"], stdout=subprocess.PIPE,
                          text=True, check=True).stdout
    assert (FOLDER / "provbox-dashboard.json").read_text() == made, (
        "contrib/monitoring/dashboard >contrib/monitoring/provbox-dashboard.json")
