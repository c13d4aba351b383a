#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: codes_in_readme.sh README TEST_CODES
# The table of codes in the README is the one that the test provokes, a line a case.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$2" --list >"$work/provoked"
sed -n '/^| code | provoked by/,/^$/p' "$1" | sed '/^$/d' >"$work/documented"
diff -u "$work/documented" "$work/provoked"
