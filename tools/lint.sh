#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: tools/lint.sh
# Runs shellcheck on every script, mandoc on every man page, and clang-tidy (.clang-tidy) on the library, the front,
# the program and the examples. Zero findings is the only number that stays.
set -eu

cd "$(dirname "$0")/.."
bad=0

echo "-- shellcheck"
grep -rlE '^#!/bin/(ba)?sh' tools tests ascend examples .ci | LC_ALL=C sort | xargs shellcheck || bad=1

echo "-- mandoc"
find docs -path 'docs/man/*.[1-9]' -exec mandoc -T lint -W error {} + || bad=1

echo "-- clang-tidy"
cmake --preset release >/dev/null
find src ascend/src examples -name '*.c' ! -path 'src/cli/*' | LC_ALL=C sort |
    xargs -n 4 -P "$(nproc)" clang-tidy -p build/release --quiet 2>/dev/null || bad=1
# The program has one thread wherever it uses what is not safe with more.
find src/cli -name '*.c' | LC_ALL=C sort |
    xargs -n 4 -P "$(nproc)" clang-tidy -p build/release --quiet --checks=-concurrency-mt-unsafe 2>/dev/null || bad=1
exit $bad
