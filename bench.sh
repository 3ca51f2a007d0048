#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds a release, runs every benchmark, prints one table: figure, budget, peer of the same run.
#   ./bench.sh           all of it: about five minutes
#   ./bench.sh --quick   without the minute beside Node Exporter, PyTorch and the runtimes
# Peers are measured where installed: python3-torch, prometheus-node-exporter, victoria-metrics (Debian
# packages); with nodejs and npm, ONNX Runtime and LiteRT, which are installed into build-runtimes.
set -euo pipefail
cd "$(dirname "$0")"

quick=
case "${1:-}" in
'') ;;
--quick) quick=1 ;;
*)
    echo "usage: ./bench.sh [--quick]" >&2
    exit 2
    ;;
esac

build='build-bench'
programs=(score train host evaluator metrics remote_write runtimes)
repeats=5

[ -d "$build" ] || meson setup "$build" --buildtype=release >/dev/null
targets=(tocsin bench/bench-exposition bench/bench-fleet)
for program in "${programs[@]}"; do
    targets+=("bench/bench-$program")
done
ninja --quiet -C "$build" "${targets[@]}" >&2

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for ((i = 1; i <= repeats; i++)); do
    echo "round $i of $repeats" >&2
    for program in "${programs[@]}"; do
        "$build/bench/bench-$program"
    done
done >"$work/lines"
/usr/bin/python3 bench/bench_exposition.py "$build/bench/bench-exposition" >>"$work/lines"

if [ -z "$quick" ]; then
    echo "PyTorch on the same data" >&2
    "$build/bench/bench-train" "$work/rows"
    # a peer that is not there says so and is left out
    /usr/bin/python3 bench/peer_train.py "$work/rows" >>"$work/lines" || true
    echo "ONNX Runtime and LiteRT on the same model" >&2
    "$build/bench/bench-runtimes" "$work" >/dev/null
    /usr/bin/python3 bench/peer_runtimes.py "$build/tocsin" "$work" >>"$work/lines" || true
    echo "the daemon, half a minute to learn and a minute to watch" >&2
    /usr/bin/python3 bench/bench_daemon.py "$build/tocsin" >>"$work/lines"
fi

echo
/usr/bin/python3 bench/table.py <"$work/lines"
