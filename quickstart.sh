#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing, builds tocsin, and watches this machine with it:
#   ./quickstart.sh [OPTION of `tocsin run`...]      for example --learn 2m
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tools/packages.sh
. "$root/tools/packages.sh"

can_build() {
    command -v gcc meson ninja pkg-config python3 >/dev/null && command -v protoc-c >/dev/null &&
        pkg-config --exists "${build_modules[@]}"
}

if ! can_build; then
    install_packages "${build_packages[@]}"
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT

quietly() { # quietly COMMAND...: its output only when it fails
    if ! "$@" >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        echo "failed: $*" >&2
        exit 1
    fi
}

if [ ! -f "$root/build/build.ninja" ]; then
    echo "building tocsin in $root/build"
    quietly meson setup "$root/build" "$root" --buildtype=release
fi
quietly meson compile -C "$root/build" tocsin

rm -f "$log"
exec "$root/build/tocsin" run "$@"
