#!/bin/bash
# Everything from a bare Debian 12 box to running tools:
#
#   ./build.sh         install what is missing (or say the line that does), configure, build
#   ./build.sh demo    the same, then show every report on a small Erlang workload
#   ./build.sh test    the same, then every test; ends with "N passed, N failed, N skipped"
#   ./build.sh matrix [CELL…]   live tests against other releases and builds of Erlang, which are made the first time
#                      (needs root): otp23 otp27 otp29 otp29sid otp25fp otp27fp otp29fp otp25dwarf otp25emu
#                      otp25nons otp25nons-stripped otp27emu otp27emu-dwarf otp29emu otp29emu-dwarf;
#                      tests/run-all.sh says what each is
#   ./build.sh clean   remove the build directories
set -euo pipefail
cd "$(dirname "$0")"

build_packages=(build-essential meson ninja-build pkg-config libdw-dev libelf-dev libcapstone-dev
    liblzma-dev zlib1g-dev bison flex mawk)
demo_packages=(erlang-base)
test_packages=(libcmocka-dev gawk clang clang-format clang-tidy libclang-rt-14-dev linux-perf strace jq
    erlang-dev erlang-crypto erlang-runtime-tools erlang-tools shellcheck man-db procps)

say() { printf '== %s\n' "$*"; }

missing_of() {
    local package
    for package in "$@"; do
        case "$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)" in
        "install ok installed") ;;
        *) printf '%s\n' "$package" ;;
        esac
    done
}

# Installs what is missing; without the right to do so, prints the line and stops.
need() {
    local missing line as_root=()
    local install=(apt-get install -y --no-install-recommends)
    if ! command -v dpkg-query >/dev/null; then
        say "not a Debian system; assuming these are installed: $*"
        return
    fi
    mapfile -t missing < <(missing_of "$@")
    [ "${#missing[@]}" -gt 0 ] || return 0
    install+=("${missing[@]}")
    line="${install[*]}"
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
            printf 'build.sh: some packages are missing; as root, run\n    %s\n' "$line" >&2
            exit 1
        fi
        as_root=(sudo -n)
    fi
    say "$line"
    # A list of packages may be old or absent: try with what is there, refresh, try again.
    if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "${install[@]}" >/dev/null 2>&1; then
        "${as_root[@]}" apt-get update -q
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "${install[@]}"
    fi
}

# configure DIR [meson options]: once; ninja reconfigures by itself when a meson.build changes.
configure() {
    local dir=$1
    shift
    [ -f "$dir/build.ninja" ] || meson setup "$dir" "$@"
}

# build [ninja options]
build() {
    configure build
    ninja -C build "$@"
}

case "${1:-build}" in
build)
    need "${build_packages[@]}"
    build
    say "done: build/erlang-sample, build/erlang-write-perf-map, build/erlang-inspect"
    say "./build.sh demo shows what they do; README.md says which question is answered by which command"
    ;;
demo)
    need "${build_packages[@]}" "${demo_packages[@]}"
    say "building (a minute or two the first time)"
    build --quiet
    exec doc/demo/demo.sh build
    ;;
test)
    need "${build_packages[@]}" "${demo_packages[@]}" "${test_packages[@]}"
    # `test matrix' is both.
    exec tests/run-all.sh host "${@:2}"
    ;;
matrix)
    need "${build_packages[@]}" "${demo_packages[@]}" "${test_packages[@]}"
    exec tests/run-all.sh "$@"
    ;;
clean)
    rm -rf build build-test
    ;;
*)
    sed -n '2,/^set /s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
