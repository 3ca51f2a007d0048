# SPDX-License-Identifier: Apache-2.0
"""A machine beside this one through the whole daemon: scraped, learned, broken, rebooted, hurt, and its
scores written back. The exporter is made up, so that each of these happens when the test says so."""
import http.server
import json
import threading
import time

import pytest
import snappy

from daemon import Daemon
from exporters import Exporter
from prom_servers import COUNTERS

LEARN_S = 60


class Writes:
    """Takes remote writes, and keeps what they say."""

    def __init__(self):
        self.bodies = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.bodies.append(snappy.uncompress(body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/api/v1/write"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def machine():
    e = Exporter()
    yield e
    e.stop()


@pytest.fixture
def writes():
    w = Writes()
    yield w
    w.stop()


def departures(d, instance):
    return [i for i in d.json("/api/v1/incidents")["incidents"]
            if i["instance"] == instance and i["kind"] == "departure"]


def test_a_scraped_machine_from_its_first_answer_to_an_incident(binary, tmp_path, machine, writes):
    config = tmp_path / "tocsin.yml"
    config.write_text(json.dumps({  # JSON is YAML
        "sources": [{"scrape": {"job": "node", "interval": "1s", "targets": [machine.target]}}],
        "learn": {"for": f"{LEARN_S}s"},
        "write": {"url": writes.url, "labels": {"from": "tocsin"}},
    }))
    d = Daemon(binary, tmp_path, "-c", str(config), learn=f"{LEARN_S}s").start()
    try:
        d.wait(lambda: d.json("/api/v1/entities")["entities"], 30)
        assert d.entity()["instance"] == machine.target
        d.wait(lambda: d.entity()["phase"] == "watching" and d.entity()["score"] is not None, 240)

        # an exporter that fails is stale, and its machine is not anomalous
        before = d.metric("tocsin_incidents_total")
        machine.broken = True
        d.wait(lambda: d.metric("tocsin_entity_stale") == 1, 60)
        time.sleep(5)
        machine.broken = False
        d.wait(lambda: d.metric("tocsin_entity_stale") == 0, 60)
        # counters that begin anew are a reboot, which is no anomaly by itself either
        machine.reboot()
        time.sleep(15)
        assert d.metric("tocsin_incidents_total") == before, departures(d, machine.target)

        # a fault is
        for name in COUNTERS:
            if "forks" in name or "context_switches" in name:
                machine.factor[name] = 40
        d.wait(lambda: departures(d, machine.target), 60)
        causes = [c["feature"] for c in departures(d, machine.target)[0]["causes"]]
        assert {"forks", "context_switches"} & set(causes[:2])
        machine.factor.clear()
        d.wait(lambda: departures(d, machine.target)[0]["end"] is not None, 60)

        written = b"".join(writes.bodies)
        for text in (b"anomaly_score", b"anomaly_detected", machine.target.encode(), b"tocsin"):
            assert text in written
        assert d.stop() == 0
        # what was learned outlives a restart, though the machine is only heard of later
        d.start()
        d.wait(lambda: d.json("/api/v1/entities")["entities"], 30)
        assert d.entity()["phase"] == "watching"
    finally:
        assert d.stop() == 0


def test_sources_that_cannot_be_are_refused_at_the_start(tocsin, tmp_path):
    config = tmp_path / "tocsin.yml"
    config.write_text("sources: [prometheus: {url: 'http://127.0.0.1:1', match: 'job='}]\n")
    p = tocsin("run", "-c", config, "--data-dir", tmp_path / "data", "--listen", "127.0.0.1:0", code=2)
    assert "match" in p.stderr and "Traceback" not in p.stderr
