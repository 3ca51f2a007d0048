# SPDX-License-Identifier: Apache-2.0
"""The model and frames that `bench-runtimes FOLDER` left, in the runtimes of others, one thread, as
they are called from Node. Usage: peer_runtimes.py TOCSIN FOLDER. One that is not there says so."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tests", "integration"))
try:
    import pytest
    import runtimes
except ImportError:
    sys.exit("peer_runtimes: pytest is not installed (Debian: python3-pytest); its rows are left out")

BATCH, SECONDS = 1000, 2
# name in the table, program, format and file of the export
RUNTIMES = [("ONNX Runtime", "onnxruntime_run.mjs", "onnx"),
            ("LiteRT", "litert_run.mjs", "tflite")]


def measure(tocsin, folder, name, program, form):
    model = os.path.join(folder, f"model.{form}")
    subprocess.run([tocsin, "export", "--model", os.path.join(folder, "model.tsm"), "--format", form,
                    "-o", model], check=True, stdout=subprocess.DEVNULL)
    job = {"model": model, "rows": BATCH, "inputs": {"features": os.path.join(folder, "frames")},
           "outputs": os.path.join(folder, form), "time": SECONDS}
    for what, single in ("one frame", True), ("1,000 frames", False):
        result = runtimes.run(program, [{**job, "single": single}])[0]
        if "error" in result:
            raise RuntimeError(result["error"])
        print(f"{name}, {what}\t{1e6 * result['seconds_per_run']:.4g}\tus")


def main():
    tocsin, folder = sys.argv[1:]
    for name, program, form in RUNTIMES:
        try:
            measure(tocsin, folder, name, program, form)
        except (subprocess.CalledProcessError, AssertionError, RuntimeError, OSError,
                pytest.skip.Exception) as e:
            print(f"peer_runtimes: {name}: {e}; its rows are left out", file=sys.stderr)


main()
