# SPDX-License-Identifier: Apache-2.0
"""Learning goes on: trainings on schedule, the gate, an operator's marks and models, kill -9."""
import json
import math
import os
import signal
import sqlite3
import statistics
import struct
import subprocess
import time

import pytest

from storecheck import check_sound, floats

LEARN = "5s"
# A threshold that nothing reaches: what this machine does meanwhile must not decide a test.
NEVER = "fixed:1e9"


def config(folder, retrain="10s", quarantine="1s"):
    path = os.path.join(folder, "tocsin.yml")
    with open(path, "w") as f:
        f.write(f"learn: {{retrain: {retrain}, quarantine: {quarantine}}}\n"
                "sources: [host: {interval: 100ms}]\n")
    return path


def rows(daemon, sql="SELECT id, state, reason, file FROM models ORDER BY id"):
    with daemon.database() as db:
        return db.execute(sql).fetchall()


def states(daemon):
    return [row[1] for row in rows(daemon)]


def live(daemon):
    """(number, 16 digits) of the live model; there is one."""
    found = rows(daemon, "SELECT id, printf('%016x', model_id) FROM models WHERE state = 'live'")
    assert len(found) == 1
    return found[0]


@pytest.fixture
def tocsin(binary):
    def run(daemon, *words, code=0):
        done = subprocess.run([binary, *words, "--data-dir", daemon.data_dir], capture_output=True,
                              text=True, timeout=60)
        assert done.returncode == code, done.stderr
        return done
    return run


@pytest.fixture
def learner(make_daemon, tmp_path, tocsin):
    """A daemon at ten ticks a second that has learned, and learns anew as told."""
    def make(retrain="10s", threshold=NEVER, learn_mark=False, **more):
        path = config(tmp_path, retrain, **more)
        daemon = make_daemon("--threshold", threshold, "-c", path, learn=LEARN)
        daemon.config = path
        if learn_mark:  # all of its time is marked before it watches
            tocsin(daemon, "mark", "--from", "now-1h", "--to", "now+1h", "--as", "maintenance")
        return daemon.wait_watching()
    return make


def test_it_learns_anew_when_its_history_has_doubled(learner):
    daemon = learner(retrain="1h")
    # after 5 s more, and 10 after that; and a trainer that gives way to all else on this machine
    daemon.wait(lambda: len(states(daemon)) >= 3)
    trained = [json.loads(f)["trained"] for (f,) in rows(
        daemon, "SELECT figures FROM models WHERE id > 1 AND state <> 'candidate' ORDER BY id")]
    assert trained and set(trained) == {"the history has grown"}
    with daemon.database() as db:
        _, second, third = db.execute(
            "SELECT created_ms, provenance FROM models ORDER BY id LIMIT 3").fetchall()
    known = second[0] - json.loads(second[1])["first_ms"]  # when the second was made
    assert third[0] - second[0] > 0.9 * known


def test_it_learns_anew_on_schedule_and_goes_live(learner, tocsin):
    daemon = learner()
    first = daemon.entity()["model"] if "model" in daemon.entity() else None
    # of a history that is longer than the schedule's ten seconds
    scheduled = daemon.wait(lambda: rows(
        daemon, "SELECT figures FROM models WHERE figures LIKE '%\"schedule\"%' AND state = 'live'"))
    assert states(daemon)[0] == "retired"
    assert 'tocsin_promotions_total{result="rejected"} 0' in daemon.get("/metrics")[1]
    assert daemon.metric("tocsin_trainings_total") >= 2
    assert "reason=schedule" in daemon.log() and "the new model goes live" in daemon.log()
    # all that went live but the first, which nothing was compared with; the schedule's is among them
    daemon.wait(lambda: daemon.metric("tocsin_promotions_total") ==
                states(daemon).count("live") + states(daemon).count("retired") - 1 >= 1)
    if first is not None:
        assert daemon.entity()["model"] != first
    figures = json.loads(scheduled[0][0])
    assert figures["trained"] == "schedule" and figures["quiet_frames"] > 20
    for number, *_ in rows(daemon):  # each file is whole
        tocsin(daemon, "models", "show", str(number))
    # watching never stopped: no second without a score around the swap
    with daemon.database() as db:
        times = [t for (t,) in db.execute("SELECT ts_ms FROM scores ORDER BY ts_ms")]
    assert max(b - a for a, b in zip(times, times[1:])) < 5000
    check_sound(os.path.join(daemon.data_dir, "tocsin.db"))


def test_rollback_and_promote_reach_the_running_daemon(learner, tocsin):
    daemon = learner()
    daemon.wait(lambda: states(daemon).count("retired") >= 1)
    before = live(daemon)
    done = tocsin(daemon, "models", "rollback", "--json")
    chosen = json.loads(done.stdout)
    assert chosen["told"] is True and chosen["live"] < before[0]
    daemon.wait(lambda: "an operator changed the live model" in daemon.log(), 20)
    assert dict(row[:2] for row in rows(daemon))[before[0]] == "rejected"

    done = tocsin(daemon, "models", "promote", before[1])
    assert "was told" in done.stdout
    daemon.wait(lambda: daemon.log().count("an operator changed the live model") == 2, 20)
    assert live(daemon)[0] >= before[0]


def test_a_choice_without_a_daemon_holds_from_the_next_start(learner, tocsin):
    daemon = learner()
    daemon.wait(lambda: states(daemon).count("retired") >= 1)
    daemon.stop()
    chosen = json.loads(tocsin(daemon, "models", "rollback", "--json").stdout)
    assert chosen["told"] is False
    number = live(daemon)[1]
    assert rows(daemon)[chosen["live"] - 1][1] == "live"
    daemon.start()
    assert "model=restored" in daemon.log()
    shown = daemon.wait(lambda: daemon.json("/api/v1/entities")["entities"][0], 20)
    assert shown["phase"] == "watching"
    assert live(daemon)[1] == number


def test_asked_by_a_signal_it_learns_anew(learner, tocsin):
    daemon = learner(retrain="0s")
    time.sleep(4)
    assert states(daemon) == ["live"]
    daemon.process.send_signal(signal.SIGUSR1)
    daemon.wait(lambda: "reason=asked" in daemon.log(), 20)
    daemon.wait(lambda: len(states(daemon)) == 2 and states(daemon)[1] in ("live", "rejected"), 20)


def test_marked_material_is_not_learned(learner, tocsin):
    daemon = learner(retrain="0s")
    tocsin(daemon, "mark", "--from", "now-1h", "--to", "now+1h", "--as", "maintenance")
    time.sleep(4)
    daemon.process.send_signal(signal.SIGUSR1)
    daemon.wait(lambda: "nothing was learned anew" in daemon.log(), 20)
    assert 'tocsin_trainings_total{result="skipped"} 1' in daemon.get("/metrics")[1]
    listed = json.loads(tocsin(daemon, "mark", "--list", "--json").stdout)["marks"]
    assert [(m["as"], m["instance"]) for m in listed] == [("maintenance", None)]
    tocsin(daemon, "mark", "--delete", str(listed[0]["id"]))
    daemon.process.send_signal(signal.SIGUSR1)
    daemon.wait(lambda: len(states(daemon)) == 2, 20)


def test_maintenance_is_followed_live_and_in_a_replay(learner, tocsin):
    """Everything is anomalous; within the mark nobody is told, and after it somebody is."""
    daemon = learner(retrain="0s", threshold="fixed:1e-9", learn_mark=True)

    def shown():
        return daemon.json("/api/v1/incidents")["incidents"]

    daemon.wait(shown, 20)
    assert [row["maintenance"] for row in shown()] == [True]
    assert daemon.entity()["ringing"] is False
    assert "incident in maintenance opened" in daemon.log()
    assert daemon.entity()["alarms"]["rate"] is None  # held back from the promise
    number = json.loads(tocsin(daemon, "mark", "--list", "--json").stdout)["marks"][0]["id"]
    got = json.loads(tocsin(daemon, "replay", "-c", daemon.config, "--threshold", "fixed:1e-9",
                            "--json").stdout)
    assert got["rate"]["pages"] == 0 and got["maintenance_incidents"] >= 1
    assert got["maintenance_frames"] > 0 and got["rate"]["watched_s"] < 1

    tocsin(daemon, "mark", "--delete", str(number))
    daemon.wait(lambda: daemon.entity()["ringing"], 20)
    daemon.wait(lambda: shown()[0]["maintenance"] is False, 20)
    assert daemon.entity()["alarms"]["rate"] > 0


def test_a_model_that_learned_the_anomaly_is_rejected(learner, tocsin):
    """The past is changed while nobody looks: one feature goes wild, also where it is quiet, so that
    a new model takes for normal what the live one rings for."""
    daemon = learner(retrain="0s", threshold="fixed:20")
    time.sleep(8)
    daemon.stop()
    features = json.loads(tocsin(daemon, "models", "show", "1", "--json").stdout)["features"]
    at = next(i for i, f in enumerate(features) if f["state"] == "moves")
    wild = features[at]["low"] + 1e5 * features[at]["span"]
    with sqlite3.connect(os.path.join(daemon.data_dir, "tocsin.db")) as db:
        frames = db.execute('SELECT ts_ms, "values" FROM frames ORDER BY ts_ms').fetchall()
        # all other features as they mostly are, all the time: what else this machine does, which
        # other tests disturb, must be no reason for either model
        usual = [statistics.median_low([v for v in column if v == v] or [math.nan])
                 for column in zip(*(floats(blob) for _, blob in frames))]
        for i, (ts, _) in enumerate(frames):
            values = list(usual)
            values[at] = wild * (i % 10) / 10 if not 60 <= i < 70 else wild
            db.execute('UPDATE frames SET "values" = ? WHERE ts_ms = ?',
                       (struct.pack(f"<{len(values)}f", *values), ts))
        db.execute("DELETE FROM incidents")
        db.execute("INSERT INTO incidents (id, entity, start_ms, peak_ms, end_ms, peak_score, "
                   "threshold, causes) VALUES (7, 1, ?, ?, ?, 1, 1, '[]')",
                   (frames[60][0], frames[60][0], frames[69][0]))
    tocsin(daemon, "mark", "--incident", "7", "--as", "anomaly")
    before = live(daemon)
    daemon.start().wait_watching()
    daemon.process.send_signal(signal.SIGUSR1)
    daemon.wait(lambda: "the new model is rejected" in daemon.log())
    daemon.wait(lambda: states(daemon) == ["live", "rejected"], 20)
    assert live(daemon) == before
    assert "does not ring for 1 of 1 confirmed incidents" in rows(daemon)[1][2]
    assert 'tocsin_promotions_total{result="rejected"} 1' in daemon.get("/metrics")[1]
    daemon.stop()
    daemon.start()
    assert live(daemon) == before and states(daemon) == ["live", "rejected"]
    assert len(os.listdir(os.path.join(daemon.data_dir, "models"))) == 2


def test_killed_at_any_moment_of_a_promotion_it_comes_back(learner, tocsin):
    daemon = learner(retrain="0s")
    for delay in (0.0, 0.1, 0.2, 0.4):
        time.sleep(3)
        at = len(daemon.log())
        daemon.process.send_signal(signal.SIGUSR1)
        daemon.wait(lambda: "learning anew" in daemon.log()[at:], 20)
        time.sleep(delay)
        daemon.stop(signal.SIGKILL)
        daemon.start()
        assert "model=restored" in daemon.log()[at:]
        check_sound(os.path.join(daemon.data_dir, "tocsin.db"))
        live(daemon)
        assert "candidate" not in states(daemon)
        # a file for each row, a row for each file
        assert {row[3] for row in rows(daemon)} == set(
            os.listdir(os.path.join(daemon.data_dir, "models")))
        daemon.wait_watching()


def test_models_are_shown_and_compared(learner, tocsin):
    daemon = learner()
    daemon.wait(lambda: states(daemon).count("retired") >= 1)
    listed = json.loads(tocsin(daemon, "models", "list", "--json").stdout)["models"]
    assert listed[-1]["reason"] == "the first one" and listed[-1]["rows"] == 50
    assert "live" in tocsin(daemon, "models", "list").stdout
    shown = json.loads(tocsin(daemon, "models", "show", "1", "--json").stdout)
    assert shown["model"] == listed[-1]["model"] and len(shown["features"]) > 40
    assert {"name", "unit", "median", "low", "span"} <= set(shown["features"][0])
    assert "cpu_user" in tocsin(daemon, "models", "show", listed[-1]["model"]).stdout
    diff = json.loads(tocsin(daemon, "models", "diff", "1", "2", "--json").stdout)
    moved = [f["moved"] for f in diff["features"]]
    assert moved == sorted(moved, reverse=True) and not diff["gone"] and not diff["added"]
    assert "threshold" in tocsin(daemon, "models", "diff", "1", "2").stdout


@pytest.mark.parametrize("words, code, sentence", [
    (["models"], 2, "expected list, show"),
    (["models", "drum"], 2, "found drum"),
    (["models", "show"], 2, "expected 1 model"),
    (["models", "show", "x"], 2, "expected a model's number"),
    (["models", "list", "more"], 2, "expected 0 models"),
    (["models", "list"], 1, "tocsin.db"),
    (["mark"], 2, "expected one of"),
    (["mark", "--from", "now", "--as", "normal"], 2, "go together"),
    (["mark", "--from", "soon", "--to", "now", "--as", "normal"], 2, "found 'soon'"),
    (["mark", "--from", "now", "--to", "now-1h", "--as", "normal"], 2, "after --from"),
    (["mark", "--incident", "1"], 2, "expected --as"),
    (["mark", "--incident", "1", "--as", "maintenance"], 2, "anomaly or normal"),
    (["mark", "--incident", "x", "--as", "normal"], 2, "expected a number"),
    (["mark", "--incident", "1", "--as", "normal", "--accept"], 2, "in place of --as"),
    (["mark", "--from", "now-1h", "--to", "now", "--accept"], 2, "goes with --incident"),
    (["mark", "--list"], 1, "tocsin.db"),
])
def test_what_is_wrong_is_a_sentence(binary, tmp_path, words, code, sentence):
    done = subprocess.run([binary, *words, "--data-dir", str(tmp_path)], capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == code and sentence in done.stderr
    assert not os.listdir(tmp_path)
