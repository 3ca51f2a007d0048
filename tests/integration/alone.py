# SPDX-License-Identifier: Apache-2.0
"""One at a time, over all test runs on this machine: who learns it and then makes a fault that must
ring, and who makes the same fault for another reason. A model that learned beside another test's
fault takes it for normal. The network's: what compilers beside it touch least."""
import contextlib
import fcntl
import os
import tempfile


@contextlib.contextmanager
def alone_with_the_fault_network():
    path = os.path.join(tempfile.gettempdir(), f"tocsin-tests-{os.getuid()}.lock")
    with open(path, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a process that dies gives it back
        yield
