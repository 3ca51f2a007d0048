# SPDX-License-Identifier: Apache-2.0
"""`tocsin tune`: the same result whatever happens on the way, and one that can be used."""
import fcntl
import json
import math
import os
import pty
import random
import re
import signal
import struct
import subprocess
import termios
import time

import pytest

ROWS, FEATURES = 800, 8
SHORT = ["--trials", 4, "--epochs", 6]


def write_csv(path, rows, seed):
    """Two loads that rise and fall, which all features follow."""
    rng = random.Random(seed)
    with open(path, "w") as f:
        f.write("timestamp," + ",".join(f"m{i}" for i in range(FEATURES)) + "\n")
        for r in range(rows):
            load = 3 + math.sin(r / 30) + rng.gauss(0, 0.1), 2 + math.cos(r / 11) + rng.gauss(0, 0.1)
            values = (10 ** (i % 3) * load[i % 2] + rng.gauss(0, 0.05) for i in range(FEATURES))
            f.write(f"{1740000000 + 60 * r}," + ",".join(f"{v:.6g}" for v in values) + "\n")
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_csv(tmp_path_factory.mktemp("tune") / "normal.csv", ROWS, 1)


@pytest.fixture
def tocsin(binary):
    def run(*args, code=0, **more):
        p = subprocess.run([binary, *map(str, args)], capture_output=True, text=True, timeout=240,
                           **more)
        assert p.returncode == code, p.stderr
        return p

    return run


@pytest.fixture
def tune(tocsin, data):
    def run(*args, **more):
        return tocsin("tune", "--data", data, *args, **more)

    return run


@pytest.mark.parametrize("method", ["random", "halving"])
def test_the_result_does_not_depend_on_jobs(tune, method):
    args = [*SHORT, "--method", method]
    one = tune(*args, "--jobs", 1).stdout
    assert one == tune(*args, "--jobs", 2).stdout == tune(*args, "--jobs", 7).stdout
    assert one != tune(*args, "--jobs", 2, "--seed", 2).stdout
    assert one.count("trial") > 2


def done_in(state):
    try:
        return int(state.read_text().split()[-1])
    except (OSError, ValueError, IndexError):
        return 0


@pytest.mark.parametrize("method", ["random", "halving"])
def test_a_killed_search_goes_on_to_the_same_result(binary, tune, data, tmp_path, method):
    args = ["--method", method, "--trials", 9, "--epochs", 60, "--jobs", 2]
    state = tmp_path / "search.state"
    whole = tune(*args)
    goal = len(re.findall(r"^\d+ of \d+: trial", whole.stderr, re.M))
    kills = 0
    for least in 1, goal // 2:
        p = subprocess.Popen([binary, "tune", "--data", data, *map(str, args), "--state", state],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while done_in(state) < least and p.poll() is None:
            time.sleep(0.002)
        p.kill()  # SIGKILL
        kills += p.wait() == -signal.SIGKILL
    left = done_in(state)
    assert kills > 0 and 0 < left < goal
    resumed = tune(*args, "--state", state)
    assert resumed.stdout == whole.stdout
    assert f"goes on after {left} of {goal} executions" in resumed.stderr
    assert len(re.findall(r"^\d+ of \d+: trial", resumed.stderr, re.M)) == goal - left
    # and a complete one is only told again
    again = tune(*args, "--state", state)
    assert again.stdout == whole.stdout and "trial" not in again.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_it_cleanly_and_says_how_to_go_on(binary, tune, data, tmp_path, number):
    state = tmp_path / "search.state"
    args = ["--trials", 30, "--epochs", 40, "--jobs", 2, "--state", state]
    p = subprocess.Popen([binary, "tune", "--data", data, *map(str, args)], text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while done_in(state) < 1:
        time.sleep(0.002)
    p.send_signal(number)
    out, err = p.communicate(timeout=60)
    assert p.returncode == 1 and out == ""
    last = err.splitlines()[-1]
    assert re.fullmatch(rf"tocsin: stopped after \d+ of 62 executions: the same command goes on "
                        rf"from '{re.escape(str(state))}'", last)
    assert os.listdir(tmp_path) == ["search.state"]
    assert "goes on after" in tune(*args).stderr


def test_an_interrupt_ends_it_while_it_waits_for_data(binary, tmp_path):
    never = tmp_path / "never.csv"
    os.mkfifo(never)
    p = subprocess.Popen([binary, "tune", "--data", never])
    with open(never, "w"):  # it has begun to read
        p.send_signal(signal.SIGINT)
        try:
            assert p.wait(timeout=20) == -signal.SIGINT
        finally:
            p.kill()


def test_an_interrupt_without_a_state_says_that_none_is_kept(binary, data):
    p = subprocess.Popen([binary, "tune", "--data", data, "--trials", "500", "--jobs", "1"], text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert p.stderr.readline().startswith("1 of 1002: trial 0")
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=60)
    assert p.returncode == 1 and out == ""
    assert "none is kept: with --state FILE the same command would go on" in err.splitlines()[-1]


def outcome(tune, stands, *args):
    """The first seed with which the defaults stand, or do not; the JSON of that search.
    Few epochs: then settings differ much, whatever the defaults are."""
    for seed in range(1, 30):
        words = ["--epochs", 2, "--seed", seed, *args]
        result = json.loads(tune(*words, "--json").stdout)
        if result["defaults_stand"] == stands:
            return words, result
    raise AssertionError("every seed ends the same way")


@pytest.mark.parametrize("stands,trials", [(True, 1), (True, 5), (False, 1), (False, 5)])
def test_the_choice_is_never_worse_than_the_defaults(tune, stands, trials):
    _, result = outcome(tune, stands, "--trials", trials)
    by_number = {t["trial"]: t for t in result["trials"]}
    assert sorted(by_number) == list(range(trials + 1))
    assert by_number[0]["options"] == ""
    best = max((t for t in result["trials"] if t["trial"]), key=lambda t: t["objective"])
    assert result["ahead"] == pytest.approx(best["objective"] - by_number[0]["objective"])
    assert result["spread"] >= max(best["spread"], by_number[0]["spread"]) - 1e-7
    assert (result["ahead"] > result["spread"]) == (not stands)
    assert result["chosen"] == (0 if stands else best["trial"])
    for t in result["trials"]:
        assert t["objective"] == pytest.approx(
            sum(e["objective"] for e in t["executions"]) / len(t["executions"]))


def test_the_defaults_stand_in_words(tune, tmp_path):
    out = tmp_path / "tocsin.yml"
    words, _ = outcome(tune, True, "--trials", 1)
    p = tune(*words, "-o", out)
    assert re.search(r"^the defaults stand: the best other trial, 1, is (behind|ahead) by 0\.\d+; it had "
                     r"to be ahead by more than the spread over executions, 0\.\d+$", p.stdout, re.M)
    assert p.stdout.endswith("\ntocsin train (no options)\n")
    assert "layers: []\n" in out.read_text()


def test_yaml_and_options_are_the_same_settings(tocsin, tune, data, tmp_path):
    out = tmp_path / "tocsin.yml"
    words, result = outcome(tune, False, "--trials", 5, "-o", out)
    chosen = next(t for t in result["trials"] if t["trial"] == result["chosen"])
    assert f"tocsin train {chosen['options']}\n" in out.read_text()
    tocsin("check", "-c", out)
    ids = [json.loads(tocsin("train", "--data", data, "--epochs", 20, "--json", *more).stdout)["model_id"]
           for more in (chosen["options"].split(), ["-c", out])]
    assert ids[0] == ids[1]
    settings = json.loads(tocsin("train", "--data", data, "--epochs", 1, "--json", "-c", out).stdout)
    assert settings["layers"] == chosen["settings"]["layers"]
    # without -o the YAML is all of standard output, words as comments
    assert tune(*words[:-2]).stdout == out.read_text()


def words_of(yaml):
    return re.search(r"^# .* tocsin train -c needs (.*)", yaml.read_text(), re.M)[1].split()


def test_scaled_columns_stay_as_they_are(tocsin, tmp_path):
    path, out = tmp_path / "scaled.csv", tmp_path / "tocsin.yml"
    rng = random.Random(3)
    with open(path, "w") as f:
        f.write("timestamp,a,b,c\n")
        for r in range(500):
            v = r % 50 / 49
            f.write(f"{r},{v},{1 - v},{0.3 + 0.4 * v + 0.01 * rng.random()}\n")
    tocsin("tune", "--data", path, "--trials", 2, "--epochs", 10, "-o", out)
    scaling = [json.loads(tocsin("train", "--data", path, "--epochs", 2, "--json", *words).stdout)["scaling"]
               for words in ([], ["-c", out, *words_of(out)])]
    assert scaling == ["none", "none"]


def test_another_file_can_be_judged_by(tune, tmp_path):
    other = write_csv(tmp_path / "other.csv", 150, 2)
    result = json.loads(tune(*SHORT, "--validation-data", other, "--json").stdout)
    assert (result["fit_rows"], result["judge_rows"]) == (ROWS, 150)
    result = json.loads(tune(*SHORT, "--json").stdout)
    assert (result["fit_rows"], result["judge_rows"]) == (ROWS * 3 // 4, ROWS // 4)


def test_halving_gives_few_trials_all_epochs(tune):
    p = tune("--method", "halving", "--trials", 9, "--epochs", 27, "--executions", 1, "--json")
    rungs = {t["trial"]: t["rung"] for t in json.loads(p.stdout)["trials"]}
    assert rungs[0] == 3
    assert sorted(rungs[t] for t in rungs if t) == [1] * 6 + [2] * 2 + [3]
    assert len(re.findall(r"^\d+ of 14: trial \d+, execution 1, rung \d: objective", p.stderr, re.M)) == 14


BAD = [
    ([], 2, "expected --data FILE"),
    (["--trials", "0"], 2, "--trials: expected a whole number from 1 to 1000, found '0'"),
    (["--trials", "1001"], 2, "--trials: "),
    (["--executions", "x"], 2, "--executions: expected a whole number from 1 to 100, found 'x'"),
    (["--jobs", "-1"], 2, "--jobs: "),
    (["--epochs", "0"], 2, "--epochs: "),
    (["--seed", "1.5"], 2, "--seed: "),
    (["--method", "grid"], 2, "--method: expected random or halving, found 'grid'"),
    (["--state"], 2, "'--state' expects a value"),
    (["more"], 2, "expected no more words, found 'more'"),
    (["--profile", "nonesuch"], 2, "nonesuch"),
    (["--validation-data", "/nonexistent.csv"], 1, "'/nonexistent.csv': open: No such file"),
    (["--state", "/nonexistent/state"], 1, "'/nonexistent/state'"),
]


@pytest.mark.parametrize("args,code,message", BAD, ids=[" ".join(a) for a, _, _ in BAD])
def test_wrong_words_get_one_sentence(tocsin, data, args, code, message):
    p = tocsin("tune", *(["--data", data] if args else []), *args, code=code)
    assert message in p.stderr and p.stdout == ""
    assert len([line for line in p.stderr.splitlines() if not line.startswith("Try")]) == 1


def test_where_the_result_cannot_go_is_told_before_the_work(tune, data, tmp_path):
    state, link = tmp_path / "search.state", tmp_path / "link.csv"
    link.symlink_to(data)
    held = data.read_bytes()
    for words, code, sentence in [
        (["-o", tmp_path / "nowhere" / "x.yml"], 1, "x.yml': create a temporary file beside it: No"),
        (["-o", tmp_path], 1, "': is a directory"),
        (["-o", link], 2, f"link.csv': expected another file than '{data}', found the same"),
        (["-o", state, "--state", state], 2, f"expected another file than '{state}', found the same"),
    ]:
        p = tune(*words, code=code)
        assert sentence in p.stderr and p.stderr.count("\n") == 1 and p.stdout == ""
    assert data.read_bytes() == held and state.read_text().startswith("tocsin tune 1\n")
    assert sorted(os.listdir(tmp_path)) == ["link.csv", "search.state"]


def test_rows_that_say_nothing_get_one_sentence(tocsin, tmp_path):
    few, still = write_csv(tmp_path / "few.csv", 200, 1), tmp_path / "still.csv"
    p = tocsin("tune", "--data", few, code=1)
    assert p.stderr == f"tocsin: {few}: 50 rows to judge with: expected at least 100\n"
    still.write_text("timestamp,a\n" + "".join(f"{r},5\n" for r in range(500)))
    p = tocsin("tune", "--data", still, code=1)
    assert p.stderr == f"tocsin: {still}: no feature moves in the 125 rows to judge with\n"
    tiny = write_csv(tmp_path / "tiny.csv", 10, 1)
    p = tocsin("tune", "--data", tiny, "--validation-data", write_csv(tmp_path / "v.csv", 200, 2), code=1)
    assert p.stderr.splitlines()[-1].startswith(f"tocsin: {tiny}: ")


def test_a_state_of_something_else_is_refused(tune, tmp_path):
    state = tmp_path / "search.state"
    tune(*SHORT, "--state", state)
    kept = state.read_text()
    for other in ["--seed", 2], ["--executions", 3], ["--method", "halving"]:
        p = tune(*SHORT, *other, "--state", state, code=1)
        assert "is of another search" in p.stderr and p.stderr.count("\n") == 1
    for text, message in ((kept[:-8], "cut short"), ("hello\n", ":1: expected 'tocsin tune 1'"),
                          (kept.replace("0 1 0 ", "0 9 0 "), "does not belong to this search")):
        state.write_text(text)
        p = tune(*SHORT, "--state", state, code=1)
        assert p.stderr.startswith(f"tocsin: {state}:") and message in p.stderr
        assert p.stderr.count("\n") == 1 and p.stdout == "" and state.read_text() == text


def test_a_terminal_gets_a_table_with_a_bar_and_it_is_wiped(binary, data):
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 8, 60, 0, 0))
    p = subprocess.Popen([binary, "tune", "--data", data, "--trials", "6", "--epochs", "60"],
                         stdout=subprocess.PIPE, stderr=child)
    os.close(child)
    shown = b""
    while True:
        try:
            part = os.read(parent, 65536)
        except OSError:
            break
        shown += part
    os.close(parent)
    assert p.wait(timeout=60) == 0 and p.stdout.read().startswith(b"# random search")
    p.stdout.close()
    text = shown.decode()
    assert "tuning [" in text and " of 14, " in text and "trial  objective" in text
    assert text.endswith("\r\x1b[J")  # nothing of it is left
    drawn = re.sub(r"\x1b\[\d*[A-Z]", "", text).replace("\r", "").split("\n")
    assert max(map(len, drawn)) < 60
    assert max(int(n) for n in re.findall(r"\x1b\[(\d+)A", text)) < 8  # never more than it has lines
