# SPDX-License-Identifier: Apache-2.0
"""Machines with one value of a label share a model (model.share): through the whole daemon, from targets
of a file and from what is pushed."""
import json
import subprocess

import pytest

from daemon import Daemon
from exporters import Exporter

PROFILE = """name: small
features:
  - {name: forks, expr: "rate(node_forks_total[5s])"}
  - {name: switches, expr: "rate(node_context_switches_total[5s])"}
  - {name: load, expr: node_load1}
"""
LEARN_S = 30


@pytest.fixture
def machines():
    made = [Exporter(seed) for seed in range(4)]
    yield made
    for machine in made:
        machine.stop()


def by_name(d):
    return {e["instance"]: e for e in d.json("/api/v1/entities")["entities"]}


def test_machines_of_one_role_are_learned_from_together(binary, tmp_path, machines):
    targets = tmp_path / "targets.json"
    profile = tmp_path / "small.yml"
    profile.write_text(PROFILE)
    config = tmp_path / "tocsin.yml"
    config.write_text(json.dumps({
        "profile": str(profile),
        "sources": [{"scrape": {"job": "node", "interval": "1s", "file_sd": [str(targets)]}}],
        "model": {"share": "role"},
    }))
    one, two, other, late = (machine.target for machine in machines)

    def name(*web):
        targets.write_text(json.dumps([{"targets": list(web), "labels": {"role": "web"}},
                                       {"targets": [other]}]))

    name(one, two)
    d = Daemon(binary, tmp_path, "-c", str(config), learn=f"{LEARN_S}s").start()
    try:
        d.wait(lambda: len(by_name(d)) == 3 and all(
            e["phase"] == "watching" and e["score"] is not None for e in by_name(d).values()), 120)
        found = by_name(d)
        assert [found[x]["group"] for x in (one, two, other)] == ["web", "web", None]
        assert found[one]["model"]["id"] == found[two]["model"]["id"] != found[other]["model"]["id"]
        assert found[one]["model"]["rows"] > 1.5 * LEARN_S  # frames of both

        # one that comes later has no cold start
        before = d.metric("tocsin_trainings_total")
        name(one, two, late)
        d.wait(lambda: late in by_name(d) and by_name(d)[late]["score"] is not None)
        assert by_name(d)[late]["model"]["id"] == found[one]["model"]["id"]
        assert d.metric("tocsin_trainings_total") == before

        up = {t["instance"]: t for t in d.json("/api/v1/targets")["targets"]}
        assert up[one]["state"] == "up" and up[one]["failures"] == 0 and up[one]["taken"] >= 3
        machines[1].broken = True
        d.wait(lambda: d.json(f"/api/v1/targets?instance={two}")["targets"][0]["state"] == "down", 30)
        assert 'tocsin_scrape_targets{job="node",state="down"} 1' in d.get("/metrics")[1]
        machines[1].broken = False

        # learned anew together
        old = found[one]["model"]["id"]
        d.process.send_signal(10)  # SIGUSR1
        d.wait(lambda: d.metric("tocsin_trainings_total") >= before + 2)  # the group, and the other
        d.wait(lambda: len({by_name(d)[x]["model"]["id"] for x in (one, two, late)}) == 1)
        live = by_name(d)[one]["model"]["id"]
        assert live != old or "the live model stays" in d.log() or "rejected" in d.log()

        # and after a restart it is so from the first tick
        assert d.stop() == 0
        d.start()
        d.wait(lambda: len(by_name(d)) == 4, 30)
        d.wait(lambda: by_name(d)[two]["group"] == "web", 30)
        assert {by_name(d)[x]["phase"] for x in (one, two, late, other)} == {"watching"}
        assert {by_name(d)[x]["model"]["id"] for x in (one, two, late)} == {live}

        # whose row of it an operator means is asked, not guessed
        p = subprocess.run([binary, "models", "promote", live, "--data-dir", d.data_dir],
                           capture_output=True, text=True)
        assert p.returncode == 2 and "expected --instance: 3 entities have the model" in p.stderr
    finally:
        assert d.stop() == 0
