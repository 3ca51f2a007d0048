# SPDX-License-Identifier: Apache-2.0
"""Prometheus and Node Exporter, of a test's own: on free loopback ports, in a folder of the test's,
ended by their own process ids."""
import http.server
import json
import math
import shutil
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request

from waiting import free_port, until


def fetch(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read().decode()


class Server:
    """A program that is started, says on `ready` that it is up, and is stopped by its pid."""

    def __init__(self, folder, name, command, ready):
        assert shutil.which(command[0]), f"{command[0]} is not installed; ./test.sh installs it"
        self.log_path = folder / f"{name}.log"
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        try:
            until(lambda: self.ended() or fetch(ready) is not None, f"{name} to answer", 60)
        except BaseException:
            self.stop()
            raise

    def ended(self):
        assert self.process.poll() is None, f"it ended: {self.log()}"

    def log(self):
        return self.log_path.read_text(errors="replace")[-3000:]

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(timeout=60)


class NodeExporter(Server):
    def __init__(self, folder):
        self.target = f"127.0.0.1:{free_port()}"
        super().__init__(folder, "exporter",
                         ["prometheus-node-exporter", f"--web.listen-address={self.target}"],
                         f"http://{self.target}/metrics")

    def names(self):
        """The names of all series that it has on this machine."""
        return {line.split("{")[0].split(" ")[0]
                for line in fetch(f"http://{self.target}/metrics").splitlines() if line[:1] != "#"}


class Prometheus(Server):
    def __init__(self, folder, config):
        """config: as in prometheus.yml, a dict."""
        self.url = f"http://127.0.0.1:{free_port()}"
        path = folder / "prometheus.yml"
        path.write_text(json.dumps(config))
        super().__init__(
            folder, "prometheus",
            ["prometheus", f"--config.file={path}", f"--storage.tsdb.path={folder}/prometheus",
             f"--web.listen-address={self.url[7:]}", "--log.level=warn"], f"{self.url}/-/ready")

    def ask(self, path, **fields):
        url, form = f"{self.url}/api/v1/{path}", urllib.parse.urlencode(fields).encode()
        try:
            with urllib.request.urlopen(url, form, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as e:
            raise AssertionError(f"{path} {fields}: {e.read().decode()}") from e

    def query(self, expression, at=None):
        """The result of an instant query: [{metric, value}], a scalar as one without labels."""
        data = self.ask("query", query=expression, **({} if at is None else {"time": at}))
        if data["resultType"] == "scalar":
            return [{"metric": {}, "value": data["result"]}]
        return data["result"]

    def query_range(self, expression, start, end, step):
        return self.ask("query_range", query=expression, start=start, end=end, step=step)["result"]

    def number(self, expression):
        """The answer's first value, NaN when there is none."""
        result = self.query(expression)
        return float(result[0]["value"][1]) if result else math.nan


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
