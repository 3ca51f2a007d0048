# SPDX-License-Identifier: Apache-2.0
"""Real Alertmanagers on loopback, where they deliver to, and stand-ins that misbehave."""
import datetime
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

PATH = "/api/v2/alerts"
CONFIG = """
global: {{resolve_timeout: 1s}}
route: {{receiver: hook, group_by: [instance, kind], group_wait: {group_wait}, group_interval: 1s,
        repeat_interval: 1h}}
receivers: [{{name: hook, webhook_configs: [{{url: "{hook}", send_resolved: true}}]}}]
inhibit_rules:
- {{source_matchers: [alertname="HostDown"], target_matchers: [alertname="TocsinAnomaly"],
   equal: [instance]}}
"""


def needs_alertmanager():
    if not shutil.which("prometheus-alertmanager") or not shutil.which("amtool"):
        pytest.skip("prometheus-alertmanager is not installed")


def free_ports(n):
    """n loopback ports, free for TCP and UDP a moment ago."""
    held, ports = [], []
    while len(ports) < n:
        tcp, udp = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
        held += [tcp, udp]
        tcp.bind(("127.0.0.1", 0))
        try:
            udp.bind(tcp.getsockname())
        except OSError:
            continue
        ports.append(tcp.getsockname()[1])
    for s in held:
        s.close()
    return ports


def wait_for(check, seconds=30, step=0.1, what="it"):
    """The first true answer of check(); an assertion when none came."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = check()
        if answer:
            return answer
        time.sleep(step)
    raise AssertionError(f"waited {seconds} s in vain for {what}")


def seconds_of(rfc3339):
    """Unix seconds; fromisoformat alone takes 3 or 6 digits of a second only."""
    whole, part, zone = re.fullmatch(r"([^.Z+]+)(\.\d+)?(Z|[+-]\d\d:\d\d)", rfc3339).groups()
    moment = datetime.datetime.fromisoformat(whole + ("+00:00" if zone == "Z" else zone))
    return moment.timestamp() + float(part or 0)


class Alertmanager:
    def __init__(self, folder, port, cluster_port, peers, hook, group_wait="0s"):
        os.makedirs(folder, exist_ok=True)
        self.url = f"http://127.0.0.1:{port}"
        self.log_path = os.path.join(folder, "log")
        config = os.path.join(folder, "alertmanager.yml")
        with open(config, "w") as f:
            f.write(CONFIG.format(hook=hook, group_wait=group_wait))
        self.command = [
            "prometheus-alertmanager", f"--config.file={config}", f"--storage.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}",
            f"--cluster.listen-address=127.0.0.1:{cluster_port}",
            "--cluster.settle-timeout=1s", "--cluster.peer-timeout=2s",
            *[f"--cluster.peer=127.0.0.1:{p}" for p in peers]]
        self.process = None

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL)
        wait_for(self.is_ready, what=f"{self.url} to be ready")
        return self

    def is_ready(self):
        assert self.process.poll() is None, open(self.log_path).read()[-2000:]
        try:
            with urllib.request.urlopen(self.url + "/-/ready", timeout=5) as r:
                return r.status == 200
        except OSError:
            return False

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=30)

    def amtool(self, *words):
        p = subprocess.run(["amtool", f"--alertmanager.url={self.url}", *words],
                           capture_output=True, text=True, timeout=30, cwd="/",
                           env={**os.environ, "HOME": "/nonexistent"})
        assert p.returncode == 0, p.stderr
        return p.stdout

    def query(self, *words):
        """What `amtool alert query` shows: active alerts, muted ones as asked."""
        return json.loads(self.amtool("--output=json", "alert", "query", *words))

    def peers(self):
        with urllib.request.urlopen(self.url + "/api/v2/status", timeout=5) as r:
            return len(json.load(r)["cluster"]["peers"])


class Hook:
    """The webhook to which Alertmanager delivers."""

    def __init__(self):
        self.got = []  # (status, alert), in the order of arrival
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                hook.got += [(a["status"], a) for a in body["alerts"]]
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def heard(self, status, instance):
        return [a for s, a in self.got if s == status and a["labels"].get("instance") == instance]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class StandIn:
    """Answers POSTs to /api/v2/alerts as answer(alerts, headers) says: (status, body, headers)."""

    def __init__(self, answer=None, port=0):
        self.answer = answer or (lambda alerts, headers: (200, b"", {}))
        self.requests, self.wrong = [], []  # alerts of each request
        self.times = []
        me = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path != PATH or self.headers["Content-Type"] != "application/json":
                    me.wrong.append((self.path, self.headers["Content-Type"]))
                alerts = json.loads(body)
                me.requests.append(alerts)
                me.times.append(time.monotonic())
                status, text, headers = me.answer(alerts, self.headers)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def do_GET(self):
                me.wrong.append(("GET", self.path))
                self.send_response(404)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def seen(self, instance):
        """Every alert of this instance that was posted, in order."""
        return [a for r in self.requests for a in r if a["labels"]["instance"] == instance]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        assert self.wrong == []


class RawServer:
    """Takes connections; what it says is no HTTP (b"": nothing, and never hangs up)."""

    def __init__(self, says=b""):
        self.says, self.socket = says, socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.held, self.connections = [], 0
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                c, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            if self.says:
                c.recv(65536)
                c.sendall(self.says)
                c.close()
            else:
                self.held.append(c)

    def stop(self):
        self.socket.close()
        for c in self.held:
            c.close()
