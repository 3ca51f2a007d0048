# SPDX-License-Identifier: Apache-2.0
"""The help of each verb, the manual page and the shell's completion agree."""
import os
import re
import shutil
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def read(*path):
    with open(os.path.join(ROOT, *path)) as f:
        return f.read()


@pytest.fixture(scope="module")
def verbs(binary):
    """{verb: its options}, from the program itself."""
    done = run(binary, "--help")
    assert done.returncode == 0
    names = re.findall(r"^  ([a-z-]+) +\S", done.stdout, re.M)
    assert {"run", "train", "score", "check", "drill", "sample"} <= set(names)
    found = {}
    for name in names:
        help_text = run(binary, name, "--help").stdout
        assert "xample" in help_text, f"{name} --help has no example"
        assert "xit code" in help_text, f"{name} --help has no exit codes"
        # where options are explained, not where they are mentioned
        lines = re.findall(r"^ +(?:-\w, +)?(--[a-z][a-z0-9-]*)(?:, (--[a-z][a-z0-9-]*))?", help_text, re.M)
        found[name] = {option for line in lines for option in line if option}
    return found


def complete(*words):
    script = f"source '{ROOT}/completions/tocsin.bash'; COMP_WORDS=(\"$@\"); " \
             "COMP_CWORD=$(($# - 1)); _tocsin; printf '%s\\n' \"${COMPREPLY[@]}\""
    done = run("bash", "-c", script, "bash", *words)
    assert done.stderr == ""
    return set(done.stdout.split())


def test_manual_has_every_verb_and_option(verbs):
    sections = dict(re.findall(r"^\.Ss ([\w-]+)\n(.*?)(?=^\.S[sh] )", read("docs", "tocsin.1"),
                               re.M | re.S))
    for verb, options in verbs.items():
        assert verb in sections, f"the manual lacks {verb}"
        told = {"-" + o for o in re.findall(r"(?:Fl|,) (-[a-z][a-z0-9-]+)", sections[verb])}
        assert options - {"--help"} - told == set(), f"the manual lacks options of {verb}"
        assert told - options == set(), f"the manual has more than {verb}"


def test_completion_has_every_verb_and_option(verbs):
    assert set(verbs) - complete("tocsin", "") == set()
    for verb, options in verbs.items():
        assert complete("tocsin", verb, "--") == options | {"--help"}


def test_completion_knows_values():
    assert complete("tocsin", "drill", "--fault", "") == {
        "cpu", "memory", "disk", "network", "forks", "files"}
    assert complete("tocsin", "drill", "--fault", "f") == {"forks", "files"}
    assert complete("tocsin", "run", "--log-format", "j") == {"json"}
    assert complete("tocsin", "models", "r") == {"rollback"}
    assert complete("tocsin", "export", "--format", "") == {"tflite", "onnx"}
    assert complete("tocsin", "mark", "--as", "n") == {"normal"}


def test_manual_has_every_configuration_key(binary):
    manual = read("docs", "tocsin.1")
    manual = manual[manual.index(".Sh CONFIGURATION"):manual.index(".Sh ENVIRONMENT")]
    keys = re.findall(r"^ *(?:- )?([a-z_]+):", run(binary, "check", "--print").stdout, re.M)
    assert len(keys) > 25
    assert [k for k in keys if not re.search(rf"\b{k}\b", manual)] == []


def test_manual_is_well_formed():
    if shutil.which("mandoc"):
        done = run("mandoc", "-Tlint", "-Wwarning", os.path.join(ROOT, "docs", "tocsin.1"))
        assert done.stdout == ""
    elif shutil.which("groff"):
        done = run("groff", "-mandoc", "-ww", "-Tutf8", "-z", os.path.join(ROOT, "docs", "tocsin.1"))
        assert done.stderr == ""
    else:
        pytest.skip("neither mandoc nor groff here")


def test_unknown_verb_is_a_usage_error(binary):
    done = run(binary, "drum")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and "drum" in done.stderr
