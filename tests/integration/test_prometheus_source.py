# SPDX-License-Identifier: Apache-2.0
"""The source `prometheus`: queries for all machines at once mean what they mean for one; history
first and then the present, over servers that limit, fail and come back."""
import collections
import math
import os
import re
import signal
import subprocess
import threading
import time

import pytest

from prom_servers import (Fake, Prometheus, Proxy, Victoria, free_port, history, made_up, need, refusal,
                     success, until)

HERE = os.path.dirname(os.path.abspath(__file__))
HOURS = 6
TWO = ["db1:9100", "db2:9100"]

SCRAPES = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: one
    static_configs: [{{targets: ["127.0.0.1:{port}"], labels: {{instance: one, role: "a \\"db\\""}}}}]
  - job_name: two
    static_configs: [{{targets: ["127.0.0.1:{port}"], labels: {{instance: two}}}}]
"""


@pytest.fixture(scope="module")
def end():
    return int(time.time()) // 60 * 60


@pytest.fixture(scope="module")
def rows(end):
    return history(TWO, end, HOURS)


@pytest.fixture(scope="module")
def servers(tmp_path_factory, rows):
    """{"both", TWO[0], TWO[1]: a Prometheus that holds these machines}"""
    need("prometheus", "promtool")
    made = {}
    for name in ("both", *TWO):
        some = [row for row in rows if name == "both" or f'"{name}"' in row[0]]
        folder = str(tmp_path_factory.mktemp("prometheus"))
        made[name] = Prometheus(folder).load(some).start()
    yield made
    for server in made.values():
        server.stop()


def number(answer, instance=None):
    """As a feature takes it: a scalar or the only element (of the instance), else NaN."""
    if answer is None:
        return math.nan
    if answer["resultType"] == "scalar":
        return float(answer["result"][1])
    found = [e for e in answer["result"]
             if instance is None or e["metric"].get("instance") == instance]
    return float(found[0]["value"][1]) if len(found) == 1 else math.nan


def same(a, b):
    if math.isnan(a) or math.isnan(b) or math.isinf(a) or math.isinf(b):
        return (math.isnan(a) and math.isnan(b)) or a == b
    return abs(a - b) <= 1e-9 * max(abs(a), abs(b)) + 1e-12


def queries(tool, profile):
    """[(name, plain, for all)] of a profile."""
    command = [tool("eval_profile"), str(profile), "60000"]
    lists = [subprocess.run(command + more, check=True, capture_output=True,
                            text=True).stdout.splitlines()
             for more in (["promql"], ["promql_by", "instance"])]
    pairs = [[line.split("\t", 1) for line in lines] for lines in lists]
    assert [name for name, _ in pairs[0]] == [name for name, _ in pairs[1]]
    return [(name, plain, for_all) for (name, plain), (_, for_all) in zip(*pairs)]


# no value for all: scalar() is refused, and what has no series is given to nobody in particular
REFUSED = ["scalar", "scalar_of_many", "right_power", "scalar_comparison"]
ONLY_WITH_ANCHOR = ["no_such_metric_or"]


@pytest.mark.parametrize("profile", ["node", "classic", "promql.yml"])
def test_a_query_for_all_gives_each_machine_its_own_value(servers, tool, end, tmp_path, profile):
    if profile == "promql.yml":  # its windows are for scrapes each second, here they are minutes
        text = open(os.path.join(HERE, profile)).read()
        profile = tmp_path / profile
        profile.write_text(re.sub(r"\[(\d+)s\]", r"[\1m]", text.replace("7500ms", "8m")))
    listed = queries(tool, profile)
    refused = [name for name, _, for_all in listed if for_all.startswith("!")]
    assert refused == [name for name, _, _ in listed if name in REFUSED]
    wrong, finite = [], collections.Counter()
    for k in range(8):
        at = end - 600 - k * 2477  # at samples and between
        for name, plain, for_all in listed:
            if name in refused + ONLY_WITH_ANCHOR:
                continue
            answer = servers["both"].query(for_all, at)
            for instance in TWO:
                alone = number(servers[instance].query(plain, at))
                among = number(answer, instance)
                finite[name] += math.isfinite(alone)
                if not same(alone, among):
                    wrong.append(f"{name} of {instance} at {at}: alone {alone!r}, among others "
                                 f"{among!r}: {for_all}")
                # a server that has only this machine gives the same by either text
                if k == 0 and not same(alone, number(servers[instance].query(for_all, at), instance)):
                    wrong.append(f"{name} of {instance} at {at} by itself: {for_all}")
    assert not wrong, "\n".join(wrong[:20])
    dead = [name for name, _, _ in listed if not finite[name]]
    assert len(dead) < len(listed) / 3, dead  # it is about something
    assert str(profile) not in ("node", "classic") or dead == []


class Source:
    """A prom_source, with what it printed as tuples."""

    def __init__(self, tool, url, profile, interval, backfill, last_ms=None, match=None, share=None):
        command = [tool("prom_source"), url, str(profile), interval, backfill]
        self.process = subprocess.Popen(
            command + ([] if last_ms is None else [str(last_ms)]), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, **({"TOCSIN_MATCH": match} if match else {}),
                 **({"TOCSIN_SHARE": share} if share else {})})
        self.lines = []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(tuple(line.rstrip("\n").split("\t")))

    def of(self, kind, name=None):
        return [line for line in list(self.lines)
                if line[0] == kind and (name is None or line[1] == name)]

    def times(self, name):
        return [int(line[2]) for line in self.of("frame", name)]

    def stop(self):
        """Its statistics; it is asked to end, and does within two seconds."""
        begin = time.monotonic()
        self.process.stdin.close()
        assert self.process.wait(timeout=20) == 0, self.lines[-5:]
        assert time.monotonic() - begin < 2.5
        until(lambda: self.of("stats"), "statistics", 5)
        names = ["requests", "failures", "retries", "halvings", "missing", "frames", "entities",
                 "up"]
        return dict(zip(names, map(int, self.of("stats")[0][1:])))

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def source(tool):
    started = []

    def make(*args, **more):
        started.append(Source(tool, *args, **more))
        return started[-1]

    yield make
    for s in started:
        s.end()


@pytest.fixture
def fake():
    started = []

    def make(answer):
        started.append(Fake(answer))
        return started[-1]

    yield make
    for server in started:
        server.stop()


def fine(path, fields, _):
    return made_up(path, fields)


def test_history_comes_first_in_order_and_then_the_present(source, servers, end):
    s = source(servers["both"].url, "node", "1m", "5h")
    until(lambda: len(s.of("caught_up")) == 2, "both to be caught up", 60)
    stats = s.stop()
    kinds = [line[0] for line in s.lines if line[0] in ("frame", "caught_up")]
    for name in TWO:
        times = s.times(name)
        assert times == sorted(set(times)), "no time twice, all rising"
        assert all(t % 60000 == 0 for t in times)
        assert times[0] <= (end - 5 * 3600 + 120) * 1000
        assert set(b - a for a, b in zip(times, times[1:])) == {60000}
        assert times[-1] >= (end - 60) * 1000
    assert kinds.index("caught_up") >= 2 * 5 * 60 - 4
    progress = [(int(a), int(b)) for _, a, b in s.of("progress")]
    assert progress[0][0] < progress[0][1] and any(a == b for a, b in progress)
    assert stats["frames"] == len(s.of("frame")) and stats["entities"] == 2 and stats["up"] == 1
    assert stats["failures"] == stats["missing"] == 0
    # a profile's worth of features in each frame
    assert {len(line) for line in s.of("frame")} == {len(s.of("frame")[0])}


def test_both_servers_give_the_same_history(source, servers, rows, end, tmp_path):
    need("victoria-metrics")
    victoria = Victoria(str(tmp_path / "v")).start().load(rows)
    try:
        tables = []
        for url in (servers["both"].url, victoria.url):
            s = source(url, "node", "1m", "4h")
            until(lambda: len(s.of("caught_up")) == 2, "both to be caught up", 60)
            s.stop()
            tables.append({(line[1], int(line[2])): [float(v) for v in line[3:]]
                           for line in s.of("frame")})
        ours, theirs = tables
        common = set(ours) & set(theirs)
        assert len(common) > 2 * 4 * 60 - 8
        far = 0
        for key in common:
            settled = 300 < key[1] // 1000 % 3600 and key[1] < (end - 60) * 1000
            for a, b in zip(ours[key], theirs[key]):
                if math.isnan(a) != math.isnan(b) or abs(a - b) > 1e-4 * max(abs(a), abs(b), 1e-6):
                    far += 1
                    assert not settled, (key, a, b)
        assert far < len(common) * 5
    finally:
        victoria.stop()


def test_what_is_known_from_an_earlier_run_is_not_asked_for(source, servers, end):
    last = (end - 1800) * 1000
    s = source(servers["both"].url, "classic", "1m", "5h", last_ms=last)
    until(lambda: len(s.of("caught_up")) == 2, "both to be caught up", 60)
    s.stop()
    for name in TWO:
        assert s.times(name)[0] == last + 60000


def test_matchers_choose_whom_to_watch(source, servers):
    s = source(servers["both"].url, "classic", "1m", "10m", match='instance=~"db2:.*"')
    until(lambda: s.of("caught_up"), "somebody to be caught up", 60)
    assert s.stop()["entities"] == 1
    assert {line[1] for line in s.of("frame")} == {TWO[1]}


def test_limits_of_the_server_are_kept_to(source, rows, tmp_path):
    server = Prometheus(str(tmp_path / "p"), "--query.max-samples=2000").load(rows).start()
    try:
        s = source(server.url, "node", "1m", "5h")
        until(lambda: len(s.of("caught_up")) == 2, "both to be caught up", 120)
        stats = s.stop()
        assert stats["halvings"] > 0 and stats["missing"] == stats["failures"] == 0
        assert all(len(s.times(name)) > 290 for name in TWO)
    finally:
        server.stop()


def test_a_server_that_fails_in_between_loses_and_doubles_nothing(source, fake):
    calls = []

    def answer(path, fields, headers):
        calls.append(path)
        if len(calls) in (9, 11, 12):  # classic is eight queries: who is there, then the past
            return refusal(503, "unavailable", "not now")
        return made_up(path, fields)

    s = source(fake(answer).url, "classic", "1s", "5m")
    until(lambda: len(s.of("caught_up")) == 2, "both to be caught up", 60)
    until(lambda: len(s.times("a")) > 302, "the present", 20)
    assert s.stop()["failures"] == 3
    times = s.times("a")
    assert set(b - a for a, b in zip(times, times[1:])) == {1000}
    assert [line[3] for line in s.of("stale", "a")] == ["unavailable: not now"], \
        "stale once, until its next frame"
    assert ("said", "0", "the Prometheus server answers again") in s.lines


def test_a_feature_that_cannot_be_evaluated_is_missing_and_told_once(source, fake):
    def answer(path, fields, headers):
        if "node_procs_running" in fields["query"]:
            return refusal(422, "execution", "found duplicate series")
        return made_up(path, fields)

    s = source(fake(answer).url, "classic", "1s", "1m")
    until(lambda: len(s.times("b")) > 64, "frames", 30)
    stats = s.stop()
    assert all(line[3 + 6] == "nan" and line[3] != "nan" for line in s.of("frame"))
    assert stats["missing"] > 3 and stats["failures"] == 0
    told = [line for line in s.of("said") if "active_processes" in line[2]]
    assert len(told) == 1 and "found duplicate series" in told[0][2]


def test_who_goes_is_stale_and_who_comes_begins_with_the_present(source, fake):
    here = ["a", "b"]

    def answer(path, fields, headers):
        return made_up(path, fields, instances=tuple(here))

    s = source(fake(answer).url, "classic", "1s", "30s")
    until(lambda: len(s.of("caught_up")) == 2, "both to be caught up", 30)
    until(lambda: len(s.times("a")) > 32, "the present", 20)
    here[:] = ["a", "c"]
    until(lambda: s.times("c"), "the new one", 20)
    until(lambda: s.of("stale"), "the old one", 20)
    time.sleep(2.5)
    assert [line[1:2] + line[3:] for line in s.of("stale")] == [
        ("b", "the server has no samples of it")]
    assert [line[1] for line in s.of("caught_up")] == ["a", "b", "c"]
    assert min(s.times("c")) > max(s.times("b"))
    here[:] = ["a", "b", "c"]
    n = len(s.times("b"))
    until(lambda: len(s.times("b")) > n, "the old one again", 20)
    s.stop()


def test_a_server_without_the_profiles_series_is_waited_for(source, fake):
    empty = [True]

    def answer(path, fields, headers):
        return success("vector" if path.endswith("query") else "matrix", []) if empty[0] \
            else made_up(path, fields)

    s = source(fake(answer).url, "classic", "1s", "30s")
    until(lambda: s.of("said"), "a sentence", 20)
    assert s.of("said")[0][2] == "the server has no series of the profile yet"
    empty[0] = False
    until(lambda: len(s.of("caught_up")) == 2, "both to be caught up", 20)
    s.stop()


@pytest.fixture(scope="module")
def scraping(tmp_path_factory):
    """A Prometheus that scrapes one Node Exporter under two names each second, since a while."""
    need("prometheus", "prometheus-node-exporter")
    folder, port = tmp_path_factory.mktemp("scraping"), free_port()

    def start_exporter():
        with open(folder / "exporter.log", "ab") as log:
            server.exporter = subprocess.Popen(
                ["prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{port}"], stdout=log,
                stderr=log)

    server = Prometheus(str(folder / "p"), config=SCRAPES.format(port=port)).start()
    server.start_exporter = start_exporter
    start_exporter()
    until(lambda: number(server.query('count_over_time(up{instance="one"}[5m])')) > 20,
          "samples", 60)
    yield server
    server.stop()
    if server.exporter.poll() is None:
        server.exporter.terminate()
        server.exporter.wait()


def test_a_server_that_is_away_makes_all_stale_and_the_gap_is_filled(source, scraping):
    proxy = Proxy(scraping.port)
    s = source(proxy.url, "node", "1s", "1m")
    until(lambda: len(s.of("caught_up")) == 2, "both to be caught up", 60)
    n = len(s.times("two"))
    until(lambda: len(s.times("two")) > n + 2, "the present", 20)

    proxy.cut()
    until(lambda: len(s.of("stale")) >= 2, "both to be stale", 20)
    assert sorted(line[1] for line in s.of("stale")) == ["one", "two"]
    assert all(line[3] == "connection refused" or "closed" in line[3] or "reset" in line[3]
               for line in s.of("stale")), s.of("stale")
    time.sleep(5)
    n = len(s.times("one"))
    proxy.mend()
    until(lambda: len(s.times("one")) > n + 8, "the gap", 40)
    stats = s.stop()
    proxy.cut()
    for name in ("one", "two"):
        times = s.times(name)
        assert set(b - a for a, b in zip(times, times[1:])) == {1000}, "nothing is left out"
    assert len(s.of("stale")) == 2 and stats["failures"] >= 1 and stats["up"] == 1


def test_who_is_like_whom_is_told_before_the_first_frame(source, scraping):
    s = source(scraping.url, "node", "1s", "10s", match='job=~"one|two"', share="role")
    until(lambda: len(s.of("caught_up")) == 2, "both to be caught up", 60)
    assert [line[1:] for line in s.of("group")] == [("one", 'a "db"')]  # the other has no such label
    kinds = [line[0] for line in s.lines]
    assert kinds.index("group") < kinds.index("frame")


def test_an_exporter_that_dies_makes_its_machine_stale(source, scraping):
    s = source(scraping.url, "node", "1s", "10s")
    until(lambda: len(s.of("caught_up")) == 2, "both to be caught up", 60)
    scraping.exporter.send_signal(signal.SIGKILL)
    scraping.exporter.wait()
    until(lambda: len(s.of("stale")) >= 2, lambda: f"both to be stale: {s.lines[-12:]}", 30)
    assert {line[3] for line in s.of("stale")} == {"the server has no samples of it"}
    last = max(s.times("one"))
    time.sleep(3)
    assert max(s.times("one")) == last, "no frame is made up"
    s.stop()
    scraping.start_exporter()
    rates = 'count(rate(node_cpu_seconds_total{cpu="0",mode="idle"}[5s]))'
    until(lambda: number(scraping.query(rates)) == 2, "both to be scraped again", 30)


def test_a_server_that_is_killed_comes_back(source, scraping):
    s = source(scraping.url, "classic", "1s", "10s")
    until(lambda: len(s.of("caught_up")) == 2, "both to be caught up", 60)
    scraping.stop(kill=True)
    until(lambda: len(s.of("stale")) == 2, "both to be stale", 20)
    n = len(s.times("one"))
    scraping.start()
    until(lambda: len(s.times("one")) > n + 3, "frames again", 60)
    s.stop()
    times = s.times("one")
    assert times == sorted(set(times))


def test_the_last_values_of_a_machine_that_went_are_no_frames(source, fake):
    """Without a marker servers go on giving a gauge's last value for minutes; its age tells."""
    gone = []

    def answer(path, fields, headers):
        status, more, body = made_up(path, fields)
        if "timestamp(" in fields["query"] and gone:
            for element in body["data"]["result"]:
                if element["metric"]["instance"] == "b":
                    element["value"][1] = "91"
        return status, more, body

    s = source(fake(answer).url, "classic", "1s", "10s")
    until(lambda: len(s.of("caught_up")) == 2, "both to be caught up", 30)
    gone.append(True)
    until(lambda: s.of("stale"), "the one that went", 20)
    n = len(s.times("a"))
    last = max(s.times("b"))
    until(lambda: len(s.times("a")) > n + 1, "the other one", 20)
    assert max(s.times("b")) == last
    assert [line[1] for line in s.of("stale")] == ["b"]
    s.stop()
