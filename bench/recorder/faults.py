# SPDX-License-Identifier: Apache-2.0
"""The faults: what each does at which strength, what shows it, and when it comes."""
import math
import os
import random
import signal
import time

from . import processes

MIB = 1 << 20

# kind: (what record-fault is told to make; N, BYTES, RATE when strong; the same when weak; the
# features that show it; groups that are a right cause beside those of these features).
# Figures are functions of cores c and of free memory m, so that a strength means the same on every
# machine. A feature stands here when the fault moves it by what the fault is, at both strengths and
# on any machine. What follows on some machines (tasks wait while a disk is flooded) is a right cause
# to name and no feature to miss, so it is a group.
TABLE = {
    "cpu": ("spin", lambda c, m: (c, 0, 100), lambda c, m: (1, 0, 100),
            "cpu_user cpu_busiest_core", "load pressure"),
    "cpu_part": ("spin", lambda c, m: (c, 0, 60), lambda c, m: (1, 0, 50),
                 "cpu_user cpu_busiest_core", "load pressure"),
    "threads": ("spin", lambda c, m: (8 * c, 0, 100), lambda c, m: (3 * c, 0, 25),
                "run_queue_per_core pressure_cpu cpu_user", ""),
    "memory": ("memory", lambda c, m: (0, 0.30 * m, 0), lambda c, m: (0, 0.08 * m, 0),
               "memory_used page_faults", ""),
    "leak": ("leak", lambda c, m: (0, 0.35 * m, 0.012 * m), lambda c, m: (0, 0.2 * m, 0.005 * m),
             "memory_used page_faults", ""),
    "page_faults": ("page_faults", lambda c, m: (1, 0, 0), lambda c, m: (1, 0, 40000),
                    "page_faults cpu_system", ""),
    "write": ("write", lambda c, m: (0, 256 * MIB, 200 * MIB),
              lambda c, m: (0, 256 * MIB, 25 * MIB),
              "disk_written_bytes disk_writes disk_busy", "pressure"),
    "read": ("read", lambda c, m: (0, 0, 200 * MIB), lambda c, m: (0, 0, 20 * MIB),
             "disk_read_bytes disk_reads disk_busy", "pressure"),
    "fsync": ("fsync", lambda c, m: (4, 0, 0), lambda c, m: (1, 0, 40),
              "disk_flushes disk_writes disk_written_bytes disk_busy", "pressure"),
    "inodes": ("inodes", lambda c, m: (20000, 0, 0), lambda c, m: (20000, 0, 3000),
               "cpu_system disk_writes", "filesystem"),
    "bandwidth": ("bandwidth", lambda c, m: (0, 0, 200 * MIB), lambda c, m: (0, 0, 20 * MIB),
                  "ip_receive_bytes tcp_segments tcp_established sockets_used", ""),
    "connections": ("connections", lambda c, m: (2000, 0, 2000), lambda c, m: (100, 0, 100),
                    "tcp_established sockets_used tcp_active_opens tcp_passive_opens", "files"),
    "churn": ("churn", lambda c, m: (0, 0, 800), lambda c, m: (0, 0, 50),
              "tcp_active_opens tcp_passive_opens tcp_segments sockets_time_wait", ""),
    "refused": ("refused", lambda c, m: (0, 0, 3000), lambda c, m: (0, 0, 40),
                "tcp_resets tcp_active_opens", ""),
    "forks": ("forks", lambda c, m: (1000, 0, 0), lambda c, m: (100, 0, 0),
              "forks page_faults", ""),
    "processes": ("processes", lambda c, m: (4000, 0, 200), lambda c, m: (1500, 0, 60),
                  "threads forks page_faults", ""),
    "files": ("files", lambda c, m: (20000, 0, 0), lambda c, m: (1000, 0, 0), "files_open", ""),
    "timers": ("timers", lambda c, m: (8 * c, 0, 30000 * c), lambda c, m: (4 * c, 0, 8000 * c),
               "context_switches interrupts", ""),
    "switches": ("switches", lambda c, m: (c, 0, 0), lambda c, m: (1, 0, 5000 * c),
                 "context_switches cpu_system", ""),
}  # fmt: skip
STRENGTHS = ("strong", "weak")

MEAN_S, SHORT_S, LONG_S = 16, 12, 20  # of a fault; over 10 s, by when it should be seen
SLOW_S = 24  # of a leak, which begins with nothing
SHARE = 0.15  # of the test part in which some fault is under way
SLOT_SHARE = 0.18  # of a slot that faults take on average at most: a recording stays under 20 %
LEAST_S = 1.1  # so that at least one row sees it


def features_of(kind):
    return TABLE[kind][3].split()


def groups_of(kind):
    """Of right causes, beside the groups of its features."""
    return TABLE[kind][4].split()


def figures(kind, strength, cores, memory):
    """N, BYTES and RATE for record-fault."""
    n, size, rate = TABLE[kind][1 + STRENGTHS.index(strength)](cores, memory)
    return n, int(size), math.ceil(rate)


def available_bytes():
    with open("/proc/meminfo") as f:
        return 1024 * next(int(line.split()[1]) for line in f if line.startswith("MemAvailable:"))


def plan(seed, seconds, kinds, count=None):
    """[(start, length, kind, strength)] within a test part of so many seconds: each kind and
    strength once in a random order, then again. Every fault has a slot of its own and comes in its
    first part, so that what it leaves behind (closed connections wait for a minute, dirty pages
    for half of one) has gone when the next one comes."""
    rng = random.Random(f"faults {seed}")
    if count is None:
        count = max(1, int(SHARE * seconds / MEAN_S))
    slot, rounds, events = seconds / count, [], []
    # many faults in little time are shorter; one more row than whole seconds may see each
    scale = min(1, max(0, SLOT_SHARE * slot - 1) / MEAN_S)
    while len(rounds) < count:
        one = [(kind, strength) for kind in kinds for strength in STRENGTHS]
        rng.shuffle(one)
        rounds += one
    for i, (kind, strength) in enumerate(rounds[:count]):
        length = rng.uniform(SHORT_S, LONG_S) if kind != "leak" else SLOW_S
        length = max(LEAST_S, scale * length)
        start = slot * (i + rng.uniform(0.05, 0.25))
        events.append((start, length, kind, strength))
    return events


class Player:
    """Makes the planned faults when their time comes. step() is called often."""

    def __init__(self, program, folder, events, begin):
        self.program, self.folder, self.begin = program, folder, begin
        self.waiting = list(reversed(events))
        self.running = None  # (process, kind, strength, begun, folder or None)
        self.done = []  # (begun, ended, kind, strength), Unix seconds
        self.complaints = []
        self.cores, self.memory = len(os.sched_getaffinity(0)), available_bytes()

    def step(self, now):
        if self.running:
            if self.running[0].poll() is not None:
                self._end()
        elif self.waiting and now >= self.begin + self.waiting[-1][0]:
            self._start(*self.waiting.pop()[1:])

    def _start(self, length, kind, strength):
        told = figures(kind, strength, self.cores, self.memory)
        folder = self.folder
        if kind == "inodes":  # it leaves files, so it gets a folder that is removed
            folder = os.path.join(folder, "inodes")
            os.makedirs(folder, exist_ok=True)
        begun = time.time()
        process = processes.start(
            [self.program, TABLE[kind][0], f"{length:.3f}", *map(str, told), folder],
            sig=signal.SIGTERM)
        self.running = (process, kind, strength, begun)

    def _end(self):
        process, kind, strength, begun = self.running
        self.running = None
        self.done.append((begun, time.time(), kind, strength))
        if process.returncode != 0:
            self.complaints.append(f"{strength} {kind} ended early with code {process.returncode}")
        if kind == "inodes":
            processes.start(["rm", "-rf", os.path.join(self.folder, "inodes")]).wait()

    @property
    def idle(self):
        return not self.running and not self.waiting

    def now_making(self):
        return f"{self.running[2]} {self.running[1]}" if self.running else None
