# SPDX-License-Identifier: Apache-2.0
"""The classic chain, real: Node Exporter, Prometheus, tocsin that learns from Prometheus's history
and watches by its API, Prometheus that scrapes the scores each second, its alert rule,
Alertmanager, and a webhook; with a real fault on this machine."""
import calendar
import glob
import json
import os
import subprocess
import time

import pytest
import yaml

from alertmanagers import Alertmanager, Hook, free_ports
from alone import alone_with_the_fault_network
from daemon import Daemon
from grafana_files import ROOT
from servers import NodeExporter, Prometheus, until

RULES = os.path.join(ROOT, "integrations", "prometheus", "tocsin-*.yml")
HISTORY = 90  # seconds that Prometheus has before tocsin comes; all the learning there is
CONFIG = """
learn: {{retrain: 0s}}
sources:
  - prometheus: {{url: "{url}", interval: 1s, backfill: 7d}}
threshold: {{method: budget, alarms: "1 per week"}} # other tests load this machine beside it
"""


def rule_of_anomaly():
    """The name of the alerting rule about anomaly_detected."""
    found = []
    for path in glob.glob(RULES):
        with open(path) as f:
            for group in yaml.safe_load(f)["groups"]:
                found += [r["alert"] for r in group["rules"]
                          if "alert" in r and r["expr"].strip().startswith("anomaly_detected")]
    name, = found
    return name


class Chain:
    def __init__(self, binary, folder):
        self.stops = []
        try:
            self.start(binary, folder)
        except BaseException:
            self.stop()
            raise

    def keep(self, made):
        self.stops.append(made.stop)
        return made

    def start(self, binary, folder):
        self.hook = self.keep(Hook())
        self.alertmanager = Alertmanager(str(folder / "alertmanager"), *free_ports(2), [],
                                         self.hook.url)
        self.keep(self.alertmanager).start()
        self.exporter = self.keep(NodeExporter(folder))
        targets = folder / "tocsin.json"  # Prometheus is there before tocsin has an address
        self.prometheus = self.keep(Prometheus(folder, {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s",
                       "evaluation_interval": "1s"},
            "rule_files": [RULES],
            "alerting": {"alertmanagers": [
                {"static_configs": [{"targets": [self.alertmanager.url.split("//")[1]]}]}]},
            "scrape_configs": [
                {"job_name": "node", "static_configs": [{"targets": [self.exporter.target]}]},
                {"job_name": "tocsin", "honor_labels": True,
                 "file_sd_configs": [{"files": [str(targets)], "refresh_interval": "1s"}]}]}))
        until(lambda: self.prometheus.number('count_over_time(up{job="node"}[10m])') >= HISTORY,
              "a history", HISTORY + 60)

        config = folder / "tocsin.yml"
        config.write_text(CONFIG.format(url=self.prometheus.url))
        self.tocsin = Daemon(binary, folder, "-c", str(config), learn="60s")
        self.stops.append(self.tocsin.stop)
        self.tocsin_started = time.time()
        self.tocsin.start()
        targets.write_text(json.dumps([{"targets": [self.tocsin.url.split("//")[1]]}]))
        self.tocsin.wait(lambda: self.tocsin.json("/api/v1/entities")["entities"])
        self.tocsin.wait_watching()

    def stop(self):
        while self.stops:
            self.stops.pop()()


@pytest.fixture(scope="module")
def chain(binary, tmp_path_factory):
    with alone_with_the_fault_network():
        made = Chain(binary, tmp_path_factory.mktemp("chain"))
        yield made
        made.stop()


def test_there_is_no_cold_start(chain):
    """It learned from what Prometheus had gathered before it came."""
    entity, = chain.tocsin.json("/api/v1/entities")["entities"]
    assert entity["instance"] == chain.exporter.target
    assert entity["model"]["rows"] >= 45  # of 60 some are held back
    with chain.tocsin.database() as db:  # which is written a moment later
        (provenance,), = chain.tocsin.wait(
            lambda: db.execute("SELECT provenance FROM models ORDER BY id LIMIT 1").fetchall())
    assert json.loads(provenance)["first_ms"] / 1000 < chain.tocsin_started - 5


def test_prometheus_has_the_score_each_second(chain):
    score = f'anomaly_score{{instance="{chain.exporter.target}", job="tocsin"}}'
    until(lambda: chain.prometheus.number(f"count_over_time({score}[10s])") >= 8, "scores", 30)
    threshold = chain.prometheus.number("anomaly_threshold")
    assert threshold > 0 and chain.prometheus.number(score) < 5 * threshold


def begun_since(alerts, when):
    """Those of rule_of_anomaly that did: what else this machine does may ring before a drill's fault."""
    return [a for a in alerts if a["labels"]["alertname"] == rule_of_anomaly() and
            calendar.timegm(time.strptime(a["startsAt"][:19], "%Y-%m-%dT%H:%M:%S")) >= when]


def test_a_fault_goes_all_the_way_to_the_webhook_and_so_does_its_end(chain, binary):
    shown = []  # what Alertmanager had whenever it was asked: the drill ends its fault once it rang

    def ask():
        shown.extend(chain.alertmanager.query(rule_of_anomaly()))

    with subprocess.Popen(
            [binary, "drill", "--fault", "network", "--for", "60s", "--url", chain.tocsin.url,
             "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as drill:
        until(lambda: ask() or drill.poll() is not None, "the drill to end", 1200)
        out, errors = drill.communicate()
    assert drill.returncode == 0, out + errors
    made = time.time() - json.loads(out)["seconds"] - 3

    def told(status):
        return begun_since(chain.hook.heard(status, chain.exporter.target), made)

    until(lambda: ask() or told("firing"), "the webhook to hear of it", 30)
    ask()
    assert told("firing")[-1]["annotations"]
    assert begun_since(shown, made)
    until(lambda: told("resolved"), "the webhook to hear of its end", 180)
