# SPDX-License-Identifier: Apache-2.0
"""`tocsin replay` on CSV files and on the history of a daemon."""
import json
import math
import os
import random
import re
import subprocess
import time

import pytest

FEATURES = ["load", "memory", "traffic"]
START = 1740088500  # 2025-02-20T21:55:00Z


def frames(n, faults=(), seed=1):
    """Rows of a machine whose traffic follows its load; in a fault's rows the load does not."""
    rng = random.Random(seed)
    for i in range(n):
        load = 2 + math.sin(i / 20) + rng.gauss(0, 0.05)
        row = [load, 60 + rng.gauss(0, 1), 1e6 * load + rng.gauss(0, 3e4)]
        if any(at <= i < at + 20 for at in faults):
            row[0] += 8
        yield i, row


def write_csv(path, rows, step=1, header=FEATURES):
    with open(path, "w") as f:
        print("timestamp", *header, sep=",", file=f)
        for i, row in rows:
            print(START + i * step, *row, sep=",", file=f)
    return path


@pytest.fixture
def replay(tocsin):
    def run(*args):
        return json.loads(tocsin("replay", *args, "--json").stdout)

    return run


@pytest.fixture
def data(tmp_path):
    return write_csv(tmp_path / "d.csv", frames(4000, faults=[2500, 3500]))


def test_a_file_is_learned_from_and_its_rest_replayed(replay, data):
    got = replay("--data", data)
    assert got["frames"] == 2000 and got["model"]["learned_frames"] == 2000
    assert [page["start"] for page in got["pages"]] == [
        "2025-02-20T22:36:40.000Z", "2025-02-20T22:53:20.000Z"]
    for page in got["pages"]:
        assert 19 <= page["length_s"] <= 30 and not page["open"]
        assert page["peak_score"] > page["threshold"]
        # the load does not go with the traffic: either may be called the odd one
        assert page["causes"][0]["feature"] in ("load", "traffic")
        assert any(c["restore"] for c in page["causes"])
        assert page["recorded"] is None
    assert got["days"] == [{"day": "2025-02-20", "pages": 2, "recorded": None, "watched_s": 2000}]
    assert got["rate"]["pages"] == 2 and got["rate"]["watched_s"] == 2000
    weeks = 2000 / (7 * 86400)
    assert got["rate"]["per_week"] == pytest.approx(2 / weeks)
    assert got["rate"]["low"] == pytest.approx(0.24221 / weeks, rel=1e-4)  # Garwood, 2 events
    assert got["rate"]["high"] == pytest.approx(7.22469 / weeks, rel=1e-4)


def test_the_text_tells_the_same(tocsin, data):
    text = tocsin("replay", "--data", data).stdout
    assert re.search(r"page 1: 2025-02-20 22:36:40 to 2025-02-20 22:3[67]:\d\d, \d\ds, peak ", text)
    assert re.search(r"^    (load|traffic) +\S+.*, expected ", text, re.M)
    assert "2 pages in 33m20s: 605 a week (95 % interval 73.2 to 2.18e+03)" in text
    assert "recorded" not in text  # a file has no live records


def test_the_same_input_gives_the_same_bytes(binary, data, tmp_path):
    results = set()
    for zone in "UTC", "America/New_York":
        for form in [], ["--json"], ["--walk-forward", "--learn", "20m"]:
            p = subprocess.run([binary, "replay", "--data", data, *form], timeout=120,
                               capture_output=True, env={**os.environ, "TZ": zone})
            assert p.returncode == 0
            assert re.match(rb"replayed \d+ frames in \S+ s, \d+ a second", p.stderr)
            results.add((tuple(form), p.stdout))
    assert len(results) == 3


def test_the_result_goes_to_a_file(tocsin, data, tmp_path):
    out = tmp_path / "out"
    assert tocsin("replay", "--data", data, "-o", out).stdout == ""
    assert out.read_text() == tocsin("replay", "--data", data).stdout
    assert "out/no" in tocsin("replay", "--data", data, "-o", out / "no", code=1).stderr


def test_settings_decide_what_pages(replay, data, tmp_path):
    assert replay("--data", data, "--threshold", "fixed:1e9")["pages"] == []
    assert replay("--data", data, "--confirm", "40/40")["pages"] == []
    many = replay("--data", data, "--threshold", "percentile:50", "--confirm", "1/1")
    assert len(many["pages"]) > 20
    config = tmp_path / "c.yml"
    config.write_text("threshold: {method: fixed, value: 123456}\nconfirm: {k: 2, of: 9}\n")
    got = replay("--data", data, "-c", config)
    assert got["model"]["threshold"] == 123456 and got["confirm"] == {"k": 2, "of": 9}


def test_a_budget_of_alarms_sets_the_threshold(replay, tocsin, data, tmp_path):
    often, seldom = (replay("--data", data, "--alarms", rate) for rate in ("9 per hour", "1/month"))
    assert often["model"]["threshold_method"] == "budget"
    assert often["model"]["threshold"] < seldom["model"]["threshold"]
    assert len(often["pages"]) >= len(seldom["pages"])
    same = replay("--data", data, "--threshold", "budget:1/month")
    assert same == seldom
    assert "(budget " in tocsin("replay", "--data", data, "--alarms", "2 per week").stdout
    model = tmp_path / "m.tsm"
    tocsin("train", "--data", data, "--model", model)
    got = replay("--data", data, "--model", model, "--alarms", "2 per week", "--confirm", "2/9")
    assert got["model"]["threshold_method"] == "budget" and got["confirm"] == {"k": 2, "of": 9}


def test_a_softer_budget_observes_and_pages_stay(replay, tocsin, data, tmp_path):
    config = tmp_path / "c.yml"
    config.write_text('threshold: {method: budget, alarms: "1 per month", observe: "20 per hour"}\n')
    hard = replay("--data", data, "--alarms", "1 per month")
    both = replay("--data", data, "-c", config)
    assert both["observed"] >= 1 and both["rate"]["pages"] == hard["rate"]["pages"]
    assert {page["tier"] for page in both["pages"]} <= {"page"}
    listed = replay("--data", data, "-c", config, "--observed")
    assert listed["observed"] == both["observed"] and listed["rate"] == both["rate"]
    assert [page["tier"] for page in listed["pages"]].count("observe") == listed["observed"]
    text = tocsin("replay", "--data", data, "-c", config).stdout
    assert f"observed: {both['observed']} more, which nobody is paged for" in text
    assert ", observed: " in tocsin("replay", "--data", data, "-c", config, "--observed").stdout


def without_shares(page):
    """Of causes, which remember for longer than scores do (src/model/news.h)."""
    return {**page, "causes": [{k: v for k, v in c.items() if k != "share"} for c in page["causes"]]}


def test_a_model_of_the_same_time_is_in_sample(tocsin, replay, data, tmp_path):
    model = tmp_path / "m.tsm"
    head = write_csv(tmp_path / "h.csv", frames(1000))
    tocsin("train", "--data", head, "--model", model)
    got = replay("--data", data, "--model", model)
    assert got["frames"] == 4000 and got["in_sample_frames"] == 1000
    assert got["unseen_rate"]["watched_s"] == 3000 and got["rate"]["watched_s"] == 4000
    text = tocsin("replay", "--data", data, "--model", model).stdout
    assert "in-sample  1000 frames" in text and "--walk-forward" in text
    rest = replay("--data", data, "--model", model, "--from", "2025-02-20T22:11:40Z")
    assert rest["in_sample_frames"] == 0 and rest["frames"] == 3000
    assert [without_shares(p) for p in rest["pages"]] == [without_shares(p) for p in got["pages"]]


def test_a_part_is_judged_as_in_the_whole(tocsin, replay, data, tmp_path):
    """The frames before it are its past, as they were live: a fault that begins with it is a change."""
    model = tmp_path / "m.tsm"
    tocsin("train", "--data", write_csv(tmp_path / "h.csv", frames(2000)), "--model", model)
    whole = replay("--data", data, "--model", model)
    part = replay("--data", data, "--model", model, "--from", START + 3500)
    assert part["frames"] == 500
    assert [without_shares(p) for p in part["pages"]] == [without_shares(whole["pages"][1])]


def test_walking_judges_by_older_frames_alone(replay, tmp_path):
    # four days of minutes; the machine is another one from the third day on
    def rows():
        for i, row in frames(4 * 1440, seed=2):
            yield i, [row[0], row[1] + (40 if i >= 2 * 1440 else 0), row[2]]

    data = write_csv(tmp_path / "w.csv", rows(), step=60)
    args = ["--data", data, "--learn", "1d"]
    once, walked = replay(*args), replay(*args, "--walk-forward")
    assert once["model"]["trained"] == 1 and walked["model"]["trained"] == 3
    assert once["frames"] == walked["frames"] == 3 * 1440
    assert walked["in_sample_frames"] == 0
    assert once["pages"][0]["start"] == walked["pages"][0]["start"] == "2025-02-22T21:55:00.000Z"
    assert walked["pages"][0]["causes"][0]["feature"] == "memory"


def test_a_hole_is_told_and_not_watched(replay, tmp_path):
    rows = [(i + (100000 if i >= 3000 else 0), row) for i, row in frames(4000)]
    got = replay("--data", write_csv(tmp_path / "h.csv", rows))
    assert got["holes"] == 1 and got["rate"]["watched_s"] == 2000
    assert [d["watched_s"] for d in got["days"]] == [1000, 1000]


def test_columns_of_a_profile_get_its_derived_features(replay, tmp_path):
    profile = tmp_path / "p.yml"
    profile.write_text("name: p\nfeatures:\n" +
                       "".join(f"  - {{name: {f}, expr: {f}}}\n" for f in FEATURES) +
                       "derive:\n  - {name: load_change, expr: change(load)}\n")
    data = write_csv(tmp_path / "d.csv", frames(2000, faults=[1500]))
    got = replay("--data", data, "--profile", profile)
    assert len(got["pages"]) >= 1
    named = {c["feature"] for page in got["pages"] for c in page["causes"]}
    assert "load_change" in named


@pytest.mark.parametrize("args, sentence", [
    (["--data", "x", "--data-dir", "y"], "--data or --data-dir"),
    (["--data", "D", "--instance", "y"], "--instance"),
    (["--data", "D", "--days", "3", "--from", "1"], "--days"),
    (["--data", "D", "--days", "0"], "--days"),
    (["--data", "D", "--from", "yesterday"], "--from"),
    (["--data", "D", "--from", "1740089000", "--to", "1740088600"], "before --to"),
    (["--data", "D", "--confirm", "6/5"], "--confirm"),
    (["--data", "D", "--confirm", "3"], "--confirm"),
    (["--data", "D", "--learn", "1.5"], "--learn"),
    (["--data", "D", "--learn", "0"], "--learn"),
    (["--data", "D", "--threshold", "sometimes"], "--threshold"),
    (["--data", "D", "--alarms", "often"], "--alarms"),
    (["--data", "D", "--alarms", "1/day", "--threshold", "sigma:3"], "--alarms"),
    (["--learn", "1h"], "--walk-forward"),
    (["--model", "m", "--walk-forward"], "--walk-forward"),
    (["--data", "D", "more"], "more"),
])
def test_wrong_options_get_a_sentence(tocsin, data, args, sentence):
    p = tocsin("replay", *[data if a == "D" else a for a in args], code=2)
    assert sentence in p.stderr and p.stdout == ""


def test_nothing_to_replay_gets_a_sentence(tocsin, tmp_path, data):
    empty = tmp_path / "e.csv"
    empty.write_text("timestamp,a\n")
    assert "a header alone" in tocsin("replay", "--data", empty, code=1).stderr
    assert "no frames then" in tocsin("replay", "--data", data, "--from", "2030-01-01T00:00:00Z",
                                      "--to", "2031-01-01T00:00:00Z", code=1).stderr
    assert "all 4000 frames are for learning" in tocsin("replay", "--data", data, "--learn", "1d",
                                                        code=1).stderr
    tiny = write_csv(tmp_path / "t.csv", frames(10))
    assert "no model could be trained" in tocsin("replay", "--data", tiny, code=1).stderr
    assert "tocsin.db" in tocsin("replay", "--data-dir", tmp_path, code=1).stderr


def test_a_daemon_is_replayed_while_it_runs(make_daemon, replay, tocsin):
    """What the daemon found itself is what the replay of its frames finds, with the same model."""
    daemon = make_daemon(trained=True).wait_watching()
    time.sleep(8)  # frames of this run, after the hole since the last one
    database = daemon.database()
    live = replay("--data-dir", daemon.data_dir)
    assert live["frames"] > 30 and live["holes"] >= 1
    daemon.stop()

    def one(sql):
        return database.execute(sql).fetchone()

    first, last, n, anomalous = one("SELECT min(ts_ms), max(ts_ms), count(*), sum(anomalous) "
                                    "FROM scores")
    got = replay("--data-dir", daemon.data_dir, "--from", first / 1000, "--to", last / 1000)
    assert got["frames"] == n and got["anomalous"] == anomalous
    assert got["recorded"]["incidents"] == one("SELECT count(*) FROM incidents")[0]
    assert got["recorded"]["replayed"] == got["recorded"]["incidents"]
    assert {p["recorded"] for p in got["pages"]} <= {True}
    everything = replay("--data-dir", daemon.data_dir, "--days", 1)
    assert everything["in_sample_frames"] >= 25  # it learned for 30 s
    walked = replay("--data-dir", daemon.data_dir, "--walk-forward", "--learn", "20s")
    assert walked["model"]["trained"] >= 1 and walked["in_sample_frames"] == 0

    assert "'nobody'" in tocsin("replay", "--data-dir", daemon.data_dir, "--instance", "nobody",
                                code=1).stderr
    assert "-c names" in tocsin("replay", "--data-dir", daemon.data_dir, "--interval", "2s",
                                code=1).stderr
    assert "but not of the profile" in tocsin("replay", "--data-dir", daemon.data_dir, "--interval",
                                              "2s", "--walk-forward", code=1).stderr
