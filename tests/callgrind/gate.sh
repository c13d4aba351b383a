#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: gate.sh WORKLOAD EXPECTED
#
# Counts the instructions of the scheduler's paths under callgrind and compares them with the figures in EXPECTED, so
# that an accident shows without a clock. UPDATE=1 writes the figures down instead. 77 where there is no valgrind.
#
# The library has no code that a processor chooses at run time, so what is counted is what runs. Only libc's memcpy and
# memset, which copy and refill early copies, have such a choice, and callgrind counts nothing of one that the processor
# does in one instruction. So libc is asked for the same plain one everywhere, and valgrind 3.19, which knows nothing of
# AVX-512, gets none to see. What has no such choice, as on other processors, ignores the request.

set -eu

workload=$1
expected=$2
tolerance_percent=3

if ! command -v valgrind >/dev/null 2>&1; then
    echo "skipped: there is no valgrind here (apt-get install valgrind)"
    exit 77
fi
machine=$(uname -m)
if ! grep -q "^$machine " "$expected" && [ -z "${UPDATE:-}" ]; then
    echo "skipped: $expected has no figures for $machine; UPDATE=1 writes them down"
    exit 77
fi

folder=$(mktemp -d "${TMPDIR:-/tmp}/afd-callgrind.XXXXXX")
trap 'rm -rf "$folder"' EXIT
export GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-AVX512F,-AVX512VL,-AVX_Fast_Unaligned_Load,-ERMS,-FSRM

# Instructions inside of one poll, on all calls of one path together.
count() {
    valgrind --tool=callgrind --toggle-collect=afd_ffn_schedule_poll --callgrind-out-file="$folder/$1.out" \
        "$workload" "$1" >"$folder/$1.log" 2>&1 || {
        cat "$folder/$1.log" >&2
        exit 1
    }
    sed -n 's/^totals: //p' "$folder/$1.out"
}

failed=0
grep -v "^$machine " "$expected" >"$folder/expected" || true
for path in allsync object groups idle; do
    now=$(count "$path")
    if [ "${now:-0}" -eq 0 ]; then
        echo "$path: callgrind counted nothing: is afd_ffn_schedule_poll still called so?"
        exit 1
    fi
    echo "$machine $path $now" >>"$folder/expected"
    before=$(sed -n "s/^$machine $path //p" "$expected")
    if [ -n "${UPDATE:-}" ]; then
        continue
    fi
    echo "$path: $now instructions, expected $before (within $tolerance_percent %)"
    if [ $((now * 100)) -gt $((before * (100 + tolerance_percent))) ]; then
        echo "$path: MORE than expected. If that is meant, say why in the commit and write the new figure down:"
        echo "    UPDATE=1 $0 $workload $expected"
        failed=1
    elif [ $((now * 100)) -lt $((before * (100 - tolerance_percent))) ]; then
        echo "$path: FEWER than expected. Well done, or something is left out; write the new figure down:"
        echo "    UPDATE=1 $0 $workload $expected"
        failed=1
    fi
done
if [ -n "${UPDATE:-}" ]; then
    cp "$folder/expected" "$expected"
    cat "$expected"
fi
exit $failed
