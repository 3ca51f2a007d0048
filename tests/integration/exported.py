# SPDX-License-Identifier: Apache-2.0
"""What the tests of exported models share: models of many shapes, frames for them, and what tocsin
itself makes of these frames."""
import csv
import glob
import os
import random
import shutil
import sqlite3
import subprocess

import numpy as np
import runtimes

FRAMES = 1000
QUARTER_H = 900
START = 1740009600  # a midnight, UTC


def machine(rng, n, rows, constants=0, rhythm=False):
    """rows x n of features that follow two loads, on scales far apart; the last are constant."""
    loads = rng.normal(size=(rows, 2)).cumsum(axis=0) * 0.2
    if rhythm:
        loads[:, 0] += 3 * np.sin(np.arange(rows) * QUARTER_H / 86400 * 2 * np.pi)
    X = loads @ rng.normal(size=(2, n)) + rng.normal(size=(rows, n)) * 0.1
    X = (X + rng.normal(size=n) * 20) * 10.0 ** rng.uniform(-3, 7, size=n)
    if constants:
        X[:, -constants:] = X[0, -constants:]
    return X


def write_csv(path, X, step=1):
    with open(path, "w", newline="") as f:
        w = csv.writer(f)
        w.writerow(["timestamp", *(f"f{i}" for i in range(X.shape[1]))])
        for i, row in enumerate(X):
            w.writerow([START + i * step, *(repr(float(v)) for v in row)])
    return path


class Made:
    """A model of random shape that tocsin trained on made-up data, and frames for it."""

    def __init__(self, tocsin, folder, seed, rhythm=False, threshold="fixed:0.2", constants=None):
        rng, pick = np.random.default_rng(seed), random.Random(seed)
        self.n = pick.randint(1, 40)
        if constants is None:
            constants = pick.choice([0, 0, 1, 2]) if self.n > 4 else 0
        rows = 3 * 96 if rhythm else 200
        X = machine(rng, self.n, rows, constants, rhythm)
        layers = [str(pick.randint(1, 60)) for _ in range(pick.randint(1, 5))]
        data = write_csv(folder / f"{seed}.csv", X, QUARTER_H if rhythm else 1)
        self.path = folder / f"{seed}.tsm"
        tocsin("train", "--data", data, "--model", self.path, "--layers", ",".join(layers),
               "--hidden", pick.choice(["relu", "sigmoid", "tanh", "linear"]),
               "--output", pick.choice(["relu", "sigmoid", "tanh", "linear"]),
               "--scaling", pick.choice(["minmax", "quantile"]), "--epochs", pick.choice([1, 20]),
               "--threshold", threshold, "--seed", seed)
        self.frames = frames_like(rng, X)
        self.unit = np.ptp(X, axis=0) + np.abs(X).max(axis=0) * 1e-3


class OfThisMachine:
    """A daemon's model of the machine that this runs on, and frames that it kept."""

    def __init__(self, data_dir, folder):
        with sqlite3.connect(os.path.join(data_dir, "tocsin.db")) as db:
            blobs = [row[0] for row in db.execute('SELECT "values" FROM frames')]
        X = np.nan_to_num(np.array([np.frombuffer(b, np.float32) for b in blobs], float))
        assert len(X) > 20
        rng = np.random.default_rng(1)
        # each feature from another second: real but for how they go together
        self.frames = np.column_stack([rng.choice(X[:, i], FRAMES) for i in range(X.shape[1])] +
                                      [rng.integers(0, 86400, FRAMES)]).astype(np.float32)
        self.unit = np.ptp(X, axis=0) + np.abs(X).max(axis=0) * 1e-3 + 1e-6
        self.path = folder / "real.tsm"
        shutil.copy(glob.glob(os.path.join(data_dir, "models", "*.tsm"))[0], self.path)

    def know_spans(self, path):
        """What is usual is at least the span that the model scales by, as its export tells it:
        a feature that hardly moved has one of its resolution."""
        lines = open(path, "rb").read().split(b"feature,min,max\n")[1].split(b"\n")
        ends = np.array([line.split(b",")[1:] for line in lines[:len(self.unit)]], float)
        span = ends[:, 1] - ends[:, 0]
        self.unit = np.where(span < 1e30, np.maximum(self.unit, span), self.unit)


def frames_like(rng, X):
    """FRAMES x (n + 1): mostly as in X, now and then far from there; and the second of the day."""
    low, span = X.min(axis=0), np.ptp(X, axis=0)
    still = span == 0  # they stay, but for the times when they move so far that they count
    span = np.where(still, np.abs(low) + 1, span)
    F = low + np.where(still, 0, span) * rng.uniform(-0.1, 1.1, size=(FRAMES, X.shape[1]))
    far = rng.random(F.shape) < 0.02
    F[far] += (span * rng.normal(size=F.shape) * 20)[far]
    return np.column_stack([F, rng.integers(0, 86400, FRAMES)]).astype(np.float32)


def of_tocsin(tool, model, frames):
    """(expected, error, score) of tocsin's own arithmetic."""
    n = frames.shape[1] - 1
    done = subprocess.run([tool("score_frames"), model], input=frames.tobytes(),
                          capture_output=True, timeout=60, check=True)
    answer = np.frombuffer(done.stdout, np.float32).reshape(len(frames), 2 * n + 1)
    return answer[:, :n], answer[:, n:2 * n], answer[:, 2 * n]


def job(model, frames, name, **more):
    """A job for runtimes.run on a whole export."""
    prefix = os.path.splitext(str(model))[0] + f".{name}"
    return {"model": str(model), "rows": len(frames), "outputs": prefix, **more,
            "inputs": {"features": runtimes.write_floats(prefix + ".in", frames[:, :-1].tolist()),
                       "time_of_day": runtimes.write_floats(prefix + ".t",
                                                            frames[:, -1:].tolist())}}


def outputs(a_job, result):
    """{name: array} of a job that was run."""
    assert "error" not in result, f"{a_job['model']}: {result['error']}"
    return {name: np.fromfile(f"{a_job['outputs']}.{name}", np.float32).reshape(a_job["rows"], -1)
            for name in result["outputs"]}


def assert_near(found, expected, unit, what):
    """To 1e-5 of the value, or of what is usual there where the value is near nothing: two sums of
    float32 in another order differ by as much."""
    found, expected = np.asarray(found, float), np.asarray(expected, float)
    off = np.abs(found - expected) / np.maximum(np.abs(expected), unit)
    at = np.unravel_index(np.argmax(off), off.shape)
    assert off[at] <= 1e-5, f"{what}: {found[at]} instead of {expected[at]}, {off[at]:.2g} off"


def assert_agrees(found, tool, made, what):
    """found: the outputs of a whole export on made.frames."""
    expected, error, score = of_tocsin(tool, made.path, made.frames)
    assert found["reconstruction"].shape == expected.shape
    assert found["anomaly_score"].shape == (len(made.frames), 1)
    assert_near(found["reconstruction"], expected, made.unit, f"{what}: reconstruction")
    # errors are squares of scaled distances, in which 1 is the whole range of training
    assert_near(found["feature_error"], error, 1, f"{what}: feature_error")
    assert_near(found["anomaly_score"][:, 0], score, 0.1, f"{what}: anomaly_score")
