# SPDX-License-Identifier: Apache-2.0
"""bench/record: what is in a recording, what --check refuses, and that nothing is left behind
however it ends; bench/score_record: what it makes of scores."""
import csv
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import types

import pytest

from children import children_of, started, wait_until
from conftest import ROOT

sys.path.insert(0, os.path.join(ROOT, "bench"))
from recorder import faults, load, scoring  # noqa: E402

RECORD = os.path.join(ROOT, "bench", "record")


@pytest.fixture
def disk_dir():
    """An empty folder on a disk: the tests' own may be in memory."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as d:
        yield d


def command(binary, *options):
    return [sys.executable, RECORD, "--tocsin", binary, *map(str, options)]


def check(folder):
    return subprocess.run(command("none", "--check", folder), capture_output=True, text=True,
                          timeout=60)


@pytest.fixture(scope="module")
def recorded(binary, tmp_path_factory):
    """A recording of 38 s with two faults; nothing of it may be left."""
    out = tmp_path_factory.mktemp("recorded")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as work:
        recording = subprocess.Popen(
            command(binary, "--for", "38s", "--train", "10s", "--events", 2, "--kinds", "files",
                    "--day", "20s", "--load", "batch", "--work", work, "-o", out),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        seen = {}

        def over():
            seen.update(children_of(recording.pid))
            return recording.poll() is not None

        wait_until(over, "it ends", 300)
        said = recording.communicate()
        assert recording.returncode == 0, said
        assert len(seen) >= 4, "a worker, a watcher, a server and its client at least"
        assert [pid for pid, at in seen.items() if at and started(pid) == at] == []
        assert os.listdir(work) == []
    return str(out)


def rows(folder, part):
    with open(os.path.join(folder, f"batch-1.{part}.csv"), newline="") as f:
        return list(csv.DictReader(f))


def test_a_recording_has_its_parts(recorded):
    train, test = rows(recorded, "train"), rows(recorded, "test")
    assert (len(train), len(test)) == (10, 28)
    times = [int(row["timestamp"]) for row in train + test]
    assert times == list(range(times[0], times[0] + 38))
    labels = [row["label"] for row in rows(recorded, "label")]
    events = rows(recorded, "events")
    assert {(e["kind"], e["strength"]) for e in events} == {("files", "strong"), ("files", "weak")}
    column = list(train[0]).index("files_open")  # the first feature is 1 in causes.txt
    causes = []
    for e in events:
        first, last = int(e["first"]), int(e["last"])
        assert labels[first : last + 1] == ["1"] * (last + 1 - first)
        assert (e["groups"], e["features"]) == ("files", "files_open")
        causes.append(f"{first}-{last}:{column}")
    assert labels.count("1") == sum(int(e["last"]) - int(e["first"]) + 1 for e in events)
    with open(os.path.join(recorded, "batch-1.causes.txt")) as f:
        assert f.read().split() == causes


def test_a_fault_is_seen_where_it_is_labelled(recorded):
    event = next(e for e in rows(recorded, "events") if e["strength"] == "strong")
    span = range(int(event["first"]), int(event["last"]) + 2)  # it may start late in a row
    opened = [float(row["files_open"]) for row in rows(recorded, "test") if row["files_open"]]
    before = [float(row["files_open"]) for row in rows(recorded, "train") if row["files_open"]]
    usual = statistics.median(before)  # (another test may hold files meanwhile)
    assert max(opened[i] for i in span if i < len(opened)) > usual + 10000


def test_a_recording_is_fine_until_it_is_changed(recorded, tmp_path):
    done = check(recorded)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("batch-1: fine, 10 + 28 rows")
    for part, change, sentence in [
        ("label", lambda text: text.replace("1\n", "0\n"), "are not the ones that are labelled"),
        ("label", lambda text: text + "0\n", "expected 28 labels, one a test row, found 29"),
        ("test", lambda text: "".join(text.splitlines(True)[:9] + text.splitlines(True)[10:]),
         "times do not rise by one interval"),
        ("train", lambda text: text.replace("files_open", "files_shut"), "different columns"),
        ("events", lambda text: text.replace(",files_open", ",nothing"), "are not columns: nothing"),
    ]:
        for name in os.listdir(recorded):
            with open(os.path.join(recorded, name)) as f, open(tmp_path / name, "w") as g:
                g.write(change(f.read()) if name == f"batch-1.{part}.csv" else f.read())
        done = check(tmp_path)
        assert done.returncode == 1 and sentence in done.stderr, (part, done.stderr)


def test_a_folder_without_a_recording_is_not_fine(tmp_path):
    done = check(tmp_path)
    assert done.returncode == 1 and "has no recording" in done.stderr


def under_way(folder):
    """Whether a recording in that work folder is making a fault that leaves files."""
    inodes = [os.path.join(folder, d, "inodes") for d in os.listdir(folder)]
    return any(os.listdir(d) for d in inodes if os.path.isdir(d))


def test_nothing_is_left_when_it_is_ended_in_a_fault(binary, disk_dir, tmp_path):
    recordings = {}  # how it is ended: (process, its work folder, the processes below it)
    for how in signal.SIGTERM, signal.SIGKILL:  # beside each other: most of it is waiting
        work = os.path.join(disk_dir, how.name)
        os.mkdir(work)
        recordings[how] = (subprocess.Popen(
            command(binary, "--for", "600s", "--train", "10s", "--kinds", "inodes", "--events", 100,
                    "--work", work, "-o", tmp_path / how.name),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL), work, {})

    def end_those_under_way():
        for how, (process, work, seen) in recordings.items():
            if process.poll() is None:
                seen.update(children_of(process.pid))
                if under_way(work):
                    process.send_signal(how)
                    process.wait(timeout=60)
        return all(process.poll() is not None for process, _, _ in recordings.values())

    try:
        wait_until(end_those_under_way, "a fault begins in both", 300)
    finally:
        for process, _, _ in recordings.values():
            process.terminate()
            process.wait(timeout=60)
    for how, (process, work, seen) in recordings.items():
        assert process.returncode == (1 if how == signal.SIGTERM else -signal.SIGKILL), how
        assert len(seen) >= 4, "a worker, a watcher, a server and its client at least"
        wait_until(lambda: not any(started(pid) == at and at for pid, at in seen.items()),
                   "processes are still there", 60)
        wait_until(lambda: os.listdir(work) == [], "files are still there", 60)
        assert not os.path.exists(tmp_path / how.name)


def test_where_a_recording_cannot_go_is_told_before_it(tmp_path):
    (tmp_path / "file").write_text("x")
    done = subprocess.run(command("none", "-o", tmp_path / "file" / "out"), capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 1 and "file/out': expected a folder, or where one can be made" in done.stderr


@pytest.mark.parametrize("words, sentence", [
    (["spin", "1", "1", "0", "101", "/"], "RATE is out of bounds"),
    (["spin", "1", "0", "0", "50", "/"], "N is out of bounds"),
    (["leak", "1", "0", "1e12", "0", "/"], "BYTES is out of bounds"),
    (["spin", "soon", "1", "0", "50", "/"], "expected seconds"),
    (["spni", "1", "1", "0", "50", "/"], "there is no kind 'spni'"),
    (["spin", "1"], "expected six words"),
])
def test_a_fault_out_of_bounds_is_refused(binary, words, sentence):
    program = os.path.join(os.path.dirname(binary), "bench", "record-fault")
    done = subprocess.run([program, *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and sentence in done.stderr


def test_the_same_seed_gives_the_same_plan():
    kinds = list(faults.TABLE)
    plan = faults.plan(7, 4000, kinds)
    assert plan == faults.plan(7, 4000, kinds) != faults.plan(8, 4000, kinds)
    assert load.plan("office", 7, 600, 4000, 2) == load.plan("office", 7, 600, 4000, 2)
    first_round = {(kind, strength) for _, _, kind, strength in plan[: 2 * len(kinds)]}
    assert len(first_round) == len(plan[: 2 * len(kinds)]), "none comes twice before all came"
    ends = [start + length for start, length, _, _ in plan]
    assert all(end + 60 < start for end, (start, *_) in zip(ends, plan[1:])), "a rest between"
    assert 0.1 < sum(length for _, length, _, _ in plan) / 4000 < 0.2


def test_the_table_of_faults_is_the_documented_one():
    with open(os.path.join(ROOT, "docs", "recording.md")) as f:
        cells = [[c.strip() for c in line.split("|")] for line in f if line.startswith("| `")]
    told = {c[1].strip("`"): (c[4].split(), c[5].split()) for c in cells if len(c) == 7}
    assert told == {kind: (faults.features_of(kind), faults.groups_of(kind))
                    for kind in faults.TABLE}


def judge(ratios, events, contributions=None):
    contributions = contributions or (["a", "b"], [[0.0, 0.0]] * len(ratios))
    options = types.SimpleNamespace(k=3, of=5, within=10, settle=5, linger=10)
    groups = {"a": "cpu", "b": "disk"}
    return scoring.Judge(ratios, events, contributions, groups, options)


def test_a_fault_is_rung_when_an_incident_opens_in_time():
    events = [(20, 35, "write", "strong", ["disk"], ["b"]), (60, 75, "cpu", "weak", ["cpu"], ["a"])]
    ratios = [0.1] * 100
    ratios[22:30] = [2.0] * 8  # the third of them opens
    ratios[72:75] = [2.0] * 3  # opens after 15
    causes = (["a", "b"], [[1.0, 3.0]] * 100)
    got = judge(ratios, events, causes).at(1.0)
    assert (got["strong"], got["weak"], got["right_first"], got["false_alarms"]) == (1, 0, 1, 0)
    assert got["events"][0]["after"] == 5 and got["events"][0]["cause"] == "b"
    assert judge(ratios, events, (["a", "b"], [[3.0, 1.0]] * 100)).at(1.0)["right_first"] == 0
    causes[1][25] = [9.0, 3.0]  # later than it is named
    assert judge(ratios, events, causes).at(1.0)["right_first"] == 1
    causes[1][23] = [3.5, 0.0]  # the largest part of a row that opened it, though not the largest sum
    assert judge(ratios, events, causes).at(1.0)["right_first"] == 0


def test_alarms_without_a_fault_are_false_and_set_the_bound():
    events = [(50, 60, "write", "strong", ["disk"], ["b"])]
    ratios = [0.1] * 100
    ratios[10:13] = [1.5] * 3
    ratios[52:58] = [3.0] * 6
    j = judge(ratios, events)
    assert j.at(1.0)["false_alarms"] == 1
    assert j.best_factor() == 1.5
    assert j.at(1.5)["false_alarms"] == 0 and j.at(1.5)["strong"] == 1
    ratios[52:] = [3.0] * 48  # one that never ends
    assert judge(ratios, events).at(1.5)["false_alarms"] == 1
    ratios[52:] = [3.0] * 14 + [0.1] * 34  # one that closes in the tenth row after its fault,
    assert judge(ratios, events).at(1.5)["false_alarms"] == 0
    ratios[66] = 3.0  # or the eleventh
    assert judge(ratios, events).at(1.5)["false_alarms"] == 1
    ratios = [0.1] * 66 + [3.0] * 3 + [0.1] * 31  # and one that opens when its traces are gone
    assert judge(ratios, events).at(1.5)["false_alarms"] == 1


def test_a_row_reaches_what_both_its_score_and_its_evidence_reach(tmp_path):
    scores = tmp_path / "scores.csv"
    scores.write_text("timestamp,score,threshold,anomalous,evidence\n"
                      "1,3,2,0,0.75\n"  # the tail of what was before
                      "2,3,2,1,4\n3,1,2,0,0.5\n"
                      "4,2,2,1,2\n5,2,2,0,2\n"  # a hair over the threshold, and at it
                      "6,NaN,2,0,NaN\n")
    got = scoring.read_verdicts(scores)
    assert got[:3] == [0.375, 1.5, 0.25] and 1 < got[3] < 1 + 1e-9 and got[4] == 1 and got[5] != got[5]
    scores.write_text("timestamp,score,threshold,anomalous\n1,3,2,0\n")
    with pytest.raises(ValueError, match="expected timestamp,score,threshold,anomalous,evidence"):
        scoring.read_verdicts(scores)


def test_a_recording_is_scored_by_the_verbs(binary, tmp_path):
    """Two features, and one fault of each that nobody can miss; a spike that ends at once rings no
    incident, though its tail keeps the score over the threshold for longer than 3 of 5 rows."""
    rng, base = random.Random(1), str(tmp_path / "made-1")
    spans, spike = {"a": range(300, 320), "b": range(600, 620)}, 450
    for part, rows in ("train", 1200), ("test", 900):
        with open(f"{base}.{part}.csv", "w") as f:
            f.write("timestamp,a,b\n")
            for i in range(rows):
                wrong = {name: part == "test" and i in span for name, span in spans.items()}
                a = rng.gauss(0, 1) + (60 if wrong["a"] or (part == "test" and i == spike) else 0)
                b = rng.gauss(0, 1) + (60 if wrong["b"] else 0)
                f.write(f"{1700000000 + i + (1200 if part == 'test' else 0)},{a:.4f},{b:.4f}\n")
    with open(f"{base}.events.csv", "w") as f:
        f.write("first,last,kind,strength,groups,features\n")
        for name, kind in ("a", "cpu"), ("b", "write"):
            f.write(f"{spans[name][0]},{spans[name][-1]},{kind},strong,of-{name},{name}\n")
    with open(f"{base}.about.json", "w") as f:
        json.dump({"groups": {"a": "of-a", "b": "of-b"}, "day_seconds": 600.0}, f)

    def score_record(*words):
        done = subprocess.run([sys.executable, os.path.join(ROOT, "bench", "score_record"), "--tocsin",
                               binary, *words, tmp_path], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    stands = json.loads(score_record("--json"))["made-1"]["stands"]
    assert [(e["cause"], e["right"]) for e in stands["events"]] == [("a", True), ("b", True)]
    assert all(e["after"] <= 5 for e in stands["events"])
    assert (stands["strong"], stands["right_first"], stands["false_alarms"]) == (2, 2, 0)
    assert "0, 0.00 a day of the recording, 0.0 a day of the clock" in score_record()
    # its day has ten minutes
    assert score_record("--alarms", "1", "--json") == score_record("--threshold", "budget:6/hour", "--json")
    assert score_record("--alarms", "1", "--json") != score_record("--alarms", "0.01", "--json")
