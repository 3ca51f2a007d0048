# SPDX-License-Identifier: Apache-2.0
"""integrations/grafana is what its source writes, and holds together: Grafana itself is not in
Debian, so each thing that it would refuse or not find is looked for here."""
import filecmp
import os
import re
import shutil
import subprocess

import pytest
import yaml

from grafana_files import (DASHBOARDS, FOLDER, PROVISIONING, ROOT, VARIABLE, dashboards, load,
                           panels, queries, rules, text)

# Grafana's documentation: Variables, Global variables
BUILTIN = {"__rate_interval", "__range", "__interval"}
PANEL_TYPES = {"row", "stat", "table", "timeseries", "state-timeline", "bargauge"}
DURATION = re.compile(r"\d+(s|m|h|d)")


@pytest.fixture(params=sorted(dashboards()), scope="module")
def dashboard(request):
    return dashboards()[request.param]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of the source with its packages installed."""
    assert shutil.which("npm"), "npm is not installed; ./test.sh installs it"
    copy = tmp_path_factory.mktemp("grafana") / "source"
    shutil.copytree(os.path.join(FOLDER, "source"), copy,
                    ignore=shutil.ignore_patterns("node_modules"))
    done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=copy, capture_output=True,
                          text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return copy


def test_what_is_committed_is_what_the_script_writes(source, tmp_path):
    subprocess.run(["node", "generate.js", tmp_path], cwd=source, check=True, timeout=60)
    written = [os.path.relpath(os.path.join(folder, name), tmp_path)
               for folder, _, names in os.walk(tmp_path) for name in names]
    match, differ, missing = filecmp.cmpfiles(tmp_path, FOLDER, written, shallow=False)
    assert (differ, missing) == ([], []), "run `npm run generate` in integrations/grafana/source"
    assert {os.path.join("provisioning", "dashboards", "tocsin", name)
            for name in os.listdir(DASHBOARDS)} < set(match)


def test_the_source_uses_the_builders_as_they_are_typed(source):
    done = subprocess.run(["npm", "run", "check"], cwd=source, capture_output=True, text=True,
                          timeout=300)
    assert done.returncode == 0, done.stdout


def test_the_lockfile_names_no_registry():
    lock = text("source", "package-lock.json")
    assert "://" not in re.sub(r'"url": "[^"]*"', "", lock)  # (funding links are no registry)
    assert '"resolved"' not in lock and '"integrity"' in lock


def test_a_dashboard_has_what_grafana_needs(dashboard):
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", dashboard["uid"])
    assert dashboard["title"] and dashboard["schemaVersion"] >= 36  # with datasources by uid
    assert "id" not in dashboard and dashboard["time"].keys() == {"from", "to"}
    for panel in panels(dashboard):
        assert panel["type"] in PANEL_TYPES and panel["title"]
        if panel["type"] != "row":
            assert panel["targets"] and panel["fieldConfig"]["defaults"] is not None
    for annotation in dashboard["annotations"]["list"]:
        assert annotation["name"] and annotation["iconColor"] and "enable" in annotation
    for variable in dashboard["templating"]["list"]:
        assert variable["type"] in ("datasource", "query") and variable["query"]


def test_panels_have_their_own_ids_and_places(dashboard):
    ids = [p["id"] for p in panels(dashboard)]
    assert len(ids) == len(set(ids)) and all(i > 0 for i in ids)
    taken = {}
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        assert 0 <= at["x"] and at["x"] + at["w"] <= 24 and at["w"] > 0 and at["h"] > 0
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                assert (x, y) not in taken, f"{panel['title']} lies over {taken[x, y]}"
                taken[x, y] = panel["title"]
    rows = {y for _, y in taken}
    assert rows == set(range(len(rows))), "a gap between panels"


def test_references_in_a_dashboard_resolve(dashboard):
    variables = {v["name"]: v for v in dashboard["templating"]["list"]}
    uids = {d["uid"] for d in load("datasources", "tocsin.yml")["datasources"]}
    source = variables["datasource"]
    assert source["type"] == "datasource" and source["query"] == "prometheus"
    assert source["current"]["value"] in uids

    wanted = {"type": "prometheus", "uid": "${datasource}"}
    for panel in panels(dashboard):
        letters = [t["refId"] for t in panel.get("targets", [])]
        assert len(letters) == len(set(letters))
        assert all(t["datasource"] == wanted for t in panel.get("targets", []))
        assert panel["type"] == "row" or panel["datasource"] == wanted
    for a in dashboard["annotations"]["list"]:
        assert a["datasource"] == wanted or a["builtIn"] == 1
    for v in dashboard["templating"]["list"]:
        assert v["type"] == "datasource" or v["datasource"] == wanted

    texts = [t["expr"] for p in panels(dashboard) for t in p.get("targets", [])]
    texts += [a["expr"] for a in dashboard["annotations"]["list"] if "expr" in a]
    texts += [v["definition"] for v in variables.values() if v["type"] == "query"]
    texts += [p["title"] for p in panels(dashboard)]
    for used in texts:
        assert set(VARIABLE.findall(used)) <= variables.keys() | BUILTIN, used


def links_in(node):
    if isinstance(node, dict):
        if isinstance(node.get("url"), str):
            yield node["url"]
        node = node.values()
    elif not isinstance(node, list):
        return
    for child in node:
        yield from links_in(child)


def test_links_lead_to_dashboards_and_their_variables(dashboard):
    found = list(links_in(dashboard))
    assert found
    for url in found:
        uid, _, query = re.fullmatch(r"/d/([a-z-]+)(\?(.*))?", url).groups()
        names = {v["name"] for v in dashboards()[uid]["templating"]["list"]}
        assert set(re.findall(r"var-(\w+)=", query or "")) <= names


def test_table_columns_are_named_after_their_queries(dashboard):
    """What overrides and the last transformation name is what the queries give."""
    tables = [p for p in panels(dashboard) if p["type"] == "table"]
    for panel in tables:
        trends = [t["refId"] for t in panel["targets"] if t.get("format") != "table"]
        steps = [(t["id"], t.get("filter", {}).get("options")) for t in panel["transformations"]]
        assert steps == [("timeSeriesTable", refId) for refId in trends] + [
            ("joinByField", None), ("organize", None)]
        organize = panel["transformations"][-1]["options"]
        fields = {f"{'Value' if t.get('format') == 'table' else 'Trend'} #{t['refId']}"
                  for t in panel["targets"]}
        assert set(organize["renameByName"]) == fields | {"instance"}
        assert set(organize["indexByName"]) == fields | {"instance"}
        shown = set(organize["renameByName"].values())
        overridden = {o["matcher"]["options"] for o in panel["fieldConfig"]["overrides"]}
        assert overridden <= shown
        assert all("by (instance)" in t["expr"] for t in panel["targets"])


def test_overrides_name_legends(dashboard):
    for panel in panels(dashboard):
        if panel["type"] != "timeseries":
            continue
        legends = {t["legendFormat"] for t in panel["targets"]}
        for o in panel["fieldConfig"].get("overrides", []):
            assert o["matcher"]["options"] in legends, panel["title"]
            below = [p["value"] for p in o["properties"] if p["id"] == "custom.fillBelowTo"]
            assert set(below) <= legends


def test_the_provider_finds_the_dashboards():
    provider, = load("dashboards", "tocsin.yml")["providers"]
    assert provider["type"] == "file"
    assert provider["options"]["path"] == "/etc/grafana/provisioning/dashboards/tocsin"
    assert os.path.relpath(DASHBOARDS, PROVISIONING) == "dashboards/tocsin"
    volumes = yaml.safe_load(text("compose.yml"))["services"]["grafana"]["volumes"]
    assert "./provisioning:/etc/grafana/provisioning:ro" in volumes


def test_rules_are_queries_whose_steps_follow_each_other():
    datasources = {d["uid"]: d for d in load("datasources", "tocsin.yml")["datasources"]}
    uids = [r["uid"] for r in rules()]
    assert len(uids) == len(set(uids)) and len(uids) >= 6
    for rule in rules():
        assert re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", rule["uid"]) and rule["title"]
        assert DURATION.fullmatch(rule["for"])
        assert rule["noDataState"] in ("OK", "Alerting", "NoData", "KeepLast")
        assert rule["execErrState"] in ("OK", "Alerting", "Error", "KeepLast")
        earlier = []
        for step in rule["data"]:
            model = step["model"]
            assert step["refId"] == model["refId"] and step["refId"] not in earlier
            assert step["relativeTimeRange"]["from"] > step["relativeTimeRange"]["to"]
            assert model["datasource"]["uid"] == step["datasourceUid"]
            if step["datasourceUid"] == "__expr__":
                assert model["expression"] == earlier[-1]
                assert model["type"] in ("reduce", "threshold")
            else:
                assert datasources[step["datasourceUid"]]["type"] == "prometheus"
                assert model["instant"] is True and model["range"] is False
            earlier.append(step["refId"])
        last = rule["data"][-1]["model"]
        assert rule["condition"] == last["refId"] and last["type"] == "threshold"
        evaluator, = [c["evaluator"] for c in last["conditions"]]
        assert evaluator["type"] in ("gt", "gte", "lt", "lte") and len(evaluator["params"]) == 1
        assert "$" not in str(rule["annotations"]), "Grafana would look into its environment"
        assert "$" not in rule["data"][0]["model"]["expr"], "an alert rule knows no variables"
    for group in load("alerting", "rules.yml")["groups"]:
        assert group["folder"] and group["name"] and group["orgId"] == 1
        number, unit = int(group["interval"][:-1]), group["interval"][-1]
        assert number * {"s": 1, "m": 60}[unit] % 10 == 0, "Grafana counts in tens of seconds"


def test_rules_link_to_panels_that_exist():
    linked = [r for r in rules() if "dashboardUid" in r]
    assert linked
    for rule in linked:
        ids = {p["id"]: p for p in panels(dashboards()[rule["dashboardUid"]])}
        assert ids[rule["panelId"]]["title"] == "Score"
        assert rule["annotations"]["__dashboardUid__"] == rule["dashboardUid"]
        assert rule["annotations"]["__panelId__"] == str(rule["panelId"])


# What each kind refuses to be without: grafana/alerting, receivers/*/config.go
NEEDED = {"telegram": {"bottoken", "chatid"}, "slack": {"url"}, "email": {"addresses"},
          "webhook": {"url"}}


def test_policies_lead_to_every_contact_point():
    points = {p["name"]: p for p in load("alerting", "contact-points.yml")["contactPoints"]}
    kinds = {}
    for point in points.values():
        receiver, = point["receivers"]
        assert receiver["uid"] and NEEDED[receiver["type"]] <= receiver["settings"].keys()
        kinds[receiver["type"]] = point["name"]
    assert kinds.keys() == NEEDED.keys()

    tree, = load("alerting", "policies.yml")["policies"]
    assert tree["receiver"] in points and "object_matchers" not in tree
    labels = {label for r in rules() for label in r["labels"]} | {"alertname", "instance"}
    assert set(tree["group_by"]) <= labels
    reached = {kind: [] for kind in kinds}
    for route in tree["routes"]:
        (label, operator, pattern), = route["object_matchers"]
        assert label in labels and operator == "=~" and route["continue"] is True
        for kind in kinds:
            if re.fullmatch(pattern, f"x,{kind},y"):
                reached[kind].append(route["receiver"])
    assert reached == {kind: [name] for kind, name in kinds.items()}


def test_grafana_takes_every_file_of_the_folder_of_alerting():
    """It refuses to start over one that is no YAML or JSON."""
    for name in os.listdir(os.path.join(PROVISIONING, "alerting")):
        assert name.endswith((".yml", ".yaml", ".json"))
        assert load("alerting", name)["apiVersion"] == 1


def expanded(node):
    """All texts that Grafana takes variables of its environment from: not the models of rules."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key != "model":
                yield from expanded(value)
    elif isinstance(node, list):
        for value in node:
            yield from expanded(value)
    elif isinstance(node, str):
        yield node


def test_every_variable_of_the_environment_has_a_value_and_is_told_of():
    used = set()
    for folder in ("datasources", "dashboards", "alerting"):
        for name in os.listdir(os.path.join(PROVISIONING, folder)):
            if name.endswith(".yml"):
                for value in expanded(load(folder, name)):
                    used |= set(VARIABLE.findall(value))
    given = dict(line.split("=", 1) for line in text("grafana.env").splitlines()
                 if line and line[0] != "#")
    assert given.keys() == used
    assert all(given.values()), "Grafana does not start with an empty setting of a contact point"
    assert yaml.safe_load(text("compose.yml"))["services"]["grafana"]["env_file"] == "grafana.env"
    readme = text("README.md")
    assert all(f"`{name}`" in readme for name in used)


def test_raw_metrics_are_those_that_features_are_made_of():
    with open(os.path.join(ROOT, "profiles", "node.yml")) as f:
        known = set(re.findall(r"\bnode_\w+", f.read())) | {"node_uname_info"}
    for query in queries():
        assert set(re.findall(r"\bnode_\w+", query.expression)) <= known, query
