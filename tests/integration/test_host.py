# SPDX-License-Identifier: Apache-2.0
"""`tocsin sample` beside Debian's Node Exporter: the same names, labels, types and values."""
import ctypes
import json
import os
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request

import pytest

DATA = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data", "host")
COLLECTORS = ["cpu", "diskstats", "filefd", "filesystem", "loadavg", "meminfo", "netdev",
              "netstat", "pressure", "sockstat", "stat", "uname", "vmstat"]
# Of bare metal only, read from one file of /sys a core: not a part of what tocsin looks at.
LEFT_OUT = {"node_cpu_core_throttles_total", "node_cpu_package_throttles_total"}

STILL = re.compile(r"node_(uname_info|boot_time_seconds|disk_info|filefd_maximum"
                   r"|filesystem_(size_bytes|files|readonly|device_error)"
                   r"|memory_(MemTotal|SwapTotal|CommitLimit|VmallocTotal|Hugepagesize)_bytes"
                   r"|memory_HugePages_.*|netstat_Ip_Forwarding)$")
UNTYPED_GAUGE = re.compile(r"node_netstat_Tcp_CurrEstab$")
MEBIBYTE = 1 << 20


def slack(name):
    """How far a gauge may be from two scrapes around it."""
    if name.startswith("node_memory_") or name.startswith("node_filesystem_"):
        return 512 * MEBIBYTE
    if name.startswith("node_sockstat_") and name.endswith("_bytes"):
        return 16 * MEBIBYTE
    if name.startswith("node_load"):
        return 4
    return 500  # sockets, processes, open files, requests in flight


def parse(text):
    """{family: type}, {(name, ((label, value), ...)): number}; empty labels are none."""
    types, samples = {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in types, f"{name}: two TYPE lines"
            types[name] = kind
        elif line and not line.startswith("#"):
            key, value = line.rsplit(" ", 1)
            name, _, rest = key.partition("{")
            labels = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', rest)
            key = name, tuple(sorted((k, v) for k, v in labels if v))
            assert key not in samples, f"{key}: twice"
            samples[key] = float(value)
    return types, samples


class Exporter:
    """A prometheus-node-exporter with our collectors alone, and of `processes` the threads."""

    def __init__(self, port, *options):
        program = shutil.which("prometheus-node-exporter")
        assert program, "apt-get install prometheus-node-exporter"
        self.url = f"http://127.0.0.1:{port}/metrics"
        self.process = subprocess.Popen(
            [program, f"--web.listen-address=127.0.0.1:{port}", "--web.disable-exporter-metrics",
             "--collector.disable-defaults", *[f"--collector.{c}" for c in COLLECTORS], *options],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def scrape(self):
        deadline = time.monotonic() + 60
        while True:
            assert self.process.poll() is None, "the exporter ended"
            try:
                with urllib.request.urlopen(self.url, timeout=30) as answer:
                    types, samples = parse(answer.read().decode())
                break
            except (urllib.error.URLError, ConnectionError):
                assert time.monotonic() < deadline, "the exporter does not answer"
                time.sleep(0.05)
        failed = [k for k, v in samples.items()
                  if k[0] == "node_scrape_collector_success" and v != 1
                  and ("collector", "pressure") not in k[1]]
        assert not failed, failed
        ours = {k: v for k, v in samples.items() if k[0].startswith("node_")
                and not k[0].startswith(("node_scrape_", "node_exporter_"))
                and k[0] not in LEFT_OUT
                and (not k[0].startswith("node_processes_") or k[0] == "node_processes_threads")}
        return {n: types[n] for n, _ in ours}, ours

    def stop(self):
        self.process.terminate()
        self.process.wait()


@pytest.fixture
def start_exporter(free_port):
    started = []

    def start(*options):
        started.append(Exporter(free_port, *options))
        return started[-1]

    yield start
    for exporter in started:
        exporter.stop()


def run(binary, *options, env=None):
    return subprocess.run([binary, "sample", *options], capture_output=True, text=True, timeout=60,
                          env={**os.environ, **(env or {})})


def tree_options(name):
    tree = os.path.join(DATA, name)
    return ["--procfs", f"{tree}/proc", "--sysfs", f"{tree}/sys", "--rootfs", tree]


def test_this_machine_is_told_as_node_exporter_tells_it(binary, start_exporter):
    exporter = start_exporter("--collector.processes")
    for attempt in range(5):  # devices and mounts may come and go between two reads
        _, before = exporter.scrape()
        result = run(binary)
        types, after = exporter.scrape()
        if before.keys() == after.keys():
            break
    assert result.returncode == 0, result.stderr
    our_types, ours = parse(result.stdout)

    assert sorted(after.keys() - ours.keys()) == [], "only Node Exporter has these"
    assert sorted(ours.keys() - after.keys()) == [], "only tocsin has these"
    assert our_types == types

    wrong = []
    for key, value in ours.items():
        name = key[0]
        low, high = before[key], after[key]
        if STILL.match(name):
            right = value in (low, high)
        elif types[name] == "counter" or (types[name] == "untyped" and
                                          not UNTYPED_GAUGE.match(name)):
            # the kernel lets idle and iowait step back a little, which only a memory can hide
            right = low - (1 if name == "node_cpu_seconds_total" else 0) <= value <= high
        else:
            right = min(low, high) - slack(name) <= value <= max(low, high) + slack(name)
        if not right:
            wrong.append((key, low, value, high))
    assert wrong == []


@pytest.mark.parametrize("tree", ["normal", "odd"])
def test_a_made_up_machine_is_told_to_the_last_bit(binary, start_exporter, tree):
    version = subprocess.run(["prometheus-node-exporter", "--version"], capture_output=True,
                             text=True)
    if " version 1.5." not in version.stdout + version.stderr:
        pytest.skip("only Node Exporter 1.5 tells every odd line as we do")
    root = os.path.join(DATA, tree)
    # over netlink it would look at this machine's devices; the file lacks nohandler
    exporter = start_exporter(f"--path.procfs={root}/proc", f"--path.sysfs={root}/sys",
                              f"--path.rootfs={root}", f"--path.udev.data={root}/run/udev/data",
                              "--no-collector.netdev.netlink")
    types, theirs = exporter.scrape()
    result = run(binary, *tree_options(tree))
    assert result.returncode == 0, result.stderr
    our_types, ours = parse(result.stdout)

    our_types.pop("node_network_receive_nohandler_total")
    assert our_types.pop("node_processes_threads") == "gauge"  # theirs would be of this machine
    ours = {k: v for k, v in ours.items() if k[0] in our_types}
    moving = re.compile("node_filesystem_(avail_bytes|free_bytes|files_free)$")  # of this machine
    still = {k: v for k, v in ours.items() if not moving.match(k[0])}
    assert ours.keys() == theirs.keys()
    assert our_types == types
    assert still == {k: theirs[k] for k in still}
    assert len(ours) > 150


def test_malformed_files_leave_their_families_out_and_are_told(binary):
    result = run(binary, *tree_options("broken"))
    assert result.returncode == 1
    types, samples = parse(result.stdout)
    assert set(types) == {"node_uname_info"}, "uname is no file"
    assert "17 such failures" in result.stderr
    assert result.stderr.count("\n") == 1


def test_what_the_kernel_does_not_offer_is_named(binary):
    result = run(binary, *tree_options("odd"))
    assert result.returncode == 0
    assert result.stderr == "tocsin: not offered here: pressure\n"


def test_json_says_what_the_text_says(binary):
    options = tree_options("normal")
    types, samples = parse(run(binary, *options).stdout)
    document = json.loads(run(binary, "--json", *options).stdout)
    assert document["missing"] == "" and document["errors"] == 0
    assert document["nodename"] == os.uname().nodename
    assert abs(document["timestamp"] - time.time()) < 3600
    got = {}
    for s in document["samples"]:
        assert s["type"] == types[s["name"]]
        escaped = ((k, v.replace("\\", "\\\\").replace('"', '\\"')) for k, v in s["labels"].items())
        got[s["name"], tuple(sorted(escaped))] = s["value"]
    moving = re.compile("node_filesystem_(avail_bytes|free_bytes|files_free)$")
    assert got.keys() == samples.keys()
    assert [k for k in got if got[k] != samples[k] and not moving.match(k[0])] == []


def test_the_command_line_is_checked(binary):
    no_procfs = run(binary, "--procfs", "/nonexistent")
    assert no_procfs.returncode == 1
    assert no_procfs.stderr == ("tocsin: host: '/nonexistent' has no file 'stat': "
                                "is it a procfs?\n")
    for wrong in (["--frobnicate"], ["--procfs"], ["here"]):
        result = run(binary, *wrong)
        assert result.returncode == 2 and result.stdout == ""
        assert wrong[0] in result.stderr and "--help" in result.stderr
    help_text = run(binary, "--help")
    assert help_text.returncode == 0 and "example: tocsin sample" in help_text.stdout


def test_a_full_disk_is_an_error(binary):
    with open("/dev/full", "w") as full:
        result = subprocess.run([binary, "sample"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert result.returncode == 1 and "standard output: write: No space left on device" in result.stderr


@pytest.mark.skipif(os.geteuid() != 0 or not os.path.exists("/dev/fuse"),
                    reason="needs root and /dev/fuse, to mount a filesystem that never answers")
def test_a_filesystem_that_hangs_does_not_hang_the_sample(binary, tmp_path):
    libc = ctypes.CDLL(None, use_errno=True)
    point, procfs = tmp_path / "mount", tmp_path / "proc"
    point.mkdir()
    (procfs / "1").mkdir(parents=True)
    (procfs / "stat").write_text("cpu0 1 2 3 4\n")
    (procfs / "1" / "mounts").write_text(f"/dev/x / ext4 rw 0 0\nhang {point} fuse.hang rw 0 0\n"
                                         f"/dev/y {point}/below ext4 rw 0 0\n")
    server = os.open("/dev/fuse", os.O_RDWR)  # of which nobody reads the questions
    try:
        options = f"fd={server},rootmode=40000,user_id=0,group_id=0"
        if libc.mount(b"fuse", bytes(point), b"fuse.hang", 0, options.encode()) != 0:
            pytest.skip(f"mount: {os.strerror(ctypes.get_errno())}")
        try:
            # a leak check stops every thread first, which the one that hangs does not
            result = run(binary, "--procfs", str(procfs), env={"ASAN_OPTIONS": "detect_leaks=0"})
        finally:
            libc.umount2(bytes(point), 2)  # MNT_DETACH
    finally:
        os.close(server)
    assert result.returncode == 0, result.stderr
    _, samples = parse(result.stdout)
    mounts = {dict(labels)["mountpoint"] for name, labels in samples
              if name == "node_filesystem_size_bytes"}
    assert mounts == {"/"}
