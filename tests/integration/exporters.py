# SPDX-License-Identifier: Apache-2.0
"""Exporters of machines that do not exist: what they show happens when the test says so."""
import http.server
import random
import threading
import time

from prom_servers import CONSTANTS, COUNTERS, GAUGES


class Exporter:
    """Node Exporter's metrics of a machine that does not exist."""

    def __init__(self, seed=7):
        self.lock = threading.Lock()
        self.chance = random.Random(seed)
        self.broken = False
        self.factor = {}  # of a series' mean, while a fault lasts
        self.counters = {name: 1000 * mean for name, mean in COUNTERS.items()}
        self.gauges = dict(GAUGES)
        self.last = time.monotonic()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = outer.text().encode()
                self.send_response(500 if outer.broken else 200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.target = f"127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def text(self):
        with self.lock:
            now = time.monotonic()
            passed, self.last = now - self.last, now
            for name, mean in COUNTERS.items():
                self.counters[name] += (mean * self.factor.get(name, 1) * passed
                                        * self.chance.uniform(0.8, 1.2))
            for name, mean in GAUGES.items():
                self.gauges[name] += (0.2 * (mean - self.gauges[name])
                                      + 0.03 * mean * self.chance.gauss(0, 1))
            rows = {**CONSTANTS, **self.gauges, **self.counters}
        return "".join(f"{name} {value!r}\n" for name, value in rows.items())

    def reboot(self):
        with self.lock:
            self.counters = {name: 0.0 for name in self.counters}

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
