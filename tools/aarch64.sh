#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: tools/aarch64.sh
# Cross-compiles for aarch64, looks at the instructions, and runs the unit and conformance tests under qemu-user. Where
# the arm64 packages that those need cannot be had, says so and does the rest.
set -eu

cd "$(dirname "$0")/.."
jobs=$(nproc)
tests="unit;conformance;aarch64"
status=0
tools/aarch64-sysroot.sh || status=$?
if [ "$status" -eq 77 ]; then
    echo "SKIPPED: the unit and conformance tests as aarch64; the reason is above" >&2
    tests=aarch64
elif [ "$status" -ne 0 ]; then
    exit "$status"
fi
cmake --preset aarch64 "-DAFD_TESTS=$tests"
cmake --build --preset aarch64 --parallel "$jobs"
echo "SKIPPED: unit.test_window_owner: qemu-user makes up the start time that a process reads of itself" >&2
ctest --preset aarch64 --parallel "$jobs"
