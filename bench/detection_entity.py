# SPDX-License-Identifier: Apache-2.0
"""One entity through tocsin's verbs, or through a peer and `tocsin evaluate`."""
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile


class Trouble(Exception):
    pass


@dataclasses.dataclass(frozen=True)
class Entity:
    group: str
    name: str  # of all, unique: GROUP/NAME
    base: pathlib.Path  # the path of its files, without .train.csv and the like
    series: pathlib.Path  # of those whose period says how wide the buffer of VUS is

    def file(self, ending):
        return f"{self.base}.{ending}"


def find(folder, series=None):
    """All of them, in order. A group is named by its folder, seen from the one that is given.
    series: a folder of the same names, whose series are taken for the period; None: their own."""
    if not folder.is_dir():
        raise Trouble(f"'{folder}': expected a folder of data")
    found = []
    for train in sorted(folder.rglob("*.train.csv")):
        base = pathlib.Path(str(train).removesuffix(".train.csv"))
        group = str(train.parent.relative_to(folder))
        group = folder.resolve().name if group == "." else group
        at = series / base.relative_to(folder) if series else base
        for half in ("train", "test") if series else ():
            if not os.path.isfile(f"{at}.{half}.csv"):
                raise Trouble(f"'{at}.{half}.csv': expected the series of {group}/{base.name}")
        entity = Entity(group, f"{group}/{base.name}", base, at)
        missing = [e for e in ("test.csv", "label.csv") if not os.path.isfile(entity.file(e))]
        if missing:
            raise Trouble(f"'{train}': expected {base.name}.{missing[0]} beside it")
        found.append(entity)
    if not found:
        raise Trouble(f"'{folder}': expected NAME.train.csv, NAME.test.csv and NAME.label.csv "
                      "in it")
    return found


class Tools:
    """The programs: tocsin, and bench-verdict where it is built beside it."""

    def __init__(self, tocsin):
        if not os.access(tocsin, os.X_OK):
            raise Trouble(f"'{tocsin}': expected a program")
        self.tocsin = tocsin
        verdict = tocsin.parent / "bench" / "bench-verdict"
        self.verdict = verdict if os.access(verdict, os.X_OK) else None


def run(command, **more):
    """(what it prints, CPU seconds); its sentence when it fails."""
    with tempfile.TemporaryFile() as told:
        p = subprocess.Popen([str(w) for w in command], stdout=subprocess.PIPE, stderr=told, **more)
        with p.stdout:
            out = p.stdout.read().decode()
        _, status, used = os.wait4(p.pid, 0)
        p.returncode = os.waitstatus_to_exitcode(status)
        if p.returncode != 0:
            told.seek(0)
            why = told.read().decode(errors="replace").strip().splitlines()
            raise Trouble(why[-1] if why else f"{command[0]}: ended with {p.returncode}")
    return out, used.ru_utime + used.ru_stime


def evaluate(tools, entity, scores, *more):
    out, _ = run([tools.tocsin, "evaluate", "--labels", entity.file("label.csv"),
                  "--scores", scores, "--json", *more,
                  "--series", f"{entity.series}.train.csv,{entity.series}.test.csv"])
    figures = json.loads(out)
    result = {"entity": entity.name, "group": entity.group}
    for key in ("rows", "anomalous", "events", "window", "unscored", "vus_pr", "vus_roc", "auc_pr",
                "auc_roc", "f1", "pa_f1", "event_f1"):
        result[key] = figures[key]
    return result, figures


def measure_verdict(tools, entity, model, result):
    """What bench-verdict prints: NAME<TAB>VALUE<TAB>UNIT."""
    if not tools.verdict:
        return
    out, _ = run([tools.verdict, model, entity.file("test.csv")])
    values = {line.split("\t")[0]: float(line.split("\t")[1]) for line in out.splitlines()}
    result["score_us"] = values["verdict"]
    result["memory_bytes"] = values["model and state"]


def measure_tocsin(tools, entity, place):
    model, scores, contributions = f"{place}.tsm", f"{place}.scores.csv", f"{place}.why.csv"
    causes = entity.file("causes.txt")
    with_causes = os.path.isfile(causes)
    _, train_s = run([tools.tocsin, "train", "--data", entity.file("train.csv"), "--model", model,
                      "--profile", "none"])
    run([tools.tocsin, "score", "--data", entity.file("test.csv"), "--model", model, "-o", scores,
         *(["--contributions", contributions] if with_causes else [])])
    more = ["--causes", causes, "--contributions", contributions] if with_causes else []
    result, figures = evaluate(tools, entity, scores, *more)
    at, hits = figures["at_threshold"], figures["causes"] or {}
    for key in ("events_found", "false_alarm_events", "delay_median", "precision", "recall"):
        result[key] = at[key]
    result.update(train_s=train_s, model_bytes=os.path.getsize(model),
                  hit_rate_100=hits.get("hit_rate_100"), hit_rate_150=hits.get("hit_rate_150"),
                  events_with_causes=hits.get("events", 0))
    measure_verdict(tools, entity, model, result)
    return result


def measure_peer(tools, entity, place, peer):
    """A peer is a process of its own, so that its CPU time is its own, and has one thread."""
    scores = f"{place}.{peer.replace(' ', '-')}.csv"
    here = pathlib.Path(__file__).resolve().parent
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    out, _ = run([sys.executable, here / "detection_peers.py", peer, tools.tocsin,
                  entity.file("train.csv"), entity.file("test.csv"), scores], env=one_thread)
    return {**evaluate(tools, entity, scores)[0], **json.loads(out)}


def measure(tools, entity, folder, peer=None):
    place = folder / entity.name
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        if peer:
            return measure_peer(tools, entity, place, peer)
        return measure_tocsin(tools, entity, place)
    except Trouble as e:
        raise Trouble(f"{entity.name}: {peer + ': ' if peer else ''}{e}") from None
