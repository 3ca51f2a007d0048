# SPDX-License-Identifier: Apache-2.0
import os
import shutil
import socket
import subprocess
import time

import pytest

from daemon import Daemon

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def pytest_configure(config):
    config.addinivalue_line("markers", "quiet: judges real metrics, so nothing else may run beside")


def busy_share(seconds):
    """The share of all CPU time that was not idle over the next seconds."""
    def read():
        with open("/proc/stat") as f:
            numbers = [int(word) for word in f.readline().split()[1:9]]
        return sum(numbers), numbers[3] + numbers[4]  # all, idle and waiting for disks

    total, idle = read()
    time.sleep(seconds)
    total_then, idle_then = read()
    return 1 - (idle_then - idle) / max(1, total_then - total)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """A model that learned beside a compiler takes a busy CPU for normal: that tests nothing."""
    if item.get_closest_marker("quiet"):
        if not any(busy_share(3) < 0.25 for _ in range(30)):
            pytest.skip("this machine was never quiet for 90 s")


@pytest.fixture(scope="session")
def binary():
    """The program under test: $TOCSIN, or build/tocsin."""
    path = os.path.abspath(os.environ.get("TOCSIN", os.path.join(ROOT, "build", "tocsin")))
    assert os.access(path, os.X_OK), f"{path}: not built; run ./test.sh, or set TOCSIN"
    return path


@pytest.fixture(scope="session")
def once(binary):
    """tocsin(word...): the finished program; an assertion when its exit code is not `code`."""
    def run(*args, code=0, **more):
        p = subprocess.run([binary, *map(str, args)], capture_output=True, text=True, timeout=120,
                           **more)
        assert p.returncode == code, p.stderr
        return p

    return run


@pytest.fixture
def tocsin(once):
    """The same for one test."""
    return once


@pytest.fixture(scope="session")
def made(once, tmp_path_factory):
    """Models of many shapes and activations, a third with a daily rhythm."""
    from exported import Made

    folder = tmp_path_factory.mktemp("made")
    return [Made(once, folder, seed, rhythm=seed % 3 == 0) for seed in range(24)]


@pytest.fixture(scope="session")
def tool(binary):
    """tool(name): the program tests/tools/NAME.c, of the build that the binary is of."""
    def find(name):
        build = os.path.dirname(binary)
        while build != os.path.dirname(build):
            path = os.path.join(build, "tests", "tools", name)
            if os.access(path, os.X_OK):
                return path
            build = os.path.dirname(build)
        raise AssertionError(f"{name}: not built beside {binary}")

    return find


@pytest.fixture
def free_port():
    """A loopback port that was free a moment ago, for servers that cannot choose one."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture(scope="session")
def trained(binary, tmp_path_factory):
    """A data folder with a model of this machine, learned once for all tests that need one."""
    daemon = Daemon(binary, tmp_path_factory.mktemp("trained"), learn="30s").start()
    try:
        daemon.wait_watching()
    finally:
        daemon.stop()
    return daemon.data_dir


@pytest.fixture
def make_daemon(binary, tmp_path, request):
    """make_daemon(option...) starts a `tocsin run`; all are stopped at the end of the test.
    With trained=True it starts from a copy of a trained data folder."""
    started = []

    def make(*options, trained=False, **more):
        daemon = Daemon(binary, tmp_path, *options, **more)
        if trained:
            shutil.copytree(request.getfixturevalue("trained"), daemon.data_dir)
        started.append(daemon)
        return daemon.start()

    yield make
    for daemon in started:
        daemon.stop()
