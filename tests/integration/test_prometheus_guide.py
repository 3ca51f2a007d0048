# SPDX-License-Identifier: Apache-2.0
"""docs/prometheus.md, run: its files written and its commands given in a clean folder, one after
the other, with free ports in place of the usual ones, in ten minutes."""
import os
import re
import signal
import subprocess
import time

import pytest

from alone import alone_with_the_fault_network
from grafana_files import ROOT
from servers import free_port

GUIDE = os.path.join(ROOT, "docs", "prometheus.md")
MOST_SECONDS = 600  # the page promises them
UNTIL_SECONDS = 240  # of one step that waits


def blocks():
    """[(language, what to do with it, text)] of all fenced blocks."""
    with open(GUIDE) as f:
        found = re.findall(r"^```(\w+) ?(.*)\n((?:.*\n)*?)^```$", f.read(), re.M)
    assert len(found) > 10
    return found


class Reader:
    """Who follows the page."""

    def __init__(self, binary, folder):
        self.folder, self.running, self.ports = str(folder), [], {}
        self.env = {**os.environ, "TOCSIN": ROOT,
                    "PATH": os.path.dirname(binary) + os.pathsep + os.environ["PATH"]}

    def with_ports(self, text):
        def port(match):
            return f"localhost:{self.ports.setdefault(match.group(1), free_port())}"

        return re.sub(r"localhost:(\d+)", port, text)

    def write(self, where, text):
        mode, name = ("a", where[3:]) if where.startswith(">> ") else ("x", where)
        with open(os.path.join(self.folder, name), mode) as f:
            f.write(text)

    def begin(self, text):
        log = os.path.join(self.folder, f"log{len(self.running)}")
        with open(log, "wb") as out:
            # (exec: so that the pid is the server's)
            self.running.append(subprocess.Popen(
                ["bash", "-c", "exec " + text], cwd=self.folder, env=self.env, stdout=out,
                stderr=out, stdin=subprocess.DEVNULL))

    def give(self, text):
        """(exit code, what it printed)"""
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", text], cwd=self.folder,
                              env=self.env, capture_output=True, text=True, timeout=MOST_SECONDS)
        return done.returncode, done.stdout + done.stderr

    def give_until(self, word, text):
        end = time.monotonic() + UNTIL_SECONDS
        while True:
            code, said = self.give(text)
            if code in (0, 3) and word in said:  # 3: tocsin status, of one that rings
                return
            assert time.monotonic() < end, f"{text}: no '{word}' in: {said}{self.logs()}"
            time.sleep(1)

    def do(self, language, what, text):
        text = self.with_ports(text)
        for server in self.running:
            assert server.poll() is None, f"a server ended: {self.logs()}"
        if what == "yours":
            return
        if language == "yaml":
            self.write(what, text)
        elif what == "background":
            self.begin(text)
        elif what.startswith("until "):
            self.give_until(what[6:], text)
        else:
            assert (language, what) == ("sh", ""), f"what is a block '{language} {what}'?"
            code, said = self.give(text)
            assert code == 0, f"{text}: {said}{self.logs()}"

    def logs(self):
        said = ""
        for i in range(len(self.running)):
            with open(os.path.join(self.folder, f"log{i}"), errors="replace") as f:
                said += f"\n-- server {i}:\n{f.read()[-1500:]}"
        return said

    def stop(self):
        for server in reversed(self.running):
            if server.poll() is None:
                server.send_signal(signal.SIGTERM)
            server.wait(timeout=60)


@pytest.fixture
def reader(binary, tmp_path):
    with alone_with_the_fault_network():
        made = Reader(binary, tmp_path)
        yield made
        made.stop()


def test_whoever_follows_the_page_sees_a_model_scores_and_an_alert_in_ten_minutes(reader):
    started = time.monotonic()
    for language, what, text in blocks():
        reader.do(language, what, text)
    assert time.monotonic() - started < MOST_SECONDS
    assert len(reader.running) == 4  # and all of them still run
    assert all(server.poll() is None for server in reader.running)
