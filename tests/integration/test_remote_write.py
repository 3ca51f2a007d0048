# SPDX-License-Identifier: Apache-2.0
"""Samples that are pushed: by an encoder of other people's making, by curl, and by real Prometheus and
vmagent, with receivers that are killed, restarted and full. The receiver is tests/tools/push_demo."""
import math
import random
import subprocess
import time
import urllib.error
import urllib.request

import pytest

import write_messages as wm
from senders import Exporter, Prometheus, Receiver, Vmagent, until

SETTLED_S = 7  # a first tick waits six seconds for the rest of its time
T0 = 1740088500000


@pytest.fixture
def receiver(tool, tmp_path):
    """receiver(option...) starts a push_demo; stopped at the end of the test."""
    started = []

    def make(*options):
        started.append(Receiver(tool("push_demo"), tmp_path, *options).start())
        return started[-1]

    yield make
    for r in started:
        assert r.stop() == 0


@pytest.fixture
def programs():
    """programs(class, argument...): a process that is stopped at the end of the test."""
    started = []

    def make(kind, *arguments):
        started.append(kind(*arguments))
        return started[-1]

    yield make
    for p in reversed(started):
        p.stop()


def post(port, body, content_type=wm.V1, encoding="snappy", **headers):
    """(status, headers, body)"""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/v1/write", data=body, method="POST")
    if content_type:
        request.add_header("Content-Type", content_type)
    if encoding:
        request.add_header("Content-Encoding", encoding)
    for name, value in headers.items():
        request.add_header(name, value)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.headers, refusal.read().decode()


def curl(port, *arguments):
    """(status, body) of a request by curl."""
    p = subprocess.run(["curl", "-s", "-w", "\n%{http_code}", *arguments,
                        f"http://127.0.0.1:{port}/api/v1/write"],
                       capture_output=True, text=True, timeout=60)
    body, status = p.stdout.rsplit("\n", 1)
    return int(status), body


def labels(name, instance="h", **more):
    return {"__name__": name, "instance": instance, **more}


@pytest.mark.parametrize("protocol", [1, 2])
def test_bodies_of_another_encoder_become_ticks(receiver, protocol):
    """Random series and times: each tick has exactly the values that were sent for its time."""
    rng = random.Random(protocol)
    names = [f"m{i}" for i in range(50)]
    shown = [word for name in names[:16] for word in ("--show", name)]
    r = receiver("--interval", 1000, *shown)
    expected = {}
    for step in range(30):
        ms = T0 + step * 1000 + rng.randrange(100)
        values = {name: rng.choice([rng.random(), rng.randrange(10**6), -0.0, 1e300, math.inf])
                  for name in names}
        series = [(labels(name, device=f"d{i}", mode="x" * (i * 7)), [(v, ms)])
                  for i, (name, v) in enumerate(values.items())]
        expected[ms] = values
        rng.shuffle(series)
        cut = rng.randrange(len(series))  # in two requests
        for part in series[:cut], series[cut:]:
            request = (wm.body_1 if protocol == 1 else wm.body_2)(part)
            status, headers, body = post(r.port, wm.pack(request), wm.V1 if protocol == 1 else wm.V2)
            assert (status, body) == (204, "")
            assert headers["X-Prometheus-Remote-Write-Samples-Written"] == str(len(part))
            assert headers["X-Prometheus-Remote-Write-Histograms-Written"] == "0"
            assert headers["X-Prometheus-Remote-Write-Exemplars-Written"] == "0"
    until(lambda: len(r.ticks()) == 30, "30 ticks", SETTLED_S + 5)
    for ms, values in expected.items():
        live, found = r.ticks()[ms]
        assert live == 50
        assert found == {name: values[name] for name in names[:16]}


def test_stale_markers_metadata_and_exemplars_by_another_encoder(receiver):
    r = receiver("--interval", 1000)
    request = wm.body_1([(labels("a"), [(1, T0)]), (labels("b"), [(2, T0)])])
    request.metadata.add(type=1, metric_family_name="a", help="x" * 1000)
    request.timeseries[0].exemplars.add(value=1, timestamp=T0).labels.add(name="trace_id", value="1")
    assert post(r.port, wm.pack(request))[0] == 204
    until(lambda: r.ticks(), "a tick", SETTLED_S + 5)
    assert post(r.port, wm.pack(wm.body_1([(labels("a"), [(3, T0 + 1000)]),
                                           (labels("b"), [(wm.STALE, T0 + 1000)])])))[0] == 204
    assert post(r.port, wm.pack(wm.body_1([(labels("a"), [(wm.STALE, T0 + 2000)])])))[0] == 204
    assert [(line[0], *line[2:]) for line in r.lines()] == [
        ("tick", T0, "2"), ("tick", T0 + 1000, "1"),
        ("stale", T0 + 2000, "all its series were marked stale")]


def test_native_histograms_are_said_not_to_be_taken(receiver):
    r = receiver()
    request = wm.body_2([(labels("a"), [(1, T0)]), (labels("h"), [])])
    request.timeseries[1].histograms.add(count_int=3, sum=5, timestamp=T0)
    status, headers, body = post(r.port, wm.pack(request), wm.V2)
    assert status == 400 and "1 native histograms" in body
    assert headers["X-Prometheus-Remote-Write-Samples-Written"] == "1"
    assert headers["X-Prometheus-Remote-Write-Histograms-Written"] == "0"
    assert headers["Retry-After"] is None


def test_careless_and_hostile_requests_get_a_sentence(receiver, tmp_path):
    r = receiver("--limit", 100000)
    good = wm.pack(wm.body_1([(labels("a"), [(1, T0)])]))
    twice = wm.WriteRequest.FromString(b"")
    s = twice.timeseries.add()
    for name in ("__name__", "a", "a"):
        s.labels.add(name=name, value="x")
    bomb = wm.snappy.compress(b"\0" * 200000)
    refused = {
        "empty": (b"", {}, 400, "Snappy"),
        "not snappy": (b"hello, world", {}, 400, "Snappy"),
        "cut off": (good[:-3], {}, 400, "Snappy"),
        "no protobuf": (wm.snappy.compress(b"\x0a\x7f"), {}, 400, "byte 0: what should be a time series"),
        "group": (wm.snappy.compress(b"\x0b" * 1000), {}, 400, "no protobuf"),
        "bomb": (bomb, {}, 400, "unpacks to 200000 bytes, where at most 100000 are taken"),
        "lie": (b"\xff\xff\xff\xff\x0f" + b"\0" * 10, {}, 400, "where at most 100000"),
        "label twice": (wm.pack(twice), {}, 400, "label 'a' comes twice"),
        "json": (good, {"content_type": "application/json"}, 415, "application/x-protobuf"),
        "other message": (good, {"content_type": wm.V1 + ";proto=a.B"}, 415, "application/x-protobuf"),
        "zstd": (good, {"encoding": "zstd"}, 415, "snappy"),
        "too long": (b"x" * 100001, {}, 400, "100001 bytes, where at most 100000"),
    }
    for what, (body, how, status, sentence) in refused.items():
        found, headers, text = post(r.port, body, **how)
        assert (found, sentence in text) == (status, True), f"{what}: {found} {text}"
        assert headers["Retry-After"] is None, what
    file = tmp_path / "body"
    file.write_bytes(good)
    data = ["--data-binary", f"@{file}"]
    head = ["-H", f"Content-Type: {wm.V1}", "-H", "Content-Encoding: snappy"]
    assert curl(r.port, *head, *data)[0] == 204
    status, body = curl(r.port, *head, "-H", "Transfer-Encoding: chunked", *data)
    assert status == 411 and "Content-Length" in body
    assert curl(r.port, *head)[0] == 405  # GET
    assert curl(r.port, "-X", "PUT", *head, *data)[0] == 405
    assert curl(r.port, *head, "-H", "Host: evil.example", *data)[0] == 421
    assert curl(r.port, *head, *data)[0] == 204  # and it still works
    # without a type and an encoding it is what early senders send
    assert curl(r.port, "-H", "Content-Type:", *data)[0] == 204
    metrics = r.metrics()
    assert 'tocsin_remote_write_requests_total{result="refused"}' in metrics
    assert 'tocsin_remote_write_samples_total{result="taken"}' in metrics


def test_nothing_is_received_where_no_source_asks_for_it(tool):
    demo = subprocess.Popen([tool("serve_demo"), "quiet"], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)
    try:
        port = int(demo.stdout.readline())
        assert post(port, b"")[0] == 404
        assert post(port, b"x")[0] == 404
    finally:
        demo.stdin.close()
        demo.wait(timeout=20)


def test_prometheus_s_samples_become_ticks_of_the_same_values(receiver, programs, tmp_path):
    r = receiver("--interval", 1000, "--profile", "node", "--show", "node_context_switches_total",
                 "--show", "node_load1", "--show", "node_memory_MemAvailable_bytes")
    exporter = programs(Exporter, tmp_path)
    p = programs(Prometheus, tmp_path, exporter, r.port)
    until(lambda: len(r.ticks(exporter.instance)) >= 15, "fifteen ticks", 60)
    ticks = r.ticks(exporter.instance)
    for metric in ("node_context_switches_total", "node_load1", "node_memory_MemAvailable_bytes"):
        truth = p.samples(f"{metric}[5m]")
        for ms, (_, shown) in ticks.items():
            assert shown[metric] == truth[ms], f"{metric} at {ms}"
    assert list(ticks) == sorted(ticks)
    # each scrape from the first to the last tick is there
    scrapes = [ms for ms in p.samples('up{job="node"}[5m]') if min(ticks) <= ms <= max(ticks)]
    assert sorted(scrapes) == sorted(ticks)
    assert p.metric("prometheus_remote_storage_samples_failed_total") == 0
    assert p.metric("prometheus_remote_storage_samples_retried_total") == 0
    assert "level=error" not in p.log() and "level=warn" not in p.log()

    exporter.stop()  # the target is lost: Prometheus marks its series stale
    until(lambda: any(line[0] == "stale" for line in r.lines()), "a stale entity", 30)


@pytest.mark.parametrize("sender", [Prometheus, Vmagent])
def test_a_receiver_that_is_killed_misses_nothing_that_the_sender_keeps(receiver, programs, tmp_path,
                                                                      sender):
    r = receiver("--interval", 1000, "--profile", "node", "--show", "node_time_seconds")
    exporter = programs(Exporter, tmp_path)
    p = programs(sender, tmp_path, exporter, r.port)
    until(lambda: len(r.ticks()) >= 10, "ten ticks", 60)
    usual = max(live for live, _ in r.ticks().values())
    r.kill()
    before = max(r.ticks())
    killed = time.time() * 1000
    time.sleep(12)
    r.start()
    back = time.time() * 1000
    until(lambda: max(r.ticks()) > back + 3000, "ticks of the present", 90)
    ticks = r.ticks()
    # what the sender could not deliver: all that it scraped while nobody listened, and since
    kept = [ms for ms in ticks if ms > killed]
    steps = [b - a for a, b in zip(sorted(kept), sorted(kept)[1:])]
    assert steps and max(steps) < 1900, f"a scrape is missing: {steps}"
    assert min(kept) < killed + 1900
    if sender is Prometheus:
        scrapes = [ms for ms in p.samples('up{job="node"}[5m]') if min(ticks) <= ms <= max(ticks)]
        missing = sorted(set(scrapes) - set(ticks))
        # acknowledged, and waiting for the rest of its time when the kill came: docs/remote_write.md
        assert len(missing) <= 2 and all(before < ms <= killed for ms in missing), missing
    partial = [ms for ms in kept if ticks[ms][0] < usual * 0.9]
    assert len(partial) <= 1, f"ticks with few series: {partial}"


def test_a_full_receiver_loses_nothing(receiver, programs, tmp_path):
    full = tmp_path / "full"
    r = receiver("--interval", 1000, "--profile", "node", "--full", full)
    exporter = programs(Exporter, tmp_path)
    p = programs(Prometheus, tmp_path, exporter, r.port)
    until(lambda: len(r.ticks()) >= 5, "five ticks", 60)
    full.touch()
    time.sleep(10)
    assert p.metric("prometheus_remote_storage_samples_retried_total") > 0
    full.unlink()
    free = time.time() * 1000
    until(lambda: max(r.ticks()) > free + 2000, "ticks of the present", 60)
    ticks = r.ticks()
    scrapes = [ms for ms in p.samples('up{job="node"}[5m]') if min(ticks) <= ms <= max(ticks)]
    assert sorted(scrapes) == sorted(ticks)
    assert p.metric("prometheus_remote_storage_samples_failed_total") == 0


def test_vmagent_s_samples_become_ticks(receiver, programs, tmp_path):
    r = receiver("--interval", 1000, "--profile", "node", "--show", "node_load1")
    exporter = programs(Exporter, tmp_path)
    usage = subprocess.run(["vmagent", "-help"], capture_output=True, text=True, timeout=30)
    more = ["-remoteWrite.forcePromProto"] if "forcePromProto" in usage.stdout + usage.stderr else []
    p = programs(Vmagent, tmp_path, exporter, r.port, *more)
    until(lambda: len(r.ticks(exporter.instance)) >= 10, "ten ticks", 60)
    ticks = r.ticks(exporter.instance)
    assert all("node_load1" in shown for _, shown in ticks.values())
    assert list(ticks) == sorted(ticks)
    assert p.metric("vmagent_remotewrite_packets_dropped_total") == 0
    assert p.metric("vmagent_remotewrite_retries_count_total") == 0
