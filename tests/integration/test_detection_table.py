# SPDX-License-Identifier: Apache-2.0
"""bench/detection: finds entities, runs the verbs, sums groups up; bench/tune_correlation."""
import importlib.machinery
import importlib.util
import json
import os
import random
import statistics
import subprocess
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def write_entity(folder, name, seed, faults=((100, 110), (200, 215))):
    """Two metrics that go together, and do not where it is labelled."""
    rng = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    labelled = [any(a <= i < b for a, b in faults) for i in range(300)]
    for kind, fault in (("train", [False] * 480), ("test", labelled)):
        with open(folder / f"{name}.{kind}.csv", "w") as f:
            f.write("timestamp,m0,m1\n")
            for i, wrong in enumerate(fault):
                a = rng.gauss(0, 1)
                b = a + rng.gauss(0, 0.1) + (5 if wrong else 0)
                f.write(f"{1700000000 + 60 * i},{a:.4f},{b:.4f}\n")
    (folder / f"{name}.label.csv").write_text("label\n" + "".join(f"{int(x)}\n" for x in labelled))


@pytest.fixture
def detection(binary):
    def run(*words, code=0):
        p = subprocess.run([sys.executable, os.path.join(ROOT, "bench", "detection"), "--tocsin",
                            binary, *map(str, words)], capture_output=True, text=True, timeout=120)
        assert p.returncode == code, p.stderr
        return p

    return run


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    write_entity(folder / "shop", "db1", 1)
    write_entity(folder / "shop", "db2", 2)
    write_entity(folder / "lab", "web", 3, faults=((50, 60),))
    return folder


def test_groups_are_summed_up_from_their_entities(detection, data, tmp_path):
    done = detection(data, "--json", "--keep", tmp_path / "kept", "--target", "shop=0.2",
                     "--target", "lab=1.5")
    report = json.loads(done.stdout)
    assert [e["entity"] for e in report["entities"]] == ["lab/web", "shop/db1", "shop/db2"]
    shop = report["groups"]["shop"]
    values = [e["vus_pr"] for e in report["entities"][1:]]
    assert shop["vus_pr"]["mean"] == pytest.approx(statistics.mean(values))
    assert shop["vus_pr"]["sd"] == pytest.approx(statistics.stdev(values))
    assert (shop["vus_pr"]["min"], shop["vus_pr"]["max"]) == (min(values), max(values))
    assert (shop["entities"], shop["events"], report["groups"]["lab"]["events"]) == (2, 4, 1)
    assert shop["met"] is True and report["groups"]["lab"]["met"] is False
    assert "met" not in report["all"] and report["all"]["entities"] == 3
    for e in report["entities"]:
        assert e["vus_pr"] > 0.5  # a fault that nobody can miss
        assert e["train_s"] > 0
        assert e["model_bytes"] == os.path.getsize(tmp_path / "kept" / f"{e['entity']}.tsm")
    assert done.stderr.count("\n") == 3 and "[3/3] " in done.stderr


def test_an_entity_is_measured_as_the_verbs_measure_it(detection, binary, data, tmp_path):
    report = json.loads(detection(data / "lab", "--json", "--keep", tmp_path).stdout)
    assert list(report["groups"]) == ["lab"]  # the folder itself is the group
    base = data / "lab" / "web"
    done = subprocess.run([binary, "evaluate", "--labels", f"{base}.label.csv", "--scores",
                           tmp_path / "lab" / "web.scores.csv", "--series",
                           f"{base}.train.csv,{base}.test.csv", "--json"],
                          capture_output=True, check=True, timeout=60)
    direct, entity = json.loads(done.stdout), report["entities"][0]
    for key in ("vus_pr", "vus_roc", "auc_pr", "f1", "pa_f1", "window"):
        assert entity[key] == direct[key]
    for key in ("events_found", "false_alarm_events", "delay_median"):
        assert entity[key] == direct["at_threshold"][key]


def test_the_table_has_a_row_an_entity_and_says_targets(detection, data):
    text = detection(data, "--target", "lab=1.5").stdout
    rows = [line.split()[0] for line in text.splitlines() if line]
    assert rows.count("mean") == rows.count("deviation") == 2
    assert {"shop/db1", "shop/db2", "lab/web", "least", "most"} <= set(rows)
    assert "lab: target VUS-PR 1.5: MISSED by " in text
    assert "all 3 entities: VUS-PR " in text


def test_hit_rates_are_averaged_over_events_too(detection, data):
    causes = {"db1": "100-109:2\n", "db2": "100-109:1\n200-214:1\n"}
    for name, text in causes.items():
        (data / "shop" / f"{name}.causes.txt").write_text(text)
    report = json.loads(detection(data, "--json").stdout)
    rates = {e["entity"]: e["hit_rate_100"] for e in report["entities"]}
    got = report["groups"]["shop"]["causes"]
    assert got["events"] == 3 and report["groups"]["lab"]["causes"] is None
    assert got["hit_rate_100"] == pytest.approx((rates["shop/db1"] + 2 * rates["shop/db2"]) / 3)
    assert report["all"]["causes"] == got
    assert "shop: true causes of 3 events, mean over events: hit@100 " in detection(data).stdout


def test_trouble_is_one_sentence(detection, data, tmp_path):
    (tmp_path / "empty").mkdir()
    for words, sentence in [
        ([tmp_path / "nowhere"], "expected a folder of data"),
        ([tmp_path / "empty"], "expected NAME.train.csv, NAME.test.csv and NAME.label.csv in it"),
        ([data, "--target", "shoe=1"], "--target: no group 'shoe'"),
    ]:
        done = detection(*words, code=1)
        assert sentence in done.stderr and done.stderr.count("\n") == 1 and done.stdout == ""
    (data / "lab" / "web.label.csv").write_text("label\n0\n")
    assert "lab/web: tocsin: " in detection(data, code=1).stderr
    os.remove(data / "lab" / "web.label.csv")
    assert "expected web.label.csv beside it" in detection(data, code=1).stderr
    assert "expected GROUP=VUS-PR" in detection(data, "--target", "lab", code=2).stderr


CORRELATION = os.path.join(ROOT, "bench", "tune_correlation")


def test_settings_are_measured_as_the_verbs_measure_them(binary, data, tmp_path):
    done = subprocess.run([sys.executable, CORRELATION, data / "lab", "--tocsin", binary, "--trials", "2",
                           "--executions", "1"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines() if line]
    figures = [float(word) for word in lines[-2][1:]]
    assert lines[-2][0] == "lab/web" and lines[-1] == ["mean", *lines[-2][1:]]
    assert -1 <= figures[0] <= 1 and figures[2] <= min(figures[3:]) and figures[6] >= max(figures[3:])
    base, model, scores = data / "lab" / "web", tmp_path / "m.tsm", tmp_path / "s.csv"
    for words in [["train", "--data", f"{base}.train.csv", "--model", model],
                  ["score", "--model", model, "--data", f"{base}.test.csv", "-o", scores]]:
        subprocess.run([binary, *words], capture_output=True, check=True, timeout=60)
    told = subprocess.run([binary, "evaluate", "--labels", f"{base}.label.csv", "--scores", scores, "--json",
                           "--series", f"{base}.train.csv,{base}.test.csv"],
                          capture_output=True, check=True, timeout=60)
    assert figures[3] == pytest.approx(json.loads(told.stdout)["vus_pr"], abs=6e-4)  # the defaults


def test_rank_correlation_shares_ranks_among_equals(monkeypatch):
    monkeypatch.syspath_prepend(os.path.dirname(CORRELATION))
    loader = importlib.machinery.SourceFileLoader("tune_correlation", CORRELATION)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    assert module.ranks([3, 1, 3, 2]) == [2.5, 0, 2.5, 1]
    assert module.spearman([1, 2, 3, 4], [10, 20, 25, 90]) == pytest.approx(1)
    assert module.spearman([1, 2, 3], [9, 4, 1]) == pytest.approx(-1)
    assert module.spearman([1, 1, 1], [1, 2, 3]) != module.spearman([1, 1, 1], [1, 2, 3])  # NaN
    # 1 - 6 sum d^2 / (n (n^2 - 1)) without ties
    assert module.spearman([1, 2, 3, 4, 5], [2, 1, 4, 3, 5]) == pytest.approx(0.8)


def test_degraded_data_is_a_copy_and_gives_a_row_a_way(binary, detection, data):
    before = {f: f.read_bytes() for f in data.rglob("*.*") if f.is_file()}
    whole = json.loads(detection(data, "--json").stdout)["groups"]
    done = subprocess.run([os.path.join(ROOT, "bench", "degrade"), data, "--tocsin", binary],
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    head, *rows = done.stdout.splitlines()
    assert head.split() == ["lab", "shop"] and len(rows) == 13
    values = {row[:42].strip(): [float(v) for v in row[42:].split()] for row in rows}
    all_history = values.pop("all history")
    for found, group in zip(all_history, ("lab", "shop")):
        assert found == pytest.approx(whole[group]["vus_pr"]["mean"], abs=6e-4)
    assert values["the last 7 days"] == all_history  # there are but five hours
    assert values["30 % of values missing"] != all_history
    assert values["30 % of rows missing"] != all_history
    assert values["500 features, the others made up"] != all_history
    assert all(0 <= v <= 1 for pair in values.values() for v in pair)
    assert {f: f.read_bytes() for f in before} == before
