#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: compare_loops.sh FRONT NATIVE [OPTION]...
# Runs the loop through the CANN front and its native twin with the same options. Succeeds when both do and print the
# same digests, and any: the same tokens in, the same bytes out.
set -eu

front=$1
native=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$native" "$@" >"$work/native"
"$front" "$@" >"$work/front"
grep -q '^rank 0 step 0 layer 0 micro-batch 0 tokens [1-9][0-9]* digest [0-9a-f]\{16\}$' "$work/native"
diff -u "$work/native" "$work/front"
