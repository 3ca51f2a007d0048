# SPDX-License-Identifier: Apache-2.0
"""The daemon with a source remote_write, under a real Prometheus: from samples to frames in the store,
over a kill."""
import time

from daemon import Daemon
from senders import Exporter, Prometheus, free_port, until


WINDOW_MS = 5000  # the longest of the profile at one second: after a start it fills before the first frame


def frames(daemon):
    db = daemon.database()
    try:
        return [ms for ms, in db.execute("SELECT ts_ms FROM frames ORDER BY ts_ms")]
    finally:
        db.close()


def test_a_daemon_that_is_killed_misses_no_frame_that_the_sender_keeps(binary, tmp_path):
    port = free_port()  # one that it comes back on
    config = tmp_path / "tocsin.yml"
    config.write_text("sources:\n  - remote_write: {interval: 1s}\n")
    daemon = Daemon(binary, tmp_path, "--config", str(config), learn="10m")
    daemon.command[daemon.command.index("127.0.0.1:0")] = f"127.0.0.1:{port}"
    daemon.start()
    exporter = Exporter(tmp_path)
    prometheus = Prometheus(tmp_path, exporter, port)
    try:
        until(lambda: len(frames(daemon)) >= 20, "twenty frames", 90)
        assert daemon.entity()["instance"] == exporter.instance
        daemon.process.kill()
        daemon.process.wait()
        killed = time.time() * 1000
        before = frames(daemon)
        time.sleep(12)
        daemon.start()
        back = time.time() * 1000
        until(lambda: frames(daemon)[-1] > back + 3000, "frames of the present", 90)
        found = frames(daemon)
        scrapes = [ms for ms in prometheus.samples('up{job="node"}[5m]') if before[0] <= ms <= found[-1]]
        missing = sorted(set(scrapes) - set(found))
        kept = [ms for ms in missing if ms > killed]
        assert all(ms <= killed + 1900 + WINDOW_MS for ms in kept), f"the sender had these: {kept}"
        # what was answered 204 and not committed yet: docs/remote_write.md
        assert len(missing) - len(kept) <= 2 + WINDOW_MS // 1000, missing
    finally:
        prometheus.stop()
        exporter.stop()
        daemon.stop()
