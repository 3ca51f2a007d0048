# SPDX-License-Identifier: Apache-2.0
"""What every test needs that starts a server: a free loopback port, and patience."""
import socket
import time


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(found, what, seconds=60):
    """The first true answer of found(), which may fail to connect; an assertion when none came.
    what: a text, or a function that gives it when all is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            answer = found()
            if answer:
                return answer
        except OSError:  # urllib's errors are too
            pass
        time.sleep(0.1)
    raise AssertionError(f"waited {seconds} s in vain for {what() if callable(what) else what}")
