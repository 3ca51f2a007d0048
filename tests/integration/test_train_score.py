# SPDX-License-Identifier: Apache-2.0
"""`tocsin train` and `tocsin score` on CSV files."""
import csv
import fcntl
import json
import math
import os
import pty
import random
import struct
import subprocess
import termios

import pytest

FEATURES = ["load", "memory", "traffic", "swap"]


def frame(rng, i):
    """A machine whose traffic follows its load, and whose swap is never used."""
    load = 2 + math.sin(i / 20) + rng.gauss(0, 0.1)
    return [load, 60 + rng.gauss(0, 2), 1e6 * load + rng.gauss(0, 5e4), 0]


def write_csv(path, rows, header=FEATURES, start=1740088500, time=str):
    with open(path, "w", newline="") as f:
        w = csv.writer(f)
        w.writerow(["timestamp", *header])
        for i, row in enumerate(rows):
            w.writerow([time(start + i), *row])
    return path


@pytest.fixture
def data(tmp_path):
    rng = random.Random(1)
    return write_csv(tmp_path / "normal.csv", [frame(rng, i) for i in range(400)])


@pytest.fixture
def model(tocsin, data, tmp_path):
    tocsin("train", "--data", data, "--model", tmp_path / "m.tsm", "--epochs", 30)
    return tmp_path / "m.tsm"


def scores(path_or_text):
    text = path_or_text if isinstance(path_or_text, str) else path_or_text.read_text()
    lines = list(csv.reader(text.splitlines()))
    assert lines[0] == ["timestamp", "score", "threshold", "anomalous", "evidence"]
    return [(ts, float(score), float(threshold), int(anomalous))
            for ts, score, threshold, anomalous, _ in lines[1:]]


def test_the_same_data_and_seed_give_the_same_model_file(tocsin, data, tmp_path):
    files = []
    for name, seed in ("a", 7), ("b", 7), ("c", 8):
        path = tmp_path / name
        result = json.loads(tocsin("train", "--data", data, "--model", path, "--epochs", 5,
                                   "--seed", seed, "--json").stdout)
        assert result["seed"] == seed
        files.append(path.read_bytes())
    assert files[0] == files[1]
    assert files[0] != files[2]


def test_the_default_threshold_goes_by_the_length_of_the_history(tocsin, data, tmp_path):
    """A percentile while the held-back rows cannot hold a budget, then the budget."""
    def train(path, *more):
        args = ["train", "--data", path, "--epochs", 2, *more]
        return json.loads(tocsin(*args, "--json").stdout), tocsin(*args).stdout

    result, words = train(data)
    assert result["threshold_method"] == "staged" and result["threshold_by"] == "percentile"
    assert "(percentile 99.5, until budget 2 per week" in words
    plain, _ = train(data, "--threshold", "percentile:99.5")
    assert plain["threshold"] == result["threshold"]

    rng = random.Random(3)
    path, level = tmp_path / "long.csv", 0
    with open(path, "w") as f:
        print("timestamp,a,b", file=f)
        for i in range(20000):
            level = 0.9 * level + rng.gauss(0, 1)
            print(1740088500 + i, level + rng.gauss(0, 0.1), 2 * level + rng.gauss(0, 0.1), sep=",",
                  file=f)
    result, words = train(path)
    assert result["threshold_by"] == "budget" and "(budget 2 per week" in words
    plain, _ = train(path, "--threshold", "budget:2/week")
    assert plain["threshold"] == result["threshold"]


def test_the_result_says_what_was_learned(tocsin, data, tmp_path):
    args = ["train", "--data", data, "--layers", "3,2,3", "--epochs", 4, "--threshold", "fixed:0.2"]
    result = json.loads(tocsin(*args, "--json").stdout)
    assert result["rows"] == 400
    assert result["train_rows"] == 300 and result["validation_rows"] == 100
    assert result["features"] == 4 and result["layers"] == [3, 2, 3]
    assert 1 <= result["epochs"] <= 4
    assert 0 < result["validation_mse"] < 1 and 0 < result["train_mse"] < 1
    assert result["threshold"] == 0.2 and result["threshold_method"] == "fixed"
    assert result["scaling"] == "minmax" and result["widening"] >= 1
    assert result["model"] is None and len(result["model_id"]) == 16
    words = tocsin(*args)
    assert "trained on 300 rows of 4 features, judged on 100" in words.stdout
    assert words.stderr == ""  # no progress bar but on a terminal
    assert os.listdir(tmp_path) == ["normal.csv"]  # no --model: nothing kept


def test_validation_data_of_its_own_is_judged_whole(tocsin, data, tmp_path):
    rng = random.Random(2)
    other = write_csv(tmp_path / "v.csv", [frame(rng, i) for i in range(50)])
    result = json.loads(tocsin("train", "--data", data, "--validation-data", other, "--epochs", 2,
                               "--json").stdout)
    assert result["train_rows"] == 400 and result["validation_rows"] == 50


def test_columns_that_are_scaled_already_stand_as_they_are(tocsin, tmp_path):
    rng = random.Random(3)
    rows = [[rng.random(), rng.random() / 2] for _ in range(300)]
    rows[5][0], rows[6][0] = 0, 1
    path = write_csv(tmp_path / "scaled.csv", rows, header=["a", "b"])
    args = ["train", "--data", path, "--epochs", 1, "--json"]
    assert json.loads(tocsin(*args).stdout)["scaling"] == "none"
    assert json.loads(tocsin(*args, "--scaling", "minmax").stdout)["scaling"] == "minmax"
    rows[7][1] = 1.5
    write_csv(path, rows, header=["a", "b"])
    assert json.loads(tocsin(*args).stdout)["scaling"] == "minmax"


def test_options_stand_over_the_configuration_file(tocsin, data, tmp_path):
    config = tmp_path / "c.yml"
    config.write_text("model: {epochs: 2, layers: [3]}\nlearn: {seed: 5}\n")
    result = json.loads(tocsin("train", "--seed", 6, "--data", data, "-c", config, "--json").stdout)
    assert result["seed"] == 6 and result["layers"] == [3] and result["epochs"] <= 2


def test_quiet_frames_score_low_and_odd_ones_ring(tocsin, model, tmp_path):
    rng = random.Random(4)
    rows = [frame(rng, i) for i in range(40)]
    rows[10][2] = 9e6   # traffic without load
    rows[20][3] = 5e8   # a swap that was always 0
    path, out = write_csv(tmp_path / "new.csv", rows), tmp_path / "s.csv"
    p = tocsin("score", "--model", model, "--data", path, "-o", out, "--json")
    got = scores(out)
    assert [ts for ts, *_ in got] == [str(1740088500 + i) for i in range(40)]
    assert got[10][3] == 1 and got[20][3] == 1
    for _, score, threshold, anomalous in got:
        assert not anomalous or score > threshold
    summary = json.loads(p.stdout)
    assert summary["rows"] == 40 and summary["unscored"] == 0
    assert summary["anomalous"] == sum(a for *_, a in got) < 20
    assert summary["threshold"] == pytest.approx(got[0][2]) and summary["output"] == str(out)


def test_scores_go_to_standard_output_and_read_back_as_the_same_floats(tocsin, model, data):
    p = tocsin("score", "--model", model, "--data", data)
    assert p.stdout == tocsin("score", "--model", model, "--data", data, "-o", "-").stdout
    assert p.stderr.startswith("400 rows: ")
    for line in p.stdout.splitlines()[1:]:
        text = line.split(",")[1]
        single = struct.pack("f", float(text))
        value = struct.unpack("f", single)[0]
        short = next(t for t in (f"{value:.{d}g}" for d in range(1, 10))
                     if struct.pack("f", float(t)) == single)
        assert float(text) == float(short)


def test_a_threshold_of_the_command_line_replaces_the_models(tocsin, model, data):
    own = scores(tocsin("score", "--model", model, "--data", data).stdout)
    errors = []
    for spec, expected in ("fixed:0.1998", 0.1998), ("fixed:1e-9", 1e-9):
        got = scores(tocsin("score", "--model", model, "--data", data, "--threshold", spec).stdout)
        assert {t for _, _, t, _ in got} == {expected}
        errors.append([s for _, s, _, _ in got])
        assert [a for *_, a in got] == [s > expected for s in errors[-1]]
    # a fixed threshold judges the reconstruction error, not the score
    assert errors[0] == errors[1] != [s for _, s, _, _ in own]
    assert all(a for *_, a in got)
    low = scores(tocsin("score", "--model", model, "--data", data, "--threshold",
                        "percentile:50").stdout)
    assert low[0][2] < own[0][2]
    rare, often = (scores(tocsin("score", "--model", model, "--data", data, "--threshold",
                                 f"budget:{alarms}").stdout)[0][2]
                   for alarms in ("1/month", "5/hour"))
    assert often < rare


def test_missing_values_never_stop_scoring(tocsin, model, tmp_path):
    rng = random.Random(5)
    rows = [frame(rng, i) for i in range(30)]
    for i in range(30):
        if i % 3:
            rows[i][i % 4] = "" if i % 2 else "NaN"
    rows[12] = ["", "", "nan", "NaN"]
    path = write_csv(tmp_path / "gaps.csv", rows)
    got = scores(tocsin("score", "--model", model, "--data", path).stdout)
    assert len(got) == 30
    for i, (_, score, _, anomalous) in enumerate(got):
        assert math.isnan(score) == (i == 12)
        assert i != 12 or anomalous == 0


def test_columns_are_found_by_name(tocsin, model, data, tmp_path):
    with open(data) as f:
        rows = [row for row in csv.reader(f)][1:]
    turned = write_csv(tmp_path / "turned.csv", [row[:0:-1] for row in rows], FEATURES[::-1])
    assert (tocsin("score", "--model", model, "--data", data).stdout ==
            tocsin("score", "--model", model, "--data", turned).stdout)


def test_a_frame_scores_the_same_whatever_comes_after_it(tocsin, model, tmp_path):
    rng = random.Random(8)
    rows = [frame(rng, i) for i in range(12)]
    together = write_csv(tmp_path / "all.csv", rows)
    whole = tocsin("score", "--model", model, "--data", together).stdout.splitlines()[1:]
    for n in range(1, len(rows)):
        some = write_csv(tmp_path / "some.csv", rows[:n])
        assert tocsin("score", "--model", model, "--data", some).stdout.splitlines()[1:] == whole[:n]


def test_the_time_is_written_in_the_form_in_which_it_came(tocsin, model, tmp_path):
    rng = random.Random(6)
    rows = [frame(rng, i) for i in range(3)]
    path = tmp_path / "t.csv"
    write_csv(path, rows, start=0, time=lambda i: f"2025-02-20T22:55:0{i}.25+01:00")
    got = scores(tocsin("score", "--model", model, "--data", path).stdout)
    assert [ts for ts, *_ in got] == [f"2025-02-20T21:55:0{i}.250Z" for i in range(3)]
    write_csv(path, rows, start=1740088500.5)
    got = scores(tocsin("score", "--model", model, "--data", path).stdout)
    assert [ts for ts, *_ in got] == ["1740088500.5", "1740088501.5", "1740088502.5"]


BASE = ["cpu_usage", "memory_usage", "disk_read", "disk_write", "network_receive",
        "network_transmit", "active_processes"]


def test_a_profile_adds_its_derived_features(tocsin, tmp_path):
    rng = random.Random(7)
    rows, total = [], [1e6] * 4
    for _ in range(200):
        total = [t + rng.randrange(100000) for t in total]
        rows.append([rng.uniform(1, 60), rng.uniform(40, 50), *total, rng.randrange(1, 4)])
    path, model = write_csv(tmp_path / "base.csv", rows, BASE), tmp_path / "m.tsm"
    env = {**os.environ, "TZ": "UTC"}
    result = json.loads(tocsin("train", "--data", path, "--profile", "classic", "--model", model,
                               "--epochs", 3, "--json", env=env).stdout)
    assert result["features"] == 21
    own = tocsin("score", "--model", model, "--data", path, env=env).stdout
    assert len(scores(own)) == 200
    assert own == tocsin("score", "--model", model, "--data", path, "--profile", "classic",
                         env=env).stdout
    p = tocsin("score", "--model", model, "--data", path, "--profile", "none", code=1)
    assert "expected a column 'cpu_change'" in p.stderr
    derived = write_csv(tmp_path / "both.csv", [row + [0] for row in rows], BASE + ["cpu_change"])
    p = tocsin("train", "--data", derived, "--profile", "classic", code=1)
    assert ":1: expected no column 'cpu_change'" in p.stderr


GOOD = "timestamp,load,memory,traffic,swap\n" + "".join(
    f"{i},{i % 7},{i % 5},{i % 3},0\n" for i in range(60))

BAD_CSV = [
    ("", ":1: expected the header 'timestamp,...', found an empty file"),
    ("time,load\n1,2\n", ":1: expected 'timestamp' as the first column, found 'time'"),
    ("timestamp\n1\n", ":1: expected columns of features after 'timestamp', found none"),
    ("timestamp,a,a\n", ":1: feature 'a' comes twice"),
    (GOOD + "60,1,2\n", ":62: expected 5 fields as in the header, found 3"),
    (GOOD + "60,1,2,3,4,5\n", ":62: expected 5 fields as in the header, found 6"),
    (GOOD + "60,1,oops,3,4\n", ":62: column 'memory': expected a number, NaN or nothing, found"),
    (GOOD + "60,1,inf,3,4\n", ":62: column 'memory': expected a number up to 3.4e38"),
    (GOOD + "59,1,2,3,4\n", ":62: expected a time after the row before, found '59'"),
    (GOOD + "yesterday,1,2,3,4\n", ":62: expected a time as Unix seconds or RFC 3339"),
    (GOOD + "1740088500000,1,2,3,4\n", "are these milliseconds?"),
    (GOOD + '60,"1,2,3,4\n', ":62: expected a closing quote on the same line"),
    (GOOD + "60,\x00,2,3,4\n", ":62: a byte 0x00; expected text"),
    (GOOD + "60," + "9" * (2 << 20), ":62: expected lines under 1048576 bytes"),
    ("\udcff\udcfe\udc80" * 100, ":1: expected 'timestamp' as the first column, found"),
]


@pytest.mark.parametrize("text,message", BAD_CSV, ids=[m[:50] for _, m in BAD_CSV])
def test_a_bad_csv_is_refused_with_its_line(tocsin, model, tmp_path, text, message):
    path, out = tmp_path / "bad.csv", tmp_path / "out"
    path.write_bytes(text.encode(errors="surrogateescape"))
    for p in (tocsin("train", "--data", path, "--model", out, code=1),
              tocsin("score", "--model", model, "--data", path, "-o", out, code=1)):
        assert p.stdout == ""
        assert p.stderr.startswith(f"tocsin: {path}:") and p.stderr.count("\n") == 1
        assert message in p.stderr
        assert not out.exists() and sorted(os.listdir(tmp_path)) == ["bad.csv", "m.tsm", "normal.csv"]


BAD_TRAIN = [
    (["--epochs", "x"], 2, "--epochs: model.epochs: expected a whole number from 0 to"),
    (["--epochs", "-1"], 2, "--epochs: "),
    (["--layers", "8,x"], 2, "--layers"),
    (["--layers", "0"], 2, "--layers"),
    (["--learning-rate", "2"], 2, "--learning-rate: "),
    (["--feature-dropout", "1"], 2, "--feature-dropout: "),
    (["--validation", "1"], 2, "--validation: "),
    (["--scaling", "z"], 2, "--scaling: "),
    (["--output", "softmax"], 2, "--output: "),
    (["--threshold", "percentile:101"], 2, "--threshold: "),
    (["--threshold", "often"], 2, "--threshold: "),
    (["--threshold", "budget:2"], 2, "--threshold: threshold.alarms: expected how often, as '2 per"),
    (["--seed", "-1"], 2, "--seed: "),
    (["--no-such-option"], 2, "tocsin train: '--no-such-option' is not an option\nTry `tocsin"),
    (["--seed"], 2, "tocsin train: '--seed' expects a value\n"),
    (["-x"], 2, "tocsin train: '-x' is not an option\n"),
    (["more"], 2, "expected no more words, found 'more'"),
    (["--profile", "no-such-profile"], 2, "no-such-profile"),
    (["-c", "/nowhere/c.yml"], 1, "/nowhere/c.yml"),
    (["--validation-data", "/nowhere/v.csv"], 1, "/nowhere/v.csv"),
    (["--model", "/nowhere/m.tsm"], 1, "/nowhere/m.tsm"),
]


@pytest.mark.parametrize("args,code,message", BAD_TRAIN, ids=[" ".join(a) for a, _, _ in BAD_TRAIN])
def test_bad_options_of_train_are_refused(tocsin, data, args, code, message):
    p = tocsin("train", "--data", data, *args, code=code)
    assert p.stdout == "" and p.stderr.startswith("tocsin") and message in p.stderr


def test_too_little_data_is_said(tocsin, tmp_path):
    for rows in 0, 1, 2:
        path = write_csv(tmp_path / "few.csv", [[1, 2, 3, 4]] * rows)
        p = tocsin("train", "--data", path, code=1)
        assert p.stderr.startswith(f"tocsin: {path}: ") and "rows" in p.stderr


def test_validation_data_of_other_columns_is_refused(tocsin, data, tmp_path):
    for header, message in ((["load", "memory", "traffic"], "expected a column 'swap'"),
                            (FEATURES + ["more"], "found 'more' beside them")):
        other = write_csv(tmp_path / "v.csv", [[1] * len(header)], header)
        p = tocsin("train", "--data", data, "--validation-data", other, code=1)
        assert p.stderr.startswith(f"tocsin: {other}:1: ") and message in p.stderr


def test_a_model_that_does_not_fit_or_is_damaged_is_refused_by_name(tocsin, model, data, tmp_path):
    out = tmp_path / "out.csv"
    out.write_text("old")
    for header, message in ((["load", "memory", "traffic"], "expected a column 'swap'"),
                            (FEATURES + ["more"], "found 'more' beside them")):
        other = write_csv(tmp_path / "v.csv", [[1] * len(header)], header)
        p = tocsin("score", "--model", model, "--data", other, "-o", out, code=1)
        assert p.stderr.startswith(f"tocsin: {other}:1: ") and message in p.stderr
    whole = model.read_bytes()
    bad = tmp_path / "bad.tsm"
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 4
    for content, message in ((flipped, "it is damaged"), (whole[:-1], "it is cut or damaged"),
                             (b"", "found an empty file"), (b"x" * 200, "another kind of file")):
        bad.write_bytes(content)
        p = tocsin("score", "--model", bad, "--data", data, "-o", out, code=1)
        assert f"'{bad}'" in p.stderr and message in p.stderr and p.stderr.count("\n") == 1
    assert out.read_text() == "old"


def test_bad_options_of_score_are_refused(tocsin, model, data, tmp_path):
    for args, code, message in (
            (["--threshold", "fixed:x"], 2, "--threshold: "),
            (["--json"], 2, "--json: expected -o FILE"),
            (["more"], 2, "expected no more words, found 'more'"),
            (["--profile", "no-such-profile"], 2, "no-such-profile"),
            (["-o", "/nowhere/s.csv"], 1, "/nowhere/s.csv")):
        p = tocsin("score", "--model", model, "--data", data, *args, code=code)
        assert p.stdout == "" and p.stderr.startswith("tocsin") and message in p.stderr
    assert "expected --model FILE and --data FILE" in tocsin("score", code=2).stderr
    assert "/nowhere/m" in tocsin("score", "--model", "/nowhere/m", "--data", data, code=1).stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_said(binary, model, data):
    for args in ["score", "--model", model, "--data", data], ["train", "--data", data, "--json"]:
        with open("/dev/full", "w") as full:
            p = subprocess.run([binary, *map(str, args)], stdout=full, stderr=subprocess.PIPE,
                               text=True, timeout=60)
        assert p.returncode == 1 and "standard output: write: No space left" in p.stderr


def test_help_has_an_example(tocsin):
    for verb in "train", "score":
        p = tocsin(verb, "--help")
        assert f"Example: tocsin {verb} " in p.stdout and "Exit codes: " in p.stdout


def test_no_scored_row_has_no_mean(tocsin, model, tmp_path):
    none = write_csv(tmp_path / "none.csv", [["", "NaN", "", ""]] * 3)
    said = tocsin("score", "--model", model, "--data", none, "-o", tmp_path / "s.csv").stderr
    assert said.startswith("3 rows: 0 anomalous") and said.endswith(", 3 without a score\n")


def test_the_model_id_is_the_files_whatever_the_threshold(tocsin, data, tmp_path):
    trained = json.loads(tocsin("train", "--data", data, "--model", tmp_path / "m.tsm",
                                "--epochs", 2, "--json").stdout)
    scored = json.loads(tocsin("score", "--model", tmp_path / "m.tsm", "--data", data, "--threshold",
                               "fixed:0.5", "-o", tmp_path / "s.csv", "--json").stdout)
    assert scored["threshold"] == 0.5 and scored["model_id"] == trained["model_id"]


def test_the_progress_bar_is_no_wider_than_the_terminal(binary, data):
    columns = 40
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with subprocess.Popen([binary, "train", "--data", data, "--epochs", "20"], stderr=theirs,
                          stdout=subprocess.DEVNULL) as p:
        os.close(theirs)
        shown = b""
        while True:
            try:
                more = os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
            if not more:
                break
            shown += more
        assert p.wait() == 0
    os.close(ours)
    lines = shown.replace(b"\x1b[K", b"").split(b"\r")
    assert any(line.startswith(b"training [") for line in lines)
    assert max(map(len, lines)) == columns - 1


def test_rows_too_far_apart_for_the_model_are_told(tocsin, model, data, tmp_path):
    rows = [line.split(",") for line in data.read_text().splitlines()]
    for step, told in (3, None), (4, "what changes"), (16, "what changes"), (17, "each is scored"):
        apart = tmp_path / f"{step}.csv"
        apart.write_text("\n".join([",".join(rows[0])] + [
            ",".join([str(1740088500 + step * i), *row[1:]]) for i, row in enumerate(rows[1:])]))
        done = tocsin("score", "--model", model, "--data", apart, "-o", tmp_path / "s.csv")
        sentence = f"rows are {step}s apart, those that {model} learned from 1s: {told}"
        assert sentence in done.stderr if told else "apart" not in done.stderr
