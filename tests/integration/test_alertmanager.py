# SPDX-License-Identifier: Apache-2.0
"""Alerts to Alertmanager: real members in a cluster, and stand-ins that are down, slow or rude."""
import base64
import os
import signal
import sqlite3
import subprocess
import time

import pytest

from alertmanagers import (Alertmanager, Hook, RawServer, StandIn, free_ports, needs_alertmanager,
                           seconds_of, wait_for)


class Demo:
    """tests/tools/alert_demo.c: the receivers of alerts without the watching."""

    def __init__(self, program, folder, *options):
        self.command = [program, "--data", os.path.join(folder, "data"), *options]
        self.log_path = os.path.join(folder, "log")
        self.database = os.path.join(folder, "data", "tocsin.db")
        self.process = None

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stderr=log,
                                            stdout=subprocess.PIPE, text=True)
        return self

    def say(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        assert answer, self.log()
        return answer

    def counters(self):
        words = self.say("counters").split()
        return dict(zip(words[::2], map(int, words[1::2])))

    def outbox(self):
        """(start_ms, kind, end_ms, receiver, state) of what is owed."""
        db = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)
        try:
            return db.execute("SELECT start_ms, kind, end_ms, receiver, state FROM outbox"
                              " JOIN incidents ON id = incident").fetchall()
        finally:
            db.close()

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def stop(self):
        """As asked to end; how many seconds it took."""
        began = time.monotonic()
        if self.process.poll() is None:
            self.process.stdin.close()
            assert self.process.wait(timeout=30) == 0, self.log()
        return time.monotonic() - began

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=10)


@pytest.fixture
def make_demo(tool, tmp_path):
    started = []

    def make(*options, start=True):
        started.append(Demo(tool("alert_demo"), str(tmp_path), *options))
        return started[-1].start() if start else started[-1]

    yield make
    for demo in started:
        if demo.process and demo.process.poll() is None:
            demo.stop()


@pytest.fixture
def hook():
    h = Hook()
    yield h
    h.stop()


@pytest.fixture
def make_members(tmp_path, hook):
    """make_members(n): n Alertmanagers in one cluster, started; with start=False not yet."""
    needs_alertmanager()
    made = []

    def make(n, start=True, **more):
        ports = free_ports(2 * n)
        for i in range(n):
            made.append(Alertmanager(str(tmp_path / f"am{i}"), ports[2 * i], ports[2 * i + 1],
                                     ports[1:2 * i:2], hook.url, **more))
            if start:
                made[-1].start()
        if start and n > 1:
            for m in made:
                wait_for(lambda: m.peers() == n, what="the cluster to form")
        return made

    yield make
    for m in made:
        m.stop()


@pytest.fixture
def make_server():
    made = []

    def make(server):
        made.append(server)
        return server

    yield make
    for s in made:
        s.stop()


def urls(servers):
    return [word for s in servers for word in ("--url", s.url)]


def the_alert(member, *words):
    """The only active alert of a member, or None."""
    alerts = member.query(*words)
    assert len(alerts) <= 1, alerts
    return alerts[0] if alerts else None


# ---- the real thing ----

def test_every_member_shows_labels_and_annotations(make_members, make_demo):
    members = make_members(2)
    demo = make_demo(*urls(members), "--label", "team=storage", "--label", "severity=page",
                     "--external-url", "https://tocsin.example/ops", "web1")
    before = time.time()
    demo.say("open", "web1", "departure", 31.07)
    for member in members:
        alert = wait_for(lambda: the_alert(member), seconds=10, what="the alert")
        assert alert["labels"] == {"alertname": "TocsinAnomaly", "instance": "web1",
                                   "kind": "departure", "severity": "page", "team": "storage"}
        notes = alert["annotations"]
        assert notes["summary"] == \
            "web1: anomaly, score 31.07 over the threshold 6.42, mostly cpu_busy_ratio"
        assert "cpu_busy_ratio 97.3 %, expected 12.1 % (58 %)" in notes["description"]
        assert "disk_write_bytes 35.1 MiB/s, expected 977 KiB/s" in notes["description"]
        assert notes["causes"] == "cpu_busy_ratio, disk_write_bytes"
        assert (notes["score"], notes["threshold"]) == ("31.07", "6.42")
        assert alert["generatorURL"] == "https://tocsin.example/ops/?instance=web1"
        assert before - 1 < seconds_of(alert["startsAt"]) < time.time() + 1
        ends_in = seconds_of(alert["endsAt"]) - time.time()
        assert 200 < ends_in <= 240  # four times the resend of a minute
        assert alert["status"]["state"] in ("active", "unprocessed")
    assert the_alert(members[0], "instance=web1", "team=storage")
    assert not the_alert(members[0], "instance=web2")


def test_refreshes_keep_it_firing_and_a_dead_tocsin_lets_it_end(make_members, make_demo, hook):
    members = make_members(2)
    demo = make_demo(*urls(members), "--resend", "1s", "web1")
    demo.say("open", "web1", "departure", 20)
    for member in members:
        first = wait_for(lambda: the_alert(member), seconds=10, what="the alert")
        assert seconds_of(first["endsAt"]) - time.time() <= 4
    demo.say("update", "web1", "departure", 25)
    time.sleep(7)
    for member in members:
        later = the_alert(member)
        assert seconds_of(later["endsAt"]) > time.time() + 1
        assert later["startsAt"] == first["startsAt"]
        assert later["annotations"]["score"] == "25"
    assert hook.heard("firing", "web1") and not hook.heard("resolved", "web1")
    demo.kill()
    for member in members:
        wait_for(lambda: not the_alert(member), seconds=10, what="the end that it was sent with")


def test_close_resolves_and_the_webhook_hears_both(make_members, make_demo, hook):
    members = make_members(2)
    demo = make_demo(*urls(members), "web1")
    demo.say("open", "web1", "slow", 1.5)
    wait_for(lambda: hook.heard("firing", "web1"), what="the webhook")
    assert hook.heard("firing", "web1")[0]["labels"]["kind"] == "slow"
    assert hook.heard("firing", "web1")[0]["labels"]["severity"] == "info"
    wait_for(lambda: {r[4] for r in demo.outbox()} == {"sent"}, what="the outbox")
    closed = time.time()
    demo.say("close", "web1", "slow")
    for member in members:
        wait_for(lambda: not the_alert(member), seconds=10, what="the end")
    resolved = wait_for(lambda: hook.heard("resolved", "web1"), what="the webhook")
    assert abs(seconds_of(resolved[0]["endsAt"]) - closed) < 2
    wait_for(lambda: demo.outbox() == [], what="an empty outbox")
    assert demo.counters()["failed"] == 0


def test_the_next_incident_fires_again_at_once(make_members, make_demo, hook):
    member, = make_members(1)
    demo = make_demo(*urls([member]), "--resend", "1s", "web1")
    demo.say("open", "web1", "departure", 20)
    first = wait_for(lambda: the_alert(member), seconds=10, what="the alert")
    demo.say("close", "web1", "departure")
    wait_for(lambda: hook.heard("resolved", "web1"), what="the end")
    demo.say("open", "web1", "departure", 40)
    second = wait_for(lambda: the_alert(member), seconds=10, what="the second alert")
    assert second["startsAt"] > first["startsAt"]
    time.sleep(3)  # the end of the first is told no more: it would end the second
    assert the_alert(member)["annotations"]["score"] == "40"


def test_a_silence_and_an_inhibition_mute_it(make_members, make_demo, hook):
    member, = make_members(1, group_wait="2s")
    member.amtool("silence", "add", "--author=test", "--comment=planned", "--duration=1h",
                  "alertname=TocsinAnomaly", "instance=web1")
    later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    member.amtool("alert", "add", f"--end={later}", "alertname=HostDown", "instance=web2")
    demo = make_demo(*urls([member]), "web1", "web2", "web3")
    for name in ("web1", "web2", "web3"):
        demo.say("open", name, "departure", 20)
    wait_for(lambda: hook.heard("firing", "web3"), what="the one that nobody muted")

    def states():
        found = {a["labels"]["instance"]: a["status"]
                 for a in member.query("--silenced", "--inhibited", "--active", "--unprocessed",
                                       "alertname=TocsinAnomaly")}
        return found if len(found) == 3 else None

    found = wait_for(states, what="all three")
    assert found["web1"]["state"] == "suppressed" and found["web1"]["silencedBy"]
    assert found["web2"]["state"] == "suppressed" and found["web2"]["inhibitedBy"]
    assert found["web3"]["state"] == "active"
    assert [a["labels"]["instance"] for a in member.query("alertname=TocsinAnomaly")] == ["web3"]
    time.sleep(3)
    assert not [a for a in hook.heard("firing", "web1") + hook.heard("firing", "web2")
                if a["labels"]["alertname"] == "TocsinAnomaly"]


def test_a_crash_while_it_rings_is_resolved_by_the_next_start(make_members, make_demo, hook):
    members = make_members(2)
    demo = make_demo(*urls(members), "--resend", "3s", "web1")
    demo.say("open", "web1", "departure", 20)
    wait_for(lambda: hook.heard("firing", "web1"), what="the webhook")
    wait_for(lambda: len(demo.outbox()) == 2, what="the outbox")
    demo.kill()
    assert len(demo.outbox()) == 2
    assert the_alert(members[0]) and the_alert(members[1])
    demo.start()
    for member in members:
        wait_for(lambda: not the_alert(member), seconds=10, what="the end")
    resolved = wait_for(lambda: hook.heard("resolved", "web1"), what="the webhook")
    assert "cpu_busy_ratio 97.3 %" in resolved[0]["annotations"]["description"]
    wait_for(lambda: demo.outbox() == [], what="an empty outbox")


def test_a_member_that_comes_late_hears_all_the_same(make_members, make_demo):
    first, late = make_members(2, start=False)
    first.start()
    demo = make_demo(*urls([first, late]), "web1")
    demo.say("open", "web1", "departure", 20)
    wait_for(lambda: the_alert(first), seconds=5, what="the member that is up")
    wait_for(lambda: demo.counters()["failed"] >= 2, what="failures")
    late.start()
    wait_for(lambda: the_alert(late), seconds=35, what="the member that came late")
    log = demo.log()
    assert log.count("alerts are not taken") == 1 and "connection refused" in log
    assert log.count("alerts are taken again") == 1


# ---- members that are no good ----

def test_members_that_are_down_or_slow_hold_up_nobody(make_server, make_demo):
    good = make_server(StandIn())
    hanging, rude = make_server(RawServer()), make_server(RawServer(b"\x00SSH-2.0\r\n\r\n" * 50))
    down = f"http://127.0.0.1:{free_ports(1)[0]}"
    demo = make_demo("--url", down, *urls([hanging, rude, good]), "--timeout", "20s", "web1",
                     "web2")
    began = time.monotonic()
    demo.say("open", "web1", "departure", 20)
    assert time.monotonic() - began < 1  # whoever tells is not held up either
    wait_for(lambda: good.seen("web1"), seconds=3, step=0.02, what="the good one")
    demo.say("open", "web2", "departure", 20)
    wait_for(lambda: good.seen("web2"), seconds=3, step=0.02, what="the good one")
    wait_for(lambda: demo.log().count("alerts are not taken") == 2, what="words about two of them")
    assert hanging.connections == 1  # still at its first request
    took = demo.stop()
    assert took < 8, f"ending took {took} s"


def test_what_failed_is_sent_again_ever_less_often(make_server, make_demo):
    answers = [(500, b"no\n", {}), (503, b"", {}), (302, b"", {"Location": "http://127.0.0.1:1/"}),
               (404, b"<html>", {})]
    server = make_server(StandIn(lambda alerts, headers: answers.pop(0) if answers
                                 else (200, b"", {})))
    demo = make_demo(*urls([server]), "web1")
    demo.say("open", "web1", "departure", 20)
    wait_for(lambda: demo.counters()["sent"] == 1, what="the fifth try")
    assert len(server.requests) == 5
    gaps = [b - a for a, b in zip(server.times, server.times[1:])]
    assert 0.4 < gaps[0] < 1.6 and gaps[3] > gaps[0]
    assert demo.counters() == {"sent": 1, "failed": 4, "refused": 0, "dropped": 0}
    assert "answers with status 500: no" in demo.log()
    time.sleep(1)
    assert len(server.requests) == 5  # taken is taken, until the resend


def test_retry_after_is_heeded(make_server, make_demo):
    answers = [(429, b"", {"Retry-After": "4"})]
    server = make_server(StandIn(lambda alerts, headers: answers.pop(0) if answers
                                 else (200, b"", {})))
    demo = make_demo(*urls([server]), "web1")
    demo.say("open", "web1", "departure", 20)
    wait_for(lambda: len(server.requests) == 2, what="the second try")
    assert server.times[1] - server.times[0] > 3.5


def test_one_alert_that_is_refused_does_not_cost_the_others(make_server, make_demo):
    def answer(alerts, headers):
        bad = any(a["labels"]["instance"] == "poison" for a in alerts)
        return (400, b'"bad label"\n', {}) if bad else (200, b"", {})

    slow = [1]
    server = make_server(StandIn(lambda alerts, headers: (503, b"", {}) if slow and not slow.clear()
                                 else answer(alerts, headers)))
    names = [f"web{i}" for i in range(40)] + ["poison"] + [f"db{i}" for i in range(40)]
    demo = make_demo(*urls([server]), *names)
    for name in names:  # together, after the first failure
        demo.say("open", name, "departure", 20)
    wait_for(lambda: demo.counters()["sent"] >= 80, what="all the others")
    assert demo.counters()["refused"] == 1
    assert max(map(len, server.requests)) == 64  # as many as Prometheus puts in a request
    assert "bad label" in demo.log()
    alone = [r for r in server.requests if len(r) == 1 and r[0]["labels"]["instance"] == "poison"]
    assert len(alone) == 1


def test_a_server_that_refuses_everything_is_left_alone(make_server, make_demo):
    server = make_server(StandIn(lambda alerts, headers: (400, b"what?", {})))
    names = [f"web{i}" for i in range(100)]
    demo = make_demo(*urls([server]), *names)
    for name in names:
        demo.say("open", name, "departure", 20)
    time.sleep(3)
    assert len(server.requests) < 30
    assert demo.counters()["sent"] == 0


def test_garbage_after_a_good_status_is_taken_as_good(make_server, make_demo):
    server = make_server(StandIn(lambda alerts, headers: (200, os.urandom(1000), {})))
    endless = make_server(StandIn(lambda alerts, headers: (200, b"x" * 1000000, {})))
    demo = make_demo(*urls([server, endless]), "web1")
    demo.say("open", "web1", "departure", 20)
    wait_for(lambda: demo.counters()["sent"] == 1, what="the status that counts")
    wait_for(lambda: "answers more than" in demo.log(), what="words about the long one")


def test_a_password_is_sent_and_a_wrong_one_is_tried_again(make_server, make_demo):
    right = "Basic " + base64.b64encode(b"tocsin:s3cret:x").decode()
    allowed = []
    server = make_server(StandIn(lambda alerts, headers: (
        200 if allowed and headers["Authorization"] == right else 401, b"", {})))
    demo = make_demo(*urls([server]), "--user", "tocsin:s3cret:x", "web1")
    demo.say("open", "web1", "departure", 20)
    wait_for(lambda: demo.counters()["failed"] == 1, what="the refusal")
    allowed.append(1)  # the server's file of passwords was mended
    wait_for(lambda: demo.counters()["sent"] == 1, what="the second try")
    assert "s3cret" not in demo.log()


def test_what_is_due_at_the_end_is_sent_once_more(make_server, make_demo):
    server = make_server(StandIn())
    demo = make_demo(*urls([server]), "web1")
    demo.say("open", "web1", "departure", 20)
    demo.say("close", "web1", "departure")
    assert demo.stop() < 5
    last = server.seen("web1")[-1]
    assert seconds_of(last["endsAt"]) <= time.time()
    assert demo.outbox() == []


def test_an_end_that_nobody_took_is_told_by_the_next_run(make_server, make_demo):
    port, = free_ports(1)
    demo = make_demo("--url", f"http://127.0.0.1:{port}", "--resend", "1s", "web1", "web2")
    demo.say("open", "web1", "departure", 20)
    demo.say("close", "web1", "departure")
    demo.say("open", "web2", "slow", 2)
    wait_for(lambda: len(demo.outbox()) == 2, what="the outbox")
    assert demo.stop() < 5
    assert len(demo.outbox()) == 2
    server = make_server(StandIn(port=port))
    demo.start()
    wait_for(lambda: server.seen("web1") and server.seen("web2"), what="what was owed")
    for name, kind in (("web1", "departure"), ("web2", "slow")):
        told = server.seen(name)[-1]
        assert told["labels"]["kind"] == kind
        assert seconds_of(told["endsAt"]) <= time.time()
    wait_for(lambda: demo.outbox() == [], what="an empty outbox")


def test_a_receiver_that_was_taken_out_is_owed_nothing(make_server, make_demo):
    server = make_server(StandIn())
    gone = f"http://127.0.0.1:{free_ports(1)[0]}"
    demo = make_demo("--url", gone, *urls([server]), "--resend", "1s", "web1")
    demo.say("open", "web1", "departure", 20)
    wait_for(lambda: len(demo.outbox()) == 2, what="the outbox")
    demo.kill()
    demo.command = [w for w in demo.command if w != gone]
    demo.command.remove("--url")
    demo.start()
    wait_for(lambda: demo.outbox() == [], what="an empty outbox")
    assert seconds_of(server.seen("web1")[-1]["endsAt"]) <= time.time()


def test_settings_that_cannot_be_used_are_one_sentence(make_demo):
    for options, words in ((["--url", "am1:9093"], "http://"),
                           (["--url", "http://a", "--url", "http://a"], "twice"),
                           (["--url", "http://a", "--label", "1x=y"], "1x"),
                           (["--url", "http://a", "--label", "instance=y"], "tocsin's own")):
        demo = make_demo(*options, "web1")
        assert demo.process.wait(timeout=10) == 1
        last = demo.log().splitlines()[-1]
        assert "alertmanager" in last and words in last


# ---- the daemon ----

def configure(tmp_path, servers, more=""):
    path = tmp_path / "tocsin.yml"
    listed = ", ".join(f'"{s.url}"' for s in servers)
    path.write_text(f"alerts: {{alertmanager: {{urls: [{listed}], labels: {{team: storage}}, "
                    f"resend: 1s}}}}\n{more}")
    return str(path)


EVERYTHING_IS_ANOMALOUS = "threshold: {method: fixed, value: 1e-9}\n"


@pytest.mark.quiet
def test_from_a_fault_to_amtool_and_back(make_members, make_daemon, hook, binary, tmp_path):
    members = make_members(2)
    d = make_daemon("-c", configure(tmp_path, members), trained=True).wait_watching()
    d.wait(lambda: not d.entity()["ringing"])
    name = d.entity()["instance"]
    hook.got.clear()
    drill = subprocess.Popen([binary, "drill", "--fault", "network", "--for", "30s", "--url", d.url],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        for member in members:
            alert = wait_for(lambda: the_alert(member, f"instance={name}", "kind=departure"),
                             seconds=60, what=f"the alert; the log: {d.log()[-2000:]}")
            assert alert["labels"]["team"] == "storage"
            assert alert["generatorURL"].startswith(d.url + "/?instance=")
            assert "expected" in alert["annotations"]["description"]
        stored = wait_for(lambda: d.json("/api/v1/incidents")["incidents"], seconds=10,
                          what="the second's transaction")
        incident = stored[0]
        assert abs(seconds_of(alert["startsAt"]) - incident["start"]) < 0.01
        assert incident["causes"][0]["feature"] in alert["annotations"]["causes"]
    finally:
        drill.communicate(timeout=120)
    d.wait(lambda: not d.entity()["ringing"])
    for member in members:
        wait_for(lambda: not the_alert(member, f"instance={name}", "kind=departure"), seconds=10,
                 what="the end")
    wait_for(lambda: hook.heard("firing", name) and hook.heard("resolved", name), what="the hook")
    assert d.metric("tocsin_notifications_total") > 0


def test_the_daemon_ends_what_its_crash_left_open(make_server, make_daemon, tmp_path):
    server = make_server(StandIn())
    d = make_daemon("-c", configure(tmp_path, [server], EVERYTHING_IS_ANOMALOUS), trained=True)
    d.wait_watching()
    name = d.entity()["instance"]

    def owed():
        return d.database().execute("select start_ms, end_ms, state from outbox"
                                    " join incidents on id = incident").fetchall()

    def of_kind(alerts):
        return [a for a in alerts if a["labels"]["kind"] == "departure"]

    wait_for(lambda: of_kind(server.seen(name)), what="the alert")
    d.wait(lambda: [row for row in owed() if row[2] == "sent"])
    d.stop(signal.SIGKILL)
    before = len(server.requests)
    started = of_kind(server.seen(name))[-1]["startsAt"]
    d.start().wait_watching()

    def after():
        return of_kind([a for r in server.requests[before:] for a in r])

    wait_for(lambda: [a for a in after() if a["startsAt"] != started], what="the next incident")
    first = after()[0]
    assert first["startsAt"] == started and seconds_of(first["endsAt"]) <= time.time()
    assert first["annotations"]["description"].startswith("Anomaly since ")
    d.wait(lambda: [row for row in owed() if row[1] is None])
    assert d.stop() == 0  # and a clean end is an end
    last = of_kind(server.seen(name))[-1]
    assert last["startsAt"] != started and seconds_of(last["endsAt"]) <= time.time()
    assert owed() == []


def test_a_daemon_without_its_alertmanager_watches_on(make_daemon, tmp_path):
    class Nobody:
        url = f"http://127.0.0.1:{free_ports(1)[0]}"

    d = make_daemon("-c", configure(tmp_path, [Nobody], EVERYTHING_IS_ANOMALOUS), trained=True)
    d.wait_watching()
    d.wait(lambda: "alerts are not taken" in d.log())
    assert d.entity()["ringing"] and d.get("/readyz")[0] == 200
    began = time.monotonic()
    assert d.stop() == 0
    assert time.monotonic() - began < 10


def test_a_label_of_its_own_is_refused_at_the_start(binary, tmp_path):
    path = tmp_path / "tocsin.yml"
    path.write_text('alerts: {alertmanager: {urls: ["http://a:1"], labels: {instance: x}}}\n')
    p = subprocess.run([binary, "run", "-c", str(path), "--data-dir", str(tmp_path / "data"),
                        "--listen", "127.0.0.1:0"], capture_output=True, text=True, timeout=60)
    assert p.returncode == 2
    assert "label 'instance' is tocsin's own" in p.stderr and p.stderr.count("\n") == 1
