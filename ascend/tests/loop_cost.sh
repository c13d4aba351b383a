#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: loop_cost.sh FRONT NATIVE [RUNS [OPTION]...]
# What the loop through the CANN front costs beside the native one, on this machine, now: runs both RUNS times (7), in
# turn, with the same options, and prints the median time of a micro-batch and layer of each, and their ratio. A
# measurement and no test. By hand, from the root of the repository:
#     ascend/tests/loop_cost.sh build/release/ascend/tests/ascend_loop_acl build/release/ascend/tests/ascend_loop_native
set -eu

front=$1
native=$2
runs=${3:-7}
shift $(($# < 3 ? $# : 3))
if [ $# -eq 0 ]; then
    set -- --attention 2 --ffn 2 --layers 8 --micro-batches 3 --batch 32 --hidden 2048 --top-k 6 --shared 2 \
        --routed 64 --steps 12
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# median FILE: of "12.34 us a micro-batch and layer" a line.
median() {
    sort -n "$1" | awk '{ value[NR] = $1 } END { print value[int((NR + 1) / 2)] }'
}

run=0
while [ "$run" -lt "$runs" ]; do
    "$native" --time "$@" 2>>"$work/native" >"$work/native.digests"
    "$front" --time "$@" 2>>"$work/front" >"$work/front.digests"
    cmp "$work/native.digests" "$work/front.digests"
    run=$((run + 1))
done
echo "options  $*"
awk -v front="$(median "$work/front")" -v native="$(median "$work/native")" 'BEGIN {
    printf "native   %8.1f us a micro-batch and layer\n", native
    printf "front    %8.1f us\n", front
    printf "ratio    %8.2f\n", front / native
}'
