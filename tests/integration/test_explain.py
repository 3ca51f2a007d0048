# SPDX-License-Identifier: Apache-2.0
"""`tocsin explain` on CSV files."""
import csv
import fcntl
import json
import os
import pty
import random
import struct
import subprocess
import termios

import pytest

FEATURES = {"cpu": "cpu", "load": "cpu", "memory": "memory", "swap": "memory", "reads": "disk"}
START = 1740088500
OFF = 150  # the row in which cpu and load are off


def write_csv(path, rows):
    with open(path, "w", newline="") as f:
        w = csv.writer(f)
        w.writerow(["timestamp", *FEATURES])
        for i, row in enumerate(rows):
            w.writerow([START + i, *row])
    return path


def frame(rng):
    return [0.2 + rng.gauss(0, 0.02), 1 + rng.gauss(0, 0.1), 4e9 + rng.gauss(0, 1e8), 0,
            50 + rng.gauss(0, 5)]


@pytest.fixture
def files(tocsin, tmp_path):
    """(model, data): the model has units and groups, from a profile."""
    profile = tmp_path / "p.yml"
    units = {"cpu": "ratio", "memory": "bytes", "reads": "ops/s"}
    resolutions = {"cpu": 0.1, "load": 1, "memory": 5e8, "swap": 1, "reads": 50}
    profile.write_text("name: p\nfeatures:\n" + "".join(
        f"  - {{name: {f}, expr: {f}, group: {g}, unit: {units.get(f, 'count')}, "
        f"resolution: {resolutions[f]}}}\n" for f, g in FEATURES.items()))
    rng = random.Random(1)
    normal = write_csv(tmp_path / "normal.csv", [frame(rng) for _ in range(400)])
    tocsin("train", "--data", normal, "--profile", profile, "--model", tmp_path / "m.tsm")
    rows = [frame(rng) for _ in range(200)]
    rows[OFF - 1][:2] = [0.95, 9]
    rows[10][4] = ""  # missing
    return tmp_path / "m.tsm", write_csv(tmp_path / "d.csv", rows)


@pytest.fixture
def explain(tocsin, files):
    def run(*args):
        return json.loads(tocsin("explain", "--model", files[0], "--data", files[1], "--json",
                                 *args).stdout)

    return run


def test_a_row_is_explained_by_what_was_off(explain):
    got = explain("--row", OFF)
    assert got["anomalous"] and got["score"] > got["threshold"]
    assert [f["feature"] for f in got["features"]][:2] in (["cpu", "load"], ["load", "cpu"])
    cpu = next(f for f in got["features"] if f["feature"] == "cpu")
    assert cpu["value"] == pytest.approx(0.95) and 0.1 < cpu["expected"] < 0.4
    assert cpu["unit"] == "ratio" and cpu["group"] == "cpu"
    assert len(got["features"]) == len(FEATURES)
    assert sum(f["part"] for f in got["features"]) == pytest.approx(got["evidence"], rel=1e-5)
    assert sum(f["share"] for f in got["features"]) == pytest.approx(1, rel=1e-5)
    assert [f["share"] for f in got["features"]] == sorted(
        (f["share"] for f in got["features"]), reverse=True)
    assert got["groups"][0]["group"] == "cpu" and got["groups"][0]["share"] > 0.95


def test_what_would_silence_it_is_both_and_each_is_needed(explain, tocsin, files, tmp_path):
    silence = explain("--row", OFF)["counterfactual"]
    assert {f["feature"] for f in silence["features"]} == {"cpu", "load"}
    back = {f["feature"]: f["to"] for f in silence["features"]}
    assert 0.1 < back["cpu"] < 0.3 and 0.5 < back["load"] < 1.5

    def score_with(restored):  # as if it had come so: the model's word is put to the test
        rows = list(csv.reader(files[1].open()))
        for name in restored:
            rows[OFF][1 + list(FEATURES).index(name)] = back[name]
        path = tmp_path / "restored.csv"
        with open(path, "w", newline="") as f:
            csv.writer(f).writerows(rows)
        out = tocsin("score", "--model", files[0], "--data", path).stdout.splitlines()[OFF]
        return out.split(",")

    assert score_with(back)[3] == "0" and silence["evidence"] <= explain("--row", OFF)["threshold"]
    assert score_with(["cpu"])[3] == score_with(["load"])[3] == "1"


def test_scores_are_those_of_tocsin_score(explain, tocsin, files):
    lines = tocsin("score", "--model", files[0], "--data", files[1]).stdout.splitlines()
    for row in 1, 11, 12, OFF:
        got, want = explain("--row", row), lines[row].split(",")
        assert got["score"] == pytest.approx(float(want[1]), rel=1e-6)
        assert got["threshold"] == pytest.approx(float(want[2]), rel=1e-6)
        assert got["anomalous"] == (want[3] == "1")


def test_a_quiet_row_needs_nothing_and_a_missing_value_is_missing(explain, tocsin, files):
    got = explain("--row", 11)
    assert not got["anomalous"] and got["counterfactual"] is None and got["confidence"] == 0.8
    reads = next(f for f in got["features"] if f["feature"] == "reads")
    assert reads["value"] is None and reads["part"] == 0
    text = tocsin("explain", "--model", files[0], "--data", files[1], "--row", 11).stdout
    assert "nothing needs to be restored" in text and "missing" in text


def test_no_group_is_said_too(tocsin, files):
    text = tocsin("explain", "--model", files[0], "--data", files[1], "--row", OFF, "--threshold",
                  "fixed:1e-29").stdout
    assert "No group of at most 8 features" in text


def test_the_text_has_units_and_groups(tocsin, files):
    p = tocsin("explain", "--model", files[0], "--data", files[1], "--row", OFF)
    assert f"row {OFF} of " in p.stdout and "2025-02-20 21:57:29 UTC" in p.stdout
    assert "95.0 %" in p.stdout and "GiB" in p.stdout and "by nature" in p.stdout
    assert "Restoring these features would bring its evidence to" in p.stdout
    assert "█" not in p.stdout and p.stderr == ""  # bars are for terminals


def test_a_terminal_gets_bars(binary, files):
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 120, 0, 0))
    with subprocess.Popen([binary, "explain", "--model", files[0], "--data", files[1], "--row",
                           str(OFF)], stdout=side) as p:
        os.close(side)
        seen = b""
        try:
            while chunk := os.read(main, 65536):
                seen += chunk
        except OSError:  # the other side is closed
            pass
    os.close(main)
    assert p.returncode == 0 and "███" in seen.decode()


def test_a_time_means_the_last_row_at_or_before_it(explain):
    assert explain("--at", "2025-02-20T21:57:29Z")["row"] == OFF
    assert explain("--at", START + OFF - 1 + 0.9)["row"] == OFF
    assert explain("--at", "2031-01-01T00:00:00Z")["row"] == 200


@pytest.mark.parametrize("args, sentence", [
    ([], "--row N or --at TIME, found neither"),
    (["--row", "1", "--at", "1"], "found both"),
    (["--row", "0"], "--row: expected a number from 1"),
    (["--row", "201"], "--row: expected at most 200"),
    (["--row", "one"], "--row"),
    (["--at", "noon"], "--at"),
    (["--at", "1"], "--at: expected a time not before"),
    (["--row", "1", "--threshold", "odd"], "--threshold"),
])
def test_wrong_options_get_a_sentence(tocsin, files, args, sentence):
    p = tocsin("explain", "--model", files[0], "--data", files[1], *args, code=2)
    assert sentence in p.stderr and p.stdout == ""
