# SPDX-License-Identifier: Apache-2.0
"""The processes below another one: who they are, and whether they are still there."""
import time


def children_of(pid):
    """All processes below pid, as {pid: start time}."""
    found, todo = {}, [pid]
    while todo:
        parent = todo.pop()
        try:
            with open(f"/proc/{parent}/task/{parent}/children") as f:
                for child in map(int, f.read().split()):
                    found[child] = started(child)
                    todo.append(child)
        except OSError:
            pass
    return found


def started(pid):
    """Start time of a process that is there and no zombie, else None."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
            return None if fields[0] == "Z" else fields[19]
    except OSError:
        return None


def wait_until(condition, what, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)
