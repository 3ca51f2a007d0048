# SPDX-License-Identifier: Apache-2.0
"""kill -9 at any moment loses at most what was not committed, and never the database."""
import os
import random
import signal
import subprocess
import time

import pytest

import storecheck

KILLS = 50
FEATURES = 45
INSTANCE = "hammer"


@pytest.fixture
def hammer(tool):
    return tool("store_hammer")


def run_and_kill(hammer, path, rows, max_bytes, seconds):
    """Start it, kill it after so long; the last tick that it said was committed, or None."""
    process = subprocess.Popen(
        [hammer, path, str(rows), str(FEATURES), "0", str(max_bytes)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    out, err = process.communicate()
    assert process.returncode == -signal.SIGKILL, f"it ended by itself: {err}"
    whole = out[:out.rfind("\n") + 1].split()  # the kill may have cut the last line
    return int(whole[-1]) if whole else None


def check_values(path, first_ms):
    """The ticks from first_ms on hold what store_hammer puts in them."""
    with storecheck.connect(path) as db:
        for ts, blob in db.execute('SELECT ts_ms, "values" FROM frames WHERE ts_ms >= ?',
                                   (first_ms,)):
            values = storecheck.floats(blob)
            assert len(values) == FEATURES
            for i, v in enumerate(values):
                if (ts + i) % 11 == 0:
                    assert v != v, f"tick {ts}, feature {i}: {v}, expected NaN"
                else:
                    assert v == ts % 65536 + i / 16, f"tick {ts}, feature {i}: {v}"


@pytest.mark.parametrize("max_bytes", [0, 3_000_000], ids=["growing", "pruned"])
def test_no_committed_row_is_lost_by_fifty_kills(hammer, tmp_path, max_bytes):
    path = str(tmp_path / "t.db")
    chance = random.Random(max_bytes)
    last, reporting = 0, 0
    for _ in range(KILLS):
        reported = run_and_kill(hammer, path, chance.choice([1, 1, 2, 7]), max_bytes,
                                chance.uniform(0, 0.12))
        if not os.path.exists(path):
            continue  # killed before it made the file
        if reported is not None:
            reporting += 1
            assert reported > last, "it wrote over rows of an earlier run"
            check_values(path, reported - 200)
            last = reported
        storecheck.check_sound(path)
        if last == 0:
            continue
        # Ticks are numbered without holes, so what pruning left must be the newest, all of them.
        kept = storecheck.ticks(path, INSTANCE, "scores")
        first = kept[0] if max_bytes else 1
        storecheck.check_survived(path, INSTANCE, range(first, last + 1), ("scores",))
        storecheck.check_survived(path, INSTANCE, range(max(first, last - 500), last + 1))
        last = max(last, kept[-1])  # committed, and killed before it could say so
    assert reporting >= KILLS // 4, "the kills came before anything was written"
    assert not max_bytes or kept[0] > 1, "nothing was ever pruned"


def test_incidents_that_a_kill_left_open_are_closed(hammer, tmp_path):
    path = str(tmp_path / "t.db")
    while run_and_kill(hammer, path, 1, 0, 0.2) is None:
        pass
    last = storecheck.ticks(path, INSTANCE, "scores")[-1]
    done = subprocess.run([hammer, path, "1", str(FEATURES), "3", "0"], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stderr
    with storecheck.connect(path) as db:
        assert db.execute("SELECT end_ms FROM incidents ORDER BY id").fetchall() == [(last,), (None,)]


def test_a_second_writer_is_refused_and_says_why(hammer, tmp_path):
    path = str(tmp_path / "t.db")
    first = subprocess.Popen([hammer, path, "1", str(FEATURES), "0", "0"], stdout=subprocess.PIPE,
                             text=True)
    try:
        assert first.stdout.readline()
        second = subprocess.run([hammer, path, "1", str(FEATURES), "1", "0"], capture_output=True,
                                text=True, check=False)
        assert second.returncode == 1
        assert f"in use by another tocsin (process {first.pid})" in second.stderr
    finally:
        first.kill()
        first.communicate()
