# SPDX-License-Identifier: Apache-2.0
"""integrations/grafana as tests read it: dashboards, alert rules, and the queries in them."""
import json
import os
import re

import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDER = os.path.join(ROOT, "integrations", "grafana")
PROVISIONING = os.path.join(FOLDER, "provisioning")
DASHBOARDS = os.path.join(PROVISIONING, "dashboards", "tocsin")
VARIABLE = re.compile(r"\$\{?(\w+)\}?")


def text(*path):
    with open(os.path.join(FOLDER, *path)) as f:
        return f.read()


def load(*path):
    return yaml.safe_load(text("provisioning", *path))


def dashboards():
    """{uid: dashboard}"""
    found = {}
    for name in sorted(os.listdir(DASHBOARDS)):
        with open(os.path.join(DASHBOARDS, name)) as f:
            dashboard = json.load(f)
        assert dashboard["uid"] not in found
        found[dashboard["uid"]] = dashboard
    return found


def panels(dashboard):
    """All, those in folded rows too."""
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels") or []


def rules():
    return [r for group in load("alerting", "rules.yml")["groups"] for r in group["rules"]]


class Query:
    """An expression, where it stands, and whether it is asked for now or over a range."""

    def __init__(self, where, expression, instant):
        self.where, self.expression, self.instant = where, expression, instant

    def __repr__(self):
        return self.where.replace(" ", "_")


def queries():
    """Those of panels, annotations and alert rules. (Variables have a syntax of their own.)"""
    for uid, dashboard in dashboards().items():
        for panel in panels(dashboard):
            for target in panel.get("targets", []):
                yield Query(f"{uid}/{panel['title']}/{target['refId']}", target["expr"],
                            target["instant"])
        for annotation in dashboard["annotations"]["list"]:
            if "expr" in annotation:
                yield Query(f"{uid}/annotation {annotation['name']}", annotation["expr"], False)
    for rule in rules():
        yield Query(f"rule/{rule['uid']}", rule["data"][0]["model"]["expr"], True)
