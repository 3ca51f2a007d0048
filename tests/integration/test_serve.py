# SPDX-License-Identifier: Apache-2.0
"""The HTTP server over invented entities (tests/tools/serve_demo.c): what scrapers, browsers,
careless clients and hostile ones get from it."""
import http.client
import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

import pytest

PATHS = ["/", "/metrics", "/predict", "/healthz", "/readyz", "/api/v1/status", "/api/v1/entities",
         "/api/v1/scores", "/api/v1/incidents"]


def wait_until(what, seconds, step=0.05):
    """Poll until what() is true; its value. None after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = what()
        if value:
            return value
        time.sleep(step)
    return None


class Demo:
    def __init__(self, program, *arguments):
        self.process = subprocess.Popen([program, *arguments], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"

    def stop(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait(timeout=20)
        return self.process.returncode

    def get(self, path, method="GET", headers=None, body=None, source="127.0.0.1"):
        """(status, headers, body)"""
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20,
                                       source_address=(source, 0))
        try:
            c.request(method, path, body=body, headers=headers or {})
            r = c.getresponse()
            return r.status, r.headers, r.read()
        finally:
            c.close()

    def json(self, path):
        status, _, body = self.get(path)
        return status, json.loads(body)

    def connect(self, source="127.0.0.1"):
        return socket.create_connection(("127.0.0.1", self.port), timeout=20,
                                        source_address=(source, 0))

    def raw(self, data):
        """What the server says to these bytes until it closes. It may hang up before it has read
        all of our nonsense."""
        said = b""
        with self.connect() as s:
            try:
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            try:
                while chunk := s.recv(65536):
                    said += chunk
            except ConnectionError:
                pass
        return said


@pytest.fixture(scope="session")
def demo_program(binary):
    found = os.path.join(os.path.dirname(binary), "tests", "tools", "serve_demo")
    assert os.access(found, os.X_OK), f"{found}: not built"
    return found


@pytest.fixture
def make_demo(demo_program):
    started = []

    def make(*arguments):
        started.append(Demo(demo_program, *arguments))
        return started[-1]

    yield make
    codes = [demo.stop() for demo in started]
    assert codes == [0] * len(codes) # no crash, no sanitizer's report


@pytest.mark.parametrize("state", ["learning", "training", "quiet", "unusual", "ringing"])
def test_promtool_finds_nothing_in_metrics(make_demo, state):
    if not shutil.which("promtool"):
        pytest.skip("promtool (package prometheus) is not installed")
    status, headers, text = make_demo(state, "quiet").get("/metrics")
    assert status == 200
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    r = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True)
    assert (r.returncode, r.stdout, r.stderr) == (0, b"", b"")


def test_prometheus_scrapes_openmetrics(make_demo, tmp_path, free_port):
    if not shutil.which("prometheus"):
        pytest.skip("prometheus is not installed")
    demo = make_demo("ringing", "learning")
    accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
    _, headers, text = demo.get("/metrics", headers={"Accept": accept})
    assert headers["Content-Type"] == \
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert text.endswith(b"\n# EOF\n")

    config = tmp_path / "prometheus.yml"
    config.write_text("scrape_configs: [{job_name: t, scrape_interval: 1s, honor_labels: true, "
                      f"static_configs: [{{targets: ['127.0.0.1:{demo.port}']}}]}}]\n")
    url = f"http://127.0.0.1:{free_port}/api/v1/"

    def ask(path):
        try:
            with urllib.request.urlopen(url + path, timeout=5) as r:
                return json.load(r)["data"]
        except (urllib.error.URLError, ConnectionError):
            return None

    server = subprocess.Popen(
        ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={tmp_path}/tsdb",
         f"--web.listen-address=127.0.0.1:{free_port}", "--log.level=error"])
    try:
        found = wait_until(lambda: (ask("query?query=anomaly_score") or {}).get("result"), 60, 0.3)
        target = ask("targets")["activeTargets"][0]
        assert target["lastError"] == ""
        assert found[0]["metric"]["instance"] == "web1.example.org"
        assert found[0]["value"][1] == "0.2871"
        kinds = ask("metadata")
        assert kinds["tocsin_scores_total" if "tocsin_scores_total" in kinds else
                     "tocsin_scores"][0]["type"] == "counter"
    finally:
        server.terminate()
        server.wait(timeout=30)


def test_every_answer_is_guarded(make_demo, tmp_path):
    demo = make_demo("--database", str(tmp_path / "t.db"), "ringing")
    for path in PATHS + ["/nowhere"]:
        status, headers, _ = demo.get(path, headers={"Origin": "http://evil.example"})
        assert status == (404 if path == "/nowhere" else 200), path
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert not [h for h in headers if h.lower().startswith("access-control")]


def test_head_is_get_without_a_body(make_demo, tmp_path):
    demo = make_demo("--database", str(tmp_path / "t.db"), "quiet")
    for path in PATHS:
        got, headers, body = demo.get(path)
        status, head, nothing = demo.get(path, method="HEAD")
        assert (status, nothing) == (got, b"")
        assert head["Content-Type"] == headers["Content-Type"]
        assert abs(int(head["Content-Length"]) - len(body)) < 200 # counters move


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"])
def test_other_methods_are_405_with_allow(make_demo, method):
    status, headers, body = make_demo("quiet").get("/metrics", method=method, body=b"x" * 100000)
    assert status == 405
    assert headers["Allow"] == "GET, HEAD"
    assert method in json.loads(body)["error"]


@pytest.mark.parametrize("query,word", [
    ("scores?from=yesterday", "from"), ("scores?to=NaN", "to"), ("scores?limit=-1", "limit"),
    ("scores?limit=1e9", "limit"), ("scores?from=2&to=1", "later"), ("scores?from=1&from=2", "twice"),
    ("scores?form=1", "form"), ("incidents?limit=0", "limit"), ("status?x", "x"),
    ("scores?instance=%FF", "instance"), ("scores?instance=a%00b", "instance"),
    ("scores?instance=" + "a" * 200, "instance"), ("scores?" + "from=1&" * 17, "parameters"),
    ("scores?from=%", "from"), ("scores?=1", "parameter"), ("scores?limit=%s%s%n", "limit"),
])
def test_bad_parameters_are_400_and_named(make_demo, query, word):
    status, answer = make_demo("quiet").json("/api/v1/" + query)
    assert status == 400
    assert word in answer["error"]


def test_the_history_is_what_the_store_has(make_demo, tmp_path):
    demo = make_demo("--database", str(tmp_path / "t.db"), "ringing", "quiet")
    status, scores = demo.json("/api/v1/scores?limit=5&from=0")
    assert status == 200 and scores["truncated"] and len(scores["scores"]) == 5
    assert scores["columns"] == ["timestamp", "score", "threshold", "anomalous"]
    start = scores["scores"][2][0]
    _, later = demo.json(f"/api/v1/scores?from={start}&limit=1")
    assert later["scores"][0] == scores["scores"][2]
    _, incidents = demo.json("/api/v1/incidents")
    assert [i["end"] is None for i in incidents["incidents"]] == [True, False, False]
    assert demo.json("/api/v1/scores?instance=nobody")[0] == 404


def test_without_a_store_history_is_a_503(make_demo):
    demo = make_demo("quiet")
    for path in ["/api/v1/scores", "/api/v1/incidents"]:
        status, answer = demo.json(path)
        assert status == 503 and "no store" in answer["error"]
    assert demo.json("/readyz")[0] == 200


GARBAGE = [
    b"\x00" * 4096, b"\xff\xfe\xfd" * 1000, b"\r\n" * 5000, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\n\r\n", # no Host
    b"GET /metrics%00.txt HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /\x01\x02 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET http://[::1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET /api/v1/scores?" + b"&" * 8000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"A" * 500, # a TLS hello
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 1500 + b"\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 100000 + b"\r\n\r\n",
    b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
]


def test_garbage_is_a_4xx_or_a_closed_door(make_demo):
    demo = make_demo("quiet")
    for data in GARBAGE:
        said = demo.raw(data)
        if said and not data.startswith((b"GET /\x01", b"GET http://")):
            assert re.match(rb"HTTP/1\.[01] (4\d\d|505|501)", said), (data[:60], said[:60])
        assert demo.get("/healthz")[0] == 200


def test_a_name_that_was_rebound_to_loopback_is_refused(make_demo):
    demo = make_demo("quiet")
    status, _, body = demo.get("/predict", headers={"Host": "evil.example"})
    assert status == 421 and "loopback" in json.loads(body)["error"]
    assert demo.get("/predict", headers={"Host": "localhost:1"})[0] == 200


def test_what_is_too_long_is_told(make_demo):
    demo = make_demo("quiet")
    assert demo.raw(GARBAGE[-1]).split()[1] in (b"414", b"431")
    assert demo.raw(GARBAGE[-2]).split()[1] == b"431"
    _, _, body = demo.get("/metrics")
    assert b"tocsin_http_requests_total" in body


def test_a_connection_is_kept_and_pipelined(make_demo):
    demo = make_demo("quiet")
    one = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert demo.raw(one * 20).count(b"HTTP/1.1 200 OK") == 20
    c = http.client.HTTPConnection("127.0.0.1", demo.port, timeout=20)
    c.connect()
    mine = c.sock.getsockname()
    for _ in range(3):
        c.request("GET", "/healthz")
        assert c.getresponse().read() == b"ok\n"
        assert c.sock.getsockname() == mine
    c.close()


def test_slow_clients_are_cut_off_and_hurt_nobody(make_demo):
    demo = make_demo("quiet")
    slow = [demo.connect() for _ in range(70)] # more than one address may have
    for s in slow:
        s.setblocking(False)
    # another address is served while these sit there
    assert demo.get("/healthz", source="127.0.0.2")[0] == 200

    def dribble():
        """One byte each, again and again: never silent, never done. How many are still open."""
        still_open = 0
        for s in slow:
            try:
                s.send(b"G" if still_open % 2 else b"\r\n")
                still_open += s.recv(4096, socket.MSG_DONTWAIT) != b""
            except BlockingIOError:
                still_open += 1
            except OSError:
                pass
        return still_open == 0

    assert wait_until(dribble, 60, 0.5), "a slow connection was never closed"
    assert demo.get("/healthz")[0] == 200
    for s in slow:
        s.close()


def test_many_connections_from_many_places(make_demo):
    demo = make_demo("quiet")
    crowd = [demo.connect(f"127.0.0.{2 + i % 20}") for i in range(320)] # more than all may have
    for s in crowd:
        s.close()
    assert wait_until(lambda: demo.get("/healthz")[0] == 200, 30)
    for _ in range(200):
        assert demo.get("/healthz")[0] == 200


def test_a_client_that_does_not_read_hurts_nobody(make_demo, tmp_path):
    demo = make_demo("--database", str(tmp_path / "t.db"), *["ringing"] * 500)
    deaf = [demo.connect() for _ in range(8)]
    for s in deaf: # some megabytes each, more than the sockets hold
        s.sendall(b"GET /api/v1/entities HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3)
    for _ in range(20):
        assert demo.get("/healthz")[0] == 200
    for s in deaf:
        s.close()
    assert demo.get("/api/v1/entities")[0] == 200


def test_an_address_in_use_is_one_sentence(make_demo, demo_program):
    demo = make_demo("quiet")
    r = subprocess.run([demo_program, "--listen", f"127.0.0.1:{demo.port}", "quiet"],
                       stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
    assert r.returncode == 1
    assert r.stderr == f"serve_demo: listen on 127.0.0.1:{demo.port}: bind: Address already in use\n"


def test_it_listens_on_the_given_address_alone(make_demo):
    demo = make_demo("--listen", "127.0.0.1:0", "quiet")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.3", demo.port), timeout=5)


# ---- the page, in a real browser ----

@pytest.fixture
def browse(tmp_path):
    """browse(url) is the page's DOM after some seconds of its time, and the browser's console."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    # Ubuntu's is a stub that asks for a snap
    if not chromium or subprocess.run([chromium, "--version"], capture_output=True).returncode:
        pytest.skip("chromium is not installed")

    def look(url, *options):
        r = subprocess.run(
            [chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom",
             "--enable-logging=stderr", f"--user-data-dir={tmp_path}/profile",
             "--virtual-time-budget=7000", *options, url],
            capture_output=True, text=True, timeout=120)
        console = [line for line in r.stderr.splitlines() if ":CONSOLE" in line]
        return r.stdout.replace("&nbsp;", " "), console

    return look


def shown(dom, name):
    """The text of the element with this id."""
    found = re.search(rf'id="{name}"[^>]*>(.*?)</(?:h2|p|section|span|div|table|ul|dd)>', dom, re.S)
    assert found, f"no {name}"
    return re.sub(r"<[^>]*>", "", found.group(1))


def hidden(dom, name):
    return re.search(rf'<\w+[^>]*\bid="{name}"[^>]*\bhidden', dom) is not None


@pytest.mark.parametrize("state,headline,tone", [
    ("learning", "Learning 42 %", "busy"), ("training", "Training", "busy"),
    ("quiet", "Quiet", "calm"), ("unusual", "Unusual", "warn"), ("ringing", "Ringing", "ring"),
    ("creeping", "Creeping", "warn")])
def test_the_page_tells_the_state(make_demo, browse, tmp_path, state, headline, tone):
    demo = make_demo("--database", str(tmp_path / "t.db"), state)
    dom, console = browse(demo.url + "/")
    assert console == [] # no script error, nothing refused by the policy
    assert shown(dom, "headline") == headline
    assert f'data-tone="{tone}"' in dom
    assert hidden(dom, "lost") and hidden(dom, "trouble")
    assert hidden(dom, "progress") == (state not in ("learning", "training"))
    scored = state in ("quiet", "unusual", "ringing", "creeping")
    assert hidden(dom, "slow") == (state != "creeping")
    if state == "creeping":
        assert "Slow change: memory_used 34.0 % where 18.0 % was learned" in dom
        assert "Creeping for 3 d" in dom
    assert ('class="score" d="M' in dom.split('id="tip"')[0]) == scored # the line is drawn
    assert hidden(dom, "causes") == (not scored)
    if state == "ringing":
        assert "97.3 % where 12.1 % was expected" in shown(dom, "sentence")
        assert "70 MiB/s" in dom and "43.1 ms" in dom # values in units that people read
        assert "pressure_cpu_waiting_ratio" in dom and not hidden(dom, "missing")
        assert "ringing for 2 min" in dom
        assert "RINGING" in re.search(r"<title>(.*?)</title>", dom).group(1)


def test_the_page_shows_trouble_and_who_else_rings(make_demo, browse):
    demo = make_demo("--trouble", "store: <b>disk</b> full", "quiet", "ringing", "ringing")
    dom, console = browse(demo.url + "/")
    assert [line for line in console if "503" not in line] == [] # history is not there, and said so
    assert "Trouble: store: &lt;b&gt;disk&lt;/b&gt; full" in dom
    assert shown(dom, "headline") == "Ringing" # the first that rings is picked
    assert not hidden(dom, "others") and "db2.example.org" in shown(dom, "others")
    assert "cannot be read" in shown(dom, "no-incidents")


def test_the_page_says_when_the_daemon_is_gone(make_demo, browse):
    """Two rounds of answers through this proxy, then only closed connections."""
    demo = make_demo("quiet")
    answered = []

    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path.startswith("/api/"):
                answered.append(self.path)
                if len(answered) > 10:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
            status, headers, body = demo.get(self.path)
            self.send_response(status)
            for name in ("Content-Type", "Content-Security-Policy"):
                self.send_header(name, headers[name])
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    try:
        dom, _ = browse(f"http://127.0.0.1:{proxy.server_port}/", "--virtual-time-budget=15000")
    finally:
        proxy.shutdown()
        proxy.server_close()
    assert len(answered) > 10
    assert not hidden(dom, "lost")
    assert "does not answer" in shown(dom, "lost-text")
    assert shown(dom, "link") == "connection lost"
    assert '<main id="main" class="stale">' in dom
    assert shown(dom, "headline") == "Quiet" # the last known state stays, greyed


# ---- tocsin status ----

def status(binary, *arguments):
    r = subprocess.run([binary, "status", *arguments], capture_output=True, text=True, timeout=30)
    return r.returncode, r.stdout, r.stderr


@pytest.mark.parametrize("arguments,code", [
    (["quiet"], 0), (["quiet", "unusual"], 0), (["quiet", "learning"], 3), (["training"], 3),
    (["creeping"], 0), (["quiet", "ringing"], 3), (["--trouble", "store: disk full", "quiet"], 3), ([], 3)])
def test_status_exits_3_unless_all_is_watched_and_quiet(make_demo, binary, arguments, code):
    demo = make_demo(*arguments)
    got, out, err = status(binary, "--url", demo.url)
    assert (got, err) == (code, "")
    assert out.splitlines()[-1].startswith(f"tocsin 0.0-demo at {demo.url}, up ")


def test_status_says_why_it_rings(make_demo, binary):
    demo = make_demo("ringing", "learning", "quiet")
    _, out, _ = status(binary, "--url", demo.url + "/")
    assert "web1.example.org: RINGING, score 0.287, threshold 0.0342, confidence 96 %\n" in out
    assert re.search(r"cpu_busy_ratio +97.3 %, expected 12.1 % +58 % of the causes\n", out)
    assert "    incidents a week: 3 (0.5 to 8.75), promised 2\n" in out
    assert "absent: pressure_cpu_waiting_ratio, pressure_io_stalled_ratio\n" in out
    assert "db1.example.org: learning, 42 % (252 of 600 frames)\n" in out
    assert "db2.example.org: watching, quiet, score 0.00713" in out
    assert "3 entities, 1 ringing" in out


def test_status_says_what_creeps(make_demo, binary):
    _, out, _ = status(binary, "--url", make_demo("creeping").url)
    assert "    slow change: memory_used 34.0 % where 18.0 % was learned on 2025-05-03" in out
    assert re.search(r"\n    creeping since .* \(3d\)\n", out)


def test_status_json_is_what_the_api_says(make_demo, binary):
    demo = make_demo("ringing")
    code, out, _ = status(binary, "--url", demo.url, "--json")
    answer = json.loads(out)
    assert code == 3 and answer["url"] == demo.url
    assert answer["status"]["ringing"] == 1
    entity, = answer["entities"]
    assert entity["causes"] == demo.json("/api/v1/entities")[1]["entities"][0]["causes"]
    assert abs(entity["timestamp"] - time.time()) < 60


def test_status_tells_what_went_wrong(make_demo, binary, free_port):
    code, out, err = status(binary, "--url", f"http://127.0.0.1:{free_port}")
    assert (code, out) == (1, "") and err.startswith("tocsin: no tocsin answers at http://127.0.0.1")
    assert status(binary, "--url", "ftp://x")[0] == 2
    assert status(binary, "--colour")[0] == 2
    assert status(binary, "extra")[0] == 2
    code, out, _ = status(binary, "--help")
    assert code == 0 and "Example: tocsin status" in out


def test_status_of_something_else_is_one_sentence(binary):
    class Other(http.server.BaseHTTPRequestHandler):
        answers = [b"", b"<html>", b"[]", b"{}", b'{"phase": 7}', b'{"entities": [{}]}', b"\xff\x00"]

        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.answers[0])

        def log_message(self, *_):
            pass

    other = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Other)
    threading.Thread(target=other.serve_forever, daemon=True).start()
    try:
        while Other.answers:
            code, out, err = status(binary, "--url", f"http://127.0.0.1:{other.server_port}")
            assert (code, out) == (1, ""), Other.answers[0]
            assert err.startswith("tocsin: http://127.0.0.1") and err.count("\n") == 1
            Other.answers.pop(0)
    finally:
        other.shutdown()
        other.server_close()


def test_the_documentation_has_every_field(make_demo, tmp_path):
    """docs/api.md and the answers name the same keys, and every metric."""
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "..", "..", "docs", "api.md"), encoding="utf-8") as f:
        docs = f.read()
    demo = make_demo("--database", str(tmp_path / "t.db"), "ringing", "creeping")

    def keys(value):
        if isinstance(value, dict):
            return set(value).union(*map(keys, value.values()))
        return set().union(*map(keys, value)) if isinstance(value, list) else set()

    for path in ["/predict", "/api/v1/status", "/api/v1/entities", "/api/v1/scores",
                 "/api/v1/incidents", "/readyz"]:
        section = docs.split("healthz and" if path == "/readyz" else f"\n## {path}\n")[-1]
        example = re.search(r"```json\n(.*?)```", section, re.S).group(1)
        absent = {"what", "ratio", "words"} if path == "/api/v1/entities" else set()
        real = keys(demo.json(path)[1]) | absent
        assert keys(json.loads(example)) == real, path
    for name in re.findall(r"^# TYPE (\w+)", demo.get("/metrics")[2].decode(), re.M):
        assert f"`{name}`" in docs or re.fullmatch(r"tocsin_\w+_total", name), name
