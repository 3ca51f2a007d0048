# SPDX-License-Identifier: Apache-2.0
"""`tocsin run` as its user has it: learns, watches, rings, survives."""
import json
import os
import pty
import random
import re
import resource
import signal
import struct
import subprocess
import termios
import time
import urllib.request

import pytest


def test_it_learns_then_watches_and_says_so(make_daemon):
    d = make_daemon(learn="24s")
    status, body = d.get("/readyz")
    assert status == 503 and "learning" in body
    status, body = d.get("/predict")
    assert status == 503 and "error" in json.loads(body)
    assert 0 <= d.entity()["progress"] <= 1

    d.wait_watching()
    d.wait(lambda: d.get("/readyz")[0] == 200)
    prediction = d.json("/predict")
    assert prediction["reconstruction_error"] >= 0
    assert prediction["anomaly_detected"] in (True, False)
    assert prediction["threshold"] == pytest.approx(d.entity()["threshold"])
    assert abs(prediction["timestamp"] - time.time()) < 60
    log = d.log()
    assert "msg=learning" in log and "progress=50%" in log and "msg=watching" in log


def test_a_restart_goes_straight_to_watching_with_the_same_model(make_daemon):
    d = make_daemon(trained=True)
    assert d.entity()["phase"] == "watching"
    model = d.entity()["model"]["id"]
    d.wait_watching()
    d.stop()
    d.start()
    assert d.entity()["model"]["id"] == model
    assert "msg=training" not in d.log()


def test_a_budget_is_promised_and_its_count_outlives_a_restart(make_daemon):
    d = make_daemon("--threshold", "budget:2/week", trained=True).wait_watching()
    d.wait(lambda: d.metric("tocsin_scores_total") >= 5)
    assert d.entity()["alarms"]["budget"] == 2
    assert d.metric("tocsin_alarm_budget") == 2
    upper = d.metric("tocsin_alarm_rate_upper")
    assert d.metric("tocsin_alarm_rate_lower") <= d.metric("tocsin_alarm_rate") <= upper
    d.stop()
    d.start().wait_watching()
    d.wait(lambda: d.metric("tocsin_scores_total") >= 1)
    if d.metric("tocsin_alarm_rate") == 0:  # its bound falls as the time that was quiet grows
        assert d.metric("tocsin_alarm_rate_upper") < upper


def test_scores_of_stored_frames_are_bit_equal_after_a_restart(make_daemon, binary, tmp_path):
    d = make_daemon(trained=True).wait_watching()
    d.wait(lambda: d.metric("tocsin_scores_total") >= 8)
    d.stop()
    d.start().wait_watching()
    d.wait(lambda: d.metric("tocsin_scores_total") >= 5)
    d.stop()
    db = d.database()
    features = [f["name"] for f in json.loads(db.execute(
        "select features from schemas").fetchone()[0])]
    rows = db.execute("select ts_ms, score, frames.\"values\" from frames left join scores "
                      "using (entity, ts_ms) order by ts_ms").fetchall()
    model = os.path.join(d.data_dir, "models", db.execute("select file from models").fetchone()[0])
    data = tmp_path / "frames.csv"
    with open(data, "w") as f:
        print("timestamp", *features, sep=",", file=f)
        for ts_ms, _, blob in rows:
            values = struct.unpack(f"<{len(features)}f", blob)
            print(f"{ts_ms / 1000:.3f}", *("" if v != v else f"{v:.9g}" for v in values),
                  sep=",", file=f)
    out = subprocess.run([binary, "score", "--model", model, "--data", str(data), "-o", "-"],
                         capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(out) == len(rows) + 1
    judged = [(line, score) for line, (_, score, _) in zip(out[1:], rows) if score is not None]
    assert 10 <= len(judged) < len(rows)  # it also learned
    for line, score in judged:
        written = float(line.split(",")[1])
        assert struct.pack("<f", written) == struct.pack("<f", score), line


@pytest.mark.quiet
def test_it_rings_for_a_busy_cpu_and_stops_when_it_is_over(make_daemon, binary):
    d = make_daemon(trained=True).wait_watching()
    d.wait(lambda: not d.entity()["ringing"])
    drill = subprocess.run(
        [binary, "drill", "--fault", "cpu", "--for", "30s", "--url", d.url, "--json"],
        capture_output=True, text=True, timeout=120)
    assert drill.returncode == 0, drill.stdout + drill.stderr + d.log()[-2000:]
    assert json.loads(drill.stdout)["rang"] is True
    incident = d.wait(lambda: d.json("/api/v1/incidents")["incidents"])[0]
    assert incident["causes"][0]["share"] > 0
    assert {"cpu", "load", "processes", "pressure"} & {c["group"] for c in incident["causes"][:3]}
    closed = d.wait(lambda: [i for i in d.json("/api/v1/incidents")["incidents"]
                             if i["id"] == incident["id"] and i["end"]])[0]
    assert closed["end"] >= closed["peak"] >= closed["start"]
    assert "incident opened" in d.log() and "incident closed" in d.log()


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly_when_told(make_daemon, sig):
    d = make_daemon(learn="1h")
    d.wait(lambda: d.metric("tocsin_frames_total") >= 2)
    assert d.stop(sig) == 0
    assert "msg=stopping" in d.log()
    assert d.database().execute("pragma integrity_check").fetchone() == ("ok",)


def test_learning_goes_on_where_a_restart_cut_it_off(make_daemon):
    d = make_daemon(learn="40s")
    d.wait(lambda: d.metric("tocsin_frames_total") >= 4)
    d.stop()
    d.start()
    assert d.entity()["progress"] >= 4 / 40
    assert "learning goes on with frames of an earlier run" in d.log()


# Windows of half a second, so that a run of a second has frames.
BRISK = """
name: brisk
features:
  - {name: cpu, expr: 'sum(rate(node_cpu_seconds_total{mode!="idle"}[500ms]))', resolution: 1}
  - {name: memory, expr: node_memory_MemAvailable_bytes, resolution: 1e9}
  - {name: switches, expr: 'rate(node_context_switches_total[500ms])', resolution: 1e4}
"""


def test_killed_fifty_times_the_store_stays_whole(make_daemon, tmp_path):
    rng = random.Random(50)
    (tmp_path / "brisk.yml").write_text(BRISK)
    d = make_daemon("--interval", "100ms", "--profile", str(tmp_path / "brisk.yml"), learn="4s")
    d.wait_watching()
    seen, grew = set(), 0
    for _ in range(50):
        time.sleep(rng.uniform(0.6, 1.4))
        with d.database() as db:
            stored = set(db.execute("select entity, ts_ms from frames"))
        d.stop(signal.SIGKILL)
        with d.database() as db:
            assert db.execute("pragma integrity_check").fetchone() == ("ok",)
            rows = set(db.execute("select entity, ts_ms from frames"))
        assert not (seen | stored) - rows, "rows that were stored are lost"
        grew += len(rows) > len(seen)
        seen = rows
        d.start()
    assert grew > 40, "runs too short to store anything prove nothing"
    d.wait_watching()
    trained, anew = d.log().count("msg=training"), d.log().count('msg="learning anew"')
    assert trained - anew == 1, "what was learned first was lost"


def test_a_wrong_configuration_at_sighup_leaves_the_old_one(make_daemon, tmp_path):
    config = tmp_path / "tocsin.yml"
    config.write_text("threshold: {method: fixed, value: 3.5}\n")
    d = make_daemon("-c", str(config), trained=True).wait_watching()
    assert d.entity()["threshold"] == 3.5

    config.write_text("threshold: {method: fixed, valu: 4.5}\n")
    d.process.send_signal(signal.SIGHUP)
    d.wait(lambda: "was not read again" in d.log())
    assert f"{config}:1:" in d.log() and "did you mean 'value'" in d.log()
    assert d.entity()["threshold"] == 3.5
    assert d.metric("tocsin_config_reloads_total") == 1

    config.write_text("threshold: {method: fixed, value: 4.5}\nprofile: classic\n")
    d.process.send_signal(signal.SIGHUP)
    d.wait(lambda: d.entity()["threshold"] == 4.5)
    assert "waits for a restart" in d.log()
    assert not d.is_dead()


def test_a_full_disk_stops_the_store_and_not_the_watching(make_daemon):
    """A limit on file sizes, set from outside while it runs, is a disk that is full."""
    d = make_daemon(trained=True).wait_watching()
    before = d.metric("tocsin_scores_total")
    unlimited = resource.prlimit(d.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(d.process.pid, resource.RLIMIT_FSIZE, (4096, unlimited[1]))
    status, body = d.wait(lambda: (lambda a: a[0] == 503 and a)(d.get("/readyz")))
    assert "store" in body
    assert d.metric("tocsin_store_errors_total") >= 1
    d.wait(lambda: d.metric("tocsin_scores_total") > before)
    d.wait(lambda: d.metric("tocsin_store_errors_total") >= 3)
    assert d.log().count("the store failed") == 1, "logged once"
    resource.prlimit(d.process.pid, resource.RLIMIT_FSIZE, unlimited)
    d.wait(lambda: d.get("/readyz")[0] == 200)
    assert "the store works again" in d.log()


@pytest.mark.quiet
def test_a_pause_is_a_gap_and_no_anomaly(make_daemon):
    d = make_daemon(trained=True).wait_watching()
    d.process.send_signal(signal.SIGSTOP)
    time.sleep(5)
    d.process.send_signal(signal.SIGCONT)
    d.wait(lambda: d.entity()["discontinuity"])
    assert d.metric("tocsin_discontinuities_total") >= 1
    assert "no samples for" in d.log()
    assert d.metric("tocsin_frames_total") > 0
    d.wait(lambda: time.time() - d.json("/predict")["timestamp"] < 3)


def test_a_damaged_model_is_refused_by_name_and_learned_anew(make_daemon):
    d = make_daemon(trained=True, learn="24s")
    d.stop()
    folder = os.path.join(d.data_dir, "models")
    path = os.path.join(folder, os.listdir(folder)[0])
    with open(path, "r+b") as f:
        f.seek(os.path.getsize(path) // 2)
        byte = f.read(1)
        f.seek(-1, 1)
        f.write(bytes([byte[0] ^ 1]))
    d.start().wait_watching()  # frames of the last day are there: it learns from those
    assert os.path.basename(path) in d.log()
    assert d.log().count("msg=training") == 1


def test_two_daemons_do_not_share_a_data_folder(make_daemon, binary, tmp_path):
    d = make_daemon(learn="1h")
    second = subprocess.run([binary, "run", "--listen", "127.0.0.1:0", "--data-dir", d.data_dir],
                            capture_output=True, text=True, timeout=60)
    assert second.returncode == 1
    assert second.stderr.startswith("tocsin: ") and second.stderr.count("\n") == 1


@pytest.mark.parametrize("options, word", [
    (["--listen", "nonsense"], "listen"),
    (["--learn", "fast"], "learn"),
    (["--interval", "0s"], "interval"),
    (["--threshold", "fixed:lots"], "threshold"),
    (["--profile", "nod"], "nod"),
    (["--seed", "-1"], "seed"),
    (["-c", "/nonexistent.yml"], "nonexistent"),
    (["--nonsense"], "nonsense"),
    (["stray"], "stray"),
])
def test_wrong_options_get_a_sentence(binary, tmp_path, options, word):
    out = subprocess.run([binary, "run", "--data-dir", str(tmp_path / "d"), *options],
                         capture_output=True, text=True, timeout=60)
    assert out.returncode in (1, 2)
    assert word in out.stderr
    assert not (tmp_path / "d").exists(), "nothing is made before the options are right"


def test_another_number_of_a_threshold_keeps_the_rest_of_it(binary, tmp_path):
    """Three a day are more than the two that the file's softer tier observes: so that was kept."""
    config = tmp_path / "t.yml"
    config.write_text('threshold: {method: budget, alarms: "2 per week", observe: "2 per day"}\n')
    out = subprocess.run([binary, "run", "-c", config, "--threshold", "budget:3/day", "--data-dir",
                          tmp_path / "d"], capture_output=True, text=True, timeout=60)
    assert out.returncode == 2
    assert out.stderr.startswith("tocsin: threshold.observe: expected more often than") and \
        out.stderr.count("\n") == 1


def profile_of(expr):
    return ("name: own\nfeatures:\n"
            f"  - {{name: a, expr: '{expr}', resolution: 1}}\n"
            "  - {name: b, expr: node_load1, resolution: 10}\n")


def test_a_changed_expression_under_the_same_name_is_learned_anew(make_daemon, tmp_path):
    own = tmp_path / "own.yml"
    own.write_text(profile_of("node_procs_running"))
    d = make_daemon("--profile", str(own), "--interval", "100ms", learn="3s").wait_watching()
    d.stop()
    d.start()
    assert d.entity()["phase"] == "watching"
    d.stop()
    own.write_text(profile_of("node_memory_MemTotal_bytes"))
    d.start()
    assert d.entity()["phase"] == "learning"
    d.stop()
    own.write_text(profile_of("node_procs_running"))
    d.start()
    assert d.entity()["phase"] == "watching", "the first model fits again"


def test_relearn_forgets_the_model_even_when_cut_short(make_daemon):
    d = make_daemon(trained=True)
    d.stop()
    d.command.append("--relearn")
    d.start()
    assert d.entity()["phase"] == "learning"
    assert d.entity()["progress"] < 0.2
    d.stop()
    d.command.remove("--relearn")
    d.start()
    assert d.entity()["phase"] == "learning"


def test_a_threshold_changed_while_it_learns_is_the_one_it_watches_with(make_daemon, tmp_path):
    config = tmp_path / "tocsin.yml"
    config.write_text("threshold: {method: fixed, value: 5}\n")
    d = make_daemon("-c", str(config), learn="24s")
    config.write_text("threshold: {method: fixed, value: 77}\n")
    d.process.send_signal(signal.SIGHUP)
    d.wait(lambda: "was read again" in d.log())
    d.wait_watching()
    assert d.entity()["threshold"] == 77


def test_a_reload_that_could_not_start_is_refused(make_daemon, tmp_path):
    config = tmp_path / "tocsin.yml"
    config.write_text("")
    d = make_daemon("-c", str(config), learn="1h")
    config.write_text("profile: ./nosuch.yml\n")
    d.process.send_signal(signal.SIGHUP)
    d.wait(lambda: "was not read again" in d.log())
    assert "nosuch.yml" in d.log()


def test_settings_that_wait_for_the_next_training_are_told(make_daemon):
    d = make_daemon("--seed", "9", trained=True)
    assert "other learn or model settings" in d.log()


def test_a_stop_in_an_incident_closes_it_in_the_store(make_daemon, tmp_path):
    config = tmp_path / "tocsin.yml"
    config.write_text("threshold: {method: fixed, value: 1e-9}\n")  # everything is anomalous
    d = make_daemon("-c", str(config), trained=True).wait_watching()
    d.wait(lambda: d.json("/api/v1/incidents")["incidents"])
    d.stop()
    assert not os.path.exists(os.path.join(d.data_dir, "tocsin.db-wal")), "all is in one file"
    rows = d.database().execute("select start_ms, end_ms from incidents").fetchall()
    assert len(rows) == 1 and rows[0][1] >= rows[0][0]


def test_when_the_terminal_goes_it_ends(binary, tmp_path):
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(binary, [binary, "run", "--listen", "127.0.0.1:0", "--learn", "1h",
                          "--data-dir", str(tmp_path / "data")])
    seen = b""
    while b"metrics" not in seen:
        seen += os.read(terminal, 4096)
    os.close(terminal)
    ended, status = os.waitpid(pid, 0)  # the run's own time limit catches one that stays
    assert ended == pid and os.waitstatus_to_exitcode(status) == 0


def test_a_stopped_terminal_does_not_stop_the_watching(binary, tmp_path):
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(binary, [binary, "run", "--listen", "127.0.0.1:0", "--learn", "1h",
                          "--interval", "100ms", "--data-dir", str(tmp_path / "data")])
    seen = b""
    while b"metrics" not in seen:
        seen += os.read(terminal, 4096)
    port = re.search(rb"127\.0\.0\.1:(\d+)/", seen).group(1).decode()
    termios.tcflow(terminal, termios.TCOOFF)

    def frames():
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            text = answer.read().decode()
        return float(re.search(r"^tocsin_frames_total (\S+)", text, re.M).group(1))

    deadline = time.monotonic() + 60
    while frames() < 100 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert frames() >= 100
    os.kill(pid, signal.SIGTERM)
    ended, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert ended == pid and os.waitstatus_to_exitcode(status) == 0
