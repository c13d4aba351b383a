#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: settings.sh AFD WAIT_C
# Whether `afd doctor` says the same of the wait strategies as the source of the library.
set -eu

bad=0
for name in SPIN_PASS_NUM YIELD_PASS_NUM SLEEP_NS_MIN SLEEP_NS_MAX; do
    told=$("$1" doctor | sed -n "s/^  $name  *//p")
    true=$(sed -n "s/^ *$name = \([0-9]*\).*/\1/p" "$2")
    if [ -z "$told" ] || [ "$told" != "$true" ]; then
        echo "$name is '$true' in $2, and '$told' in \`afd doctor\` (src/cli/doctor/settings.c)"
        bad=1
    fi
done
exit $bad
