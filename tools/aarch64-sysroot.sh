#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: tools/aarch64-sysroot.sh
#
# Unpacks the arm64 packages of the libraries that the tests use into build/aarch64-sysroot. apt's lists and archives
# for arm64 are kept in there as well: the system's own architectures, lists and packages stay as they are, and root is
# not needed. Exits with 77 and the reason where the packages cannot be had. Does nothing when they are there.
set -eu

packages="libcmocka-dev libcmocka0 libjansson-dev libjansson4"
sysroot=$(cd "$(dirname "$0")/.." && pwd)/build/aarch64-sysroot

skip() {
    echo "aarch64 packages cannot be had: $*" >&2
    exit 77
}

# One line of sources.list: the archive that this machine has libjansson-dev from. Ubuntu keeps arm64 on another host.
source_line() {
    # "500 URI SUITE/COMPONENT amd64 Packages", for each version and archive; the first is as good as any.
    # shellcheck disable=SC2046 # the two are meant to be split
    set -- $(apt-cache policy libjansson-dev | awk '$3 ~ /\// && $NF == "Packages" { print $2, $3; exit }')
    [ $# -eq 2 ] || return 1
    uri=$1
    case $uri in
    *ubuntu.com/ubuntu*) uri=http://ports.ubuntu.com/ubuntu-ports ;;
    esac
    keyring=
    for file in /usr/share/keyrings/debian-archive-keyring.gpg /usr/share/keyrings/ubuntu-archive-keyring.gpg; do
        if [ -f "$file" ]; then
            keyring="[signed-by=$file] "
        fi
    done
    echo "deb $keyring$uri ${2%%/*} ${2#*/}"
}

arm64_apt_get() {
    apt-get -q -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Acquire::Languages=none \
        -o Dir::Etc::SourceList="$sysroot/apt/sources.list" -o Dir::Etc::SourceParts=- \
        -o Dir::State="$sysroot/apt/state" -o Dir::State::Status="$sysroot/apt/status" \
        -o Dir::Cache="$sysroot/apt/cache" -o APT::Sandbox::User= "$@"
}

if [ -f "$sysroot/complete" ]; then
    exit 0
fi
if ! command -v apt-get >/dev/null 2>&1 || ! command -v dpkg >/dev/null 2>&1; then
    skip "this is not a Debian or Ubuntu"
fi

rm -rf "$sysroot"
mkdir -p "$sysroot/apt/state/lists/partial" "$sysroot/apt/cache/archives/partial" "$sysroot/debs"
: >"$sysroot/apt/status"
source_line >"$sysroot/apt/sources.list" || skip "apt does not know where libjansson-dev comes from"

echo "Fetching the arm64 packages $packages into build/aarch64-sysroot" >&2
arm64_apt_get update >&2 || skip "the lists of the archive could not be fetched"
# shellcheck disable=SC2086 # the list is meant to be split
(cd "$sysroot/debs" && arm64_apt_get download $packages >&2) || skip "a package could not be fetched"
for package in "$sysroot"/debs/*.deb; do
    dpkg -x "$package" "$sysroot"
done
rm -rf "$sysroot/apt" "$sysroot/debs"
: >"$sysroot/complete"
