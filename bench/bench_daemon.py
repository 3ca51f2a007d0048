#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the whole daemon costs beside Debian's prometheus-node-exporter: start to the first answer
on /metrics, then, while both are asked for /metrics each second, CPU time and resident memory.

Usage: bench_daemon.py TOCSIN [SECONDS]      (60 by default; Linux, no other packages)
Prints NAME<TAB>VALUE<TAB>UNIT lines; what could not be measured is said on stderr."""
import contextlib
import pathlib
import shutil
import statistics
import sys
import tempfile
import time

from loopback import cpu_s, free_port, get, running, wait_for

STARTS = 7
LEARN_S = 30
READY_S = 120  # by when it must have learned
EXPORTER = shutil.which("prometheus-node-exporter") or shutil.which("node_exporter")


def tocsin_command(tocsin, port, data_dir):
    """It learns once: a history of half a minute doubles within the minute that is watched, and a
    training, of which bench-train has the time, is no part of each second."""
    config = pathlib.Path(data_dir, "bench.yml")
    config.write_text("learn: {retrain: 0s}\n")
    return [tocsin, "run", "-c", str(config), "--listen", f"127.0.0.1:{port}", "--data-dir",
            data_dir, "--learn", f"{LEARN_S}s"]  # fmt: skip


def start_ms(tocsin):
    with tempfile.TemporaryDirectory() as data_dir:
        port = free_port()
        begin = time.monotonic()
        with running(tocsin_command(tocsin, port, data_dir)) as process:
            wait_for(port, "/metrics", process, 10, 0.0005)
            return 1000 * (time.monotonic() - begin)


def resident_mb(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    kb = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(kb) * 1024 / 1e6


def watch(processes, seconds):
    """processes: (name, process, port). Asks each for /metrics each second, then prints costs."""
    before = [cpu_s(process) for _, process, _ in processes]
    begin = time.monotonic()
    for second in range(seconds):
        for name, _, port in processes:
            if get(port, "/metrics") != 200:
                sys.exit(f"bench_daemon: {name} did not answer")
        time.sleep(max(0, begin + second + 1 - time.monotonic()))
    took = time.monotonic() - begin
    for (name, process, _), cpu in zip(processes, before):
        print(f"{name}, CPU\t{100 * (cpu_s(process) - cpu) / took:.3g}\t% of a core")
        print(f"{name}, resident\t{resident_mb(process):.3g}\tMB")


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    tocsin, seconds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) == 3 else 60
    print(f"start to first /metrics\t{statistics.median(start_ms(tocsin) for _ in range(STARTS)):.3g}\tms")

    with contextlib.ExitStack() as stack:
        data_dir = stack.enter_context(tempfile.TemporaryDirectory())
        port = free_port()
        process = stack.enter_context(running(tocsin_command(tocsin, port, data_dir)))
        processes = [("daemon", process, port)]
        if EXPORTER:
            peer_port = free_port()
            command = [EXPORTER, f"--web.listen-address=127.0.0.1:{peer_port}"]
            peer = stack.enter_context(running(command))
            wait_for(peer_port, "/metrics", peer, 10, 0.1)
            processes.append(("Node Exporter", peer, peer_port))
        else:
            print("bench_daemon: prometheus-node-exporter is not installed; its rows are left out",
                  file=sys.stderr)  # fmt: skip
        wait_for(port, "/readyz", process, READY_S, 0.5)
        watch(processes, seconds)


main()
