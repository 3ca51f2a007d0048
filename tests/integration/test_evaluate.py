# SPDX-License-Identifier: Apache-2.0
"""`tocsin evaluate`: what an independent program measured, whole chains of verbs, wrong files."""
import json
import os
import random
import subprocess

import pytest

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CASES = os.path.join(TESTS, "data", "evaluate")
NAMES = {"VUS-PR": "vus_pr", "VUS-ROC": "vus_roc", "R-AUC-PR": "r_auc_pr", "R-AUC-ROC": "r_auc_roc",
         "AUC-PR": "auc_pr", "AUC-ROC": "auc_roc", "F1": "f1", "F1-threshold": "f1_threshold",
         "PA-F1": "pa_f1", "PA-F1-threshold": "pa_f1_threshold", "Event-F1": "event_f1",
         "rows": "rows", "anomalous": "anomalous", "events": "events", "window": "window"}
NAMES_AT = {"precision": "precision", "recall": "recall", "F1": "f1", "threshold": "threshold",
            "events-detected": "events_found", "false-alarm-events": "false_alarm_events",
            "false-alarm-events-per-1000": "false_alarm_events_per_1000",
            "mean-delay-samples": "delay_mean"}


@pytest.fixture
def evaluate(binary):
    def run(*words, code=0):
        p = subprocess.run([binary, "evaluate", *map(str, words)], capture_output=True, text=True,
                           timeout=60)
        assert p.returncode == code, p.stderr
        return p

    return run


def case(name):
    with open(os.path.join(CASES, name + ".json")) as f:
        return json.load(f), ["--labels", os.path.join(CASES, name + ".label.csv"),
                              "--scores", os.path.join(CASES, name + ".score.csv")]


@pytest.fixture
def files(tmp_path):
    """files(NAME=text, ...) writes them and gives the options that name them."""
    def write(**texts):
        words = []
        for name, text in texts.items():
            path = tmp_path / f"{name}.csv"
            path.write_text(text)
            words += ["--" + name, path]
        return words

    return write


LABELS = "label\n0\n0\n1\n1\n0\n0\n"
SCORES = "timestamp,score,threshold,anomalous\n" + "".join(
    f"{1700000000 + 60 * i},{score},0.5,{flag}\n"
    for i, (score, flag) in enumerate([(0.1, 0), (0.6, 1), (0.4, 0), (0.9, 1), (0.2, 0), (0.3, 0)]))


@pytest.mark.parametrize("name", ["plain", "ties", "short", "blind"])
def test_figures_are_those_of_the_reference(evaluate, name):
    expected, words = case(name)
    at = expected["at-threshold"]
    found = json.loads(evaluate(*words, "--window", expected["window"], "--threshold",
                                at["threshold"], "--json").stdout)
    for theirs, ours in NAMES.items():
        assert found[ours] == pytest.approx(expected[theirs], abs=1e-8), theirs
    for theirs, ours in NAMES_AT.items():
        assert found["at_threshold"][ours] == pytest.approx(at[theirs], abs=1e-6), theirs
    assert found["unscored"] == (3 if name == "short" else 0)


def test_the_buffer_comes_from_the_series(evaluate, tmp_path):
    with open(os.path.join(CASES, "series.json")) as f:
        window = json.load(f)["window"]
    with open(os.path.join(CASES, "series.csv")) as f:
        head, *rows = f.readlines()
    (tmp_path / "a.csv").write_text(head + "".join(rows[:400]))
    (tmp_path / "b.csv").write_text(head + "".join(rows[400:]))
    _, words = case("plain")
    found = json.loads(evaluate(*words, "--series", f"{tmp_path}/a.csv,{tmp_path}/b.csv",
                                "--json").stdout)
    assert found["window"] == window != 100
    assert json.loads(evaluate(*words, "--json").stdout)["window"] == 100


def test_without_a_threshold_the_scores_file_says_what_rang(evaluate, files):
    found = json.loads(evaluate(*files(labels=LABELS, scores=SCORES), "--json").stdout)
    at = found["at_threshold"]
    assert (at["threshold"], at["precision"], at["recall"]) == (0.5, 0.5, 0.5)
    assert (at["events_found"], at["false_alarm_events"]) == (1, 1)  # rows 3 and 1
    assert (at["delay_mean"], at["delay_median"], at["mean_time_to_detect_s"]) == (1, 1, 60)
    assert (at["detection_rate"], at["false_positive_rate"]) == (1, 0.25)


def test_each_row_may_have_its_own_threshold(evaluate, files):
    scores = "score,threshold\n0.1,0.2\n0.6,0.7\n0.4,0.3\n0.9,0.5\n0.2,0.2\n0.3,\n"
    at = json.loads(evaluate(*files(labels=LABELS, scores=scores), "--json").stdout)["at_threshold"]
    assert (at["threshold"], at["threshold_least"], at["threshold_most"]) == (None, 0.2, 0.7)
    assert (at["recall"], at["false_alarm_events"], at["delay_mean"]) == (1, 0, 0)  # touches
    assert at["precision"] == pytest.approx(2 / 3)
    assert at["mean_time_to_detect_s"] is None


def test_scores_alone_have_no_threshold(evaluate, files):
    scores = "score\n1\n2\n3\n4\n5\nNaN\n"
    found = json.loads(evaluate(*files(labels=LABELS, scores=scores), "--json").stdout)
    assert found["at_threshold"] is None and found["causes"] is None
    assert found["unscored"] == 1


def test_the_text_says_the_same(evaluate, files):
    words = files(labels=LABELS, scores=SCORES)
    found = json.loads(evaluate(*words, "--json").stdout)
    text = evaluate(*words).stdout
    assert "6 rows, 2 of them anomalous in 1 event\n" in text
    assert f"VUS-PR                {found['vus_pr']:.4f}\n" in text
    assert "at the threshold 0.5\n" in text
    assert "events found          1 of 1: detection rate 100.0 %\n" in text
    assert "mean time to detect   1m\n" in text


def test_hit_rates_of_causes(evaluate, files, tmp_path):
    contributions = "timestamp,a,b,c\n" + "".join(
        f"{1700000000 + 60 * i},{row}\n" for i, row in enumerate(
            ["9,9,9", "9,9,9", "0,1,2", "5,1,0", "9,9,9", "9,9,9"]))
    causes = tmp_path / "causes.txt"
    causes.write_text("2-4:1,2\n")  # ranked a, c, b; row 4 is not labelled
    words = files(labels=LABELS, scores=SCORES, contributions=contributions)
    found = json.loads(evaluate(*words, "--causes", causes, "--json").stdout)["causes"]
    assert found == {"events": 1, "hit_rate_100": 0.5, "hit_rate_150": 1}
    assert "HitRate@100%          0.5000\n" in evaluate(*words, "--causes", causes).stdout

    causes.write_text("2-3:4\n")
    assert evaluate(*words, "--causes", causes, code=1).stderr == (
        f"tocsin: {causes}:1: expected metrics up to 3, found '4'\n")
    causes.write_text("0-1:1\n")
    assert evaluate(*words, "--causes", causes, code=1).stderr == (
        f"tocsin: {causes}: line 1: none of the rows 0-1 is labelled\n")
    causes.write_text("2-3:1\n")
    words = files(labels=LABELS, scores=SCORES,
                  contributions=contributions.replace("5,1,0", "-5,1,0"))
    assert evaluate(*words, "--causes", causes, code=1).stderr.endswith(
        "row 3, metric 1: expected a contribution of at least 0, found -5\n")
    words = files(labels=LABELS, scores=SCORES, contributions=contributions.replace("60,", "61,"))
    assert "expected the time of the same row of" in evaluate(*words, "--causes", causes,
                                                              code=1).stderr


@pytest.mark.parametrize("labels, scores, sentence", [
    ("mark\n0\n", SCORES, "labels.csv:1: expected a column 'label', found none"),
    ("label\n0\n2\n", SCORES, "labels.csv:3: column 'label': expected 0 or 1, found 2"),
    ("label\n0\n0\n", SCORES,
     "labels.csv: expected an anomaly to measure by, found none in 2 rows"),
    ("label\n1\n1\n", SCORES,
     "labels.csv: expected a normal row to measure by, found 2 anomalous ones alone"),
    (LABELS, "a,b\n1,2\n", "scores.csv:1: expected a column 'score', found none"),
    (LABELS, "score\n1\n", "scores.csv: expected as many rows as "),
    (LABELS, "score\n" + 6 * "NaN\n", "scores.csv: expected scores, found none in 6 rows"),
    (LABELS, "score\n" + 6 * "inf\n",
     "scores.csv:2: column 'score': expected a finite number, NaN or nothing, found 'inf'"),
    (LABELS, SCORES.replace("0.5,1", "0.5,yes"),
     "scores.csv:3: column 'anomalous': expected a number, NaN or nothing, found 'yes'"),
    ("timestamp,label\n" + "".join(f"{1700000000 + 61 * i},{int(i == 2)}\n" for i in range(6)),
     SCORES, "scores.csv:3: expected the time of the same row of "),
])
def test_wrong_files_get_one_sentence(evaluate, files, labels, scores, sentence):
    done = evaluate(*files(labels=labels, scores=scores), code=1)
    assert sentence in done.stderr and done.stderr.startswith("tocsin: ")
    assert done.stderr.count("\n") == 1 and done.stdout == ""


@pytest.mark.parametrize("words, sentence", [
    ("", "expected --labels FILE and --scores FILE"),
    ("--labels a --scores b --window 5 --series c", "expected --window or --series, found both"),
    ("--labels a --scores b --causes c",
     "expected --causes and --contributions together, found one of them"),
    ("--labels a --scores b --window x",
     "--window: expected a number of rows up to 10000, found 'x'"),
    ("--labels a --scores b --window 10001",
     "--window: expected a number of rows up to 10000, found '10001'"),
    ("--labels a --scores b --threshold fixed:1",
     "--threshold: expected a score such as 0.25, found 'fixed:1'"),
    ("--labels a --scores b --series a,,b",
     "--series: expected files with commas between, found 'a,,b'"),
])
def test_wrong_options_get_one_sentence(evaluate, words, sentence):
    done = evaluate(*words.split(), code=2)
    assert done.stderr == f"tocsin evaluate: {sentence}\nTry `tocsin evaluate --help`.\n"


def test_a_missing_file_is_named(evaluate, files):
    words = files(scores=SCORES)
    assert "'nowhere.csv': open: No such file" in evaluate("--labels", "nowhere.csv", *words,
                                                           code=1).stderr
    words = files(labels=LABELS, scores=SCORES)
    assert "'nowhere.csv': open: No such file" in evaluate(*words, "--series", "nowhere.csv",
                                                           code=1).stderr


def test_what_train_and_score_write_is_taken(binary, evaluate, tmp_path):
    rng = random.Random(1)

    def write(path, fault):
        with open(path, "w") as f:
            f.write("timestamp,a,b\n")
            for i in range(600):
                a = rng.gauss(0, 1)
                b = a + rng.gauss(0, 0.1) if i not in fault else rng.gauss(6, 1)
                f.write(f"{1700000000 + i},{a},{b}\n")

    fault = range(300, 320)
    write(tmp_path / "train.csv", ())
    write(tmp_path / "test.csv", fault)
    (tmp_path / "label.csv").write_text(
        "label\n" + "".join(f"{int(i in fault)}\n" for i in range(600)))
    for words in (["train", "--data", "train.csv", "--model", "m.tsm"],
                  ["score", "--data", "test.csv", "--model", "m.tsm", "-o", "scores.csv"]):
        subprocess.run([binary, *words], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    found = json.loads(evaluate("--labels", tmp_path / "label.csv", "--scores",
                                tmp_path / "scores.csv", "--json").stdout)
    assert found["vus_pr"] > 0.8
    assert found["at_threshold"]["events_found"] == 1


@pytest.mark.parametrize("more", [["--threshold", 0.25], []])
def test_a_row_without_a_score_never_rings(evaluate, files, more):
    """Also where the least of the others, with which it ranks, reaches the threshold."""
    words = files(labels="label\n0\n1\n0\n0\n",
                  scores="score,threshold\nNaN,0.25\n0.75,0.25\n,0.25\n0.5,0.75\n")
    at = json.loads(evaluate(*words, *more, "--json").stdout)["at_threshold"]
    assert (at["events_found"], at["false_alarm_events"]) == (1, 1 if more else 0)
    assert at["precision"] == (0.5 if more else 1)
