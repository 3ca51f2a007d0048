# SPDX-License-Identifier: Apache-2.0
"""Models to and from ONNX: beside onnx.checker, ONNX Runtime and PyTorch."""
import json
import random

import numpy as np
import pytest

import runtimes
from exported import (Made, OfThisMachine, assert_agrees, assert_near, frames_like, job, machine,
                      of_tocsin, outputs, write_csv)

onnx = pytest.importorskip("onnx")

RUNTIME = "onnxruntime_run.mjs"
CLASSIC = [14, 8, 4, 8, 14, 21]


def export(tocsin, model, *options):
    path = model.with_suffix(".raw.onnx" if "--raw" in options else ".onnx")
    tocsin("export", "--model", model, "--format", "onnx", "-o", path, *options)
    return path


def test_the_checker_accepts_every_export(once, made):
    for m in made:
        for options in (), ("--raw",):
            path = export(once, m.path, *options)
            onnx.checker.check_model(str(path), full_check=True)


def test_the_runtime_agrees_on_models_of_many_shapes(once, made, tool):
    jobs = [job(export(once, m.path), m.frames, "ort") for m in made]
    seasons = 0
    for m, j, result in zip(made, jobs, runtimes.run(RUNTIME, jobs)):
        assert_agrees(outputs(j, result), tool, m, m.path.name)
        seasons += "time_of_day" in result["inputs"]
    assert 4 <= seasons < len(made)  # both kinds were tried


def test_one_frame_and_a_batch_are_the_same(once, made):
    m = made[0]
    frames = m.frames[:16]
    path = export(once, m.path)
    jobs = [job(path, frames, "batch"), job(path, frames, "single", single=True)]
    batch, single = (outputs(j, r) for j, r in zip(jobs, runtimes.run(RUNTIME, jobs)))
    for name in batch:
        assert_near(single[name], batch[name], np.abs(batch[name]).max(), name)


def test_a_real_machine_scores_the_same_in_the_runtime(once, trained, tool, tmp_path):
    """The profile node on this machine: features that never moved, never came or weigh nothing."""
    real = OfThisMachine(trained, tmp_path)
    path = export(once, real.path)
    real.know_spans(path)
    j = job(path, real.frames, "ort")
    assert_agrees(outputs(j, runtimes.run(RUNTIME, [j])[0]), tool, real, "this machine")


def test_the_metadata_tells_names_threshold_and_origin(once, made):
    path = export(once, made[1].path)
    facts = {p.key: p.value for p in onnx.load(str(path)).metadata_props}
    assert facts["tocsin.features"].split() == [f"f{i}" for i in range(made[1].n)]
    assert float(facts["tocsin.threshold"]) == pytest.approx(0.2)
    assert facts["tocsin.threshold_method"] == "fixed"
    assert facts["tocsin.trained_from"] == "2025-02-20T00:00:00.000Z"
    assert int(facts["tocsin.training_rows"]) == 200
    assert "reconstruction error" in facts["tocsin.score"]
    scaler = [line.split(",") for line in facts["tocsin.scaler"].split()]
    assert scaler[0] == ["feature", "min", "max"] and len(scaler) == made[1].n + 1


def test_a_threshold_of_tocsins_own_score_is_said_to_be_that(once, tmp_path):
    m = Made(once, tmp_path, 5, threshold="sigma:3")
    result = json.loads(once("export", "--model", m.path, "--format", "onnx", "-o",
                             tmp_path / "m.onnx", "--json").stdout)
    assert "threshold is not of this number" in result["score"]


# -- the other way --


def save(path, nodes, weights, n, **more):
    """An ONNX file with one input x of n values and one output y."""
    from onnx import TensorProto, helper, numpy_helper

    def value(name):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", n])

    graph = helper.make_graph(
        nodes, "g", [value("x")], [value("y")],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in weights.items()])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], **more),
              str(path))
    return path


def keras(path, widths, rng, n=21, hidden="Relu", last="Sigmoid"):
    """A dense autoencoder as tf2onnx writes one of Keras: MatMul, then Add; and its weights."""
    from onnx import helper

    nodes, weights, layers, x = [], {}, [], "x"
    for i, width in enumerate(widths):
        W = rng.normal(size=(n, width)).astype(np.float32) * 0.4
        b = rng.normal(size=width).astype(np.float32) * 0.1
        act, base = last if i == len(widths) - 1 else hidden, f"model/dense_{i}"
        weights[f"{base}/MatMul/ReadVariableOp:0"], weights[f"{base}/BiasAdd/ReadVariableOp:0"] = W, b
        nodes.append(helper.make_node("MatMul", [x, f"{base}/MatMul/ReadVariableOp:0"],
                                      [f"{base}/MatMul:0"]))
        nodes.append(helper.make_node("Add", [f"{base}/MatMul:0",
                                              f"{base}/BiasAdd/ReadVariableOp:0"],
                                      [f"{base}/BiasAdd:0"]))
        x = "y" if i == len(widths) - 1 else f"{base}/{act}:0"
        nodes.append(helper.make_node(act, [f"{base}/BiasAdd:0"], [x]))
        layers.append((W, b, act))
        n = width
    return save(path, nodes, weights, widths[-1]), layers


def forward(layers, X):
    acts = {"Relu": lambda v: np.maximum(v, 0), "Sigmoid": lambda v: 1 / (1 + np.exp(-v)),
            "Tanh": np.tanh}
    for W, b, act in layers:
        X = acts[act](X @ W.astype(float) + b)
    return X


def write_names(path, n=21):
    path.write_text("".join(f"f{i}\n" for i in range(n)))
    return path


def write_scaler(path, low, high):
    path.write_text("feature,min,max\n" + "".join(
        f"f{i},{float(a)!r},{float(b)!r}\n" for i, (a, b) in enumerate(zip(low, high))))
    return path


def test_an_autoencoder_of_keras_is_scored_as_its_pipeline_does(tocsin, tool, tmp_path):
    rng = np.random.default_rng(3)
    X = machine(rng, 21, 300, constants=1)
    low, high = X.min(axis=0), X.max(axis=0)
    span = np.where(high > low, high - low, 1)  # as scikit-learn's MinMaxScaler has it
    path, layers = keras(tmp_path / "k.onnx", CLASSIC, rng)
    tocsin("import-model", path, "--schema", write_names(tmp_path / "names.txt"), "--scaler",
           write_scaler(tmp_path / "scaler.csv", low, high), "--threshold", "fixed:0.1998", "-o",
           tmp_path / "k.tsm")
    z = (X - low) / span
    errors = ((z - forward(layers, z)) ** 2).mean(axis=1)
    tocsin("score", "--model", tmp_path / "k.tsm", "--data", write_csv(tmp_path / "x.csv", X), "-o",
           tmp_path / "scores.csv")
    lines = [line.split(",") for line in (tmp_path / "scores.csv").read_text().split()[1:]]
    assert_near([float(line[1]) for line in lines], errors, 1e-2, "scores")
    assert {line[2] for line in lines} == {"0.1998"}
    assert [int(line[3]) for line in lines] == [int(e > 0.1998) for e in errors]
    # values far outside of training reach the network as they are, as in that pipeline
    F = frames_like(rng, X)
    z = (F[:, :-1].astype(float) - low) / span
    assert_near(of_tocsin(tool, tmp_path / "k.tsm", F)[2],
                ((z - forward(layers, z)) ** 2).mean(axis=1), 0.1, "far frames")


def test_pytorch_models_are_imported_and_agree(tocsin, tool, tmp_path):
    torch = pytest.importorskip("torch")
    torch.manual_seed(1)
    pick = random.Random(1)
    acts = [torch.nn.ReLU, torch.nn.Sigmoid, torch.nn.Tanh, torch.nn.Identity]
    for case in range(12):
        n = pick.randint(1, 30)
        widths = [n] + [pick.randint(1, 40) for _ in range(pick.randint(0, 5))] + [n]
        layers = []
        for a, b in zip(widths, widths[1:]):
            layers.append(torch.nn.Linear(a, b, bias=pick.random() < 0.7))
            layers.append(pick.choice(acts)())
            if pick.random() < 0.3:
                layers.append(torch.nn.Dropout(0.2))
        net = torch.nn.Sequential(*layers).eval()
        X = torch.rand(50, n)
        path, imported = tmp_path / f"t{case}.onnx", tmp_path / f"t{case}.tsm"
        torch.onnx.export(net, X[:1], str(path), opset_version=pick.choice([9, 11, 13, 15]),
                          do_constant_folding=pick.random() < 0.5,
                          dynamic_axes={"input": {0: "batch"}} if pick.random() < 0.5 else None,
                          input_names=["input"])
        tocsin("import-model", path, "--schema", write_names(tmp_path / "names.txt", n),
               "--threshold", "fixed:1", "-o", imported)
        frames = np.column_stack([X.numpy(), np.zeros(50)]).astype(np.float32)
        with torch.no_grad():
            expected = net(X).numpy()
        assert_near(of_tocsin(tool, imported, frames)[0], expected, 1, f"case {case}: {net}")


def test_a_bare_export_comes_back_without_options(tocsin, tool, tmp_path):
    m = Made(tocsin, tmp_path, 7, constants=0)  # a bare network knows nothing of weights
    told = tocsin("import-model", export(tocsin, m.path, "--raw"), "-o", tmp_path / "back.tsm")
    assert "threshold  0.2" in told.stdout
    inside = m.frames.copy()
    inside[:, :-1] = np.clip(inside[:, :-1], *np.percentile(inside[:, :-1], [5, 95], axis=0))
    assert_near(of_tocsin(tool, tmp_path / "back.tsm", inside)[2],
                of_tocsin(tool, m.path, inside)[2], 0.1, "score")


def test_run_watches_with_an_imported_model(tocsin, binary, make_daemon, tmp_path):
    """The classic pipeline: 21 features, 14-8-4-8-14, a fixed threshold of 0.1998."""
    names = classic_names()
    path, _ = keras(tmp_path / "k.onnx", CLASSIC, np.random.default_rng(4))
    (tmp_path / "names.txt").write_text("\n".join(names) + "\n")
    (tmp_path / "scaler.csv").write_text(
        "feature,min,max\n" + "".join(f"{name},0,1e12\n" for name in names))
    tocsin("import-model", path, "--schema", tmp_path / "names.txt", "--scaler",
           tmp_path / "scaler.csv", "--threshold", "fixed:0.1998", "-o", tmp_path / "k.tsm")
    data = tmp_path / "data"
    refused = tocsin("models", "import", tmp_path / "k.tsm", "--data-dir", data, code=1)
    assert "profile node" in refused.stderr and refused.stderr.count("\n") == 1
    tocsin("models", "import", tmp_path / "k.tsm", "--profile", "classic", "--data-dir", data)
    daemon = make_daemon("--profile", "classic", learn="1h")
    daemon.wait_watching()
    answer = daemon.json("/predict")
    assert answer["reconstruction_error"] > 0
    assert daemon.metric("anomaly_threshold") == pytest.approx(0.1998)
    assert "learning" not in daemon.entity()["phase"]
    listed = json.loads(tocsin("models", "list", "--data-dir", data, "--json").stdout)["models"]
    assert [(m["state"], m["reason"]) for m in listed] == [("live", "imported by an operator")]
    # a daemon that runs has the store: another import must wait for its end
    held = tocsin("models", "import", tmp_path / "k.tsm", "--profile", "classic", "--data-dir",
                  data, code=1)
    assert held.stderr.count("\n") == 1


def classic_names():
    import os

    from conftest import ROOT
    import re

    with open(os.path.join(ROOT, "profiles", "classic.yml")) as f:
        return re.findall(r"- \{name: (\w+)", f.read())


# -- what is wrong gets a sentence --


def conv(path):
    from onnx import helper

    return save(path, [helper.make_node("Conv", ["x", "w"], ["y"])],
                {"w": np.zeros((1, 1, 3), np.float32)}, 3)


def softmax(path):
    from onnx import helper

    return save(path, [helper.make_node("MatMul", ["x", "w"], ["h"]),
                       helper.make_node("Softmax", ["h"], ["y"])],
                {"w": np.eye(3, dtype=np.float32)}, 3)


def skip_connection(path):
    from onnx import helper

    return save(path, [helper.make_node("MatMul", ["x", "w"], ["h"]),
                       helper.make_node("Add", ["h", "x"], ["y"])],
                {"w": np.eye(3, dtype=np.float32)}, 3)


def half_floats(path):
    from onnx import helper

    return save(path, [helper.make_node("MatMul", ["x", "w"], ["y"])],
                {"w": np.eye(3, dtype=np.float16)}, 3)


def external(path):
    from onnx import helper

    model = onnx.load(str(save(path, [helper.make_node("MatMul", ["x", "w"], ["y"])],
                               {"w": np.zeros((3, 3), np.float32)}, 3)))
    onnx.save(model, str(path), save_as_external_data=True, location="weights.bin",
              size_threshold=0)
    return path


def narrow(path):
    from onnx import helper

    return save(path, [helper.make_node("MatMul", ["x", "w"], ["y"])],
                {"w": np.zeros((3, 2), np.float32)}, 3)


@pytest.mark.parametrize("make, words", [
    (conv, "operator Conv"), (softmax, "operator Softmax"),
    (skip_connection, "'x' goes 2 ways"), (half_floats, "type 10"), (external, "another file"),
    (narrow, "3 inputs and 2 outputs"),
    (lambda p: p.write_bytes(b"") and p or p, "empty file"),
    (lambda p: p.write_bytes(b"timestamp,a,b\n1,2,3\n") and p, "another kind of file"),
    (lambda p: p.write_bytes(b"\x08\x07\xff\xff\xff\xff") and p, "no protobuf"),
])
def test_a_wrong_file_gets_a_sentence(tocsin, tmp_path, make, words):
    path = make(tmp_path / "wrong.onnx")
    done = tocsin("import-model", path, "--schema", write_names(tmp_path / "names.txt", 3),
                  "--threshold", "fixed:1", "-o", tmp_path / "m.tsm", code=1)
    assert words in done.stderr and "wrong.onnx" in done.stderr
    assert done.stderr.count("\n") == 1 and done.stdout == ""
    assert not (tmp_path / "m.tsm").exists()


def test_a_whole_export_is_not_imported(once, made, tocsin, tmp_path):
    done = tocsin("import-model", export(once, made[1].path), "-o", tmp_path / "m.tsm", code=1)
    assert "tocsin export --raw" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("names, scaler, threshold, code, words", [
    (None, None, "fixed:1", 2, "--schema"),
    ("f0\nf1\n", None, "fixed:1", 2, "takes 3 values"),
    ("f0\nf1\nf1\n", None, "fixed:1", 1, "'f1' comes twice"),
    ("f0\nno name\nf2\n", None, "fixed:1", 1, "'no name' is no name"),
    ("f0\n\nf2\n", None, "fixed:1", 1, "names.txt:2:"),
    ("f0\nf1\nf2\n", None, None, 2, "--threshold fixed:NUMBER"),
    ("f0\nf1\nf2\n", None, "sigma:3", 2, "no scores"),
    ("f0\nf1\nf2\n", None, "fixed:-1", 2, "threshold"),
    ("f0\nf1\nf2\n", "feature,low,high\n", "fixed:1", 1, "scaler.csv:1:"),
    ("f0\nf1\nf2\n", "feature,min,max\nf0,0,1\nf1,0,1\n", "fixed:1", 1, "line for 'f2'"),
    ("f0\nf1\nf2\n", "feature,min,max\nf0,1,0\n", "fixed:1", 1, "scaler.csv:2:"),
    ("f0\nf1\nf2\n", "feature,min,max\nf0,0,1\nf0,0,1\n", "fixed:1", 1, "'f0' comes twice"),
    ("f0\nf1\nf2\n", "feature,min,max\nf9,0,1\n", "fixed:1", 1, "'f9' is no feature"),
    ("f0\nf1\nf2\n", "feature,min,max\nf0,0\n", "fixed:1", 1, "expected feature,min,max"),
    ("f0\nf1\nf2\n", "feature,min,max\nf0,0,\n", "fixed:1", 1, "two finite numbers"),
])
def test_a_wrong_option_gets_a_sentence(tocsin, tmp_path, names, scaler, threshold, code, words):
    path, _ = keras(tmp_path / "k.onnx", [2, 3], np.random.default_rng(1), n=3)
    options = []
    if names is not None:
        (tmp_path / "names.txt").write_text(names)
        options += ["--schema", tmp_path / "names.txt"]
    if scaler is not None:
        (tmp_path / "scaler.csv").write_text(scaler)
        options += ["--scaler", tmp_path / "scaler.csv"]
    if threshold is not None:
        options += ["--threshold", threshold]
    done = tocsin("import-model", path, *options, "-o", tmp_path / "m.tsm", code=code)
    assert words in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "m.tsm").exists()


@pytest.mark.parametrize("options, words", [
    ([], "--format"), (["--format", "h5"], "found 'h5'"),
    (["--format", "onnx", "--int8"], "--int8"), (["--format", "tflite", "--int8"], "--data"),
    (["--format", "onnx", "--data", "x.csv"], "--int8"),
])
def test_wrong_options_of_export_get_a_sentence(tocsin, tmp_path, options, words):
    done = tocsin("export", "--model", "m.tsm", "-o", tmp_path / "out", *options, code=2)
    assert words in done.stderr and "export --help" in done.stderr
    assert not (tmp_path / "out").exists()


def test_an_export_that_cannot_be_written_leaves_nothing(once, made, tocsin, tmp_path):
    done = tocsin("export", "--model", made[0].path, "--format", "onnx", "-o",
                  tmp_path / "no" / "where.onnx", code=1)
    assert "where.onnx" in done.stderr and done.stdout == ""


def test_what_is_read_is_not_written_over(once, made, tocsin, tmp_path):
    model = tmp_path / "m.tsm"
    model.write_bytes(made[0].path.read_bytes())
    (tmp_path / "link").symlink_to(model)
    before = model.read_bytes()
    for path in (model, tmp_path / "link"):
        done = tocsin("export", "--model", model, "--format", "onnx", "-o", path, code=2)
        assert f"expected another file than '{model}', found the same" in done.stderr
    bare = tmp_path / "bare.onnx"
    tocsin("export", "--model", model, "--format", "onnx", "--raw", "-o", bare)
    done = tocsin("import-model", bare, "--threshold", "fixed:1", "-o", bare, code=2)
    assert f"expected another file than '{bare}', found the same" in done.stderr
    assert model.read_bytes() == before and bare.read_bytes()[:1] == b"\x08"
