#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: tools/expect-output.sh FILE COMMAND [ARGUMENT]...
# Runs the command. Succeeds when it does and prints exactly the content of FILE; shows the difference when it does not.
set -eu

expected=$1
shift
actual=$(mktemp)
trap 'rm -f "$actual"' EXIT
"$@" >"$actual"
diff -u "$expected" "$actual"
