# SPDX-License-Identifier: Apache-2.0
"""Scores written back by remote write: to a server of the test's own, read by Google's protobuf, and to
real stores. The writer is tests/tools/write_demo."""
import http.server
import json
import shutil
import subprocess
import threading
import time
import urllib.parse

import pytest

import write_messages as wm
from senders import Process, free_port, get, until

T0 = 1740088500000


class Store:
    """Answers each request with the next of `answers` (status, headers); then with 204."""

    def __init__(self):
        self.answers, self.bodies, self.times, self.headers = [], [], [], []
        store = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                store.times.append(time.monotonic())
                status, headers = store.answers.pop(0) if store.answers else (204, {})
                store.headers.append(dict(self.headers))
                if status < 300:
                    store.bodies.append(body)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/api/v1/write"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def samples(self):
        return [sample for body in self.bodies for sample in wm.unpack_1(body)]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def store():
    s = Store()
    yield s
    s.stop()


@pytest.fixture
def write(tool):
    """write(url, lines, label...): the words of the last line, and all lines."""
    def run(url, lines, *labels):
        p = subprocess.run([tool("write_demo"), url, *labels], input="".join(line + "\n" for line in lines),
                           capture_output=True, text=True, timeout=120)
        assert p.returncode == 0, p.stderr
        said = p.stdout.splitlines()
        words = said[-1].split()
        return dict(zip(words[::2], map(int, words[1::2]))), said[:-1]

    return run


def test_scores_arrive_as_the_specification_says(store, write):
    lines = [f"db{i}:9100 {T0 + i} {i}.5 0.25 {i % 2} 0" for i in range(5)]
    counts, said = write(store.url, lines, "job=tocsin", "Zone=a")
    assert counts == {"sent": 15, "refused": 0, "dropped": 0, "retries": 0} and not said
    expected = []
    for i in range(5):
        for name, value in (("anomaly_score", i + 0.5), ("anomaly_threshold", 0.25),
                            ("anomaly_detected", i % 2)):
            expected.append(({"Zone": "a", "__name__": name, "instance": f"db{i}:9100",
                              "job": "tocsin"}, value, T0 + i))
    assert store.samples() == expected
    assert all(list(found) == sorted(found) for found, _, _ in store.samples())
    headers = store.headers[0]
    assert headers["Content-Type"] == "application/x-protobuf"
    assert headers["Content-Encoding"] == "snappy"
    assert headers["X-Prometheus-Remote-Write-Version"] == "0.1.0"
    assert headers["User-Agent"].startswith("tocsin/")


def test_a_store_in_trouble_is_asked_again_and_nothing_is_lost(store, write):
    store.answers = [(500, {}), (429, {"Retry-After": "2"}), (503, {})]
    counts, said = write(store.url, [f"h {T0} 1 2 0 0", *["wait"] * 12, f"h {T0 + 1} 1 2 0 0"])
    assert counts["sent"] == 6 and counts["retries"] == 3 and counts["dropped"] == 0
    assert [ms for _, _, ms in store.samples()] == [T0] * 3 + [T0 + 1] * 3
    waited = [b - a for a, b in zip(store.times, store.times[1:])]
    assert waited[0] >= 0.9 and waited[1] >= 1.9 and waited[2] >= 3.9
    assert len(said) == 2 and "status 500" in said[0] and said[1] == "trouble: "


def test_what_a_store_refuses_is_not_sent_again(store, write):
    store.answers = [(400, {})]
    counts, said = write(store.url, [f"h {T0} 1 2 0 0", "wait", "wait", f"h {T0 + 1} 1 2 0 0"])
    counts.pop("retries")  # of the second, which the end may come upon while it is sent
    assert counts == {"sent": 3, "refused": 3, "dropped": 0}
    assert {ms for _, _, ms in store.samples()} == {T0 + 1}
    assert "status 400" in said[0]


def test_when_too_much_waits_the_oldest_is_dropped(store, write):
    most, more = 65536, 500
    store.answers = [(503, {})] * 2
    lines = [f"h {T0 + i} 1 2 0 0" for i in range(most + more)]
    counts, _ = write(store.url, [*lines, *["wait"] * 8])
    assert counts["sent"] == 3 * most and counts["dropped"] == 3 * more
    times = [ms for name, _, ms in store.samples() if name["__name__"] == "anomaly_score"]
    assert times == [T0 + i for i in range(more, most + more)]
    assert max(len(wm.unpack_1(body)) for body in store.bodies) == 3 * 2000


def test_nobody_there_is_said_and_counted(write):
    counts, said = write(f"http://127.0.0.1:{free_port()}/api/v1/write", [f"h {T0} 1 2 0 0", "wait", "wait"])
    assert counts["sent"] == 0 and counts["dropped"] == 3 and counts["retries"] >= 1
    assert "refused" in said[0]


def test_a_url_that_is_none_is_refused(tool):
    p = subprocess.run([tool("write_demo"), "ftp://x/"], capture_output=True, text=True, timeout=20,
                       stdin=subprocess.DEVNULL)
    assert p.returncode == 1 and p.stderr.startswith("write_demo: write: ")


@pytest.mark.parametrize("kind", ["prometheus", "victoria-metrics"])
def test_real_stores_have_the_scores(write, tmp_path, kind):
    assert shutil.which(kind), f"{kind} is not installed; ./test.sh installs it"
    port = free_port()
    if kind == "prometheus":
        config = tmp_path / "prometheus.yml"
        config.write_text("{}")
        p = Process(tmp_path, kind, f"--config.file={config}", f"--storage.tsdb.path={tmp_path}/data",
                    f"--web.listen-address=127.0.0.1:{port}", "--web.enable-remote-write-receiver")
    else:
        p = Process(tmp_path, kind, f"-storageDataPath={tmp_path}/data", "-search.latencyOffset=0s",
                    f"-httpListenAddr=127.0.0.1:{port}")
    try:
        until(lambda: get(f"http://127.0.0.1:{port}/metrics"), kind, 30)
        now = int(time.time() * 1000)
        lines = [f"db1:9100 {now - 3000 + 1000 * i} {i}.5 0.25 {int(i == 2)} 0" for i in range(3)]
        counts, said = write(f"http://127.0.0.1:{port}/api/v1/write", lines, "job=tocsin")
        assert counts["sent"] == 9 and not said

        def value(name):
            query = urllib.parse.urlencode({"query": f'{name}{{instance="db1:9100",job="tocsin"}}',
                                            "time": f"{now / 1000:.3f}"})
            found = json.loads(get(f"http://127.0.0.1:{port}/api/v1/query?{query}"))["data"]["result"]
            return found and float(found[0]["value"][1])

        assert until(lambda: value("anomaly_score"), "the score", 30) == 2.5
        assert value("anomaly_threshold") == 0.25
        assert value("anomaly_detected") == 1
    finally:
        p.stop()
