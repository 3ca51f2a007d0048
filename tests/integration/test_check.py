# SPDX-License-Identifier: Apache-2.0
"""tocsin check: what is wrong with a configuration, told with its place, before a daemon starts."""
import json
import os
import subprocess

import pytest


def check(binary, *options, **more):
    return subprocess.run([binary, "check", *options], capture_output=True, text=True, timeout=60,
                          **more)


@pytest.fixture
def write(tmp_path):
    def write_file(text, name="tocsin.yml"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)
    return write_file


def test_defaults_are_fine(binary):
    done = check(binary)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("the defaults: fine: profile node with ")


def test_fine_file_is_called_fine(binary, write):
    path = write("profile: classic\nlearn: {for: 2m}\n")
    done = check(binary, "-c", path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{path}: fine: profile classic with 21 features\n"


def test_json_has_the_same(binary, write):
    path = write("profile: classic\n")
    done = check(binary, "-c", path, "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["file"] == path and answer["valid"] is True
    assert answer["profile"] == "classic" and answer["features"] == 21
    assert 0 < answer["base_features"] < 21
    assert json.loads(check(binary, "--json").stdout)["file"] is None


def test_wrong_key_is_told_with_its_place(binary, write):
    path = write("profile: node\nlearn:\n  fro: 2m\n")
    done = check(binary, "-c", path)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == f"tocsin: {path}:3:3: learn has no key 'fro'; did you mean 'for'?\n"
    done = check(binary, "-c", path, "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout) == {
        "file": path, "valid": False,
        "error": f"{path}:3:3: learn has no key 'fro'; did you mean 'for'?"}


@pytest.mark.parametrize("text, sentence", [
    (b"listen: a:1\n\tprofile: node\n", ":2:1: a tab here"),
    (b"a: &x [*x]\n", ":1:4: anchors (&x) are not understood here"),
    (b"\xff\xfea\x00", ":1:1: the file is UTF-16"),
    (b"listen: a:1\n\x00", ":2:1: byte 0x00"),
    (b"a: 1\n---\nb: 2\n", ":2:1: a second document"),
    (b"[" * 1000000, ":1:17: more than 16 levels"),
    (b"x" * 2000000, "more than 1048576 bytes"),
    (b"sources: [push: {}]\n", ":1:11: source 'push' is not known; known: host, scrape, "),
    (b"confirm: {k: 5, of: 3}\n", ":1:14: confirm.k: expected at most confirm.of (3), found 5"),
    (b"data_dir: ${TOCSIN_TEST_UNSET}\n", "'TOCSIN_TEST_UNSET' is not set"),
    (b"model: {share: a-b}\n", ":1:16: model.share: expected the name of a label such as role"),
    (b"write: {url: 'http://h/', labels: {__name__: a}}\n", ":1:8: write.labels: '__name__' is reserved"),
], ids=range(12))
def test_bad_files_get_one_sentence_with_a_place(binary, write, text, sentence):
    path = write(text)
    done = check(binary, "-c", path)
    assert done.returncode == (1 if "more than 1048576" in sentence else 2) and done.stdout == ""
    assert path in done.stderr and done.stderr.count("\n") == 1
    assert sentence in done.stderr


def test_missing_file_is_trouble(binary, tmp_path):
    done = check(binary, "-c", str(tmp_path / "none.yml"))
    assert done.returncode == 1
    assert "none.yml" in done.stderr and "No such file" in done.stderr


def test_wrong_profile_is_told_with_its_place(binary, write):
    profile = write("name: mine\nfeatures:\n  - {name: a, expr: 'sum('}\n", "mine.yml")
    done = check(binary, "-c", write(f"profile: {profile}\n"))
    assert done.returncode == 2
    assert done.stderr.startswith(f"tocsin: {profile}:")


@pytest.mark.parametrize("verb", ["check", "run"])
def test_profile_that_is_not_there_is_told_where_it_is_named(binary, write, verb, tmp_path):
    def refused(*options):
        done = subprocess.run([binary, verb, *options], capture_output=True, text=True, timeout=60)
        return done.returncode, done.stderr

    near = write("learn: {for: 2m}\nprofile: nodes\n")
    assert refused("-c", near) == (
        2, f"tocsin: {near}:2:10: profile: unknown profile 'nodes'; did you mean 'node'?\n")
    none = write(f"profile: {tmp_path}/none.yml\n", "none-there.yml")
    assert refused("-c", none) == (
        1, f"tocsin: {none}:1:10: profile: '{tmp_path}/none.yml': open: No such file or directory\n")
    if verb == "run":
        assert refused("-c", none, "--profile", "classik") == (
            2, "tocsin: --profile: unknown profile 'classik'; did you mean 'classic'?\n")


def test_name_is_no_address_to_listen_on(binary, write):
    path = write("profile: node\nlisten: example.org:80\n")
    done = check(binary, "-c", path)
    assert (done.returncode, done.stderr) == (
        2, f"tocsin: {path}:2:9: listen: expected an IP address and a port, as 127.0.0.1:8001 or "
        "[::1]:8001, found 'example.org:80'\n")


def test_printed_configuration_is_a_file_of_its_own(binary, write):
    first = write("listen: \"[::1]:0\"\nmodel: {layers: [3, 2, 3]}\nretention: {size: 3GiB}\n"
                  "data_dir: ${TOCSIN_TEST_DIR}/\"x\n")
    env = {**os.environ, "TOCSIN_TEST_DIR": "/srv/ü $${d}"}
    printed = check(binary, "-c", first, "--print", env=env)
    assert printed.returncode == 0, printed.stderr
    assert "[3, 2, 3]" in printed.stdout and "3GiB" in printed.stdout
    assert all("#" in line for line in printed.stdout.splitlines() if not line.endswith(":"))
    again = check(binary, "-c", write(printed.stdout, "printed.yml"), "--print")
    assert again.stdout == printed.stdout


@pytest.mark.parametrize("options", [["more"], ["--print", "--json"], ["--prnt"], ["-c"]])
def test_wrong_command_lines_are_usage_errors(binary, options):
    done = check(binary, *options)
    assert done.returncode == 2 and done.stdout == ""
    assert "tocsin check --help" in done.stderr


@pytest.mark.parametrize("text, sentence", [
    ("sources: [{scrape: {job: a, targets: ['h:99999']}}]", "scrape 'a': "),
    ("sources: [{scrape: {job: a, file_sd: ['/a/*/b.json']}}]", "scrape 'a': "),
    ("sources: [{prometheus: {url: 'http://h:99999'}}]", "prometheus: 'http://h:99999' is not a URL"),
    ("sources: [{prometheus: {url: 'http://h:1', match: 'job='}}]", "prometheus: "),
    ("alerts: {alertmanager: {urls: ['http://u:gehei/m@h']}}", "alertmanager: 'http://h' is not a URL"),
    ("write: {url: 'http://h:x/'}", "write: 'http://h:x/' is not a URL"),
])
def test_what_run_would_refuse_of_others_is_told(binary, write, text, sentence):
    done = check(binary, "-c", write(text + "\n"))
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith(f"tocsin: {sentence}") and done.stderr.count("\n") == 1


def test_a_configuration_may_come_through_a_pipe(binary):
    """Read once: what a second look would not find must not be left out in silence."""
    done = subprocess.run([binary, "check", "-c", "/dev/stdin", "--print"], capture_output=True,
                          text=True, timeout=60, input="listen: 127.0.0.1:7\nsources: [remote_write: {}]\n")
    assert done.returncode == 0, done.stderr
    assert "listen: 127.0.0.1:7" in done.stdout and "- remote_write:" in done.stdout
