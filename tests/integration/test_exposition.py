# SPDX-License-Identifier: Apache-2.0
"""The same bodies to tocsin, to a real Prometheus that scrapes them, and to promtool: what is taken
and what is refused, names, labels and values agree."""
import json
import math
import subprocess
import time

import pytest

from servers import Pages, Prometheus, fetch, until

TEXT = "text/plain; version=0.0.4"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

TEXTS = [
    # what exporters write
    b"", b"\n", b"a 1\n", b"a 1", b"a 1\n\n\nb 2\n", b" \t \na 1\n",
    b"# HELP a Some \\n text.\n# TYPE a counter\na{x=\"1\",y=\"2\"} 1.5e+09\na{x=\"2\",y=\"2\"} 0\n",
    b"# TYPE h histogram\nh_bucket{le=\"0.1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 0.25\nh_count 2\n",
    b"# TYPE s summary\ns{quantile=\"0.5\"} NaN\ns_sum 3\ns_count 4\n",
    b"# TYPE u untyped\nu 3\n",
    # numbers
    b"a NaN\nb nan\nc NAN\n", b"a +Inf\nb -Inf\nc inf\nd Infinity\ne -iNFINITY\n", b"a +nan\n",
    b"a 1e3\nb 1E3\nc 1e+3\nd 1e-3\ne +1\nf -1\ng .5\nh 5.\n", b"a .\n", b"a e5\n", b"a 1e\n",
    b"a 1e400\n", b"a -1e400\n", b"a 1e-400\n", b"a 0x10\n", b"a 0x1p3\n", b"a 1_000\n", b"a 1,5\n",
    b"a 9007199254740993\nb 0.1\nc 123456789012345678\nd 2.2250738585072012e-308\ne 5e-324\n",
    b"a 0.30000000000000004\nb 1.7976931348623157e308\nc 1.0000000000000002\nd -0\n",
    b"a " + b"1" * 300 + b"\n", b"a 0." + b"0" * 400 + b"1\n", b"a 1" + b"0" * 400 + b"\n",
    b"a infinit\n", b"a 1x\n", b"a --1\n", b"a 1.2.3\n", b"a \"1\"\n",
    # blanks
    b"a  1\n", b"a\t1\n", b"a 1 \n", b"a 1\t\t\n", b" a 1\n", b"\ta 1\n", b"a {x=\"1\"} 1\n",
    b"a{ x=\"1\" } 1\n", b"a{x = \"1\"} 1\n", b"a{x=\"1\" , y=\"2\"} 1\n", b"a{x=\"1\"}1\n", b"a{x=\"1\"}\t1\n",
    b"a{\nx=\"1\"} 1\n", b"a\n1\n", b"a-1\n", b"a+1\nb.5\n", b"a\"1\n",
    # names and labels
    b":a 1\n", b"a:b:c 1\n", b"_ 1\n", b"1a 1\n", b"a.b 1\n", b"a-b 1\n", b"\xc3\xa9 1\n", b"a\xc3\xa9 1\n",
    b"a{} 1\n", b"a{x=\"\"} 1\n", b"a{x=\"1\",} 1\n", b"a{,} 1\n", b"a{x=\"1\",,y=\"2\"} 1\n",
    b"a{x=\"1\"y=\"2\"} 1\n", b"a{x} 1\n", b"a{x=} 1\n", b"a{x=1} 1\n", b"a{x='1'} 1\n", b"a{x=\"1} 1\n",
    b"a{x=\"1\" 1\n", b"a{x:y=\"1\"} 1\n", b"a{1x=\"1\"} 1\n", b"a{:x=\"1\"} 1\n", b"a{_x=\"1\"} 1\n",
    b"a{x=\"1\"}{y=\"2\"} 1\n", b"{x=\"1\"} 1\n", b"{\"a.b\",x=\"1\"} 1\n", b"a{\"x.y\"=\"1\"} 1\n",
    b"a{x=\"1\",x=\"2\"} 1\n", b"a{x=\"1\",x=\"1\"} 1\n", b"a{__name__=\"b\"} 1\n",
    b"b{y=\"2\",x=\"1\"} 1\n", b"a}x{ 1\n", b"a{x==\"1\"} 1\n",
    # escapes and bytes in values
    b"a{x=\"\\\"\",y=\"\\\\\",z=\"\\n\"} 1\n", b"a{x=\"\\t\\x\\\\n\"} 1\n", b"a{x=\"\\\"} 1\n",
    b"a{x=\"\\\n\"} 1\n", b"a{x=\"two\nlines\"} 1\n", b"a{x=\"tab\there\"} 1\n", b"a{x=\"}, y={\"} 1\n",
    b"a{x=\"\xc3\xa9\xf0\x9f\x98\x80\"} 1\n", b"a{x=\"\xff\"} 1\n", b"a{x=\"\xc0\xaf\"} 1\n",
    b"a{x=\"\xed\xa0\x80\"} 1\n", b"a{x=\"# TYPE\"} 1\n", b"a{x=\"cr\r\"} 1\n",
    # comments
    b"#\n", b"#", b"# \n", b"# a comment\na 1\n", b"#a comment\r\na 1\n", b"# HELP\na 1\n", b"# TYPE\na 1\n",
    b"# HELP a\na 1\n", b"# HELP a \na 1\n", b"# HELP  a  text\na 1\n", b"#\tHELP\ta\ttext\na 1\n",
    b"  # HELP a text\na 1\n", b"# HELP a \xff\na 1\n", b"# HELP 1a text\na 1\n", b"# HELP \na 1\n",
    b"# HELP a{ text\na 1\n", b"# TYPE a\na 1\n", b"# TYPE a \na 1\n", b"# TYPE a counter \na 1\n",
    b"# TYPE a  counter\na 1\n", b"# TYPE a\tcounter\na 1\n", b"# TYPE a Counter\na 1\n",
    b"# TYPE a counters\na 1\n", b"# TYPE a unknown\na 1\n", b"# TYPE a info\na 1\n", b"# UNIT a seconds\na 1\n",
    b"# HELPa b\na 1\n", b"# TYPE a gauge", b"# EOF\n", b"a 1\n# EOF\nb 2\n",
    b"# TYPE a counter\n# TYPE a gauge\na 1\n", b"a 1\n# TYPE a gauge\n", b"# comment \xff\na 1\n",
    b"a 1 # a comment\n",
    # times
    b"a 1 NOW_MS\n", b"a 1 NOW_MS \n", b"a 1\tNOW_MS\n", b"a 1 -1\n", b"a 1 1.5\n", b"a 1 x\n",
    b"a 1 NOW_MS 3\n", b"a 1 NOW_MSx\n", b"a 1 99999999999999999999\n", b"a 1 +NOW_MS\n",
    # line ends
    b"a 1\r\n", b"a 1\r\nb 2\r\n", b"# TYPE a counter\r\na 1\n", b"# HELP a b\r\na 1\n", b"a 1 NOW_MS\r\n",
    # cut short
    b"a", b"a ", b"a{", b"a{x", b"a{x=", b"a{x=\"", b"a{x=\"1", b"a{x=\"1\"", b"a{x=\"1\"}", b"a{x=\"1\"} ",
    b"b 1\na", b"# HELP a", b"# TYPE a count",
    # twice
    b"a 1\na 2\n", b"a{x=\"1\",y=\"2\"} 1\na{y=\"2\",x=\"1\"} 2\n", b"a 1\na{x=\"\"} 2\n", b"a 1\na 1\n",
    # no metrics at all
    b"<html><body>Not here</body></html>\n", b"{\"a\": 1}\n", b"a\x00b 1\n", b"a 1\x00\n", b"a{x=\"1\x002\"} 1\n",
]

OPENMETRICS_TEXTS = [
    b"", b"# EOF", b"# EOF\n", b"a 1\n# EOF\n", b"a 1\n", b"a 1", b"a 1\n# EOF\n\n", b"a 1\n# EOF\nb 2\n", b"\n# EOF\n",
    b"# TYPE a counter\n# UNIT a seconds\n# EOF\n", b"# TYPE a_seconds counter\n# UNIT a_seconds seconds\n# EOF\n",
    b"# UNIT a_seconds \n# EOF\n", b"# UNIT seconds seconds\n# EOF\n",
    b"# TYPE a counter\n# HELP a b\na_total 1\na_created 2\n# EOF\n",
    b"# TYPE a unknown\n# TYPE b info\n# TYPE c stateset\n# TYPE d gaugehistogram\n# EOF\n",
    b"# TYPE a untyped\n# EOF\n", b"# TYPE a Gauge\n# EOF\n", b"# TYPE a gauge \n# EOF\n", b"# TYPE a\n# EOF\n",
    b"# HELP a\n# EOF\n", b"# HELP a \n# EOF\n", b"# HELP  a b\n# EOF\n", b"# a comment\n# EOF\n", b"#\n# EOF\n",
    b"#HELP a b\n# EOF\n", b"# HELP a \xff\n# EOF\n",
    b"a  1\n# EOF\n", b"a 1 \n# EOF\n", b"a\t1\n# EOF\n", b" a 1\n# EOF\n", b"a{} 1\n# EOF\n", b"a {x=\"1\"} 1\n# EOF\n",
    b"a{x=\"1\",y=\"2\"} 1\n# EOF\n", b"a{x=\"1\", y=\"2\"} 1\n# EOF\n", b"a{x=\"1\",} 1\n# EOF\n", b"a{,} 1\n# EOF\n",
    b"a{x=\"1\"y=\"2\"} 1\n# EOF\n", b"a{x=\"1\"}1\n# EOF\n", b"a{x=\"two\nlines\"} 1\n# EOF\n",
    b"a{x=\"\\\"\\\\\\n\\t\"} 1\n# EOF\n", b"a{x=\"\xff\"} 1\n# EOF\n", b"a{x=\"1\",x=\"2\"} 1\n# EOF\n",
    b"a NaN\nb +Inf\nc -Inf\n# EOF\n", b"a 1e400\n# EOF\n", b"a 0x1p3\n# EOF\n", b"a x\n# EOF\n",
    b"a 1 NOW_S\n# EOF\n", b"a 1 NOW_S.5\n# EOF\n", b"a 1 x\n# EOF\n",
    b"a 1 NaN\n# EOF\n", b"a 1 +Inf\n# EOF\n", b"a 1 NOW_S \n# EOF\n", b"a 1 1 1\n# EOF\n",
    b"a_total 1 # {id=\"1\"} 0.5\n# EOF\n", b"a_total 1 # {} 0.5\n# EOF\n", b"a_bucket{le=\"1\"} 1 # {id=\"1\"} 0.5 1.5\n# EOF\n",
    b"a_total 1 NOW_S # {id=\"1\"} 0.5\n# EOF\n", b"a 1 # {id=\"1\"} 0.5\n# EOF\n",
    b"a_total 1 # {id=\"1\"}\n# EOF\n", b"a_total 1 # {id=\"1\"} x\n# EOF\n", b"a_total 1 # {id=\"1\"} 1 x\n# EOF\n",
    b"a_total 1 # {id=\"1\"} 1 1 1\n# EOF\n", b"a_total 1 #{id=\"1\"} 1\n# EOF\n", b"a_total 1 # {id=\"1\",} 1\n# EOF\n",
    b"a_total 1 # {id=\"1\"} 1", b"a_total 1 # {id=\"1\"} NaN\n# EOF\n", b"a 1\r\n# EOF\n", b"a 1\n# EOF\r\n",
    b"a 1\na 2\n# EOF\n", b"# EO", b"# TYPE a gauge", b"a{x=\"1\"", b"a 1\n# EOFx\n",
]  # fmt: skip

CASES = [(TEXT, body) for body in TEXTS] + [(OPENMETRICS, body) for body in OPENMETRICS_TEXTS]


@pytest.fixture(scope="module")
def cases():
    """With times that are near when the test runs, which may be long after it was read."""
    now = time.time()
    return [(kind, body.replace(b"NOW_MS", b"%d" % (now * 1000)).replace(b"NOW_S", b"%d" % now))
            for kind, body in CASES]


def canonical(value):
    return "NaN" if math.isnan(value) else repr(value)


def ours(binary, kind, body):
    """{(name, labels): value} or None, and what was said."""
    words = ["--openmetrics"] if kind == OPENMETRICS else []
    done = subprocess.run([binary, "sample", "--exposition", "-", "--json", *words], input=body,
                          capture_output=True, timeout=60)
    said = done.stderr.decode(errors="replace")
    if done.returncode:
        assert done.returncode == 1 and done.stdout == b"", body
        assert said.startswith("tocsin: standard input: line ") and said.count("\n") == 1, said
        return None, said
    samples = json.loads(done.stdout)["samples"]
    return {(s["name"], tuple(sorted(s["labels"].items()))): canonical(float(s["value"]))
            for s in samples}, said


class Reference:
    def __init__(self, server, cases):
        self.server = server
        self.samples = {i: {} for i in range(cases)}
        self.error = {}
        until(lambda: sum(t["health"] != "unknown" for t in self.targets()) == cases,
              "every case to be scraped", 60)
        for target in self.targets():
            self.error[int(target["labels"]["case"])] = target["lastError"]
        for row in server.query('{case!="",__name__!~"up|scrape_.*"}'):
            labels = row["metric"]
            case = int(labels.pop("case"))
            name = labels.pop("__name__")
            for target_label in ("job", "instance"):
                labels.pop(target_label)
            key = name, tuple(sorted(labels.items()))
            self.samples[case][key] = canonical(float(row["value"][1]))

    def targets(self):
        return json.loads(fetch(f"{self.server.url}/api/v1/targets"))["data"]["activeTargets"]


@pytest.fixture(scope="module")
def reference(tmp_path_factory, cases):
    pages = Pages({f"/{i}": case for i, case in enumerate(cases)})
    folder = tmp_path_factory.mktemp("prometheus")
    groups = [{"targets": [pages.address],
               "labels": {"__metrics_path__": f"/{i}", "case": str(i), "instance": str(i)}}
              for i in range(len(cases))]
    server = Prometheus(folder, {
        "global": {"scrape_interval": "2s"},
        "scrape_configs": [{"job_name": "cases", "static_configs": groups}]})
    try:
        yield Reference(server, len(cases))
    finally:
        server.stop()
        pages.stop()


def test_prometheus_and_tocsin_take_the_same(binary, reference, cases):
    wrong, taken = [], 0
    for i, (kind, body) in enumerate(cases):
        samples, said = ours(binary, kind, body)
        refused = bool(reference.error[i])
        taken += not refused
        if (samples is None) != refused:
            wrong.append((body, said or samples, reference.error[i]))
        elif not refused and samples != reference.samples[i]:
            wrong.append((body, samples, reference.samples[i]))
    assert wrong == []
    assert taken > 80 and len(cases) - taken > 80, "the corpus has enough of both"


# promtool reads with another parser, which takes these; the server does not, nor do we.
PROMTOOL_ALONE = {
    b" a 1\n", b"\ta 1\n", b"a 1 -1\n", b"# HELP a \xff\na 1\n", b"# HELP \na 1\n", b"# TYPE a\na 1\n",
    b"# TYPE a \na 1\n", b"# TYPE a  counter\na 1\n", b"# TYPE a Counter\na 1\n"}  # fmt: skip


def test_what_promtool_takes_tocsin_takes(binary, cases):
    agreed = 0
    for body in (body for kind, body in cases if kind == TEXT):
        done = subprocess.run(["promtool", "check", "metrics"], input=body,
                              capture_output=True, timeout=60)
        if b"error while linting" in done.stderr:
            continue
        samples, said = ours(binary, TEXT, body)
        alone = body in PROMTOOL_ALONE or body.startswith(b"a 1 +")  # a time with a sign
        assert (samples is None) == alone, (body, said)
        agreed += samples is not None
    assert agreed > 50


def test_a_real_exporter_is_told_as_prometheus_tells_it(binary, reference, tmp_path):
    """What Prometheus says of itself is read to the last sample."""
    body = fetch(reference.server.url + "/metrics").encode()
    samples, said = ours(binary, TEXT, body)
    assert said == ""
    lines = [line for line in body.decode().splitlines() if line and not line.startswith("#")]
    assert len(samples) == len(lines)
    page = tmp_path / "page"
    page.write_bytes(body)
    again = subprocess.run([binary, "sample", "--exposition", str(page)], capture_output=True, timeout=60)
    assert ours(binary, TEXT, again.stdout)[0] == samples, "what is printed reads back as the same"


def test_the_command_line_is_checked(binary, tmp_path):
    def refused(*words):
        done = subprocess.run([binary, "sample", *words], capture_output=True, text=True, timeout=60)
        assert done.stdout == ""
        return done.returncode, done.stderr

    assert refused("--openmetrics")[0] == 2
    code, said = refused("--exposition", "-", "--procfs", "/proc")
    assert code == 2 and "not this machine" in said
    code, said = refused("--exposition", str(tmp_path / "none"))
    assert code == 1 and "No such file" in said
