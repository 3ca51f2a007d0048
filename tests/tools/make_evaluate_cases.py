#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/data/evaluate: labels, scores and what an independent program measures on them.

    make_evaluate_cases.py REFERENCE OUTPUT

REFERENCE is the folder of the reference program: evaluate.py with vus.py, in numpy. Tests read
what is committed and need neither."""
import json
import pathlib
import sys

import numpy as np

reference, output = sys.argv[1], pathlib.Path(sys.argv[2])
sys.path.insert(0, reference)
import evaluate  # noqa: E402
import vus  # noqa: E402


def label_of(rows, *events):
    label = np.zeros(rows, dtype=int)
    for first, last in events:
        label[first:last + 1] = 1
    return label


def plain(rng):
    """Five events that a noisy score sees more or less."""
    label = label_of(600, (50, 61), (140, 141), (300, 349), (420, 420), (500, 529))
    score = rng.exponential(1, 600) + 2.5 * np.convolve(label, np.ones(4) / 4)[:600]
    return label, score, 20, 2.5


def ties(rng):
    """Six distinct scores, events at both ends, buffers that overlap and are cut off, odd width."""
    label = label_of(400, (0, 4), (30, 33), (40, 47), (52, 52), (200, 240), (396, 399))
    return label, np.minimum(rng.integers(0, 5, 400) + label, 5), 33, 4


def short(rng):
    """Fewer rows than thresholds, and rows without a score."""
    label = label_of(60, (20, 27), (50, 52))
    score = rng.normal(0, 1, 60) + 1.2 * label
    score[[3, 22, 59]] = np.nan
    return label, score, 10, 1.0


def blind(rng):
    """Scores that know nothing; single rows labelled."""
    label = (rng.random(800) < 0.03).astype(int)
    return label, rng.random(800), 125, 0.9


def write(path, header, *columns):
    with open(path, "w") as f:
        f.write(header + "\n")
        for row in zip(*columns):
            f.write(",".join(row) + "\n")


for seed, make in enumerate((plain, ties, short, blind), 1):
    rng = np.random.default_rng(seed)
    label, score, window, threshold = make(rng)
    name = make.__name__
    score = np.round(score, 6)
    write(output / f"{name}.label.csv", "label", map(str, label))
    write(output / f"{name}.score.csv", "timestamp,score",
          (str(1700000000 + 60 * i) for i in range(label.size)), (f"{x:g}" for x in score))
    score = np.array([float(f"{x:g}") for x in score])
    score[np.isnan(score)] = np.nanmin(score)
    expected = evaluate.evaluate(label, score, window, threshold)
    (output / f"{name}.json").write_text(json.dumps(expected, indent=1) + "\n")

rng = np.random.default_rng(9)
i = np.arange(700)
series = np.round(np.sin(2 * np.pi * i / 37) + 0.3 * np.sin(2 * np.pi * i / 11) +
                  rng.normal(0, 0.5, 700), 4)
write(output / "series.csv", "timestamp,m0,m1", (str(1700000000 + 60 * k) for k in i),
      (f"{x:g}" for x in series), ("0" for k in i))
(output / "series.json").write_text(json.dumps({"window": vus.window_of(series)}) + "\n")
