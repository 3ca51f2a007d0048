# SPDX-License-Identifier: Apache-2.0
"""A real `tocsin run` of a test's own: on a free loopback port, with a data folder of its own."""
import http.client
import json
import os
import re
import signal
import sqlite3
import subprocess
import threading
import time


class Daemon:
    def __init__(self, binary, folder, *options, env=None, learn="30s", limits=None):
        self.folder = str(folder)
        self.log_path = os.path.join(self.folder, "log")
        self.data_dir = os.path.join(self.folder, "data")
        if not {"-c", "--config"} & set(options):
            options = (*options, "-c", self.without_retraining())
        self.command = [
            binary, "run", "--listen", "127.0.0.1:0", "--data-dir", self.data_dir,
            "--learn", learn, "--log-format", "logfmt", *options,
        ]
        self.env = {**os.environ, **(env or {})}
        self.limits = limits
        self.process = None
        self.url = None
        self.connections = threading.local()

    def without_retraining(self):
        """A history of seconds has soon doubled: a new model in the middle would decide a test."""
        path = os.path.join(self.folder, "once.yml")
        with open(path, "w") as f:
            f.write("learn: {retrain: 0s}\n")
        return path

    def start(self):
        log = open(self.log_path, "ab")
        at = log.tell()
        self.process = subprocess.Popen(
            self.command, stderr=log, stdout=log, stdin=subprocess.DEVNULL, env=self.env,
            preexec_fn=self.limits)
        log.close()
        found = self.wait(lambda: re.search(r"page=(\S+)/", self.log()[at:]) or self.is_dead())
        assert found is not True, f"it did not start: {self.log()[at:]}"
        self.url = found.group(1)
        return self

    def is_dead(self):
        return self.process.poll() is not None

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def stop(self, sig=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(sig)
        return self.process.wait(timeout=60) if self.process else None

    def wait(self, check, seconds=300):
        """The first true answer of check(); an assertion when none came. (Training gives way to all
        else on this machine.)"""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            answer = check()
            if answer:
                return answer
            time.sleep(0.05)
        raise AssertionError(f"waited {seconds} s in vain; the log:\n{self.log()[-3000:]}")

    def get(self, path):
        """(status, body) of a GET, on a connection that is kept: one for each question would leave as
        many waiting for their end, which a daemon that watches this machine sees."""
        host = self.url.removeprefix("http://")
        for again in (True, False):
            kept = getattr(self.connections, "kept", None)
            if kept is None or kept[0] != host:
                kept = self.connections.kept = (host, http.client.HTTPConnection(host, timeout=30))
            try:
                kept[1].request("GET", path)
                answer = kept[1].getresponse()
                return answer.status, answer.read().decode()
            except (http.client.HTTPException, OSError):
                kept[1].close()
                self.connections.kept = None
                if not again:
                    raise
        return None

    def json(self, path):
        return json.loads(self.get(path)[1])

    def entity(self):
        return self.json("/api/v1/entities")["entities"][0]

    def wait_watching(self):
        self.wait(lambda: self.entity()["phase"] == "watching"
                  and self.entity()["score"] is not None)
        return self

    def database(self):
        """A connection of the test's own, read-only."""
        path = os.path.join(self.data_dir, "tocsin.db")
        return sqlite3.connect(f"file:{path}?mode=ro", uri=True)

    def metric(self, name):
        """Sum over the series of one family in /metrics."""
        lines = [line for line in self.get("/metrics")[1].splitlines()
                 if re.match(rf"{name}(\{{.*\}})? ", line)]
        assert lines, f"{name} is not in /metrics"
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)
