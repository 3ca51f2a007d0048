# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Sourced by quickstart.sh and test.sh: Debian and Ubuntu packages, installed when missing.

# What a build needs, as pkg-config and as packages know it.
# shellcheck disable=SC2034 # for those who source this
build_modules=(libxxhash yaml-0.1 jansson sqlite3 libmicrohttpd libcurl libprotobuf-c snappy)
# shellcheck disable=SC2034
build_packages=(gcc libc6-dev meson ninja-build pkgconf python3 libxxhash-dev libyaml-dev
    libjansson-dev libsqlite3-dev libmicrohttpd-dev libcurl4-openssl-dev
    libprotobuf-c-dev protobuf-c-compiler libsnappy-dev)

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# has_package NAME: this release offers it, and not only as another package's second name
has_package() {
    # an image of a fresh system has no lists yet
    compgen -G '/var/lib/apt/lists/*Packages*' >/dev/null || as_root apt-get update -q >/dev/null 2>&1
    # (not by a pipe to grep -q: it ends first, and with pipefail its writer's death would count)
    [[ $(apt-cache policy "$1" 2>/dev/null) == *'Candidate: '[0-9]* ]]
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        echo "needs root: $*" >&2
        return 1
    fi
}

# install_packages NAME...: those that are missing, after saying which.
install_packages() {
    local missing=() name log
    for name in "$@"; do
        is_installed "$name" || missing+=("$name")
    done
    [ ${#missing[@]} = 0 ] && return
    if ! command -v apt-get >/dev/null; then
        echo "this is no Debian or Ubuntu; please install what these packages hold: ${missing[*]}" >&2
        return 1
    fi
    echo "installing ${missing[*]}"
    log=$(mktemp)
    if ! { as_root apt-get update -q &&
        as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get install -q -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        echo "could not install ${missing[*]}" >&2
        return 1
    fi
    rm -f "$log"
}
