"""make bench runs and tells its figures; what they are is nobody's matter here."""

import json
import os
import shutil
import subprocess

import pytest
from harness import paths

WAITS = {"n", "p50_us", "p99_us", "max_us"}
TIMEOUT_S = 600


def run(*names, **environment):
    return subprocess.run([paths.SOURCE / "contrib" / "bench" / "run", *names],
                          env={**os.environ, "PROVBOX_SRCDIR": str(paths.SOURCE),
                               "PROVBOX_BUILDDIR": str(paths.BUILD), **environment},
                          capture_output=True, text=True, timeout=TIMEOUT_S)


def check_waits(kinds, printed):
    assert list(kinds) == ["none", "silent", "slow_body"]
    for kind, result in kinds.items():
        assert f"\n| {kind} " in printed
        assert result["failures"] == 0, result["first_failure"]
        assert set(result["new"]) == set(result["kept"]) == set(result["pulse"]) == WAITS
        assert result["new"]["n"] == 200
        assert result["kept"]["n"] > 0 and result["pulse"]["n"] > 0
        assert 0 < result["new"]["p50_us"] <= result["new"]["p99_us"] <= result["new"]["max_us"]
    # Each slow peer was really there, and ended by its own deadline.
    for kind, reason in (("silent", "handshake_timeout"), ("slow_body", "body_timeout")):
        assert kinds[kind]["slow"]["begun"] == 20
        assert kinds[kind]["ends"][reason] == 20


def check_cpu(rows, printed):
    assert len(rows) == 3
    for row, proxies in rows.items():
        assert f"{row}: CPU of all processes of the proxy" in printed
        # HAProxy is a package of the tests; nginx is measured where it is installed.
        assert {"provbox", "haproxy"} <= set(proxies)
        for runs in proxies.values():
            for one in runs:
                assert one["failures"] == 0
                assert one["cpu_us"] > 0 and one["unit_us"] > 0
                assert one["units"] == pytest.approx(one["cpu_us"] / one["unit_us"], rel=0.01)


def check_keys(found, printed):
    [one] = found
    assert one["session_us"] > 0 and one["here_us"] > 0
    assert one["price_us"] == pytest.approx(one["session_us"] - one["here_us"])
    assert "### The keys child, CPU" in printed


def check_held(found, printed):
    assert "Memory of an idle session, 100 held" in printed or "only root may look" in printed
    assert {"provbox", "haproxy"} <= set(found)
    for name, [one] in found.items():
        assert f"\n| {name} " in printed
        assert one["opened"]["failures"] == 0
        assert one.get("kib", 1) > 0
        for phase, n in (("steady", 200), ("burst", 100)):
            assert one[phase]["failures"] == 0, one[phase]["first_failure"]
            assert set(one[phase]["wait"]) == WAITS
            assert one[phase]["wait"]["n"] == n


def check_notices(found, printed):
    assert "| provbox " in printed and "| bare box |" in printed
    for runs in found.values():
        for one in runs:
            assert all(figure > 0 for figure in one.values()), one


def check_step(found, printed):
    for mode, names in found.items():
        for name in ("provbox", "pgbench"):
            assert all(one["rate"] > 0 for one in names[name])
        assert "authentication" in names["provbox"][0]["waits"] or mode == "device"
    assert "### Steps a second, 8 connections" in printed


def check_growth(found, printed):
    assert list(found) == ["200", "1000"]
    for one in found.values():
        assert one["import"]["rate"] > 0 and one["request"]["rate"] > 0
    assert found["1000"]["scans"] == {}
    assert "### Imported devices" in printed


def check_charts(directory):
    if shutil.which("gnuplot"):
        for name, words in (("proxies", ("provbox", "haproxy", "all at once:")),
                            ("waits", ("silent", "new: p99"))):
            chart = (directory / f"bench-{name}.svg").read_text()
            assert chart.startswith("<?xml") and chart.rstrip().endswith("</svg>")
            assert all(f">{word}" in chart for word in words)


def check_provisioning(found, printed):
    assert "request_move" in [row["name"] for row in found["functions"]]
    for runs in found["runs"].values():
        for one in runs:
            assert (one["report"]["done"], one["report"]["reasons"]) == (20, {})
            assert sum(one["cpu_ms"].values()) > 0 and one["disk"]["commits"] > 1
            assert {"provbox-gateway: worker", "provbox-gateway: keys",
                    "provbox-server: landnet", "provbox-server: zone",
                    "provbox-server: courier", "provbox-smsc: link", "bearerbox",
                    "postgres: provbox_server"} <= set(one["cpu_ms"])
            assert "provbox.request_put" in [row["query"] for row in one["statements"]]
    assert "### CPU of one provisioning, ms" in printed


@pytest.mark.long
def test_smoke(tmp_path):
    result = tmp_path / "bench.json"
    done = run("smoke", BENCH_JSON=str(result))
    assert done.returncode == 0, done.stderr
    found = json.loads(result.read_text())
    check_waits(found["smoke"]["slow"]["kinds"], done.stdout)
    check_cpu(found["smoke"]["peers"], done.stdout)
    check_keys(found["smoke"]["keys"], done.stdout)
    check_held(found["smoke"]["held"], done.stdout)
    check_notices(found["smoke"]["notices"], done.stdout)
    check_step(found["smoke"]["step"], done.stdout)
    check_growth(found["smoke"]["growth"], done.stdout)
    check_provisioning(found["smoke"]["provisioning"], done.stdout)
    check_charts(tmp_path)


def test_names_are_told():
    done = run("nothing")
    assert done.returncode == 2
    assert "there are slow peers keys held notices step growth provisioning smoke" in done.stderr
    assert "make bench BENCH='slow'" in run("help").stdout


def test_it_is_make_that_starts_it():
    done = subprocess.run([paths.SOURCE / "contrib" / "bench" / "run", "held"], env={},
                          capture_output=True, text=True, timeout=TIMEOUT_S)
    assert (done.returncode, done.stdout) == (1, "")
    assert "make bench BENCH='help'" in done.stderr and "Traceback" not in done.stderr
