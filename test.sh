#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs what the tests need, builds everything, runs every test and lint, and ends with one
# line "N passed, N failed".
#   ./test.sh          all of it: gcc and clang, sanitizers, integration, lint, fuzzing
#   ./test.sh --fast   the inner loop: gcc build, unit tests, quick lints
# Build folders (build-*) are used again by the next call.
# shellcheck disable=SC2317 # functions are called by their names
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1
# shellcheck source=tools/packages.sh
. tools/packages.sh

fuzz_seconds=7
fast=false
case "${1-}" in
'') ;;
--fast) fast=true ;;
*)
    echo "usage: ./test.sh [--fast]" >&2
    exit 2
    ;;
esac

# Files that wait for long, by what for: each group runs beside the others. The rest is one more.
t=tests/integration
declare -A integration=(
    [prometheus]="$t/test_promql.py $t/test_prometheus_source.py $t/test_import.py $t/test_exposition.py"
    [sources]="$t/test_fleet.py $t/test_scrape.py $t/test_remote_write.py $t/test_write_back.py"
    [alerts]="$t/test_alertmanager.py $t/test_rules.py"
    [faults]="$t/test_grafana.py $t/test_chain.py $t/test_prometheus_guide.py $t/test_drill.py"
    [models]="$t/test_onnx.py $t/test_tflite.py"
    [learning]="$t/test_learning.py $t/test_record.py"
    [run]="$t/test_run.py $t/test_store_kill.py"
)

passed=0 failed=0 skipped=0
declare -A pytests=() # those that run, by name
work=$(mktemp -d)
clean_up() {
    [ ${#pytests[@]} = 0 ] || kill -INT "${pytests[@]}" 2>/dev/null # pytest ends its daemons
    wait
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM
bold='' red='' green='' yellow='' plain=''
if [ -t 1 ]; then
    bold=$'\e[1m' red=$'\e[31m' green=$'\e[32m' yellow=$'\e[33m' plain=$'\e[0m'
fi

section() {
    printf '\n%s== %s%s\n' "$bold" "$1" "$plain"
}

pass() {
    passed=$((passed + 1))
    printf '%sok%s    %s\n' "$green" "$plain" "$1"
}

fail() {
    failed=$((failed + 1))
    printf '%sFAIL%s  %s\n' "$red" "$plain" "$1"
}

skip() {
    skipped=$((skipped + 1))
    printf '%sskip%s  %s\n' "$yellow" "$plain" "$1"
}

# step NAME COMMAND...: one test; its output is shown when it fails
step() {
    local name=$1
    shift
    if "$@" >"$work/out" 2>&1 </dev/null; then
        pass "$name"
    else
        fail "$name"
        grep -vE '^\[[0-9]+/[0-9]+\] |^(gcc|clang) ' "$work/out" | head -n 150
        return 1
    fi
}

# count NAME CODE JUNIT LOG: adds the results in a JUnit file; shows the log when something failed.
# A runner that failed, by its exit code, without a failed test did not come to its end.
count() {
    local p f s names code=$2
    set -- "$1" "$3" "$4"
    if ! { read -r p f s && names=$(cat); } < <(tools/count_tests "$2"); then
        fail "$1: no results"
        tail -n 100 "$3"
        return
    fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    if [ "$f" = 0 ]; then
        printf '%sok%s    %s: %d passed' "$green" "$plain" "$1" "$p"
    else
        grep -vE '^ *[0-9]+/[0-9]+ .* (OK|SKIP) ' "$3"
        printf '%sFAIL%s  %s: %d passed, %d failed' "$red" "$plain" "$1" "$p" "$f"
    fi
    [ "$s" = 0 ] || printf ', %d skipped' "$s"
    printf '\n'
    if [ "$f" = 0 ] && [ "$code" != 0 ]; then
        fail "$1: the run ended with code $code"
        tail -n 40 "$3"
    fi
    [ -z "$names" ] || printf '%s\n' "$names" | sed 's/^/      /'
}

# build NAME FOLDER COMPILER MESON_OPTION... [-- TARGET...]: those targets, else all
build() {
    local name=$1 folder=$2 compiler=$3 options=()
    shift 3
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    [ $# = 0 ] || shift
    if [ ! -f "$folder/build.ninja" ]; then
        rm -rf "$folder"
        step "$name: configure" env CC="$compiler" meson setup "$folder" -Dwerror=true "${options[@]}" || return
    fi
    step "$name" ninja -C "$folder" -k0 "$@"
}

# unit NAME FOLDER MESON_TEST_OPTION...
unit() {
    local name=$1 folder=$2
    shift 2
    rm -f "$folder"/meson-logs/*.junit.xml
    meson test -C "$folder" --no-rebuild --print-errorlogs "$@" >"$work/unit.log" 2>&1 </dev/null
    local code=$?
    # a wrapper's name becomes a part of this one's
    count "$name" "$code" "$(echo "$folder"/meson-logs/testlog*.junit.xml)" "$work/unit.log"
}

# begin_integration NAME BUILD PYTEST_OPTION...: runs beside what follows
begin_integration() {
    local name=$1 build=$2
    shift 2
    # (a shell's background jobs ignore SIGINT, with which clean_up ends them)
    TOCSIN=$PWD/$build/tocsin env --default-signal=INT /usr/bin/python3 -m pytest -q -ra -p no:cacheprovider \
        --junitxml="$work/$name.xml" "$@" >"$work/$name.log" 2>&1 </dev/null &
    pytests[$name]=$!
}

# end_integration NAME TITLE: waits for it, and counts
end_integration() {
    wait "${pytests[$1]}"
    local code=$?
    unset "pytests[$1]"
    count "$2" "$code" "$work/$1.xml" "$work/$1.log"
}

files() { # files PATTERN...: those in the tree that match
    git ls-files --cached --others --exclude-standard "$@" | while read -r f; do
        [ -f "$f" ] && printf '%s\n' "$f"
    done
}

# Other versions format and warn in their own way; Debian 12's is the one to agree on.
tool_14() {
    local name
    for name in "$1-14" "$1"; do
        if "$name" --version 2>/dev/null | grep -q 'version 14\.'; then
            printf '%s\n' "$name"
            return
        fi
    done
    return 1
}

check_format() {
    local format
    if ! format=$(tool_14 clang-format); then
        skip "clang-format: version 14 is not here"
        return
    fi
    files 'src/*.[ch]' 'tests/*.[ch]' 'fuzz/*.[ch]' 'bench/*.[ch]' >"$work/formatted"
    step "clang-format" xargs -a "$work/formatted" "$format" --dry-run -Werror
}

check_tidy() {
    local tidy
    if ! tidy=$(tool_14 clang-tidy); then
        skip "clang-tidy: version 14 is not here"
        return
    fi
    files 'src/*.c' >"$work/sources"
    step "clang-tidy" xargs -a "$work/sources" -P "$(nproc)" -n 6 "$tidy" -p build-clang --quiet
}

check_shell() {
    files '*.sh' '*.bash' .ci/run >"$work/scripts"
    step "shellcheck" xargs -a "$work/scripts" shellcheck -x
}

# Address space layout with many random bits is more than these sanitizers can take. (env alone
# changes nothing: for where the layout cannot be fixed.)
fixed_layout=(setarch "$(uname -m)" -R)
"${fixed_layout[@]}" true 2>/dev/null || fixed_layout=(env)

daemon_races() { # learning, training, watching, stopping, tuning; a report of a race is a failure
    # (this script may have been started with SIGINT ignored, as a shell's background jobs are)
    TSAN_OPTIONS="log_path=$work/race" TOCSIN=$PWD/build-tsan/tocsin "${fixed_layout[@]}" \
        env --default-signal=INT /usr/bin/python3 -m pytest -q -p no:cacheprovider tests/integration/test_run.py \
        tests/integration/test_tune.py -k "learns_then or ends_cleanly or depend_on_jobs or ends_it"
    local code=$?
    cat "$work"/race.* 2>/dev/null && return 1
    return "$code"
}

fuzz_one() { # fuzz_one NAME: a short run that starts from the corpus
    local name=$1 corpus=build-fuzz/corpus/$1
    mkdir -p "$corpus" build-fuzz/findings
    "${fixed_layout[@]}" "build-fuzz/fuzz/fuzz-$name" -max_total_time="$fuzz_seconds" -timeout=10 \
        -rss_limit_mb=2048 -verbosity=0 -artifact_prefix="build-fuzz/findings/$name-" \
        "$corpus" "fuzz/corpus/$name" >"$work/fuzz-$name" 2>&1 </dev/null
    echo $? >"$work/fuzz-$name.code"
}

fuzz_all() {
    local target name ended names=()
    local -A pids=()
    for target in build-fuzz/fuzz/fuzz-*; do
        [ -f "$target" ] && names+=("${target##*/fuzz-}")
    done
    for name in "${names[@]}"; do
        while [ ${#pids[@]} -ge "$(nproc)" ]; do
            wait -n -p ended "${pids[@]}"
            unset "pids[$ended]"
        done
        fuzz_one "$name" &
        pids[$!]=$!
    done
    wait "${pids[@]}"
    for name in "${names[@]}"; do
        if [ "$(cat "$work/fuzz-$name.code")" = 0 ]; then
            pass "fuzz $name, $fuzz_seconds s"
        else
            fail "fuzz $name; its input is in build-fuzz/findings: fix, then keep it in fuzz/corpus/$name"
            grep -vE '^["#]|NEW_FUNC' "$work/fuzz-$name" | tail -n 60
        fi
    done
}

finish() {
    if [ "$skipped" = 0 ]; then
        printf '\n%d passed, %d failed\n' "$passed" "$failed"
    else
        printf '\n%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
    fi
    [ "$failed" = 0 ]
    exit
}

# A function, so that bash has read all of this file before it runs: it may be edited meanwhile.
main() {
    local packages

    section "packages"
    packages=("${build_packages[@]}" git libcmocka-dev shellcheck clang-format)
    if ! $fast; then
        packages+=(clang clang-tidy python3-pytest python3-yaml curl sqlite3 mandoc openssl prometheus
            prometheus-node-exporter prometheus-alertmanager victoria-metrics python3-protobuf
            python3-snappy)
        # for what is written in JavaScript (a Node that came another way brings its own npm)
        command -v npm >/dev/null || packages+=(nodejs npm)
        # the sanitizers' runtime is a package of its own in some releases only
        has_package libclang-rt-dev && packages+=(libclang-rt-dev)
        # for the test of the page; Ubuntu has it as a snap alone
        has_package chromium && packages+=(chromium)
        # exported models in the runtimes of others, and PyTorch's imported; not in every release
        local name
        for name in python3-numpy python3-onnx python3-torch; do
            has_package "$name" && packages+=("$name")
        done
    fi
    if install_packages "${packages[@]}"; then
        pass "packages are installed"
    else
        fail "packages are installed"
        finish
    fi

    section "gcc"
    build "build with gcc" build-gcc gcc --buildtype=release || finish
    step "build the benchmarks" ninja -C build-gcc benchmarks
    unit "unit tests, fuzz corpora, layers" build-gcc

    section "lint"
    check_format
    check_shell
    if $fast; then
        finish
    fi

    # What only waits for servers and learning daemons does so beside the other builds.
    local group file words patient=()
    for group in "${!integration[@]}"; do
        read -ra words <<<"${integration[$group]}"
        begin_integration "$group" build-gcc "${words[@]}" -m "not quiet"
    done
    while read -r file; do
        [[ " ${integration[*]} " = *" $file "* ]] || patient+=("$file")
    done < <(files 'tests/integration/test_*.py')
    begin_integration other build-gcc "${patient[@]}" -m "not quiet"

    section "clang"
    if build "build with clang" build-clang clang; then
        check_tidy
        unit "unit tests with clang" build-clang --suite unit --suite fuzz
    fi

    section "sanitizers"
    if build "build with AddressSanitizer and UBSan" build-asan gcc -Db_sanitize=address,undefined \
        -Db_lundef=false; then
        unit "unit tests, fuzz corpora" build-asan --suite unit --suite fuzz --timeout-multiplier 4 \
            --wrapper "${fixed_layout[*]}"
    fi
    local threaded # as tests/unit/store/store-test_threads
    mapfile -t threaded < <(files 'tests/unit/*.c' | xargs grep -l '<pthread.h>' |
        sed -n 's|^\(tests/unit/\([a-z]*\)\)/\(test_[a-z_]*\)\.c$|\1/\2-\3|p')
    if build "build with ThreadSanitizer" build-tsan gcc -Db_sanitize=thread -Db_lundef=false \
        -- tocsin "${threaded[@]}"; then
        unit "unit tests with threads" build-tsan "${threaded[@]##*-}" --timeout-multiplier 4 \
            --wrapper "${fixed_layout[*]}"
        step "the daemon and tune under ThreadSanitizer" daemon_races
    fi

    section "fuzzing"
    if build "build with libFuzzer" build-fuzz clang -Dfuzz=true; then
        fuzz_all
    fi

    section "integration"
    for group in "${!integration[@]}"; do
        end_integration "$group" "integration tests: $group"
    done
    end_integration other "integration tests: others"
    begin_integration quiet build-gcc tests/integration -m quiet
    end_integration quiet "integration tests that need a quiet machine"

    finish
}

main
