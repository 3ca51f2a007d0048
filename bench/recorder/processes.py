# SPDX-License-Identifier: Apache-2.0
"""Processes that never outlive the one that started them.

The program runs twice: a guardian, and below it the worker that does everything. Each process is
told by the kernel to end with its parent, and both adopt what their children leave behind, so
that either can end all below it when the other is gone, however it went."""
import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
_libc = ctypes.CDLL(None, use_errno=True)


class Ended(Exception):
    """A signal asked for the end."""


def die_with_parent(parent, sig=signal.SIGKILL):
    _libc.prctl(PR_SET_PDEATHSIG, int(sig), 0, 0, 0)
    if os.getppid() != parent:  # it died before the line above
        os._exit(1)


def adopt_orphans():
    if _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def start(command, sig=signal.SIGKILL, **more):
    """A child that ends with this process. (preexec_fn is safe here: this process has one thread.)"""
    parent = os.getpid()

    def before_exec():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is ours to handle
        die_with_parent(parent, sig)

    return subprocess.Popen(command, preexec_fn=before_exec, stdin=subprocess.DEVNULL, **more)


def _parent_of(pid):
    try:
        with open(f"/proc/{pid}/stat", "rb") as f:
            return int(f.read().rsplit(b")", 1)[1].split()[1])
    except (OSError, IndexError):
        return None


def children():
    me = os.getpid()
    return [int(p) for p in os.listdir("/proc") if p.isdigit() and _parent_of(p) == me]


def end_all():
    """Ends and reaps every process below this one: what a killed child leaves becomes ours."""
    while pids := children():
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in pids:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _raise_ended(number, frame):
    for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(sig, signal.SIG_IGN)  # the end is not to be interrupted
    raise Ended(signal.Signals(number).name)


def _run_worker(work, folder, guardian):
    code = 1
    for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(sig, _raise_ended)
    try:
        die_with_parent(guardian, signal.SIGTERM)
        adopt_orphans()
        code = work()
    except Ended as e:
        print(f"ended by {e}; nothing is left behind", file=sys.stderr)
    except (OSError, ValueError, RuntimeError) as e:
        print(f"{os.path.basename(sys.argv[0])}: {e}", file=sys.stderr)
    finally:
        end_all()
        shutil.rmtree(folder, ignore_errors=True)
        sys.stdout.flush()
        sys.stderr.flush()
    return code


def guarded(work, folder):
    """The exit code of work(), run in a child; afterwards no process of it and no folder is left."""
    guardian = os.getpid()
    adopt_orphans()
    sys.stdout.flush()
    sys.stderr.flush()
    # until the child is known, a signal waits
    signals = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
            code = _run_worker(work, folder, guardian)
        finally:
            os._exit(code)

    def pass_on(number, frame):
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGTERM)

    for sig in signals:
        signal.signal(sig, pass_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
    status = os.waitpid(child, 0)[1]
    end_all()
    shutil.rmtree(folder, ignore_errors=True)
    return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 1
