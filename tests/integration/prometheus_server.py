# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus on a loopback port of its own, and small servers for it to scrape."""
import http.server
import json
import os
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request


def program(name):
    found = shutil.which(name)
    assert found, f"apt-get install the package that has {name}"
    return found


class Pages:
    """Serves pages = {path: (content type, body)}; keeps the headers of each path's last request."""

    def __init__(self, pages):
        seen = self.headers = {}

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                seen[self.path] = dict(self.headers)
                kind, body = pages.get(self.path, (None, b"nothing here"))
                self.send_response(200 if kind else 404)
                self.send_header("Content-Type", kind or "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Prometheus:
    def __init__(self, folder, port, config):
        self.url = f"http://127.0.0.1:{port}"
        self.log_path = os.path.join(folder, "prometheus.log")
        with open(os.path.join(folder, "prometheus.yml"), "w") as f:
            json.dump(config, f)  # which is YAML
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [program("prometheus"), f"--config.file={folder}/prometheus.yml",
                 f"--storage.tsdb.path={folder}/tsdb", f"--web.listen-address=127.0.0.1:{port}"],
                stdout=log, stderr=log)
        self.wait(lambda: self.get("/-/ready"))

    def get(self, path):
        """The answer's bytes, or None where there is none yet."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=30) as answer:
                return answer.read()
        except (urllib.error.URLError, ConnectionError):
            return None

    def api(self, path, **parameters):
        answer = json.loads(self.get(f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}"))
        assert answer["status"] == "success"
        return answer["data"]

    def wait(self, check, seconds=60):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self.process.poll() is None, open(self.log_path).read()[-2000:]
            answer = check()
            if answer:
                return answer
            time.sleep(0.1)
        raise AssertionError(f"waited {seconds} s in vain: {open(self.log_path).read()[-2000:]}")

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=60)
