# SPDX-License-Identifier: Apache-2.0
"""tocsin import: history from real Prometheus and VictoriaMetrics, and from servers that misbehave."""
import csv
import json
import math
import os
import re
import signal
import subprocess
import time

import pytest

from prom_servers import (Fake, Prometheus, Victoria, history, made_up, need, refusal, success)

HERE = os.path.dirname(os.path.abspath(__file__))
HOURS = 12
TWO = ["db1:9100", "db2:9100"]


@pytest.fixture(scope="module")
def end():
    """Where the history ends: now, at a whole minute."""
    return int(time.time()) // 60 * 60


@pytest.fixture(scope="module")
def rows(end):
    return history(TWO, end, HOURS)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory, rows):
    need("prometheus", "promtool")
    server = Prometheus(str(tmp_path_factory.mktemp("prometheus"))).load(rows).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def victoria(tmp_path_factory, rows):
    need("victoria-metrics")
    server = Victoria(str(tmp_path_factory.mktemp("victoria"))).start().load(rows)
    yield server
    server.stop()


@pytest.fixture
def fake():
    started = []

    def make(answer):
        started.append(Fake(answer))
        return started[-1]

    yield make
    for server in started:
        server.stop()


def read(path):
    """(header, {seconds: [value or nan]})"""
    with open(path) as f:
        lines = list(csv.reader(f))
    return lines[0], {float(line[0]): [float(v or "nan") for v in line[1:]] for line in lines[1:]}


def span(end, hours=HOURS - 1):
    return ["--from", str(end - hours * 3600), "--to", str(end - 120), "--step", "1m"]


def test_history_becomes_a_file_that_train_reads(tocsin, prometheus, end, tmp_path):
    out, model = tmp_path / "db1.csv", tmp_path / "db1.tsm"
    done = tocsin("import", "--prometheus", prometheus.url, *span(end), "--instance", TWO[0],
                  "-o", out)
    header, table = read(out)
    assert header[0] == "timestamp" and len(header) > 40
    assert len(table) == (HOURS - 1) * 60 - 2 + 1 and all(t % 60 == 0 for t in table)
    assert f"{out}: {TWO[0]}: {len(table)} rows of {len(header) - 1} features" in done.stdout
    assert os.listdir(tmp_path) == ["db1.csv"], "no temporary file is left"
    tocsin("train", "--data", out, "--model", model)
    tocsin("score", "--model", model, "--data", out, "-o", tmp_path / "scores.csv")


def test_values_are_the_servers(tocsin, prometheus, end, tmp_path):
    out = tmp_path / "db2.csv"
    tocsin("import", "--prometheus", prometheus.url, *span(end), "--instance", TWO[1], "-o", out)
    header, table = read(out)
    at = end - 3600

    def one(expression):
        result = prometheus.query(expression, at)["result"]
        assert len(result) == 1, expression
        return float(result[0]["value"][1])

    row = dict(zip(header[1:], table[at]))
    i = f'instance="{TWO[1]}"'
    expected = {
        "memory_used": f'1 - node_memory_MemAvailable_bytes{{{i}}} / node_memory_MemTotal_bytes',
        "forks": f'rate(node_forks_total{{{i}}}[4m])',
        "load_per_core": f'sum(node_load1{{{i}}}) / 2',
        "disk_reads": f'rate(node_disk_reads_completed_total{{{i},device="sda"}}[4m])',
        "ip_receive_bytes": f'rate(node_netstat_IpExt_InOctets{{{i}}}[4m])',  # it has no IPv6
        "filesystem_used": f'1 - node_filesystem_avail_bytes{{{i},mountpoint="/"}} / '
                           'node_filesystem_size_bytes',
    }
    for name, expression in expected.items():
        assert row[name] == pytest.approx(one(expression), rel=1e-6), name


def test_both_servers_give_the_same_frames(tocsin, prometheus, victoria, end, tmp_path):
    tables = []
    for server in (prometheus, victoria):
        out = tmp_path / f"{type(server).__name__}.csv"
        tocsin("import", "--prometheus", server.url, *span(end), "--instance", TWO[0], "-o", out)
        tables.append(read(out))
    (header, ours), (other_header, theirs) = tables
    assert header == other_header and set(ours) == set(theirs)
    far, cells = {}, 0
    for t, row in ours.items():
        for name, a, b in zip(header[1:], row, theirs[t]):
            cells += 1
            if math.isnan(a) != math.isnan(b) or abs(a - b) > 1e-4 * max(abs(a), abs(b), 1e-6):
                far.setdefault(name, []).append((t, a, b))
    # counters change their rate at full hours: windows over these may be cut differently
    edges = sum(t % 3600 <= 300 for t in ours)
    assert cells > 20000
    for name, wrong in far.items():
        assert len(wrong) <= edges and all(t % 3600 <= 300 for t, _, _ in wrong), (name, wrong[:5])


def test_several_machines_are_told(tocsin, prometheus, end, tmp_path):
    done = tocsin("import", "--prometheus", prometheus.url, *span(end), "-o", tmp_path / "x.csv",
                  code=2)
    assert done.stderr == ("tocsin: the server has 2 machines (db1:9100, db2:9100): name one by "
                           "--instance, or take --output-dir\n")
    assert os.listdir(tmp_path) == []


def test_a_folder_gets_a_file_for_each_machine(tocsin, prometheus, end, tmp_path):
    done = tocsin("import", "--prometheus", prometheus.url, *span(end, 2), "--output-dir",
                  tmp_path / "all", "--profile", "classic", "--json")
    answer = json.loads(done.stdout)
    assert [m["instance"] for m in answer["machines"]] == TWO
    assert sorted(os.listdir(tmp_path / "all")) == ["db1:9100.csv", "db2:9100.csv"]
    for machine in answer["machines"]:
        header, table = read(machine["file"])
        assert machine["rows"] == len(table) == 119 and answer["features"] == len(header) - 1 == 21
        assert machine["present"] > 0.95 and machine["never"] == []
        assert header[-1] == "day_of_week"
    assert answer["profile"] == "classic" and answer["step"] == 60 and answer["requests"] > 7


def test_matchers_choose_the_machine(tocsin, prometheus, end, tmp_path):
    out = tmp_path / "one.csv"
    tocsin("import", "--prometheus", prometheus.url, *span(end, 1), "--match",
           'job="node", instance=~"db2.*"', "-o", out)
    assert len(read(out)[1]) == 59
    done = tocsin("import", "--prometheus", prometheus.url, *span(end, 1), "--match", 'job="no"',
                  "-o", out, code=1)
    assert "the server has no series of the profile in the span that --match fits" in done.stderr


def test_a_long_span_is_asked_for_in_pieces(tocsin, prometheus, end, tmp_path):
    """11,000 points a series are Prometheus's most: twelve hours of 3 s are more."""
    profile, out = tmp_path / "p.yml", tmp_path / "long.csv"
    profile.write_text("name: p\nfeatures: [{name: load, expr: node_load1}]\n")
    start = end - HOURS * 3600
    done = tocsin("import", "--prometheus", prometheus.url, "--from", start, "--to", end - 120,
                  "--step", "3s", "--instance", TWO[0], "--profile", profile, "-o", out, "--json")
    answer = json.loads(done.stdout)
    assert answer["machines"][0]["rows"] == (HOURS * 3600 - 120) // 3 + 1 == len(read(out)[1])
    assert answer["requests"] == 1 + 2 * 2, "who is there, then two pieces of value and age"


@pytest.mark.parametrize("samples", [5000, 500])
def test_a_query_that_is_too_much_is_cut_in_half(tocsin, prometheus, rows, end, tmp_path, samples):
    folder = tmp_path / "small"
    server = Prometheus(str(folder), f"--query.max-samples={samples}").load(rows).start()
    try:
        files = []
        for name, asked in (("whole", prometheus), ("halves", server)):
            files.append(tmp_path / f"{name}.csv")
            done = tocsin("import", "--prometheus", asked.url, *span(end, 6), "--instance", TWO[0],
                          "-o", files[-1], "--json")
            answer = json.loads(done.stdout)
            assert (answer["halvings"] > 0) == (name == "halves"), answer
            assert answer["missing"] == 0
        assert files[0].read_text() == files[1].read_text()
    finally:
        server.stop()


def test_victoria_metrics_limits_are_kept_to(tocsin, victoria, rows, end, tmp_path):
    server = Victoria(str(tmp_path / "small"), "-search.maxPointsPerTimeseries=100").start().load(rows)
    try:
        files = []
        for name, asked in (("whole", victoria), ("halves", server)):
            files.append(tmp_path / f"{name}.csv")
            done = tocsin("import", "--prometheus", asked.url, *span(end, 10), "--instance", TWO[0],
                          "-o", files[-1], "--json")
            answer = json.loads(done.stdout)
            assert (answer["halvings"] > 0) == (name == "halves"), answer
            assert answer["missing"] == 0
        assert len(read(files[0])[1]) == len(read(files[1])[1])
    finally:
        server.stop()


def test_times_may_be_ages_and_dates(tocsin, fake, tmp_path):
    server = fake(made_up_any)
    now = time.time()
    for start, stop, seconds in (("2h", "now", 7200), ("2h", "1h", 3600),
                                 ("2025-02-20T21:55:00Z", "1740092100", 3600)):
        done = tocsin("import", "--prometheus", server.url, "--from", start, "--to", stop, "--step",
                      "15s", "--instance", "a", "-o", tmp_path / "t.csv", "--json")
        machine = json.loads(done.stdout)["machines"][0]
        assert abs(machine["rows"] - seconds / 15) <= 4
    server.requests.clear()
    tocsin("import", "--prometheus", server.url, "--from", "1h", "--instance", "a", "-o",
           tmp_path / "t.csv")
    assert all(float(f["end"]) < now - 15 for _, f in server.requests), "nothing of the last seconds"


def test_a_server_that_is_busy_is_asked_again(tocsin, fake, tmp_path):
    calls = []

    def answer(path, fields, headers):
        calls.append(time.monotonic())
        if len(calls) == 3:
            return refusal(503, "unavailable", "starting up")
        if len(calls) == 4:
            return refusal(429, "429", "too many at once", **{"Retry-After": "2"})
        if len(calls) == 6:
            return 502, {}, "<html>bad gateway</html>"
        return made_up(path, fields)

    server = fake(answer)
    done = tocsin("import", "--prometheus", server.url, "--from", "1h", "--instance", "a", "-o",
                  tmp_path / "t.csv", "--profile", "classic", "--json")
    answer = json.loads(done.stdout)
    assert answer["retries"] == 3 and answer["missing"] == 0
    assert answer["requests"] == 1 + 8 + 3
    assert calls[4] - calls[3] > 1.99, "Retry-After is kept to"
    assert calls[3] - calls[2] >= 0.2
    assert re.search(rf"tocsin: {server.url}: unavailable: starting up; tried again in 0\.\d s\n",
                     done.stderr)


def test_a_server_that_stays_away_ends_it(binary, fake, tmp_path):
    """Eight tries are a minute or more: only the first few are waited for."""
    server = fake(lambda path, fields, _: made_up(path, fields) if path.endswith("values")
                  else refusal(503, "unavailable", "no"))
    p = subprocess.Popen([binary, "import", "--prometheus", server.url, "--from", "1h",
                          "--instance", "a", "-o", str(tmp_path / "t.csv")],
                         stderr=subprocess.PIPE, text=True)
    try:
        time.sleep(2)
        assert p.poll() is None and len(server.requests) >= 2
        p.send_signal(signal.SIGINT)
        _, err = p.communicate(timeout=5)
    finally:
        p.kill()
        p.wait()
    assert p.returncode == 1 and err.endswith("tocsin: stopped\n")
    assert os.listdir(tmp_path) == [], "nothing half-written is left"


def test_a_feature_that_cannot_be_evaluated_is_left_empty(tocsin, fake, tmp_path):
    def answer(path, fields, headers):
        if "node_procs_running" in fields.get("query", ""):
            return refusal(422, "execution", "found duplicate series for the match group")
        return made_up(path, fields)

    out = tmp_path / "t.csv"
    done = tocsin("import", "--prometheus", fake(answer).url, "--from", "1h", "--instance", "a",
                  "-o", out, "--profile", "classic", "--json")
    header, table = read(out)
    at = header.index("active_processes") - 1
    assert all(math.isnan(row[at]) for row in table.values())
    assert all(not math.isnan(row[0]) for row in table.values())
    assert "feature 'active_processes' is missing:" in done.stderr
    assert "found duplicate series for the match group" in done.stderr
    machine = json.loads(done.stdout)["machines"][0]
    assert machine["never"] == ["active_processes"]


def test_warnings_are_passed_on_and_parts_are_not_taken(tocsin, fake, tmp_path):
    parts = []

    def answer(path, fields, headers):
        status, more, body = made_up(path, fields)
        if path.endswith("values"):
            return status, more, body
        body["warnings"] = ["remote storage is slow"]
        if not parts:
            parts.append(fields)
            body["isPartial"] = True
        return status, more, body

    server = fake(answer)
    done = tocsin("import", "--prometheus", server.url, "--from", "1h", "--instance", "a", "-o",
                  tmp_path / "t.csv", "--profile", "classic", "--json")
    answer = json.loads(done.stdout)
    assert answer["retries"] == 1 and answer["warnings"] == 8
    assert "answers in part: some of its storage is away; tried again" in done.stderr
    assert "the server warns about feature 'cpu_usage': remote storage is slow" in done.stderr
    assert parts[0]["partial_response"] == "false" and parts[0]["deny_partial_response"] == "1"


HUGE = "x" * (9 << 20)


@pytest.mark.parametrize("answer, code, sentence", [
    ((404, {}, "404 page not found"), 1,
     "is there, but not the API of a Prometheus server (HTTP 404)"),
    ((401, {}, "no"), 1, "wants other credentials (HTTP 401)"),
    ((302, {"Location": "https://example.org/login?secret=1"}, ""), 1,
     "is elsewhere, at https://example.org/login; give that URL"),
    (refusal(400, "bad_data", "invalid parameter"), 1, "bad_data: invalid parameter"),
])
def test_a_refusal_is_one_sentence(tocsin, fake, tmp_path, answer, code, sentence):
    server = fake(lambda *_: answer)
    for more in (["--instance", "a"], []):
        done = tocsin("import", "--prometheus", server.url + "/", *more, "-o", tmp_path / "x.csv",
                      code=code)
        assert done.stderr == f"tocsin: {server.url}: {sentence}\n"
        assert done.stdout == "" and os.listdir(tmp_path) == []


@pytest.mark.parametrize("body", [
    "<html>login</html>", "[" * 100000, '{"status":"success"}', HUGE,
    '{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"instance":"a"},'
    '"values":[[1,2]]}]}}',
], ids=["page", "deep", "empty", "huge", "numbers"])
def test_hostile_answers_do_no_harm(binary, fake, tmp_path, body):
    server = fake(lambda *_: (200, {}, body))
    p = subprocess.Popen([binary, "import", "--prometheus", server.url, "-o",
                          str(tmp_path / "x.csv")], stderr=subprocess.PIPE, text=True)
    _, err = p.communicate(timeout=30)
    assert p.returncode == 1 and err.startswith(f"tocsin: {server.url}: ")
    assert err.count("\n") == 1 and len(err) < 600 and os.listdir(tmp_path) == []


def test_answers_of_machines_that_were_not_asked_for_are_passed_over(tocsin, fake, tmp_path):
    def answer(path, fields, headers):
        status, more, body = made_up(path, fields)
        if path.endswith("values"):
            return status, more, body
        body["data"]["result"] += [
            {"metric": {"instance": "b" * 300}, "values": [[1, "1"]]},
            {"metric": {}, "values": [[1, "1"]]},
            {"metric": {"instance": "a"}, "values": [[7.123, "1"]]}]  # no instant of the span
        return status, more, body

    out = tmp_path / "t.csv"
    tocsin("import", "--prometheus", fake(answer).url, "--from", "1h", "--instance", "a", "-o", out,
           "--profile", "classic")
    assert len(read(out)[1]) in range(235, 240)


@pytest.mark.parametrize("options, sentence", [
    ([], "expected --prometheus URL"),
    (["--prometheus", "http://x"], "expected -o FILE or --output-dir DIR"),
    (["--prometheus", "http://x", "-o", "F", "--output-dir", "D"],
     "expected -o FILE or --output-dir DIR, found both"),
    (["--prometheus", "http://x", "-o", "F", "--from", "yesterday"],
     "--from: expected a time such as 2025-02-20T21:55:00Z or Unix seconds, now, or an age such as "
     "7d, found 'yesterday'"),
    (["--prometheus", "http://x", "-o", "F", "--step", "5"],
     "--step: expected a duration from 100ms to 1d, found '5'"),
    (["--prometheus", "http://x", "-o", "F", "--from", "1h", "--to", "2h"],
     "from 1h to 2h there is no row: a span of at least one step (15s) is needed, which ends 35 "
     "seconds ago at the latest"),
    (["--prometheus", "http://x", "-o", "F", "--password-file", "p"],
     "--password-file needs --user"),
    (["--prometheus", "http://x", "-o", "F", "--cert-file", "p"],
     "--cert-file and --key-file go together"),
    (["--prometheus", "http://x", "-o", "F", "more"], "expected no more words, found 'more'"),
])
def test_wrong_options_are_refused(tocsin, tmp_path, options, sentence):
    done = tocsin("import", *options, code=2, cwd=tmp_path)
    assert done.stderr == f"tocsin import: {sentence}\nTry `tocsin import --help`.\n"


@pytest.mark.parametrize("options, sentence", [
    (["--prometheus", "localhost:9090"],
     "--prometheus: expected a URL such as http://host:port, found 'localhost:9090'"),
    (["--prometheus", "http://me:geheim@x"],
     "--prometheus: the URL has a user and password in it; give them by their own settings"),
    (["--prometheus", "http://x?tenant=1"],
     "--prometheus: expected the URL of a server without '?' and '#'"),
    (["--prometheus", "http://x", "--match", "job"],
     "--match: expected label matchers such as job=\"node\",env!=\"test\", found 'job'"),
    (["--prometheus", "http://x", "--entity-label", "in-stance"],
     "--entity-label: expected the name of a label such as instance, found 'in-stance'"),
    (["--prometheus", "http://x", "--profile", "nod"], None),
])
def test_wrong_values_are_refused(tocsin, tmp_path, options, sentence):
    done = tocsin("import", *options, "-o", tmp_path / "F", code=2)
    assert done.stderr.count("\n") == 1 and os.listdir(tmp_path) == []
    if sentence:
        assert done.stderr == f"tocsin: {sentence}\n"
    else:
        assert done.stderr.startswith("tocsin: --profile: ")


def test_the_result_is_no_file_that_is_read(tocsin, tmp_path):
    (tmp_path / "password").write_text("geheim")
    done = tocsin("import", "--prometheus", "http://x", "--user", "u", "--password-file", "password",
                  "-o", "password", code=2, cwd=tmp_path)
    assert done.stderr == "tocsin: -o 'password': expected another file than 'password', found the same\n"
    assert (tmp_path / "password").read_text() == "geheim"
    done = tocsin("import", "--prometheus", "http://x", "-o", "-", code=2, cwd=tmp_path)
    assert done.stderr == "tocsin: -o: expected the name of a file, found '-'\n"
    assert os.listdir(tmp_path) == ["password"]


def test_a_machine_that_is_not_there_is_told_beside_those_that_are(tocsin, fake, tmp_path):
    done = tocsin("import", "--prometheus", fake(made_up_any).url, "--instance", "c", "-o",
                  tmp_path / "F", code=1)
    assert done.stderr == "tocsin: the server has no machine 'c' in the span, but a, b\n"


def test_nobody_there_is_said_with_the_url(tocsin, tmp_path, free_port):
    url = f"http://127.0.0.1:{free_port}"
    done = tocsin("import", "--prometheus", url, "-o", tmp_path / "F", code=1)
    assert done.stderr == f"tocsin: {url}: connection refused\n"


def certificate(folder, name):
    """A self-signed certificate of that name: (certificate, key)."""
    paths = [os.path.join(folder, name + end) for end in (".crt", ".key")]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
                    "-out", paths[0], "-keyout", paths[1]], check=True, capture_output=True)
    return paths


# of the password geheim, as Prometheus wants it
BCRYPT = "$2b$10$abcdefghijklmnopqrstuu3qWavo/JrKRRVDF/68ERj4rQOXSVCG2"


def test_tls_and_basic_authentication(tocsin, rows, end, tmp_path):
    """Prometheus's own web configuration; the certificate has another name than the URL."""
    need("prometheus", "promtool", "openssl")
    crt, key = certificate(tmp_path, "prometheus.test")
    web = tmp_path / "web.yml"
    web.write_text(f"tls_server_config: {{cert_file: {crt}, key_file: {key}}}\n"
                   f"basic_auth_users: {{me: '{BCRYPT}'}}\n")
    server = Prometheus(str(tmp_path / "p"), f"--web.config.file={web}", tls=True)
    some = [row for row in rows if row[1] > end - 3 * 3600]
    server.load(some).start()
    secret, out = tmp_path / "secret", tmp_path / "out.csv"
    secret.write_text("geheim\n")
    wrong = tmp_path / "wrong"
    wrong.write_text("falsch\n")

    def run(*options, code):
        return tocsin("import", "--prometheus", server.url, *span(end, 1), "--instance", TWO[0],
                      "-o", out, *options, code=code)

    login = ["--user", "me", "--password-file", secret]
    trust = ["--ca-file", crt, "--server-name", "prometheus.test"]
    try:
        run(*login, *trust, code=0)
        assert len(read(out)[1]) == 59
        run(*login, "--insecure", code=0)
        done = run(*trust, code=1)
        assert done.stderr == f"tocsin: {server.url}: wants other credentials (HTTP 401)\n"
        done = run("--user", "me", "--password-file", wrong, *trust, code=1)
        assert "wants other credentials (HTTP 401)" in done.stderr and "falsch" not in done.stderr
    finally:
        server.stop()


@pytest.mark.parametrize("trust", [[], ["--ca-file"], ["--ca-file", "--server-name"]])
def test_a_certificate_that_does_not_fit_is_refused(binary, end, tmp_path, trust):
    need("prometheus", "openssl")
    crt, key = certificate(tmp_path, "prometheus.test")
    web = tmp_path / "web.yml"
    web.write_text(f"tls_server_config: {{cert_file: {crt}, key_file: {key}}}\n")
    server = Prometheus(str(tmp_path / "p"), f"--web.config.file={web}", tls=True).start()
    options = [word for option in trust
               for word in (option, crt if option == "--ca-file" else "other.test")]
    try:
        done = subprocess.run([binary, "import", "--prometheus", server.url, *options, "-o",
                               str(tmp_path / "F")], capture_output=True, text=True, timeout=30)
        assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
        assert "certificate" in done.stderr.lower() and server.url in done.stderr
    finally:
        server.stop()


def test_a_token_is_sent_and_read_from_its_file(tocsin, fake, tmp_path):
    seen = []

    def answer(path, fields, headers):
        seen.append(headers.get("Authorization"))
        assert headers["User-Agent"].startswith("tocsin/")
        return made_up(path, fields)

    token = tmp_path / "token"
    token.write_text("abc.def\n")
    tocsin("import", "--prometheus", fake(answer).url + "/select/0/prometheus/", "--from", "1h",
           "--instance", "a", "-o", tmp_path / "t.csv", "--profile", "classic",
           "--bearer-token-file", token)
    assert set(seen) == {"Bearer abc.def"}
    done = tocsin("import", "--prometheus", "http://127.0.0.1:1", "--instance", "a", "-o",
                  tmp_path / "t.csv", "--bearer-token-file", tmp_path / "none", code=1)
    assert "none': open: No such file or directory" in done.stderr


def test_proxies_of_the_environment_are_not_used(tocsin, fake, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    tocsin("import", "--prometheus", fake(made_up_any).url, "--from", "1h", "--instance", "a", "-o",
           tmp_path / "t.csv", "--profile", "classic")


def made_up_any(path, fields, _):
    return made_up(path, fields)


def test_an_empty_span_leaves_no_file(tocsin, fake, tmp_path):
    server = fake(lambda path, fields, _: made_up(path, fields) if path.endswith("values")
                  else success("matrix", []))
    done = tocsin("import", "--prometheus", server.url, "--from", "1h", "--instance", "a", "-o",
                  tmp_path / "t.csv", code=1)
    assert done.stderr == "tocsin: a has no value of the profile in the span\n"
    assert os.listdir(tmp_path) == []
