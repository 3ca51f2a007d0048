# SPDX-License-Identifier: Apache-2.0
"""What all verbs share: options are taken strictly, and a result that is lost is trouble."""
import subprocess

import pytest


def run(binary, *words, **more):
    return subprocess.run([binary, *words], stderr=subprocess.PIPE, text=True, timeout=60, **more)


@pytest.mark.parametrize("words", [
    ["--version"], ["--help"], ["check"], ["check", "--print"], ["check", "--json"],
    ["check", "--help"], ["run", "--help"], ["drill", "--help"], ["sample"]], ids=" ".join)
def test_a_full_disk_is_trouble(binary, words):
    with open("/dev/full", "w") as full:
        done = run(binary, *words, stdout=full)
    assert done.returncode == 1
    assert done.stderr.startswith("tocsin: standard output: write: No space left")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("words, sentence", [
    ("run --json", "'--json' is not an option"),
    ("run --listen", "'--listen' expects a value"),
    ("run -x", "'-x' is not an option"),
    ("drill --fault", "'--fault' expects a value"),
    ("drill --fault cpu --all", "expected --fault NAME or --all, found both"),
    ("drill --json=1 --all", "'--json' takes no value"),
    ("check --conf=x", "options are written in full: '--config'"),
    ("check --conf x", "options are written in full: '--config'"),
    ("train --data a --data=b", "'--data' is given twice"),
    ("train -c a --config b", "'--config' is given twice"),
    ("score -o a --output b", "'--output' is given twice"),
    ("run --listen :1 --listen :2", "'--listen' is given twice"),
    ("train --data a --layers=", "--layers: expected widths such as 14,8,4,8,14, found nothing"),
    ("train --data a --validation 0.5 --validation-data b",
     "expected --validation or --validation-data, found both"),
    ("status -jx", "'-x' is not an option"),
])
def test_wrong_options_get_one_sentence_and_a_pointer(binary, words, sentence):
    verb = words.split()[0]
    done = run(binary, *words.split(), stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"tocsin {verb}: {sentence}\nTry `tocsin {verb} --help`.\n"


def test_a_url_with_a_space_is_a_wrong_option(binary):
    done = run(binary, "status", "--url", "http://exa mple", stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "tocsin: --url: expected a URL without spaces and control characters\n"
