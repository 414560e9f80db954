"""What alerts, the dashboard and the page of metrics speak of, running daemons have."""

import json
import re
import shutil
import subprocess
import sys

import pytest
from harness import paths, wait
from harness.schema import DEV

RULES = paths.SOURCE / "contrib/monitoring/provbox.rules.yml"
DASHBOARD = paths.SOURCE / "contrib/monitoring/provbox-dashboard.json"
NO_PROMTOOL = pytest.mark.skipif(not shutil.which("promtool"), reason="no promtool (prometheus)")
# Labels of Prometheus itself.
ITS_OWN = {"instance", "job"}


@pytest.fixture
def whole(site):
    """A site that has worked, with a certificate that ends."""
    site.start("database", "smscsim", "bearerbox", "server", "smsc", "gateway")
    site.leaf = site.pki.device_leaf("good", DEV)
    with site.device(site.leaf) as device:
        assert device.get("/v1/device").status == 200
    wait.until(lambda: site.smsc.metrics()['provbox_smsc_link_up{bearerbox="sim"}'] == 1, "the link")
    site.pages = {name: daemon.ask_admin("/metrics")[1].decode() for name, daemon in
                  (("gateway", site.gateway), ("server", site.server), ("smsc", site.smsc))}
    return site


def rows(pages):
    """{name: [{label: value}]} of all daemons."""
    found = {}
    for line in "".join(pages.values()).splitlines():
        if line[:1] != "#":
            name, labels = re.fullmatch(r"(\w+)(?:\{(.*)\})? [-+.\de]+", line).groups()
            found.setdefault(name, []).append(dict(re.findall(r'(\w+)="([^"]*)"', labels or "")))
    return found


def matches(operator, wanted, value):
    is_regex = operator[-1] == "~"
    is_met = re.fullmatch(wanted, value) is not None if is_regex else wanted == value
    return is_met != operator.startswith("!")


def unmet(expression, found):
    """What an expression asks for and no daemon says."""
    expression = expression.replace('instance=~"$instance"', "").replace("{,", "{")
    for name, selectors in re.findall(r"\b(provbox_\w+|up)\b(?:\{([^}]*)\})?", expression):
        wanted = re.findall(r'(\w+)(=~|!~|!=|=)"([^"]*)"', selectors)
        if name != "up" and not any(
                all(matches(operator, value, row.get(label, "")) and label in row
                    for label, operator, value in wanted) for row in found.get(name, [])):
            yield f"{name}{{{selectors}}}"
    grouped = {label for group in re.findall(r"\bby \(([^)]*)\)", expression)
               for label in re.split(r",\s*", group)}
    known = {label for name in re.findall(r"\bprovbox_\w+", expression)
             for row in found.get(name, []) for label in row}
    yield from (f"by ({label})" for label in grouped - known - ITS_OWN)


def expressions():
    """(where, expression) of alerts and panels, and (where, legend or summary)."""
    import yaml  # of the tests; the harness does without

    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"], rule["annotations"]["summary"]
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"], target["legendFormat"]


def test_alerts_and_panels_speak_of_what_there_is(whole):
    found = rows(whole.pages)
    asked = list(expressions())
    assert len(asked) > 60
    wrong = [f"{where}: {name}" for where, expression, _ in asked
             for name in unmet(expression, found)]
    for where, expression, text in asked:
        known = ITS_OWN | {label for name in re.findall(r"\bprovbox_\w+", expression)
                           for row in found.get(name, []) for label in row}
        used = re.findall(r"\$labels\.(\w+)", text) + re.findall(r"\{\{(\w+)\}\}", text)
        wrong += [f"{where}: {text}" for label in used if label not in known]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("expression", [
    "provbox_gateway_nothing > 0", 'provbox_smsc_link_up{bearerbox="west"} == 0',
    'sum by (colour) (provbox_gateway_ready)'])
def test_what_there_is_not_is_noticed(expression):
    found = {"provbox_smsc_link_up": [{"bearerbox": "sim"}], "provbox_gateway_ready": [{}]}
    assert list(unmet(expression, found))


def test_the_page_of_metrics_is_what_the_daemons_say(whole):
    files = []
    for name, text in whole.pages.items():
        files.append(whole.directory / f"{name}-metrics.txt")
        files[-1].write_text(text)
    page = subprocess.run([sys.executable, paths.SOURCE / "contrib/pages/metrics", *files],
                          stdout=subprocess.PIPE, text=True, check=True).stdout
    (whole.directory / "metrics.md").write_text(page)
    assert (paths.SOURCE / "doc/metrics.md").read_text() == page, "metrics.md of the kept site is right"


@NO_PROMTOOL
def test_prometheus_likes_what_the_daemons_say(whole):
    for name, text in whole.pages.items():
        done = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                              capture_output=True, timeout=30)
        assert (done.returncode, done.stderr) == (0, ""), name


def test_how_long_answers_take_is_counted(whole):
    """Not of those that the device lets wait."""
    with whole.device(whole.leaf) as device:
        assert device.get("/v1/device", headers={"Prefer": "wait=1"}).status == 200
        assert device.get("/v1/device").status == 200
    found = whole.gateway.metrics()
    assert found["provbox_gateway_answer_seconds_count"] == 2
    assert found["provbox_gateway_authentication_seconds_count"] == 2
    for name in ("answer", "authentication"):
        name = f"provbox_gateway_{name}_seconds"
        assert found[name + '_bucket{le="+Inf"}'] == 2 and 0 < found[name + "_sum"] < 5


def test_cpu_that_is_used_is_counted(whole):
    """Of each process, by its clock."""
    name = 'provbox_gateway_cpu_seconds_total{role="worker",index="0"}'
    before = whole.gateway.metrics()[name]
    assert 0 < before < 30
    told = {row["role"]: row for row in whole.gateway.status()["generations"][0]["processes"]}
    assert before <= told["worker"]["cpu_ms"] / 1000 < 30

    def work():
        with whole.device(whole.leaf) as device:
            device.get("/nowhere")
        return whole.gateway.metrics()[name] >= before + 0.01
    wait.until(work, "CPU")
