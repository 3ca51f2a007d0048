# SPDX-License-Identifier: Apache-2.0
"""The regular load: what is done when, planned from a seed, and the processes that do it."""
import bisect
import math
import os
import random
import sys

from . import processes

# The day's course: (hour, share of the most) from midnight to midnight, straight lines between.
CURVES = {
    "office": [(0, 0.08), (6, 0.1), (9, 0.8), (11, 1), (12.5, 0.55), (14, 0.95), (17, 0.7),
               (19, 0.25), (22, 0.1), (24, 0.08)],
    "batch": [(0, 0.9), (1, 1), (5, 0.9), (7, 0.3), (12, 0.2), (18, 0.25), (21, 0.7), (24, 0.9)],
}

# Of each load: the most users of the web server and the MiB of their sessions; jobs that come at
# random, as often as the day's course says (kind, a minute and core at the most, least and most
# size); and jobs by the clock (kind, hours of the day, size). Sizes are in MiB, of a build in files,
# of cron in programs started.
LOADS = {
    "office": {
        "help": "people at work by day: builds, copies, web users; a backup by night",
        "users": 24, "sessions": 600,
        "random": [("build", 3, 4, 10), ("copy", 1.5, 8, 64), ("compress", 0.7, 16, 64)],
        "clock": [("cron", range(24), 30), ("read", (2,), 256), ("compress", (2.5, 3), 64),
                  ("copy", (3.5,), 128)],
    },
    "batch": {
        "help": "a machine that works off its jobs by night and on the hour; hardly any users",
        "users": 4, "sessions": 50,
        "random": [("build", 2.5, 5, 12), ("copy", 0.5, 16, 32)],
        "clock": [("sort", (0, 4, 8, 12, 16, 20), 300), ("read", (0.5, 4.5, 8.5, 12.5, 16.5, 20.5), 192),
                  ("compress", (1, 3, 5, 22, 23), 48), ("copy", (6, 18), 128),
                  ("cron", [h / 2 for h in range(48)], 60)],
    },
}  # fmt: skip

CORES_SHARE = 0.6  # of all cores that the load takes at most, over WINDOW_S
WINDOW_S = 60
WAIT_S = 20  # for which a job may wait for its turn before it is given up
JOB_S = 60  # after which a job is ended, whatever it does
CLOCK_LEAST_S = 2  # between two jobs by the clock, however short the day is


def course(load, seed, day_s, at_s):
    """The share of the most at a time; each day is a tenth fuller or emptier than the last."""
    day, phase = divmod(at_s / day_s, 1)
    curve, hour = CURVES[load], 24 * phase
    i = bisect.bisect_right([h for h, _ in curve], hour)
    (h0, v0), (h1, v1) = curve[i - 1], curve[min(i, len(curve) - 1)]
    value = v0 + (v1 - v0) * ((hour - h0) / (h1 - h0) if h1 > h0 else 0)
    return value * random.Random(f"day {seed} {int(day)}").uniform(0.9, 1.1)


def plan(load, seed, day_s, seconds, cores):
    """[(when, kind, size)] in time order."""
    rng, jobs = random.Random(f"load {load} {seed}"), []
    for kind, a_minute, least, most in LOADS[load]["random"]:
        pace = cores * a_minute / 60
        at = rng.expovariate(pace)
        while at < seconds:  # thinning: as often as the most, kept as often as the course says
            if rng.random() < course(load, seed, day_s, at):
                jobs.append((at, kind, rng.randint(least, most)))
            at += rng.expovariate(pace)
    for kind, hours, size in LOADS[load]["clock"]:
        step, last = day_s / 24, -CLOCK_LEAST_S
        for day in range(math.ceil(seconds / day_s)):
            for hour in hours:
                at = day * day_s + hour * step + rng.uniform(0, 0.02) * step
                if last + CLOCK_LEAST_S <= at < seconds:
                    jobs.append((at, kind, round(size * rng.uniform(0.9, 1.1))))
                    last = at
    return sorted(jobs)


class Player:
    """Starts the jobs when their time comes, no more of them at once than there are cores, and
    none while the load has had its share of them. step() is called often."""

    def __init__(self, load, seed, day_s, seconds, folder, begin):
        self.folder, self.begin = folder, begin
        self.cores = len(os.sched_getaffinity(0))
        self.waiting = list(reversed(plan(load, seed, day_s, seconds, self.cores)))
        self.due, self.running = [], {}
        self.cpu = []  # (when, CPU seconds until then): of ended jobs and the servers
        self.cpu_ended, self.done, self.given_up = 0.0, 0, 0
        self.n = 0
        self.servers = [self._work("serve", folder, load, seed, day_s, begin)]
        self.servers.append(self._work("browse", folder, load, seed, day_s, begin))

    def _work(self, *words):
        worker = os.path.join(os.path.dirname(os.path.abspath(__file__)), "worker.py")
        with open(os.path.join(self.folder, "load.log"), "ab") as log:
            return processes.start([sys.executable, worker, *map(str, words)], stdout=log,
                                   stderr=log)  # fmt: skip

    def _cpu_of(self, pid):
        """CPU seconds of a process and the children it has waited for."""
        try:
            with open(f"/proc/{pid}/stat", "rb") as f:
                fields = f.read().rsplit(b")", 1)[1].split()
            return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
        except OSError:
            return 0.0

    def share(self, now):
        """Of all cores, over the last window, looked at each second."""
        if self.cpu and self.cpu[0][0] < self.cpu[-1][0] and now < self.cpu[-1][0] + 1:
            return self._share_between(self.cpu[0], self.cpu[-1])
        used = self.cpu_ended + sum(self._cpu_of(p.pid) for p in [*self.running, *self.servers])
        self.cpu = [(t, c) for t, c in self.cpu if t > now - WINDOW_S] + [(now, used)]
        return self._share_between(self.cpu[0], self.cpu[-1])

    def _share_between(self, earlier, later):
        return (later[1] - earlier[1]) / (max(later[0] - earlier[0], 1) * self.cores)

    def step(self, now):
        for server in self.servers:
            if server.poll() is not None:
                raise RuntimeError(f"the load's server or its client ended: {self.last_words()}")
        self._reap(now)
        share = self.share(now)
        while self.waiting and now >= self.begin + self.waiting[-1][0]:
            self.due.append(self.waiting.pop())
        while self.due and now > self.begin + self.due[0][0] + WAIT_S:
            self.due.pop(0)
            self.given_up += 1
        if self.due and len(self.running) < self.cores and share < CORES_SHARE:
            _, kind, size = self.due.pop(0)
            folder = os.path.join(self.folder, f"job-{self.n}")
            self.n += 1
            os.makedirs(folder)
            self.running[self._work(kind, folder, size)] = (now, folder)

    def _reap(self, now):
        for process, (begun, folder) in list(self.running.items()):
            if now > begun + JOB_S:
                process.terminate()  # it ends what it started
            # while it is a zombie its CPU time can still be read
            if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                continue
            self.cpu_ended += self._cpu_of(process.pid)
            if process.wait() != 0 and now <= begun + JOB_S:
                raise RuntimeError(f"a job of the load failed: {self.last_words()}")
            self.done += 1
            del self.running[process]
            os.rmdir(folder)

    def last_words(self):
        with open(os.path.join(self.folder, "load.log"), errors="replace") as f:
            return (f.read().strip().splitlines()[-1:] or ["it said nothing"])[0]
