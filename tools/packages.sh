#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: tools/packages.sh VERB
#
# Sees to it that this machine has what `make VERB` needs. Prints and runs the one package-manager line that is missing,
# and nothing when nothing is missing. AFD_NO_INSTALL=1: only says what is missing, and fails if something is.
# Systems without dpkg are told which tools are needed, and carry on when those are found.
set -eu

# What each verb needs. `a|b` is satisfied by either; where neither is installed, the first that the archive knows is
# taken, and none where it knows neither (their content then comes with another package of the list). `a|` is
# taken where the archive knows it, and nobody is kept from building by the lack of it: the experts of `afd run`
# multiply by portable loops where there is no oneDNN, and workers are of one host alone where there is no UCX.
packages_of() {
    case $1 in
    run) echo "make cmake gcc libc6-dev pkg-config|pkgconf libjansson-dev libdnnl-dev| libucx-dev|" ;;
    check) echo "$(packages_of run) g++ libcmocka-dev relacy-dev iproute2| nftables|" ;;
    long)
        echo "$(packages_of check) clang clang-tidy libclang-rt-dev|libclang-rt-14-dev shellcheck mandoc" \
            "valgrind gnuplot-nox|gnuplot gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user"
        ;;
    *)
        echo "tools/packages.sh: '$1' is not a set of packages; run, check and long are" >&2
        exit 2
        ;;
    esac
}

tools_of() {
    case $1 in
    run) echo "make cmake gcc pkg-config" ;;
    check) echo "$(tools_of run) g++" ;;
    long)
        echo "$(tools_of check) clang clang-tidy shellcheck mandoc valgrind gnuplot aarch64-linux-gnu-gcc qemu-aarch64"
        ;;
    esac
}

# Without dpkg: look for the tools; the libraries are looked for by CMake.
look_for_tools() {
    missing=
    for tool in $(tools_of "$1"); do
        command -v "$tool" >/dev/null 2>&1 || missing="$missing $tool"
    done
    if [ -n "$missing" ]; then
        echo "This is not a Debian or Ubuntu. Please install the tools:$missing" >&2
        echo "and the libraries that correspond to Debian's packages: $packages" >&2
        exit 1
    fi
}

is_installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

any_is_installed() {
    for alternative in $(echo "$1" | tr '|' ' '); do
        if is_installed "$alternative"; then
            return 0
        fi
    done
    return 1
}

# Ends the script: in vain, unless all that is missing is only wanted.
fail() {
    if [ "$needed" = 1 ]; then
        exit 1
    fi
    echo "Carrying on without." >&2
    exit 0
}

archive_knows() {
    apt-cache show "$1" >/dev/null 2>&1
}

# Prints what to install for one entry of the list. As long as the archive's lists are missing, its first name.
choose() {
    if ! archive_knows gcc; then
        echo "${1%%|*}"
        return
    fi
    for alternative in $(echo "$1" | tr '|' ' '); do
        if [ "$alternative" = "$1" ] || archive_knows "$alternative"; then
            echo "$alternative"
            return
        fi
    done
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        env DEBIAN_FRONTEND=noninteractive "$@"
    elif command -v sudo >/dev/null 2>&1; then
        sudo env DEBIAN_FRONTEND=noninteractive "$@"
    else
        echo "Neither root nor sudo is here; as root: $*" >&2
        return 1
    fi
}

packages=$(packages_of "${1:?usage: tools/packages.sh run|check|long}")
if ! command -v dpkg-query >/dev/null 2>&1; then
    look_for_tools "$1"
    exit 0
fi

missing=
needed=0
for entry in $packages; do
    any_is_installed "$entry" && continue
    missing="$missing $entry"
    case $entry in
    *'|') ;;
    *) needed=1 ;;
    esac
done
if [ -z "$missing" ]; then
    exit 0
fi

# A minimal image comes without the archive's lists. gcc is in every archive of every Debian and Ubuntu.
sudo=
[ "$(id -u)" -eq 0 ] || sudo="sudo "
update=
if ! archive_knows gcc; then
    update="${sudo}apt-get update && "
    if [ "${AFD_NO_INSTALL:-0}" != 1 ]; then
        echo "Fetching the lists of packages: ${sudo}apt-get update" >&2
        as_root apt-get update -q >&2 || fail
    fi
fi
chosen=
for entry in $missing; do
    chosen="$chosen $(choose "$entry")"
done
# Nothing is left to install where neither alternative is in the archive.
chosen=$(echo "$chosen" | xargs)
if [ -z "$chosen" ]; then
    exit 0
fi
line="$update${sudo}apt-get install -y --no-install-recommends $chosen"

if [ "${AFD_NO_INSTALL:-0}" = 1 ]; then
    echo "Packages are missing here. This installs them:" >&2
    echo "    $line" >&2
    fail
fi
echo "Installing what is missing: $line" >&2
# shellcheck disable=SC2086 # the list is meant to be split
install_chosen() {
    as_root apt-get install -y -q --no-install-recommends $chosen >&2
}
if ! install_chosen; then
    echo "Once more, with fresh lists of packages: ${sudo}apt-get update" >&2
    as_root apt-get update -q >&2 || fail
    install_chosen || fail
fi
