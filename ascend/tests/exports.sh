#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: exports.sh ASCEND_DIR LIBRARY C_COMPILER
# What the library exports and what its headers declare are one list, and the version script gives no versions.
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

bad=0
if [ ! -s "$work/declared" ] || ! diff -u "$work/declared" "$work/exported"; then
    echo "declared (-) and exported (+) differ"
    bad=1
fi
if grep -q @ "$work/exported"; then
    echo "symbols have versions"
    bad=1
fi
exit $bad
