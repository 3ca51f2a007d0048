#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The benchmarks' table: reads NAME<TAB>VALUE<TAB>UNIT lines, a name as often as it was measured,
and prints medians beside budgets and peers. What misses its budget says by how much."""
import statistics
import sys

# what: (budget in the unit that is printed, beginning of the peer's name)
KNOWN = {
    "score": (1, None),
    "train": (0.25, "train, PyTorch "),
    "host collect": (500, None),
    "evaluator tick": (100, None),
    "answer /metrics": (100, None),
    # 5 million samples a second
    "remote write": (200, "Snappy alone, 1.0"),
    "daemon, CPU": (0.2, "Node Exporter, CPU"),
    "daemon, resident": (12, "Node Exporter, resident"),
    "start to first /metrics": (30, None),
    "exposition, same target again": (1000, "memcpy of the same"),
    "exposition, first sight": (None, "VictoriaMetrics, import"),
    "fleet: hosts on a core at 15 s": (20000, None),
    "fleet: memory a host": (60, None),
    "error of one frame": (None, "ONNX Runtime, one frame"),
    "error of 1,000 frames": (None, "ONNX Runtime, 1,000 frames"),
}
MORE_IS_BETTER = {"exposition, same target again", "fleet: hosts on a core at 15 s"}  # the budget is the least


def read():
    values, units = {}, {}
    for line in sys.stdin:
        name, value, unit = line.rstrip("\n").split("\t")
        values.setdefault(name, []).append(float(value))
        units[name] = unit
    return {name: (statistics.median(v), units[name]) for name, v in values.items()}


def shown(value):
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"


def row(name, value, unit, peers):
    budget, peer_name = KNOWN.get(name, (None, None))
    peer = next((p for p in peers if peer_name and p.startswith(peer_name)), None)
    verdict = ""
    if budget:
        met = value >= budget if name in MORE_IS_BETTER else value <= budget
        verdict = "met" if met else f"MISSED by {100 * abs(value / budget - 1):.0f} %"
    return (
        name,
        f"{shown(value)} {unit}",
        f"{budget:g}" if budget else "",
        verdict,
        f"{peer.removeprefix('train, ').split(',')[0]}: {shown(peers[peer][0])}" if peer else "",
        f"{peers[peer][0] / value:.3g} x" if peer else "",
    )


def main():
    measured = read()
    names = [n for n in KNOWN if n in measured]
    beginnings = tuple(p for _, p in KNOWN.values() if p)
    names += [n for n in measured if n not in KNOWN and not n.startswith(beginnings)]
    head = ("what", "measured", "budget", "", "peer, same run", "peer / ours")
    rows = [head] + [row(n, *measured[n], measured) for n in names]
    widths = [max(len(r[i]) for r in rows) for i in range(len(head))]
    for i, r in enumerate(rows):
        print("  ".join(cell.ljust(w) for cell, w in zip(r, widths)).rstrip())
        if i == 0:
            print("  ".join("-" * w for w in widths))
    for name in KNOWN:
        if name not in measured:
            print(f"not measured: {name}")


main()
