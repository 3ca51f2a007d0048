# SPDX-License-Identifier: Apache-2.0
"""The scraper, against a real Node Exporter and against servers that misbehave: what it hands on."""
import base64
import gzip
import http.server
import json
import queue
import shutil
import ssl
import subprocess
import threading
import time

import pytest

from servers import Pages, Prometheus, until

BODY = b"# TYPE a counter\na{x=\"1\"} 1\na{x=\"2\"} 2\nb{job=\"mine\",instance=\"its\"} 3\n"


class Probe:
    """tests/tools/scrape_probe: its events as they come."""

    def __init__(self, path, *words):
        self.events, self.seen = queue.Queue(), []
        self.process = subprocess.Popen([path, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.events.put(json.loads(line))

    def wait(self, check, seconds=30):
        """The first event from now on for which check is true."""
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            assert left > 0, f"in vain; seen: {json.dumps(self.seen[-6:])[:3000]}"
            try:
                event = self.events.get(timeout=left)
            except queue.Empty:
                continue
            self.seen.append(event)
            if check(event):
                return event

    def tick(self, instance=None, **more):
        return self.wait(lambda e: e["event"] == "tick" and instance in (None, e["instance"]), **more)

    def stale(self, instance=None, **more):
        return self.wait(lambda e: e["event"] == "stale" and instance in (None, e["instance"]), **more)

    def view(self, check=lambda targets: True, **more):
        return self.wait(lambda e: e["event"] == "view" and check(e["targets"]), **more)["targets"]

    def stop(self):
        self.process.stdin.close()
        assert self.process.wait(timeout=30) == 0


def samples(tick):
    return {(s["name"], tuple(sorted(s["labels"].items()))): s["value"] for s in tick["samples"]}


@pytest.fixture
def probe(tool):
    started = []

    def start(*words):
        started.append(Probe(tool("scrape_probe"), *words))
        return started[-1]

    yield start
    for p in started:
        if p.process.poll() is None:
            p.stop()


@pytest.fixture
def serve():
    """serve(handler): handler(request) answers GETs; its address. `tls`: (certificate, key)."""
    started = []

    def start(handler, tls=None):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                handler(self)

            def answer(self, body, status=200, **headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_):
                pass  # a client that gave up

        server = Server(("127.0.0.1", 0), Handler)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        started.append(server)
        return f"127.0.0.1:{server.server_address[1]}"

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


def start_exporter(port):
    return subprocess.Popen(
        ["prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def stop(process):
    process.terminate()
    process.wait(timeout=30)


def test_a_real_exporter_comes_each_second_and_its_death_is_told(probe, free_port):
    exporter = start_exporter(free_port)
    try:
        address = f"127.0.0.1:{free_port}"
        p = probe(f"target={address}", "only=node_")
        ticks = [p.tick(address) for _ in range(3)]
        names = {s["name"] for s in ticks[-1]["samples"]}
        assert "node_cpu_seconds_total" in names and not any(n.startswith("go_") for n in names)
        assert all(s["labels"]["instance"] == address and s["labels"]["job"] == "test"
                   for s in ticks[-1]["samples"])
        steps = [b["ts_ms"] - a["ts_ms"] for a, b in zip(ticks, ticks[1:])]
        assert all(500 <= step <= 1500 for step in steps), steps
        target = p.view(lambda v: v[0]["up"])[0]
        assert target["samples"] > target["taken"] > 100 and target["error"] == ""
        assert target["url"] == f"http://{address}/metrics"
    finally:
        stop(exporter)
    assert p.stale(address)["why"] == "connection refused"
    target = p.view(lambda v: not v[0]["up"])[0]
    assert target["error"] == "connection refused" and target["failures"] >= 1
    exporter = start_exporter(free_port)
    try:
        p.tick(address)
        assert p.view(lambda v: v[0]["up"])[0]["error"] == ""
    finally:
        stop(exporter)


def test_targets_that_misbehave_are_stale_with_a_reason_and_hold_up_nobody(probe, serve, tmp_path):
    def handler(request):
        path = request.path
        if path == "/hang":
            time.sleep(30)
        elif path == "/slow":
            request.send_response(200)
            request.send_header("Content-Length", "1000000")
            request.end_headers()
            for _ in range(200):
                request.wfile.write(b"a 1\n")
                time.sleep(0.1)
        elif path == "/garbage":
            request.answer(b"a 1\n<html>\n")
        elif path == "/crlf":
            request.answer(b"a 1\r\n")
        elif path == "/big":
            request.answer(b"a 1\n" * 100000)
        elif path == "/bomb":
            request.answer(gzip.compress(b"\n" * 50000000), Content_Encoding="gzip")
        elif path == "/cut":
            request.send_response(200)
            request.send_header("Content-Length", "100")
            request.end_headers()
            request.wfile.write(b"a 1\n")
            request.close_connection = True
        elif path == "/not_gzip":
            request.answer(BODY, Content_Encoding="gzip")
        elif path == "/loop":
            request.answer(b"", 302, Location="/loop")
        elif path == "/file":
            request.answer(b"", 302, Location="file:///etc/passwd")
        elif path == "/metrics":
            request.answer(BODY)
        else:
            request.answer(b"a 1\n", 503)

    address = serve(handler)
    expected = {
        "hang": "no answer in time",
        "slow": "no answer in time",
        "garbage": "line 2, column 1: expected a line that starts with a name or '#', found '<html>'",
        "crlf": "lines end in a newline alone",
        "big": "the body has more than 200000 bytes",
        "bomb": "the body has more than 200000 bytes",
        "cut": "",
        "not_gzip": "",
        "loop": "",
        "file": "",
        "gone": "HTTP status 503",
    }
    groups = [{"targets": [address], "labels": {"__metrics_path__": f"/{name}", "instance": name}}
              for name in [*expected, "metrics"]]
    path = tmp_path / "targets.json"
    path.write_text(json.dumps(groups))
    p = probe(f"file_sd={path}", "interval_ms=5000", "timeout_ms=4000", "body_limit=200000")
    told = {}

    def all_told(event):
        if event["event"] == "stale":
            told.setdefault(event["instance"], event["why"])
        else:
            assert event["event"] != "tick" or event["instance"] == "metrics", event
        return told.keys() == expected.keys()

    p.wait(all_told)
    for name, why in expected.items():
        assert why in told[name] and told[name], (name, told[name])
    p.tick("metrics")


def test_labels_headers_and_values_are_as_prometheus_has_them(probe, tmp_path):
    pages = Pages({"/metrics": ("text/plain", BODY)})
    try:
        for honor in (False, True):
            server = Prometheus(tmp_path, {
                "global": {"scrape_interval": "2s", "scrape_timeout": "1500ms"},
                "scrape_configs": [{"job_name": "test", "honor_labels": honor, "static_configs": [
                    {"targets": [pages.address], "labels": {"rack": "3"}}]}]})
            try:
                until(lambda: server.query("up == 1"), "a scrape", 30)
                rows = server.query('{__name__=~"a|b|up"}')
                theirs = {}
                for row in rows:
                    name = row["metric"].pop("__name__")
                    theirs[name, tuple(sorted(row["metric"].items()))] = float(row["value"][1])
                their_headers = dict(pages.headers["/metrics"])
            finally:
                server.stop()
            shutil.rmtree(tmp_path / "prometheus")
            path = tmp_path / "targets.yml"
            path.write_text(f"- targets: ['{pages.address}']\n  labels: {{rack: 3}}\n")
            words = ["honor_labels=1"] if honor else []
            p = probe(f"file_sd={path}", "interval_ms=2000", "timeout_ms=1500", *words)
            ours = samples(p.tick())
            p.stop()
            assert ours == theirs
            our_headers = dict(pages.headers["/metrics"])
            assert our_headers.pop("User-Agent").startswith("tocsin/")
            their_headers.pop("User-Agent")
            assert {k.lower(): v for k, v in our_headers.items()} == {
                k.lower(): v for k, v in their_headers.items()}
    finally:
        pages.stop()


def test_compressed_answers_and_redirects_are_followed(probe, serve):
    connections = set()

    def handler(request):
        connections.add(request.client_address)
        if request.path == "/metrics":
            request.answer(b"", 301, Location="/new")
        else:
            assert request.headers["Accept-Encoding"] == "gzip"
            request.answer(gzip.compress(b"a 1\n# EOF\n"), Content_Encoding="gzip",
                           Content_Type="application/openmetrics-text; version=1.0.0; charset=utf-8")

    p = probe(f"target={serve(handler)}", "interval_ms=300")
    for _ in range(5):
        assert ("a", 1) in {(name, value) for (name, _), value in samples(p.tick()).items()}
    assert len(connections) == 1, "the connection is kept"


def test_credentials_are_sent(probe, serve, tmp_path):
    def handler(request):
        words = request.headers.get("Authorization", "")
        basic = "Basic " + base64.b64encode(b"us\xc3\xa9r:pass").decode()
        request.answer(BODY, 200 if words in (basic, "Bearer secret") else 401)

    address = serve(handler)
    (tmp_path / "password").write_text("pass\n")
    assert probe(f"target={address}", "interval_ms=300").stale()["why"] == "HTTP status 401"
    probe(f"target={address}", "interval_ms=300", "username=us\u00e9r", "password=pass").tick()
    probe(f"target={address}", "interval_ms=300", "username=us\u00e9r",
          f"password_file={tmp_path}/password").tick()
    probe(f"target={address}", "interval_ms=300", "bearer_token=secret").tick()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A certificate authority of our own, and a server's certificate: {ca, cert, key}."""
    folder = str(tmp_path_factory.mktemp("tls"))

    def openssl(*words):
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=folder, timeout=60)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
            "-subj", "/CN=test authority", "-days", "2")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "request.pem",
            "-subj", "/CN=exporter")
    with open(f"{folder}/names", "w") as f:
        f.write("subjectAltName=DNS:exporter.test,IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-out", "cert.pem", "-days", "2", "-extfile", "names")
    return {name: f"{folder}/{name}.pem" for name in ("ca", "cert", "key")}


def test_tls_is_checked(probe, serve, authority):
    address = serve(lambda request: request.answer(BODY), tls=(authority["cert"], authority["key"]))
    words = [f"target={address}", "scheme=https", "interval_ms=3000"]
    assert "certificate" in probe(*words).stale()["why"]
    probe(*words, f"ca_file={authority['ca']}").tick()
    probe(*words, f"ca_file={authority['ca']}", "server_name=exporter.test").tick()
    assert probe(*words, f"ca_file={authority['ca']}", "server_name=other.test").stale()["why"]
    http = probe(f"target={address}", "interval_ms=500")
    assert http.stale()["why"]


def test_targets_come_and_go_with_their_files(probe, serve, tmp_path):
    address = serve(lambda request: request.answer(BODY))
    path = tmp_path / "targets.json"

    def put(*names):
        new = tmp_path / "new"
        new.write_text(json.dumps([{"targets": [address], "labels": {"instance": n}} for n in names]))
        new.rename(path)

    put("one", "two")
    p = probe(f"file_sd={tmp_path}/*.json", "interval_ms=500")
    p.tick("one")
    p.tick("two")
    put("two", "three")
    assert p.stale("one")["why"] == "no longer a target"
    p.tick("three")
    path.write_text("[{broken")
    sentence = p.wait(lambda e: e["event"] == "say")["sentence"]
    assert "the targets stay as they were" in sentence and str(path) in sentence
    p.tick("two")
    p.tick("three")
    put("three", "three", "four")
    assert p.stale("two")["why"] == "no longer a target"
    p.tick("four")
    assert [t["instance"] for t in p.view()] == ["four", "three"]
    assert not any(e["event"] == "stale" and e["instance"] == "three" for e in p.seen)


def test_an_entity_that_is_not_taken_is_said_once(probe, serve):
    asked = []
    address = serve(lambda request: (asked.append(1), request.answer(BODY)))
    p = probe(f"target={address}", "interval_ms=200", "foreign=1", "params=token=geheim")
    sentence = p.wait(lambda e: e["event"] == "say")["sentence"]
    assert sentence.endswith(f"/metrics: entity '{address}' comes from another source already")
    end = time.monotonic() + 20
    while len(asked) < 5 and time.monotonic() < end:
        time.sleep(0.05)
    (t,) = p.view()
    assert t["dropped"] >= 3 and t["up"]
    assert sum(e["event"] == "say" for e in p.seen) == 1


def test_two_targets_with_one_instance_are_one_and_it_is_said(probe, serve, tmp_path):
    address = serve(lambda request: request.answer(BODY))
    path = tmp_path / "targets.yml"
    path.write_text(f"- targets: ['{address}']\n  labels: {{instance: x}}\n"
                    f"- targets: ['{address}']\n  labels: {{instance: x, __metrics_path__: /other}}\n"
                    f"- targets: ['http://{address}/metrics']\n")
    p = probe(f"file_sd={path}", "interval_ms=300")
    said = [p.wait(lambda e: e["event"] == "say")["sentence"] for _ in range(2)]
    assert any("another one has the instance 'x'" in s for s in said), said
    assert any("expected HOST:PORT" in s for s in said), said
    assert all(t["url"].endswith("/metrics") for t in p.view())


def test_what_is_not_taken_is_counted(probe, serve):
    address = serve(lambda request: request.answer(BODY))
    p = probe(f"target={address}", "interval_ms=300", "full=1")
    target = p.view(lambda v: v and v[0]["dropped"] > 1)[0]
    assert target["up"] and "more comes than is worked off" in target["error"]


def test_many_targets_are_spread_over_the_interval(probe, serve, tmp_path):
    count, at = 1500, {}

    def handler(request):
        at.setdefault(request.path, time.monotonic())
        request.answer(BODY, Connection="close")  # else each has a thread here, and a descriptor

    address = serve(handler)
    path = tmp_path / "targets.json"
    path.write_text(json.dumps([
        {"targets": [address], "labels": {"__metrics_path__": f"/{i}", "instance": str(i)}}
        for i in range(count)]))
    p = probe(f"file_sd={path}", "interval_ms=10000", "only=a")
    targets = p.view(lambda v: all(t["asked"] for t in v), seconds=60)
    assert len(targets) == count
    assert sum(t["up"] for t in targets) == count, [t["error"] for t in targets if t["error"]][:3]
    first = min(at.values())
    per_second = [0] * 12
    for moment in at.values():
        per_second[min(11, int(moment - first))] += 1
    assert max(per_second) < 300, per_second


def test_wrong_settings_are_one_sentence(tool):
    def refused(*words):
        done = subprocess.run([tool("scrape_probe"), *words], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=30)
        assert done.returncode == 1 and done.stdout == ""
        return done.stderr

    assert "expected targets or file_sd" in refused("job=x")
    assert "scrape 'x': expected HOST:PORT" in refused("job=x", "target=http://a:1/metrics")
    assert "ends in .json" in refused("job=x", "file_sd=/tmp/t.txt")
    assert "expected the scheme http or https" in refused("job=x", "target=a:1", "scheme=ftp")
