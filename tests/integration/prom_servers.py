# SPDX-License-Identifier: Apache-2.0
"""Prometheus and VictoriaMetrics of a test's own, with made-up history in them."""
import http.server
import json
import math
import os
import random
import shutil
import socket
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request

from waiting import free_port, until


def need(*programs):
    for program in programs:
        assert shutil.which(program), f"{program} is not installed; ./test.sh installs it"


# What a machine is made to show: metric and labels, and the mean of a gauge or the rate of a counter.
GAUGES = {
    "node_load1": 0.7, "node_load5": 0.6, "node_procs_running": 3, "node_processes_threads": 240, "node_procs_blocked": 1,
    "node_memory_MemAvailable_bytes": 3e9, "node_memory_MemFree_bytes": 1e9, "node_memory_Dirty_bytes": 1e6,
    "node_memory_Writeback_bytes": 1e5, "node_netstat_Tcp_CurrEstab": 40,
    "node_sockstat_sockets_used": 300, "node_sockstat_TCP_tw": 20, "node_sockstat_TCP_orphan": 1,
    "node_filefd_allocated": 2000,
    'node_filesystem_avail_bytes{device="/dev/sda1",fstype="ext4",mountpoint="/"}': 2e10,
    'node_filesystem_avail_bytes{device="/dev/sr0",fstype="ext4",mountpoint="/cd"}': 1,
    'node_filesystem_files_free{device="/dev/sda1",fstype="ext4",mountpoint="/"}': 1e6,
}
CONSTANTS = {
    "node_memory_MemTotal_bytes": 8e9,
    'node_filesystem_size_bytes{device="/dev/sda1",fstype="ext4",mountpoint="/"}': 5e10,
    'node_filesystem_size_bytes{device="/dev/sr0",fstype="ext4",mountpoint="/cd"}': 1e9,
    'node_filesystem_files{device="/dev/sda1",fstype="ext4",mountpoint="/"}': 2e6,
    'node_filesystem_readonly{device="/dev/sda1",fstype="ext4",mountpoint="/"}': 0,
    'node_filesystem_readonly{device="/dev/sr0",fstype="ext4",mountpoint="/cd"}': 1,
}
COUNTERS = {
    "node_vmstat_pswpin": 1, "node_vmstat_pswpout": 1, "node_vmstat_pgmajfault": 5,
    "node_vmstat_pgfault": 900, "node_vmstat_oom_kill": 0.001, "node_forks_total": 10,
    "node_context_switches_total": 3000, "node_intr_total": 2000,
    "node_netstat_IpExt_InOctets": 1e5, "node_netstat_Tcp_ActiveOpens": 2,
    "node_netstat_Tcp_PassiveOpens": 2, "node_netstat_Tcp_InSegs": 300,
    "node_netstat_Tcp_OutSegs": 320, "node_netstat_Tcp_RetransSegs": 1,
    "node_netstat_Tcp_OutRsts": 0.5, "node_pressure_cpu_waiting_seconds_total": 0.05,
    "node_pressure_io_waiting_seconds_total": 0.03, "node_pressure_io_stalled_seconds_total": 0.02,
    "node_pressure_memory_waiting_seconds_total": 0.01,
    "node_pressure_memory_stalled_seconds_total": 0.01,
}
for cpu in "01":
    for mode, rate in {"user": 0.2, "nice": 0.01, "system": 0.1, "iowait": 0.05, "irq": 0.01,
                       "softirq": 0.02, "steal": 0.01, "idle": 0.6}.items():
        COUNTERS[f'node_cpu_seconds_total{{cpu="{cpu}",mode="{mode}"}}'] = rate
for device, factor in {"sda": 1, "dm-0": 5}.items():
    for what, rate in {"read_bytes": 1e5, "written_bytes": 2e5, "reads_completed": 5,
                       "writes_completed": 9, "io_time_seconds": 0.1,
                       "io_time_weighted_seconds": 0.2, "read_time_seconds": 0.01,
                       "write_time_seconds": 0.03}.items():
        COUNTERS[f'node_disk_{what}_total{{device="{device}"}}'] = rate * factor
    COUNTERS[f'node_disk_flush_requests_total{{device="{device}"}}'] = factor
for device in ("eth0", "lo"):
    for way in ("receive", "transmit"):
        for what, rate in {"bytes": 5e4, "packets": 100, "errs": 0.01, "drop": 0.02}.items():
            COUNTERS[f'node_network_{way}_{what}_total{{device="{device}"}}'] = rate
# of one machine alone: the others have no IPv6
ONLY_FIRST = {"node_netstat_Ip6_InOctets": 4e4}


EARLY = 23  # seconds before the full minute


def named(series, instance):
    name, _, labels = series.partition("{")
    return f'{name}{{instance="{instance}",job="node"' + ("," + labels if labels else "}")


def history(instances, end, hours, step=60, seed=1):
    """[(series with labels, seconds, value)] in the order of series: gauges wander; counters rise by
    a rate that changes each hour, so that every way of computing a rate gives the same within it.
    Samples lie between full minutes: one at the very start of a window is not every server's."""
    chance = random.Random(seed)
    times = range(end - hours * 3600, end + 1, step)
    rows = []
    for k, instance in enumerate(instances):
        gauges = {**GAUGES, **CONSTANTS}
        counters = {**COUNTERS, **(ONLY_FIRST if k == 0 else {})}
        for series, mean in gauges.items():
            name, value = named(series, instance), mean
            for t in times:
                if series in GAUGES:
                    value = max(0, value + 0.1 * (mean - value) + 0.05 * mean * chance.gauss(0, 1))
                rows.append((name, t - EARLY, value))
        for series, mean in counters.items():
            name, value, rate = named(series, instance), 1000 * mean, mean
            for t in times:
                if t % 3600 == 0:
                    rate = mean * chance.uniform(0.5, 1.5)
                value += rate * step
                rows.append((name, t - EARLY, value))
    return rows


class Served:
    """A server process on a port of its own, stopped by its process id."""

    def __init__(self, folder, ready, tls=None):
        self.folder, self.port, self.process = folder, free_port(), None
        self.ready, self.scheme, self.tls = ready, "https" if tls else "http", tls
        self.url = f"{self.scheme}://127.0.0.1:{self.port}"

    def command(self):
        raise NotImplementedError

    def start(self):
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log)
        until(self.is_ready, f"{self.command()[0]} to start")
        return self

    def is_ready(self):
        assert self.process.poll() is None, "it died: " + self.log()[-2000:]
        if self.tls:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
        with urllib.request.urlopen(self.url + self.ready, timeout=5) as answer:
            return answer.status == 200

    def log(self):
        with open(os.path.join(self.folder, "log"), errors="replace") as f:
            return f.read()

    def stop(self, kill=False):
        if self.process and self.process.poll() is None:
            self.process.kill() if kill else self.process.terminate()
            self.process.wait(timeout=60)

    def query(self, expression, at=None):
        """The result of an instant query; None where the server cannot evaluate it."""
        fields = {"query": expression, **({} if at is None else {"time": at})}
        body = urllib.parse.urlencode(fields).encode()
        try:
            with urllib.request.urlopen(self.url + "/api/v1/query", body, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as e:
            assert e.code == 422, f"{expression}: {e.read()}"
            return None


class Prometheus(Served):
    def __init__(self, folder, *options, config="", tls=None):
        super().__init__(folder, "/-/ready", tls)
        os.makedirs(folder, exist_ok=True)
        self.options = options
        with open(os.path.join(folder, "prometheus.yml"), "w") as f:
            f.write(config)

    def command(self):
        return ["prometheus", f"--config.file={self.folder}/prometheus.yml",
                f"--storage.tsdb.path={self.folder}/data", "--storage.tsdb.retention.time=30d",
                f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn", *self.options]

    def load(self, rows):
        """Blocks of rows, before it starts."""
        path = os.path.join(self.folder, "history.om")
        with open(path, "w") as f:
            f.writelines(f"{series} {value!r} {t}\n" for series, t, value in rows)
            f.write("# EOF\n")
        subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", path,
                        f"{self.folder}/data"], check=True, capture_output=True, timeout=300)
        os.unlink(path)
        return self


class Victoria(Served):
    def __init__(self, folder, *options):
        super().__init__(folder, "/health")
        os.makedirs(folder, exist_ok=True)
        self.options = options

    def command(self):
        return ["victoria-metrics", f"-storageDataPath={self.folder}/data", "-retentionPeriod=2",
                f"-httpListenAddr=127.0.0.1:{self.port}", "-loggerLevel=WARN", *self.options]

    def load(self, rows):
        """While it runs."""
        body = "".join(f"{series} {value!r} {t}000\n" for series, t, value in rows).encode()
        request = urllib.request.Request(self.url + "/api/v1/import/prometheus", body)
        urllib.request.urlopen(request, timeout=60).close()
        urllib.request.urlopen(self.url + "/internal/force_flush", timeout=60).close()
        return self


class Fake:
    """A server that answers as answer(path, fields, headers) says: (status, headers, body)."""

    def __init__(self, answer):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # head and body are two writes

            def do_POST(self):
                path, _, query = self.path.partition("?")
                text = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                fields = dict(urllib.parse.parse_qsl(text or query))
                outer.requests.append((path, fields))
                status, headers, body = outer.answer(path, fields, self.headers)
                if isinstance(body, (dict, list)):
                    body = json.dumps(body)
                body = body.encode() if isinstance(body, str) else body
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST

            def log_message(self, *_):
                pass

        self.answer, self.requests = answer, []
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def success(kind, result, **more):
    return 200, {"Content-Type": "application/json"}, {
        "status": "success", "data": {"resultType": kind, "result": result}, **more}


def refusal(status, kind, sentence, **headers):
    return status, headers, {"status": "error", "errorType": kind, "error": sentence}


def made_up(path, fields, instances=("a", "b"), value=lambda t: math.sin(t / 600)):
    """The answer of a server where everything is value(t), on each machine."""
    if path.endswith("/values"):
        return 200, {}, {"status": "success", "data": list(instances)}
    if path.endswith("/query"):
        t = float(fields["time"])
        return success("vector", [{"metric": {"instance": i}, "value": [t, repr(value(t))]}
                                  for i in instances])
    start, end, step = (round(1000 * float(fields[k])) for k in ("start", "end", "step"))
    times = [t / 1000 for t in range(start, end + 1, step)]
    return success("matrix", [{"metric": {"instance": i},
                               "values": [[t, repr(value(t))] for t in times]} for i in instances])


class Proxy:
    """Passes connections on to a port, and can be cut and mended."""

    def __init__(self, to):
        self.to, self.port = to, free_port()
        self.listener, self.open = None, []
        self.mend()
        self.url = f"http://127.0.0.1:{self.port}"

    def mend(self):
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def accept(self, listener):
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.to), timeout=5)
            except OSError:
                near.close()
                continue
            self.open += [near, far]
            for a, b in ((near, far), (far, near)):
                threading.Thread(target=self.pump, args=(a, b), daemon=True).start()

    @staticmethod
    def pump(a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
        except OSError:
            pass
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for s in self.open:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()
        self.open = []
