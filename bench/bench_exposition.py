#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Parses what a real prometheus-node-exporter answers with bench-exposition, has VictoriaMetrics
import the same over loopback, and replays a fleet of such exporters with bench-fleet.

Usage: bench_exposition.py PROGRAM      (PROGRAM: bench-exposition, with bench-fleet beside it)
Prints NAME<TAB>VALUE<TAB>UNIT lines; what is not installed is said on stderr and left out."""
import contextlib
import http.client
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from loopback import cpu_s, free_port, running, wait_for

IMPORTS = 400  # some 30 MB


def fetch(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", "/metrics")
        return connection.getresponse().read()


def record(folder):
    """Two answers of an exporter, a second apart, as files; None where there is none."""
    program = shutil.which("prometheus-node-exporter")
    if not program:
        print("bench_exposition: prometheus-node-exporter is not installed; left out", file=sys.stderr)
        return None
    port = free_port()
    files = [folder / "a", folder / "b"]
    with running([program, f"--web.listen-address=127.0.0.1:{port}"]) as exporter:
        wait_for(port, "/metrics", exporter, 10, 0.1)
        for file in files:
            file.write_bytes(fetch(port))
            time.sleep(1)
    return files


def import_mb_per_s(body, folder):
    """Bytes that VictoriaMetrics imports for each second of CPU time that it uses."""
    program = shutil.which("victoria-metrics")
    if not program:
        print("bench_exposition: victoria-metrics is not installed; left out", file=sys.stderr)
        return None
    port = free_port()
    with running([program, f"-httpListenAddr=127.0.0.1:{port}",
                  f"-storageDataPath={folder / 'victoria'}"]) as process:  # fmt: skip
        wait_for(port, "/health", process, 30, 0.1)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        with contextlib.closing(connection):
            for i in range(IMPORTS + 1):
                if i == 1:  # the first one made the series
                    before = cpu_s(process)
                connection.request("POST", "/api/v1/import/prometheus", body)
                answer = connection.getresponse()
                answer.read()
                if answer.status not in (200, 204):
                    sys.exit(f"bench_exposition: VictoriaMetrics answers {answer.status}")
            return len(body) * IMPORTS / (cpu_s(process) - before) / 1e6


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        files = record(folder)
        if not files:
            return
        subprocess.run([sys.argv[1], *files], check=True)
        fleet = pathlib.Path(sys.argv[1]).with_name("bench-fleet")
        subprocess.run([fleet, files[0]], check=True)
        rate = import_mb_per_s(files[0].read_bytes(), folder)
        if rate:
            print(f"VictoriaMetrics, import over loopback\t{rate:.4g}\tMB/s")


main()
