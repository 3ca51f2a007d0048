# SPDX-License-Identifier: Apache-2.0
"""What pushes samples, for real: a Node Exporter, scraped by Prometheus or vmagent, each a process of
a test's own on a free loopback port."""
import json
import os
import subprocess
import urllib.parse
import urllib.request

from waiting import free_port, until

PROMETHEUS = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: node
    static_configs: [{{targets: ["127.0.0.1:{exporter}"]}}]
remote_write:
  - url: "http://127.0.0.1:{receiver}/api/v1/write"
    queue_config: {{batch_send_deadline: 1s}}
    metadata_config: {{send_interval: 5s}}
"""
VMAGENT = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: node
    static_configs: [{{targets: ["127.0.0.1:{exporter}"]}}]
"""


class Process:
    def __init__(self, folder, *command):
        self.log_path = folder / f"{os.path.basename(command[0])}.log"
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(list(map(str, command)), stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=30)

    def log(self):
        return self.log_path.read_text(errors="replace")


def get(url, timeout=10):
    with urllib.request.urlopen(url, timeout=timeout) as answer:
        return answer.read().decode()


class Exporter(Process):
    def __init__(self, folder):
        self.port = free_port()
        super().__init__(folder, "prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{self.port}")
        until(lambda: get(f"http://127.0.0.1:{self.port}/metrics"), "the exporter")

    @property
    def instance(self):
        return f"127.0.0.1:{self.port}"


class Prometheus(Process):
    """Scrapes an exporter each second, and pushes to receiver's port."""

    def __init__(self, folder, exporter, receiver, *more):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        config = folder / "prometheus.yml"
        config.write_text(PROMETHEUS.format(exporter=exporter.port, receiver=receiver))
        super().__init__(folder, "prometheus", f"--config.file={config}",
                         f"--storage.tsdb.path={folder}/prometheus",
                         f"--web.listen-address=127.0.0.1:{self.port}", *more)
        until(lambda: get(self.url + "/-/ready"), "Prometheus")

    def query(self, expression, at=None):
        fields = {"query": expression}
        if at is not None:
            fields["time"] = f"{at / 1000:.3f}"
        return json.loads(get(f"{self.url}/api/v1/query?{urllib.parse.urlencode(fields)}"))["data"]["result"]

    def samples(self, selector):
        """{ms: value} of the one series that selector, with a range, selects."""
        found = self.query(selector)
        assert len(found) == 1, f"{selector}: {len(found)} series"
        return {round(ts * 1000): float(v) for ts, v in found[0]["values"]}

    def metric(self, name):
        """Sum over one family of Prometheus's own metrics."""
        return sum(float(line.rsplit(" ", 1)[1]) for line in get(self.url + "/metrics").splitlines()
                   if line.startswith((name + "{", name + " ")))


class Vmagent(Process):
    def __init__(self, folder, exporter, receiver, *more):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        config = folder / "vmagent.yml"
        config.write_text(VMAGENT.format(exporter=exporter.port))
        super().__init__(folder, "vmagent", f"-promscrape.config={config}",
                         f"-httpListenAddr=127.0.0.1:{self.port}",
                         f"-remoteWrite.url=http://127.0.0.1:{receiver}/api/v1/write",
                         f"-remoteWrite.tmpDataPath={folder}/vmagent", *more)
        until(lambda: get(self.url + "/metrics"), "vmagent")

    metric = Prometheus.metric


class Receiver:
    """tests/tools/push_demo: tocsin's receiver, whose ticks go to a file."""

    def __init__(self, program, folder, *options):
        self.program, self.out = program, folder / "ticks"
        self.port = free_port()  # its own, so that it comes back on the same one
        self.options = [*map(str, options), "--listen", f"127.0.0.1:{self.port}"]
        self.process = None

    def start(self):
        self.process = subprocess.Popen([self.program, *self.options, str(self.out)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert int(self.process.stdout.readline()) == self.port
        return self

    def kill(self):
        """As a crash or a loss of power would."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait(timeout=20)
        return self.process.returncode

    def lines(self):
        """[(kind, instance, ms, rest...)] of whole lines."""
        if not self.out.exists():
            return []
        found = [line.split("\t") for line in self.out.read_text().splitlines(keepends=True)
                 if line.endswith("\n")]
        return [(line[0], line[1], int(line[2]), *[w.rstrip("\n") for w in line[3:]]) for line in found]

    def ticks(self, instance=None):
        """{ms: (series that live, {metric: value})}, in the order of their coming."""
        return {ms: (int(live), dict((k, float(v)) for k, v in (w.split("=") for w in shown)))
                for kind, name, ms, live, *shown in self.lines()
                if kind == "tick" and instance in (None, name)}

    def metrics(self):
        return get(f"http://127.0.0.1:{self.port}/metrics")
