# SPDX-License-Identifier: Apache-2.0
"""Means, spread and targets of bench/detection, and how they are printed."""
import statistics

# key of a result: (head of its column, how it is shown, whether groups have a mean of it)
COLUMNS = {
    "window": ("window", "{:.0f}", False),
    "vus_pr": ("VUS-PR", "{:.3f}", True),
    "vus_roc": ("VUS-ROC", "{:.3f}", True),
    "auc_pr": ("AUC-PR", "{:.3f}", True),
    "f1": ("best F1", "{:.3f}", True),
    "pa_f1": ("PA-F1", "{:.3f}", True),
    "events_found": ("found", "{:.0f}", False),
    "false_alarm_events": ("false", "{:.0f}", True),
    "delay_median": ("delay", "{:.1f}", True),
    "hit_rate_100": ("hit@100", "{:.3f}", True),
    "hit_rate_150": ("hit@150", "{:.3f}", True),
    "train_s": ("train s", "{:.2f}", True),
    "score_us": ("score us", "{:.2f}", True),
    "model_bytes": ("model KiB", "{:.1f}", True),
    "memory_bytes": ("mem. KiB", "{:.1f}", True),
}
PEER_COLUMNS = ("vus_pr", "vus_roc", "auc_pr", "f1", "pa_f1", "train_s", "score_us")
SPREAD = {"mean": "mean", "sd": "deviation", "min": "least", "max": "most"}


def spread(values):
    values = [v for v in values if v is not None]
    if not values:
        return None
    return {"mean": statistics.mean(values), "min": min(values), "max": max(values),
            "sd": statistics.stdev(values) if len(values) > 1 else 0.0}


def causes_of(results):
    """The hit rates averaged over events, as they are published: an entity of many weighs more."""
    events = sum(r.get("events_with_causes", 0) for r in results)
    if events == 0:
        return None
    of_all = {"events": events}
    for key in ("hit_rate_100", "hit_rate_150"):
        of_all[key] = sum(r[key] * r["events_with_causes"] for r in results if r.get(key) is not None) / events
    return of_all


def group_of(results, target=None):
    group = {"entities": len(results), "events": sum(r["events"] for r in results)}
    for key, (_, _, has_mean) in COLUMNS.items():
        if has_mean:
            group[key] = spread([r.get(key) for r in results])
    group["causes"] = causes_of(results)
    if "events_found" in results[0]:
        group["events_found"] = sum(r["events_found"] for r in results)
    if target is not None:
        group["target_vus_pr"] = target
        group["met"] = group["vus_pr"]["mean"] >= target
    return group


def by_group(results):
    groups = {}
    for r in results:
        groups.setdefault(r["group"], []).append(r)
    return groups


def summarize(results, peers, targets):
    groups = {name: group_of(of, targets.get(name)) for name, of in by_group(results).items()}
    return {
        "entities": results,
        "groups": groups,
        "all": group_of(results),
        "peers": {name: {"entities": of, "all": group_of(of),
                         "groups": {g: group_of(rs) for g, rs in by_group(of).items()}}
                  for name, of in peers.items()},
    }


def cell(key, value):
    if value is None:
        return "-"
    return COLUMNS[key][1].format(value / 1024 if key.endswith("_bytes") else value)


def print_table(rows):
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    for n, row in enumerate(rows):
        print("  ".join([row[0].ljust(widths[0])] +
                        [c.rjust(w) for c, w in zip(row[1:], widths[1:])]).rstrip())
        if n == 0:
            print("  ".join("-" * w for w in widths))


def entity_row(result, keys):
    row = [result["entity"]]
    for key in keys:
        text = cell(key, result.get(key))
        row.append(f"{text}/{result['events']}" if key == "events_found" else text)
    return row


def spread_row(group, what, keys):
    row = [SPREAD[what]]
    for key in keys:
        if COLUMNS[key][2]:
            row.append(cell(key, group[key] and group[key][what]))
        elif key == "events_found" and what == "mean":
            row.append(f"{group['events_found']}/{group['events']}")
        else:
            row.append("")
    return row


def say_target(name, group):
    if "target_vus_pr" in group:
        short = group["target_vus_pr"] - group["vus_pr"]["mean"]
        print(f"{name}: target VUS-PR {group['target_vus_pr']:g}: "
              + ("met" if group["met"] else f"MISSED by {short:.3f}"))


def say_causes(name, group):
    causes = group["causes"]
    if causes:
        print(f"{name}: true causes of {causes['events']} events, mean over events: "
              f"hit@100 {causes['hit_rate_100']:.3f}, hit@150 {causes['hit_rate_150']:.3f}")


def print_peers(report):
    for name, group in report["groups"].items():
        rows = [("tocsin", group)]
        rows += [(peer, of["groups"][name]) for peer, of in report["peers"].items()]
        rows.sort(key=lambda r: -r[1]["vus_pr"]["mean"])
        print(f"\n{name}: means beside peers, fitted and run here; CPU time")
        head = ["detector"]
        for key in PEER_COLUMNS:
            head += [COLUMNS[key][0]] + (["+-"] if key == "vus_pr" else [])
        table = [head]
        for detector, figures in rows:
            line = [detector]
            for key in PEER_COLUMNS:
                value = figures[key]
                line.append(cell(key, value and value["mean"]))
                if key == "vus_pr":
                    line.append(cell(key, value["sd"]))
            table.append(line)
        print_table(table)


def print_report(report):
    entities = report["entities"]
    keys = [k for k in COLUMNS if any(r.get(k) is not None for r in entities)]
    for name, group in report["groups"].items():
        print(f"\n{name}: {group['entities']} entities; found, false alarms and delay (rows, "
              "median) at the model's own threshold")
        table = [["entity"] + [COLUMNS[k][0] for k in keys]]
        table += [entity_row(r, keys) for r in entities if r["group"] == name]
        table += [spread_row(group, what, keys) for what in SPREAD]
        print_table(table)
        say_causes(name, group)
        say_target(name, group)
    if len(report["groups"]) > 1:
        vus = report["all"]["vus_pr"]
        print(f"\nall {len(entities)} entities: VUS-PR {vus['mean']:.3f} +- {vus['sd']:.3f}, "
              f"{vus['min']:.3f} to {vus['max']:.3f}")
        say_causes(f"all {len(entities)} entities", report["all"])
    if report["peers"]:
        print_peers(report)
