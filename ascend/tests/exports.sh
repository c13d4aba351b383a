#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: exports.sh ASCEND_DIR LIBRARY C_COMPILER
# What the library exports and what its headers declare are one list, but for the functions that README.md names as not
# there yet; and the version script gives no versions.
set -eu

root=$1
library=$2
compiler=$3
LC_ALL=C
export LC_ALL
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

nm -D --defined-only "$library" | awk '{ print $3 }' | sort >"$work/exported"
(cd "$root/include" && find . -name '*.h' | sed 's|.*|#include "&"|') |
    "$compiler" -E -P -I "$root/include" -x c - | grep -o '\<\(acl\|Hccl\)[A-Za-z0-9]* *(' | tr -d ' (' | sort -u \
    >"$work/declared"
# shellcheck disable=SC2016 # the backquotes are the list's
sed -n '/^## Declared, and not there yet/,/^## /s/^- `\([A-Za-z]*\)`.*/\1/p' "$root/README.md" | sort >"$work/not_yet"

bad=0
if ! comm -23 "$work/declared" "$work/not_yet" | diff -u - "$work/exported"; then
    echo "declared and there (-) and exported (+) differ"
    bad=1
fi
if ! comm -13 "$work/declared" "$work/not_yet" | diff -u /dev/null - >/dev/null; then
    echo "README.md names what no header declares"
    bad=1
fi
if [ ! -s "$work/not_yet" ] || grep -q @ "$work/exported"; then
    echo "the list of what is not there yet was not found, or symbols have versions"
    bad=1
fi
exit $bad
