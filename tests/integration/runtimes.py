# SPDX-License-Identifier: Apache-2.0
"""The runtimes that others serve models with, from npm: ONNX Runtime and LiteRT, in Node.

A program NAME_run.mjs beside this file takes jobs as JSON on standard input and answers with one
result each; numbers go through files of float32. onnxruntime_run.mjs says what a job is."""
import array
import fcntl
import json
import os
import shutil
import subprocess

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


def modules():
    """The folder node_modules with the packages of package.json, installed when it lacks one."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("node and npm are not here")
    folder = os.path.join(ROOT, "build-runtimes")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(HERE, "package.json")) as f:
        wanted = json.load(f)["dependencies"]
    with open(os.path.join(folder, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if any(version_in(folder, name) != version for name, version in wanted.items()):
            shutil.copy(os.path.join(HERE, "package.json"), folder)
            # no scripts: the package's own would download what only graphics cards need
            done = subprocess.run(
                ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund",
                 "--ignore-scripts"], cwd=folder, capture_output=True, text=True, timeout=600,
                env={**os.environ, "ONNXRUNTIME_NODE_INSTALL": "skip"})
            assert done.returncode == 0, done.stderr
    return os.path.join(folder, "node_modules")


def version_in(folder, name):
    try:
        with open(os.path.join(folder, "node_modules", name, "package.json")) as f:
            return json.load(f)["version"]
    except FileNotFoundError:
        return None


def run(program, jobs):
    """The results of program (onnxruntime_run.mjs or litert_run.mjs) on these jobs, in order."""
    done = subprocess.run(
        ["node", os.path.join(HERE, program), modules()], input=json.dumps(jobs),
        capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert len(results) == len(jobs)
    return results


def write_floats(path, rows):
    """rows of numbers, as float32 row by row."""
    with open(path, "wb") as f:
        for row in rows:
            array.array("f", row).tofile(f)
    return str(path)


def read_floats(path, width):
    """The rows that write_floats wrote."""
    numbers = array.array("f")
    with open(path, "rb") as f:
        numbers.frombytes(f.read())
    return [numbers[i:i + width].tolist() for i in range(0, len(numbers), width)]
