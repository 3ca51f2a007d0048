# SPDX-License-Identifier: Apache-2.0
"""Models in and out as TensorFlow Lite, tried in LiteRT."""
import json
import math
import os
import random

import numpy as np
import pytest

import runtimes
from exported import (FRAMES, OfThisMachine, assert_agrees, assert_near, job, machine, of_tocsin, outputs,
                      write_csv)
from tflite_files import INT8, Table, Vector, dense_model

RUNTIME = "litert_run.mjs"


# --- networks and frames ---

ACTIVATIONS = {"linear": lambda v: v, "relu": lambda v: np.maximum(v, 0),
               "sigmoid": lambda v: 1 / (1 + np.exp(-v)), "tanh": np.tanh}


def random_layers(rng, n, depth=None, width=40, names=tuple(ACTIVATIONS)):
    """(W[out][in], b[out], activation) of a network of n inputs and outputs, in float32."""
    widths = [n, *(rng.randint(1, width) for _ in range(rng.randint(0, 4) if depth is None else depth - 1)), n]
    layers = []
    for a, b in zip(widths, widths[1:]):
        W = np.float32([[rng.gauss(0, 1) / math.sqrt(a) for _ in range(a)] for _ in range(b)])
        layers.append((W.tolist(), np.float32([rng.gauss(0, 0.3) for _ in range(b)]).tolist(), rng.choice(names)))
    return layers


def forward(layers, x):
    """In double: the measure."""
    y = np.asarray(x, np.float64)
    for W, b, activation in layers:
        y = ACTIVATIONS[activation](y @ np.float64(W).T + np.float64(b))
    return y


def import_layers(tocsin, folder, layers, *more, **options):
    """The model of such a file; its input is scaled already where no scaler is given."""
    (folder / "in.tflite").write_bytes(dense_model(layers, **options).build())
    (folder / "names.txt").write_text("".join(f"f{i}\n" for i in range(len(layers[0][0][0]))))
    tocsin("import-model", folder / "in.tflite", "--schema", folder / "names.txt", "--threshold", "fixed:0.1998",
           "-o", folder / "m.tsm", *more)
    return folder / "m.tsm"


def export(tocsin, model, *options, name="tflite"):
    path = model.with_suffix(f".raw.{name}" if "--raw" in options else f".{name}")
    told = tocsin("export", "--model", model, "--format", "tflite", "-o", path, "--json", *options)
    return path, json.loads(told.stdout)


def litert(jobs):
    """For each job its outputs by name."""
    return [outputs(j, result) for j, result in zip(jobs, runtimes.run(RUNTIME, jobs))]


def raw_job(model, x, name, **more):
    """A job on a bare network, by the name of its input."""
    prefix = os.path.splitext(str(model))[0] + f".{name}"
    path = runtimes.write_floats(prefix + ".in", x.tolist())
    return {"model": str(model), "rows": len(x), "outputs": prefix, **more,
            "inputs": {"scaled": path, "input_0": path}}


# --- out ---

def test_the_runtime_agrees_on_models_of_many_shapes(once, made, tool):
    paths = [export(once, m.path)[0] for m in made]
    seasons = 0
    jobs = [job(path, m.frames, "litert") for path, m in zip(paths, made)]
    for m, j, result in zip(made, jobs, runtimes.run(RUNTIME, jobs)):
        assert_agrees(outputs(j, result), tool, m, m.path.name)
        seasons += "time_of_day" in result["inputs"]
    assert 4 <= seasons < len(made)  # both kinds were tried


def test_bare_networks_of_many_shapes_agree(tocsin, tmp_path):
    """Read, written again, and run; beside the arithmetic in double."""
    rng = random.Random(5)
    jobs, expected = [], []
    for n in [*range(1, 30), 64, 200]:
        folder = tmp_path / str(n)
        folder.mkdir()
        layers = random_layers(rng, n)
        path, _ = export(tocsin, import_layers(tocsin, folder, layers), "--raw")
        x = np.float32([[rng.uniform(-0.2, 1.2) for _ in range(n)] for _ in range(FRAMES)])
        jobs.append(raw_job(path, x, "litert"))
        expected.append(forward(layers, x))
    for j, found, y in zip(jobs, litert(jobs), expected):
        assert list(found) == ["scaled_reconstruction"]
        assert_near(found["scaled_reconstruction"], y, 1, j["model"])


def test_a_real_machine_scores_the_same_in_the_runtime(once, trained, tool, tmp_path):
    real = OfThisMachine(trained, tmp_path)
    path, _ = export(once, real.path)
    real.know_spans(path)
    found, = litert([job(path, real.frames, "litert")])
    assert_agrees(found, tool, real, "this machine")


def test_single_frames_and_batches_agree(once, made):
    m = made[0]
    path, _ = export(once, m.path)
    frames = m.frames[:16]
    batch, single = litert([job(path, frames, "batch"), job(path, frames, "single", single=True)])
    for name in batch:
        assert_near(single[name], batch[name], np.abs(batch[name]).max(), name)


def test_the_metadata_tells_names_threshold_and_origin(once, made):
    data = export(once, made[1].path)[0].read_bytes()
    names = "".join(f"f{i}\n" for i in range(made[1].n)).encode()
    for key, value in ((b"tocsin.features", names), (b"tocsin.threshold", b"0.2\0"),
                       (b"tocsin.trained_from", b"2025-02-20T00:00:00.000Z"), (b"tocsin.scaler", b"feature,min,max\n")):
        assert key in data and value in data


# --- int8 ---

@pytest.mark.parametrize("raw", [False, True])
def test_int8_changes_the_score_by_what_was_said(once, tool, tmp_path, raw):
    rng = np.random.default_rng(2)
    X = np.float32(rng.permutation(machine(rng, 9, FRAMES)))  # so that none is far from training
    data, model = write_csv(tmp_path / "d.csv", X), tmp_path / "m.tsm"
    once("train", "--data", data, "--model", model, "--layers", "12,4,12", "--hidden", "tanh", "--epochs", 60,
         "--threshold", "fixed:0.002")
    more = ["--raw"] if raw else []
    plain_file, plain_told = export(once, model, *more)
    int8_file, told = export(once, model, "--int8", "--data", data, *more, name="int8.tflite")
    change = told["change"]
    assert plain_told["change"] is None
    assert change["rows"] == FRAMES and 0 < change["mean"] <= change["largest"]
    assert change["threshold"] == pytest.approx(0.002)

    if raw:
        scaled = scaled_by_file(plain_file, X)
        found = litert([raw_job(path, scaled, "litert") for path in (plain_file, int8_file)])
        before, after = (((scaled - r["scaled_reconstruction"]) ** 2).mean(axis=1) for r in found)
    else:
        frames = np.column_stack([X, np.zeros(FRAMES)]).astype(np.float32)
        found = litert([job(path, frames, "litert") for path in (plain_file, int8_file)])
        before, after = (r["anomaly_score"][:, 0] for r in found)
    off = np.abs(np.float64(after) - before)
    # the same integers, but for values that lie half-way between two of them
    assert off.mean() == pytest.approx(change["mean"], rel=0.02)
    assert off.max() == pytest.approx(change["largest"], rel=0.1)
    flips = int(((before > 0.002) != (after > 0.002)).sum())
    assert abs(flips - change["verdicts"]) <= 2
    words = once("export", "--model", model, "--format", "tflite", "--int8", "--data", data, "-o", int8_file, *more)
    assert f"{change['mean']:.3g} on average, {change['largest']:.3g} at most" in words.stdout


def scaled_by_file(path, X):
    """X scaled by the scaler that an export carries."""
    text = path.read_bytes().split(b"feature,min,max\n")[1].split(b"\0")[0].decode()
    low, high = np.array([[float(v) for v in line.split(",")[1:]] for line in text.splitlines() if "," in line]).T
    return np.float32((X - low) / (high - low))


def test_int8_of_models_of_many_shapes_runs(once, made, tmp_path):
    """Those with a daily rhythm and features that never moved as well."""
    jobs, changes, plain = [], [], []
    for m in made[:12]:
        data = write_csv(tmp_path / "frames.csv", m.frames[:, :-1])
        path, told = export(once, m.path, "--int8", "--data", data, name="int8.tflite")
        changes.append(told["change"])
        frames = m.frames.copy()
        frames[:, -1] = np.arange(FRAMES)  # write_csv: a second a row, from midnight
        jobs.append(job(path, frames, "int8"))
        plain.append(job(export(once, m.path)[0], frames, "plain"))
    for j, change, int8, before in zip(jobs, changes, litert(jobs), litert(plain)):
        off = np.abs(int8["anomaly_score"].astype(float) - before["anomaly_score"])
        assert off.mean() == pytest.approx(change["mean"], rel=0.05), j["model"]
        assert off.max() <= 1.2 * change["largest"], j["model"]


def test_int8_wants_frames_that_say_something(once, made, tmp_path):
    (tmp_path / "empty.csv").write_text("timestamp," + ",".join(f"f{i}" for i in range(made[1].n)) + "\n")
    p = once("export", "--model", made[1].path, "--format", "tflite", "--int8", "--data", tmp_path / "empty.csv",
             "-o", tmp_path / "x", code=1)
    assert "empty.csv" in p.stderr and p.stderr.count("\n") == 1
    assert not (tmp_path / "x").exists()


# --- in ---

QUIRKS = {
    "as Keras writes it": {},
    "before schema 3a": {"old_codes_only": True},
    "operator codes in the new field alone": {"new_codes_only": True},
    "data behind the FlatBuffer": {"behind": True},
    "vtables not shared": {"share": False},
    "float16 weights": {"half": True},
    "all dimensions kept": {"keep_num_dims": True},
    "a batch of one": {"dynamic": False},
    "no biases": {"biases": False},
    "no biases and no place for them": {"biases": False, "two_inputs": True},
    "ReLU as an operator of its own": {"fuse": ()},
}


@pytest.mark.parametrize("quirk", QUIRKS)
def test_files_with_quirks_are_imported_and_agree(tocsin, tmp_path, quirk):
    """The file and our export of what was read of it give the same in LiteRT."""
    rng, options = random.Random(quirk), QUIRKS[quirk]
    layers = random_layers(rng, 7, depth=4)
    path, _ = export(tocsin, import_layers(tocsin, tmp_path, layers, **options), "--raw")
    x = np.float32([[rng.uniform(0, 1) for _ in range(7)] for _ in range(FRAMES)])
    theirs, ours = litert([raw_job(tmp_path / "in.tflite", x, "theirs", single=options.get("dynamic") is False),
                           raw_job(path, x, "ours")])
    (expected,), (found,) = theirs.values(), ours.values()
    assert_near(found, expected, 1, "beside their own file")
    if options.get("half"):
        layers = [(np.float16(W), np.float16(b), a) for W, b, a in layers]
    if options.get("biases") is False:
        layers = [(W, [0] * len(b), a) for W, b, a in layers]
    assert_near(found, forward(layers, x), 1, "beside the arithmetic")


def test_fused_tanh_is_read_as_the_schema_has_it(tocsin, tmp_path):
    """Not beside its own file, which LiteRT refuses: no converter writes it, but the schema has it."""
    rng = random.Random(1)
    layers = random_layers(rng, 5, depth=3, names=("tanh",))
    path, _ = export(tocsin, import_layers(tocsin, tmp_path, layers, fuse=("tanh",)), "--raw")
    x = np.float32([[rng.uniform(0, 1) for _ in range(5)] for _ in range(20)])
    found, = litert([raw_job(path, x, "ours")])
    assert_near(found["scaled_reconstruction"], forward(layers, x), 1, "tanh")


def test_a_classic_autoencoder_is_judged_by_its_fixed_threshold(tocsin, tmp_path):
    """21-14-8-4-8-14-21 as a notebook leaves it."""
    rng = np.random.default_rng(21)
    widths, acts = [21, 14, 8, 4, 8, 14, 21], ["relu"] * 5 + ["sigmoid"]
    layers = [((rng.normal(size=(b, a)) / np.sqrt(a)).astype(np.float32).tolist(), [0.125] * b, act)
              for a, b, act in zip(widths, widths[1:], acts)]
    low = np.arange(21)
    (tmp_path / "scaler.csv").write_text("feature,min,max\n" + "".join(f"f{i},{i},{2 * i + 1}\n" for i in low))
    model = import_layers(tocsin, tmp_path, layers, "--scaler", tmp_path / "scaler.csv")
    z = rng.uniform(size=(50, 21))
    out = tocsin("score", "--model", model, "--data", write_csv(tmp_path / "d.csv", low + z * (low + 1))).stdout
    scores = np.array([[float(v) for v in line.split(",")[1:]] for line in out.splitlines()[1:]])
    expected = ((z - forward(layers, z)) ** 2).mean(axis=1)
    assert_near(scores[:, 0], expected, 0.1, "score")
    assert scores[:, 1] == pytest.approx(0.1998)
    assert (scores[:, 2] == (expected > 0.1998)).all()


# --- refusals ---

def small(**options):
    return dense_model([([[1, 2], [3, 4]], [0, 0], "relu"), ([[1, 2], [3, 4]], [0, 0], "linear")], **options)


def with_operator(name, kind=0, **options):
    m = small()
    y = m.tensor("more", [1, 2], kind)
    m.operator(name, m.outputs, [y], **options)
    m.outputs = [y]
    return m.build()


def with_int8_weights():
    m = small()
    scale = Table({2: Vector("f", [0.1]), 3: Vector("q", [0])})
    y, W = m.tensor("y", [1, 2]), m.tensor("W", [2, 2], INT8, b"\1\2\3\4", quantization=scale)
    m.operator("FULLY_CONNECTED", [m.outputs[0], W, -1], [y], 8, Table({}), version=3)
    m.outputs = [y]
    return m.build()


REFUSED = {
    "RELU6": (lambda: with_operator("RELU6"), "operator 3, RELU6"),
    "RESHAPE": (lambda: with_operator("RESHAPE"), "operator 3, RESHAPE"),
    "GELU": (lambda: with_operator("GELU"), "operator 3, GELU"),
    "a custom operator": (lambda: with_operator("CUSTOM", custom="FlexErf"), "operator 3, CUSTOM FlexErf"),
    "RELU6, fused": (lambda: dense_model([([[1]], [0], "relu6")], fuse=("relu6",)).build(), "RELU6"),
    "integers": (lambda: with_operator("QUANTIZE", INT8), "quantized to integers"),
    "integer weights": (with_int8_weights, "quantized to integers"),
    "schema 2": (lambda: small(version=2).build(), "schema version 2"),
    "half a file": (lambda: small().build()[:600], "no sound TensorFlow Lite model"),
    "no autoencoder": (lambda: dense_model([([[1, 2]], [0], "relu")]).build(), "2"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_read_gets_a_sentence(tocsin, tmp_path, what):
    make, words = REFUSED[what]
    (tmp_path / "in.tflite").write_bytes(make())
    (tmp_path / "names.txt").write_text("a\nb\n")
    p = tocsin("import-model", tmp_path / "in.tflite", "--schema", tmp_path / "names.txt", "--threshold",
               "fixed:0.1", "-o", tmp_path / "m.tsm", code=1)
    assert words in p.stderr and "in.tflite" in p.stderr
    assert len(p.stderr.splitlines()) == 1
    assert not (tmp_path / "m.tsm").exists()


def test_our_own_bare_exports_come_back(once, made, tool, tmp_path):
    """With scaler, names and threshold; int8 ones and the whole graph are refused."""
    rng = np.random.default_rng(4)
    X = machine(rng, 6, 200)
    data, model = write_csv(tmp_path / "d.csv", X), tmp_path / "m.tsm"
    once("train", "--data", data, "--model", model, "--epochs", 5, "--threshold", "fixed:0.2")
    raw, _ = export(once, model, "--raw")
    once("import-model", raw, "-o", tmp_path / "back.tsm")
    frames = np.column_stack([X, np.zeros(len(X))]).astype(np.float32)
    for one, two in zip(of_tocsin(tool, model, frames), of_tocsin(tool, tmp_path / "back.tsm", frames)):
        assert (one == two).all()
    whole, _ = export(once, model)
    int8, _ = export(once, model, "--raw", "--int8", "--data", data, name="int8.tflite")
    for path, words in (whole, "--raw"), (int8, "quantized to integers"):
        p = once("import-model", path, "-o", tmp_path / "x.tsm", code=1)
        assert words in p.stderr and p.stderr.count("\n") == 1
