# SPDX-License-Identifier: Apache-2.0
"""Slow change through the daemon: it outlives restarts and kill -9, and an operator accepts it."""
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest

from storecheck import check_sound

# A threshold that nothing reaches: what this machine does meanwhile must not decide a test.
NEVER = "fixed:1e9"


@pytest.fixture
def slow(tool, make_daemon, trained, tmp_path):
    """A daemon that watches, and knows of weeks: (daemon, its feature that moved, since when)."""
    database = str(tmp_path / "data" / "tocsin.db")
    shutil.copytree(trained, tmp_path / "data")
    with sqlite3.connect(database) as db:
        instance, = db.execute("SELECT instance FROM entities").fetchone()
    db.close()
    done = subprocess.run([tool("slow_state"), database, instance, "node", "1000",
                           str(int(time.time() * 1000))], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    feature, since = done.stdout.split()
    return make_daemon("--threshold", NEVER), feature, int(since)


def path(daemon):
    return os.path.join(daemon.data_dir, "tocsin.db")


def recorded(daemon):
    """The slow incidents of the store: (start, end, accepted)."""
    with daemon.database() as db:
        return db.execute("SELECT start_ms, end_ms, accepted FROM incidents WHERE kind = 'slow'"
                          ).fetchall()


def test_an_open_slow_change_is_one_incident_over_restarts_and_kills(slow):
    daemon, feature, since = slow
    daemon.wait(lambda: recorded(daemon) == [(since, None, 0)], 20)
    assert "slow incident goes on" in daemon.log() and feature in daemon.log()
    assert daemon.metric("tocsin_reference_learned_seconds") == 14 * 86400
    for end in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        daemon.stop(end)
        check_sound(path(daemon))
        assert recorded(daemon) == [(since, None, 0)]
        daemon.start()
        daemon.wait(lambda: recorded(daemon) == [(since, None, 0)], 20)
        assert daemon.metric("tocsin_reference_learned_seconds") == 14 * 86400
    assert "slow incident closed" not in daemon.log()


def test_it_is_shown_wherever_one_looks(slow, binary):
    daemon, feature, since = slow
    shown = daemon.wait(lambda: daemon.entity()["slow"], 20)
    assert shown["start"] == since / 1000 and shown["ratio"] > 1
    assert shown["words"].startswith(f"slow change: {feature} ")
    daemon.wait(lambda: daemon.entity()["score"] is not None)
    assert daemon.json("/predict")["slow"] == shown
    assert daemon.metric("tocsin_slow_change") == 1
    rows = daemon.wait(lambda: daemon.json("/api/v1/incidents")["incidents"], 20)
    daemon.wait(lambda: daemon.json("/api/v1/incidents")["incidents"][0]["words"], 20)
    assert [row["kind"] for row in rows] == ["slow"]
    done = subprocess.run([binary, "status", "--url", daemon.url], capture_output=True, text=True,
                          timeout=60)
    assert f"slow change: {feature} " in done.stdout


def test_an_operator_accepts_it_beside_the_running_daemon(slow, binary):
    daemon, _, since = slow

    def mark(*words, code=0):
        done = subprocess.run([binary, "mark", *words, "--data-dir", daemon.data_dir],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == code, done.stderr
        return done

    daemon.wait(lambda: recorded(daemon) == [(since, None, 0)], 20)
    with daemon.database() as db:
        number = str(db.execute("SELECT id FROM incidents WHERE kind = 'slow'").fetchone()[0])
    assert "there is no incident" in mark("--incident", "999", "--accept", code=1).stderr
    assert "accepted" in mark("--incident", number, "--accept").stdout
    daemon.wait(lambda: recorded(daemon)[0][2] == 1, 20)
    assert recorded(daemon)[0][1] is not None
    assert "slow incident accepted by an operator" in daemon.log()
    rows = daemon.json("/api/v1/incidents")["incidents"]
    assert [(row["kind"], row["accepted"]) for row in rows] == [("slow", True)]
    assert "is over" in mark("--incident", number, "--accept", code=1).stderr
    listed = json.loads(mark("--list", "--json").stdout)["marks"]
    assert [m["as"] for m in listed] == ["accepted"]
    daemon.stop(signal.SIGKILL)
    daemon.start()
    time.sleep(3)
    assert "slow incident goes on" not in daemon.log().split("accepted by an operator")[1]
    assert [row[2] for row in recorded(daemon)] == [1]


def test_what_was_accepted_while_it_did_not_run_holds_from_the_start(slow, binary):
    daemon, _, since = slow
    daemon.wait(lambda: recorded(daemon) == [(since, None, 0)], 20)
    daemon.stop()
    with daemon.database() as db:
        number = str(db.execute("SELECT id FROM incidents WHERE kind = 'slow'").fetchone()[0])
    done = subprocess.run([binary, "mark", "--incident", number, "--accept", "--data-dir",
                           daemon.data_dir], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    daemon.start()
    daemon.wait(lambda: [row[2] for row in recorded(daemon)] == [1], 20)


def test_a_damaged_state_is_one_line_and_the_reference_begins_anew(slow):
    daemon, _, since = slow
    daemon.wait(lambda: recorded(daemon) == [(since, None, 0)], 20)
    daemon.stop()
    with sqlite3.connect(path(daemon)) as db:
        state = bytearray(db.execute("SELECT state FROM states").fetchone()[0])
        state[len(state) // 2] ^= 1
        db.execute("UPDATE states SET state = ?", (bytes(state),))
    db.close()
    at = len(daemon.log())
    daemon.start()
    assert daemon.log()[at:].count("the reference for slow changes was not taken") == 1
    assert daemon.metric("tocsin_reference_learned_seconds") == 0
    daemon.wait(lambda: recorded(daemon)[0][1] is not None, 20)  # as any that a crash left
