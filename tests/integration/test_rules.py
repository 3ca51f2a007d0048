# SPDX-License-Identifier: Apache-2.0
"""integrations/prometheus: what promtool says of it, and that it asks for series that exist."""
import glob
import os
import re
import shutil
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDER = os.path.join(ROOT, "integrations", "prometheus")
RULES = ["tocsin-recording.yml", "tocsin-alerts.yml"]


def promtool(*words):
    if not shutil.which("promtool"):
        pytest.skip("promtool (package prometheus) is not installed")
    p = subprocess.run(["promtool", *words], capture_output=True, text=True, cwd=FOLDER,
                       timeout=120)
    assert p.returncode == 0, p.stdout + p.stderr
    return p.stdout


def read(name):
    with open(os.path.join(FOLDER, name), encoding="utf-8") as f:
        return f.read()


def test_promtool_takes_the_configuration():
    promtool("check", "config", "prometheus.yml")


@pytest.mark.parametrize("name", RULES)
def test_promtool_takes_the_rules(name):
    said = promtool("check", "rules", "--lint=all", "--lint-fatal", name)
    assert f"{len(re.findall(r'- (?:alert|record):', read(name)))} rules found" in said


@pytest.mark.parametrize("path", sorted(glob.glob(os.path.join(FOLDER, "tests", "*.test.yml"))))
def test_rules_do_what_their_tests_say(path):
    promtool("test", "rules", path)


def test_every_alert_is_tested():
    tested = read("tests/alerts.test.yml") + read("tests/models.test.yml")
    for name in re.findall(r"- alert: (\w+)", read("tocsin-alerts.yml")):
        cases = re.split(r"\n      - ", tested)
        assert any(f"alertname: {name}" in c and "exp_labels" in c for c in cases), name


def test_rules_ask_for_series_that_tocsin_serves(tool):
    """A name that /metrics does not have, in any state of an entity, would never fire."""
    served = set()
    for state in (["learning"], ["ringing"]):
        demo = subprocess.Popen([tool("serve_demo"), *state], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, text=True)
        try:
            port = int(demo.stdout.readline())
            text = subprocess.run(["curl", "-sS", f"http://127.0.0.1:{port}/metrics"],
                                  capture_output=True, text=True, timeout=30).stdout
        finally:
            demo.stdin.close()
            demo.wait(timeout=20)
        served |= set(re.findall(r"^# TYPE (\w+)", text, re.M))
    asked = set()
    for name in RULES:
        asked |= set(re.findall(r"(?<![:\w])(?:tocsin|anomaly)_\w+(?![:\w])",
                                re.sub(r"#.*", "", read(name))))
    assert asked - served == set()
    assert len(asked) > 10
