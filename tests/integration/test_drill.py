# SPDX-License-Identifier: Apache-2.0
"""tocsin drill against a strict stand-in for the daemon's API: what it reports, what it refuses,
and that nothing of a fault is left however it ends."""
import http.server
import json
import os
import signal
import subprocess
import tempfile
import threading
import time

import pytest

from alone import alone_with_the_fault_network
from children import children_of, started, wait_until

CAUSES = [
    {"feature": "load_per_core", "group": "load", "unit": "ratio", "value": 2.5,
     "expected": 0.25, "share": 0.5},
    {"feature": "forks_rate", "group": "processes", "unit": "ops/s", "value": 812.4,
     "expected": 3.25, "share": 0.3},
    {"feature": "network_receive", "group": "network", "unit": "bytes/s", "value": 36805018,
     "expected": None, "share": 0.1},
]


class Api:
    """GET /api/v1/entities as docs/api.md has it; everything else is a test's failure."""

    def __init__(self):
        self.phase, self.incident, self.status = "watching", None, 200
        self.ring_after = None  # questions until an incident opens; None: never
        self.asked, self.wrong = 0, []
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                if self.path != "/api/v1/entities":
                    api.wrong.append(self.path)
                api.asked += 1
                status, text = api.answer()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def answer(self):
        if self.status != 200:
            return self.status, json.dumps({"error": "the board is gone"}).encode()
        if self.ring_after is not None and self.asked > self.ring_after and not self.incident:
            self.incident = self.incident_since(time.time())
        entity = {"instance": "here", "phase": self.phase, "progress": 0.42,
                  "score": 0.0625, "threshold": 0.125, "anomalous": bool(self.incident),
                  "ringing": bool(self.incident), "incident": self.incident}
        return 200, json.dumps({"entities": [entity]}).encode()

    @staticmethod
    def incident_since(start):
        return {"start": start, "peak": start, "peak_score": 0.75, "threshold": 0.125,
                "causes": CAUSES}

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
        assert self.wrong == []


@pytest.fixture
def api():
    a = Api()
    yield a
    a.stop()


@pytest.fixture
def disk_dir():
    """An empty folder on a disk: the tests' own may be in memory."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as d:
        yield d


@pytest.fixture
def alone():
    with alone_with_the_fault_network():
        yield


def drill(binary, *options):
    return subprocess.run([binary, "drill", *options], capture_output=True, text=True,
                          timeout=120)


def test_ring_is_told_with_its_causes(binary, api):
    api.ring_after = 5
    done = drill(binary, "--fault", "forks", "--url", api.url)
    assert done.returncode == 0, done.stderr
    assert "it rang after" in done.stdout
    assert "score 0.75 over threshold 0.125" in done.stdout
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["1.", "load_per_core", "250", "%,", "expected", "25", "%,", "50", "%", "of", "the",
            "causes"] in lines
    assert ["2.", "forks_rate", "812", "ops/s,", "expected", "3.25", "ops/s,", "30", "%", "of",
            "the", "causes", "<-", "right"] in lines
    assert ["3.", "network_receive", "35.1", "MiB/s,", "expected", "missing,", "10", "%", "of",
            "the", "causes"] in lines
    assert "a right cause (processes) is among the top 3" in done.stdout


def test_json_has_what_the_text_says(binary, api):
    api.ring_after = 5
    done = drill(binary, "--fault", "forks", "--url", api.url, "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["fault"] == "forks" and answer["instance"] == "here"
    assert answer["rang"] is True and answer["right_cause"] is True
    assert 0 < answer["seconds"] < 60
    assert answer["score"] == 0.75 and answer["threshold"] == 0.125
    assert answer["causes"] == CAUSES


def test_wrong_causes_are_told(binary, api):
    api.ring_after = 5
    done = drill(binary, "--fault", "files", "--url", api.url)
    assert done.returncode == 0, done.stderr
    assert "no right cause (files) is among the top 3" in done.stdout


def test_silence_has_its_own_exit_code(binary, api):
    done = drill(binary, "--fault", "forks", "--for", "1s", "--url", api.url, "--json")
    assert done.returncode == 3, done.stderr
    answer = json.loads(done.stdout)
    assert answer["rang"] is False and answer["causes"] == [] and answer["score"] == 0.0625
    done = drill(binary, "--fault", "forks", "--for", "1s", "--url", api.url)
    assert done.returncode == 3
    assert "it did not ring within 1" in done.stdout
    assert "the highest score was 0.0625, the threshold is 0.125" in done.stdout


def refused(binary, api, sentence):
    asked = api.asked
    done = drill(binary, "--fault", "forks", "--url", api.url)
    assert done.returncode == 1
    assert done.stdout == ""
    assert sentence in done.stderr and done.stderr.count("\n") == 1
    assert api.asked == asked + 1  # nothing was made, nothing awaited


def test_no_fault_while_it_learns(binary, api):
    api.phase = "learning"
    refused(binary, api, "is still learning (42 %): drill again when it watches")


def begin_drill(binary, api):
    return subprocess.Popen(
        [binary, "drill", "--fault", "files", "--for", "30s", "--rest", "1s", "--url", api.url],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_an_open_incident_is_waited_for(binary, api):
    api.incident = api.incident_since(1.5)
    process = begin_drill(binary, api)
    wait_until(lambda: api.asked >= 5, "the drill asks until the incident is over")
    assert children_of(process.pid) == {}, "no fault is made meanwhile"
    api.incident = None
    wait_until(lambda: children_of(process.pid), "the fault is made")
    api.ring_after = api.asked
    assert process.communicate(timeout=60)[0].count("rang") == 1
    assert process.returncode == 0


def ring_for_something_else(api, process):
    wait_until(lambda: children_of(process.pid), "the fault is made")
    api.incident = api.incident_since(time.time() - 60)
    wait_until(lambda: not children_of(process.pid), "the fault is ended")


def test_a_fault_that_something_else_rings_before_is_made_again(binary, api):
    process = begin_drill(binary, api)
    for _ in range(2):
        ring_for_something_else(api, process)
        api.incident = None
    wait_until(lambda: children_of(process.pid), "the fault is made again")
    api.ring_after = api.asked
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert out.count("it rang after") == 1
    assert errors.count("an incident opened just before the fault, load_per_core first") == 2


def test_a_machine_that_is_never_quiet_is_given_up(binary, api):
    process = begin_drill(binary, api)
    for _ in range(3):
        api.incident = None
        ring_for_something_else(api, process)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "just before the fault, 3 times, now load_per_core first: drill again" in errors


def test_no_fault_when_the_server_is_in_trouble(binary, api):
    api.status = 503
    refused(binary, api, "/api/v1/entities: the board is gone")


def test_no_fault_when_nobody_answers(binary, free_port):
    done = drill(binary, "--fault", "forks", "--url", f"http://127.0.0.1:{free_port}")
    assert done.returncode == 1
    assert f"no tocsin answers at http://127.0.0.1:{free_port}: connection refused; start one " \
           "with `tocsin run`" in done.stderr


@pytest.mark.parametrize("options, sentence", [
    ([], "expected --fault NAME or --all"),
    (["--fault", "cpu", "--all"], "expected --fault NAME or --all"),
    (["--fault", "dsk"], "there is no fault 'dsk', did you mean disk"),
    (["--fault", "cpu", "--for", "soon"], "--for: expected a duration from 1s to 1h"),
    (["--fault", "cpu", "--for", "2h"], "--for: expected a duration from 1s to 1h"),
    (["--fault", "cpu", "--url", "ftp://x"], "--url: expected a URL"),
    (["--fault", "cpu", "more"], "expected no more words, found 'more'"),
])
def test_wrong_command_lines_are_usage_errors(binary, options, sentence):
    done = drill(binary, *options)
    assert done.returncode == 2
    assert sentence in done.stderr and done.stdout == ""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL, None])
@pytest.mark.parametrize("fault", ["disk", "forks", "files", "network", "cpu"])
def test_nothing_is_left_however_it_ends(binary, api, disk_dir, fault, how, request):
    if fault == "network":
        request.getfixturevalue("alone")
    duration = "60s" if how else "2s"
    drilling = subprocess.Popen(
        [binary, "drill", "--fault", fault, "--for", duration, "--dir", disk_dir,
         "--url", api.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    seen = {}

    def under_way():
        seen.update(children_of(drilling.pid))
        return seen and api.asked >= 3

    wait_until(under_way, "the fault starts")
    assert os.listdir(disk_dir) == []  # the file has no name
    if how:
        drilling.send_signal(how)
    out, err = drilling.communicate(timeout=60)
    if how in (signal.SIGINT, signal.SIGTERM):
        assert drilling.returncode == 1 and "interrupted" in err
        assert not any(started(pid) == at and at for pid, at in seen.items())  # at once
    elif how is None:
        assert drilling.returncode == 3
        assert not any(started(pid) == at and at for pid, at in seen.items())
    wait_until(lambda: not any(started(pid) == at and at for pid, at in seen.items()),
               f"processes of {fault} are still there")
    assert os.listdir(disk_dir) == []


def test_folder_in_memory_is_refused(binary, api):
    if not os.path.isdir("/dev/shm"):
        pytest.skip("no tmpfs here")
    done = drill(binary, "--fault", "disk", "--dir", "/dev/shm", "--url", api.url)
    assert done.returncode == 2
    assert "'/dev/shm' is in memory (tmpfs)" in done.stderr
    done = drill(binary, "--fault", "disk", "--dir", "/nonexistent", "--url", api.url)
    assert done.returncode == 1
    assert "'/nonexistent' is no folder that can be written to" in done.stderr


@pytest.mark.usefixtures("alone")
def test_all_faults_are_drilled_one_after_the_other(binary, api, disk_dir):
    """Each incident closes a few questions after it was seen; the next opens once the rest of a
    second is over and the next fault runs."""
    first_answer = api.answer

    def answer():
        reply = first_answer()
        if api.incident and api.asked > api.ring_after + 4:
            api.incident, api.ring_after = None, api.asked + 12
        return reply

    api.ring_after, api.answer = 4, answer
    done = drill(binary, "--all", "--rest", "1s", "--dir", disk_dir, "--url", api.url, "--json")
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert [a["fault"] for a in answers] == ["cpu", "memory", "disk", "network", "forks", "files"]
    assert [a["right_cause"] for a in answers] == [True, False, False, True, True, False]


@pytest.mark.parametrize("text, sentence", [
    (b"<html>", "not the JSON of a tocsin"),
    (b"[]", "expected a JSON object"),
    (b"{}", "no list of entities"),
    (b'{"entities": []}', "it watches nothing yet"),
    (b'{"entities": [{"instance": "a"}]}', "an entity without a phase"),
    (b'{"entities": [{"instance": "a"}, {"instance": "b"}]}', "choose one with --instance"),
    (b'{"entities": [{"instance": "a", "phase": "watching", "incident": {}}]}',
     "an incident without a start"),
    (b"[" * 100000, "not the JSON of a tocsin"),
    (b" " * (4 << 20) + b"{}", "answers more than 4194304 bytes"),
], ids=range(9))
def test_answers_of_something_else_are_refused(binary, api, text, sentence):
    api.answer = lambda: (200, text)
    done = drill(binary, "--fault", "forks", "--url", api.url)
    assert done.returncode == 1
    assert sentence in done.stderr and done.stdout == ""
