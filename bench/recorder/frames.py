# SPDX-License-Identifier: Apache-2.0
"""The machine's frames each second, by a tocsin that only ever learns: it reads the host source,
evaluates the profile, and stores each frame before any model is made of it."""
import json
import os
import sqlite3
import struct
import subprocess

from . import processes

INTERVAL_MS = 1000


class Watcher:
    """A `tocsin run` of our own, on a free loopback port and with a data folder of its own."""

    def __init__(self, tocsin, folder, seconds):
        self.data_dir = os.path.join(folder, "watcher")
        self.log_path = os.path.join(folder, "watcher.log")
        with open(self.log_path, "wb") as log:
            # it must not end learning: twice the time, and some for slow starts
            self.process = processes.start(
                [tocsin, "run", "--listen", "127.0.0.1:0", "--data-dir", self.data_dir,
                 "--profile", "node", "--interval", f"{INTERVAL_MS}ms",
                 "--learn", f"{2 * int(seconds) + 3600}s"],
                stdout=log, stderr=subprocess.STDOUT)  # fmt: skip

    def check(self):
        if self.process.poll() is not None:
            with open(self.log_path, errors="replace") as f:
                last = f.read().strip().splitlines()[-1:] or ["it said nothing"]
            raise RuntimeError(f"tocsin run ended: {last[0]}")

    def _database(self):
        path = os.path.join(self.data_dir, "tocsin.db")
        return sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)

    def first_ms(self):
        """The time of the first frame; None before there is one. Rates need a window before."""
        self.check()
        if not os.path.exists(os.path.join(self.data_dir, "tocsin.db")):
            return None
        try:
            db = self._database()
            try:
                return db.execute("SELECT min(ts_ms) FROM frames").fetchone()[0]
            finally:
                db.close()
        except sqlite3.OperationalError:  # its tables are not there yet
            return None

    def stop(self):
        self.check()
        self.process.terminate()
        self.process.wait()

    def read(self):
        """([feature], {feature: group}, [(ts_ms, values)]) of all frames, in time order."""
        db = self._database()
        try:
            schemas = db.execute("SELECT hash, features FROM schemas").fetchall()
            if len(schemas) != 1:
                raise RuntimeError(f"expected frames of one schema, found {len(schemas)}")
            features = json.loads(schemas[0][1])
            rows = db.execute('SELECT ts_ms, "values" FROM frames ORDER BY ts_ms').fetchall()
        finally:
            db.close()
        frames = [(ts, struct.unpack(f"<{len(v) // 4}f", v)) for ts, v in rows]
        return [f["name"] for f in features], {f["name"]: f["group"] for f in features}, frames


def on_grid(frames, first_ms, rows):
    """One row an interval, in order; None where there is no frame. Ticks come some ms late."""
    grid = [None] * rows
    for ts, values in frames:
        i = round((ts - first_ms) / INTERVAL_MS)
        if 0 <= i < rows:
            grid[i] = values
    return grid
