# SPDX-License-Identifier: Apache-2.0
"""Every query of integrations/grafana returns data from a real Prometheus that scrapes a real
tocsin and a real Node Exporter, in which there was an incident."""
import math
import re
import subprocess
import time

import pytest

from alone import alone_with_the_fault_network
from daemon import Daemon
from grafana_files import VARIABLE, dashboards, queries, rules
from servers import NodeExporter, Prometheus, until

RANGE = 300  # seconds, as a dashboard shows them
STEP = 5


class Watched:
    """This machine, watched by a tocsin that rang, and scraped by a Prometheus."""

    def __init__(self, binary, folder):
        self.started, self.servers = [], []
        self.daemon = Daemon(binary, folder, "--threshold", "budget:2/week", learn="30s")
        try:
            with alone_with_the_fault_network():
                self.learn_and_ring(binary, folder)
            self.look()
        except BaseException:
            self.stop()
            raise

    def learn_and_ring(self, binary, folder):
        self.exporter = NodeExporter(folder)
        self.servers.append(self.exporter)
        self.daemon.start()
        self.prometheus = Prometheus(folder, {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
            "scrape_configs": [
                {"job_name": "node", "static_configs": [{"targets": [self.exporter.target]}]},
                {"job_name": "tocsin", "honor_labels": True,
                 "static_configs": [{"targets": [self.daemon.url.split("//")[1]]}]}]})
        self.servers.append(self.prometheus)
        self.daemon.wait_watching()
        until(lambda: self.prometheus.query("anomaly_score"), "a score in Prometheus", 30)
        until(lambda: self.prometheus.query("anomaly_detected == 0"), "quiet", 120)
        self.quiet_at = time.time()
        drill = subprocess.run(
            [binary, "drill", "--fault", "network", "--for", "60s", "--url", self.daemon.url],
            capture_output=True, text=True, timeout=120)
        assert drill.returncode == 0, drill.stdout + drill.stderr
        until(lambda: self.prometheus.query("anomaly_detected == 1"), "the incident there", 30)

    def look(self):
        trend, = [r["data"][0]["model"]["expr"] for r in rules() if r["uid"] == "tocsin-trend"]
        until(lambda: self.prometheus.query(trend), "two scores a minute apart", 180)
        self.now = time.time()
        self.incident = self.daemon.json("/api/v1/incidents")["incidents"][0]  # the newest
        self.exported = self.exporter.names()
        self.values = self.variables()

    def variables(self):
        """$name: value, as Grafana fills them for one machine."""
        values = {"__rate_interval": "10s", "__interval": f"{STEP}s", "__range": f"{RANGE}s"}
        for v in dashboards()["tocsin-machine"]["templating"]["list"]:
            if v["type"] == "query":
                values[v["name"]] = self.variable(v, values)
        return values

    def variable(self, v, values):
        """The first value of a variable by its query: label_values(metric, label), or
        query_result(expression) with a regex that picks from the text of a series."""
        kind, rest = re.fullmatch(r"(label_values|query_result)\((.*)\)", v["definition"]).groups()
        if kind == "label_values":
            metric, label = rest.rsplit(", ", 1)
            found = {s["metric"][label] for s in self.prometheus.query(fill(metric, values))}
        else:
            pick = re.compile(v["regex"].strip("/"))
            series = [s["metric"] for s in self.prometheus.query(fill(rest, values))]
            lines = [",".join(f'{k}="{w}"' for k, w in m.items()) for m in series]
            found = {pick.search(line).group(1) for line in lines}
        assert len(found) == 1, f"{v['name']}: {found}"
        return found.pop()

    def points(self, query):
        """[(time, value)] of all series that it returns."""
        expression = fill(query.expression, self.values)
        if query.instant:
            return [(float(s["value"][0]), float(s["value"][1]))
                    for s in self.prometheus.query(expression, self.now)]
        return [(float(t), float(v))
                for s in self.prometheus.query_range(expression, self.now - RANGE, self.now, STEP)
                for t, v in s["values"]]

    def stop(self):
        self.daemon.stop()
        for server in self.servers:
            server.stop()


def fill(expression, values):
    return VARIABLE.sub(lambda m: values[m.group(1)], expression)


@pytest.fixture(scope="module")
def watched(binary, tmp_path_factory):
    made = Watched(binary, tmp_path_factory.mktemp("grafana"))
    yield made
    made.stop()


@pytest.mark.parametrize("query", queries(), ids=repr)
def test_a_query_returns_data(watched, query):
    missing = set(re.findall(r"\bnode_\w+", query.expression)) - watched.exported
    if missing:  # a machine without disks, a kernel without PSI; names are tested elsewhere
        pytest.skip(f"this machine has no {', '.join(sorted(missing))}")
    points = watched.points(query)
    assert any(math.isfinite(value) for _, value in points), query.expression


def test_the_incident_is_marked_where_it_was(watched):
    marks, = [a for a in dashboards()["tocsin-machine"]["annotations"]["list"]
              if a["name"] == "Incidents"]
    query = next(q for q in queries() if q.where == "tocsin-machine/annotation Incidents")
    active = [at for at, value in watched.points(query) if value > 0]
    start = watched.incident["start"]
    assert marks["expr"] == query.expression
    assert any(start - 1 <= at <= start + 3 * STEP for at in active)


def test_a_table_shows_one_row_for_each_machine(watched):
    instance = watched.values["instance"]
    for panel in dashboards()["tocsin-fleet"]["panels"]:
        for target in panel.get("targets", []) if panel["type"] == "table" else []:
            series = watched.prometheus.query(fill(target["expr"], watched.values), watched.now)
            assert [s["metric"] for s in series] == [{"instance": instance}], target["expr"]


def fires(watched, uid, at):
    """Whether the rule's limit is passed at this time, as Grafana's threshold expression says."""
    rule, = [r for r in rules() if r["uid"] == uid]
    step = next(s["model"] for s in rule["data"] if s["refId"] == rule["condition"])
    evaluator = step["conditions"][0]["evaluator"]
    limit, = evaluator["params"]
    passed = {"gt": lambda v: v > limit, "gte": lambda v: v >= limit, "lt": lambda v: v < limit}
    series = watched.prometheus.query(rule["data"][0]["model"]["expr"], at)
    return any(passed[evaluator["type"]](float(s["value"][1])) for s in series)


def test_the_rule_of_an_anomaly_fires_in_the_incident_alone(watched):
    assert not fires(watched, "tocsin-anomaly", watched.quiet_at)
    assert any(fires(watched, "tocsin-anomaly", watched.incident["start"] + s) for s in range(15))


def test_rules_about_tocsin_are_quiet_while_it_is_well_and_fire_when_it_is_not_there(watched):
    for uid in ("tocsin-down", "tocsin-silent", "tocsin-loses", "tocsin-stale"):
        assert not fires(watched, uid, watched.now), uid
    assert fires(watched, "tocsin-down", watched.now - 86400)
