# SPDX-License-Identifier: Apache-2.0
"""Servers that a benchmark starts on loopback ports of its own, and what they cost."""
import contextlib
import http.client
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

NAME = pathlib.Path(sys.argv[0]).stem  # what speaks on stderr


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(port, path):
    """Status of a GET, or None when nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except OSError:
        return None
    finally:
        connection.close()


@contextlib.contextmanager
def running(command):
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield process
            if process.poll() is not None:
                log.seek(0)
                sys.exit(f"{NAME}: {command[0]} ended: {log.read().decode(errors='replace')}")
        finally:
            process.terminate()
            process.wait()


def wait_for(port, path, process, seconds, pause_s):
    end = time.monotonic() + seconds
    while get(port, path) != 200:
        if process.poll() is not None or time.monotonic() > end:
            sys.exit(f"{NAME}: no answer on {path} of port {port}")
        time.sleep(pause_s)


def cpu_s(process):
    """Time that all its threads ran, to the nanosecond (utime and stime count in 10 ms)."""
    ns = 0
    for task in pathlib.Path(f"/proc/{process.pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # a thread that ended meanwhile
            ns += int((task / "schedstat").read_text().split()[0])
    return ns / 1e9
