# SPDX-License-Identifier: Apache-2.0
"""One piece of the load, as a process: worker.py KIND FOLDER SIZE, or serve/browse FOLDER LOAD
SEED DAY BEGIN. A job removes what it made; `ballast` lies in the folder above the job's."""
import hashlib
import http.client
import http.server
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import zlib

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    __package__ = "recorder"
    from recorder import load, processes

MIB = 1 << 20
THINK_S = 0.25  # between a user's requests, on average
REQUESTS_A_CONNECTION = 20
PORT_FILE = "port"


def ballast(folder):
    return os.path.join(os.path.dirname(folder), "ballast")


# -- jobs --


def source_text(rng):
    """A C file that takes a compiler about half a second."""
    lines = ["#include <stdio.h>", "#include <math.h>", "static double table[64];"]
    for f in range(120):
        a, b, c = rng.randint(1, 99), rng.randint(1, 63), rng.randint(2, 9)
        lines.append(
            f"double f{f}(double x, int n) {{ double s = x; for (int i = 0; i < n; i++) {{"
            f" if (i % {c} == 0) s += sin(s) * table[(i + {a}) & 63]; else s = s * 0.5 + {a};"
            f" table[i & {b}] = s; switch (i & 3) {{ case 0: s -= 1; break; case 1: s *= 1.01;"
            f" break; default: s += table[{b}]; }} }} return s; }}")  # fmt: skip
    return "\n".join(lines)


def build(folder, files):
    rng = random.Random(folder)
    for i in range(files):
        source, target = os.path.join(folder, f"{i}.c"), os.path.join(folder, f"{i}.o")
        with open(source, "w") as f:
            f.write(source_text(rng))
        compiler = processes.start([os.environ.get("CC", "cc"), "-O2", "-c", source, "-o", target])
        if compiler.wait() != 0:
            sys.exit("the compiler failed")
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))


def compress(folder, mib):
    path, packer = os.path.join(folder, "packed"), zlib.compressobj(6)
    words = [random.Random(i).randbytes(9).hex().encode() for i in range(20000)]
    rng = random.Random(mib)
    with open(path, "wb") as f:
        for _ in range(mib):
            block = b" ".join(rng.choices(words, k=MIB // 19))
            f.write(packer.compress(block))
        f.write(packer.flush())
        os.fsync(f.fileno())
    os.unlink(path)


def copy(folder, mib):
    path = os.path.join(folder, "copy")
    with open(ballast(folder), "rb") as source, open(path, "wb") as target:
        for _ in range(mib):
            block = source.read(MIB)
            if not block:
                source.seek(0)
                continue
            target.write(block)
        target.flush()
        os.fsync(target.fileno())
    os.unlink(path)


def read(folder, mib):
    digest = hashlib.sha1()
    with open(ballast(folder), "rb") as f:
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # from the disk
        for _ in range(mib):
            digest.update(f.read(MIB))


def sort(folder, mib):
    rng = random.Random(folder)
    held = bytearray(mib * MIB)  # a buffer that is touched, as a database's is
    for i in range(0, len(held), 4096):
        held[i] = 1
    for _ in range(12):
        sorted(rng.random() for _ in range(400000))


def cron(folder, programs):
    for _ in range(programs):
        subprocess.run(["/bin/sh", "-c", "exit 0"], check=True)
        time.sleep(0.01)


JOBS = {"build": build, "compress": compress, "copy": copy, "read": read, "sort": sort,
        "cron": cron}  # fmt: skip


# -- the web server --


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    page = random.Random(0).randbytes(256 << 10)

    def do_GET(self):
        """/KIB answers so many KiB, after a little thought."""
        body = self.page[: 1024 * int(self.path[1:])]
        hashlib.sha1(body).hexdigest()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def keep_sessions(level_now, mib):
    """Memory that comes and goes with the users."""
    sessions = []
    while True:
        wanted = int(mib * level_now() / 4)
        while len(sessions) < wanted:
            sessions.append(bytearray(b"x" * (4 * MIB)))
        del sessions[wanted:]
        time.sleep(1)


def serve(folder, level_now, spec):
    class Server(http.server.ThreadingHTTPServer):
        daemon_threads, request_queue_size = True, 128

        def handle_error(self, request, client_address):
            pass  # a client that went away

    server = Server(("127.0.0.1", 0), Handler)
    path = os.path.join(folder, PORT_FILE)
    with open(path + ".new", "w") as f:
        f.write(str(server.server_address[1]))
    os.rename(path + ".new", path)
    threading.Thread(target=keep_sessions, args=(level_now, spec["sessions"]), daemon=True).start()
    server.serve_forever()


def user(number, port, level_now, most):
    """Works while the day's course has use for so many, over connections that are kept a while."""
    rng, connection, left = random.Random(number), None, 0
    while True:
        if level_now() * most < number + 0.5:
            connection = connection and connection.close()
            time.sleep(1)
            continue
        try:
            if connection is None or left == 0:
                if connection:
                    connection.close()
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
                left = rng.randint(1, 2 * REQUESTS_A_CONNECTION)
            connection.request("GET", f"/{rng.choice([2, 2, 4, 8, 8, 16, 64, 200])}")
            connection.getresponse().read()
            left -= 1
        except (OSError, http.client.HTTPException):  # while a fault is on, things fail
            connection = connection and connection.close()
        time.sleep(rng.expovariate(1 / THINK_S))


def browse(folder, level_now, spec):
    path = os.path.join(folder, PORT_FILE)
    while not os.path.exists(path):
        time.sleep(0.05)
    with open(path) as f:
        port = int(f.read())
    for number in range(spec["users"]):
        threading.Thread(target=user, args=(number, port, level_now, spec["users"]),
                         daemon=True).start()  # fmt: skip
    while True:
        time.sleep(3600)


def main():
    kind, folder = sys.argv[1:3]
    if kind in JOBS:
        processes.adopt_orphans()

        def leave(number, frame):  # its time is up: what it started ends with it
            processes.end_all()
            shutil.rmtree(folder, ignore_errors=True)
            os.mkdir(folder)
            os._exit(1)

        signal.signal(signal.SIGTERM, leave)
        JOBS[kind](folder, int(sys.argv[3]))
        return
    name, seed, day_s, begin = sys.argv[3], int(sys.argv[4]), float(sys.argv[5]), float(sys.argv[6])

    def level_now():
        return load.course(name, seed, day_s, max(0.0, time.time() - begin))

    {"serve": serve, "browse": browse}[kind](folder, level_now, load.LOADS[name])


if __name__ == "__main__":
    main()
