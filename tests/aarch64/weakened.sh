#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: weakened.sh SOURCE_DIR GENERATED_DIR C_COMPILER OBJDUMP
# Weakens each order of the hand-over in a copy of the sources, in turn, and expects orders.sh to miss it.
set -eu

source_dir=$1
generated_dir=$2
compiler=$3
objdump=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0
names="window/handover ffn/pass ffn/take ffn/early attention/schedule"

# compile: the objects with the orders in them, from the copy.
compile() {
    for name in $names; do
        mkdir -p "$work/objects/${name%/*}"
        "$compiler" -std=c11 -D_GNU_SOURCE -O2 -I "$work/src" -I "$generated_dir" -I "$source_dir/include" \
            -c "$work/src/$name.c" -o "$work/objects/$name.c.o"
    done
}

looked_at() {
    # shellcheck disable=SC2046,SC2086 # a word an object
    "$source_dir/tests/aarch64/orders.sh" "$objdump" $(printf "$work/objects/%s.c.o " $names) >"$work/output"
}

fresh_copy() {
    rm -rf "$work/src"
    cp -R "$source_dir/src" "$work/src"
}

# misses LABEL FUNCTION FROM TO: with FROM made TO in that function of handover.h, the label's counts are all 0.
misses() {
    fresh_copy
    sed -i "/ $2(/,/^}/s/$3/$4/" "$work/src/window/handover.h"
    if cmp -s "$source_dir/src/window/handover.h" "$work/src/window/handover.h"; then
        echo "$1: $2 has no $3 to weaken"
        bad=1
        return
    fi
    compile
    if looked_at || ! grep -q "^$1 .*: 0 x" "$work/output" || grep -q "^$1 .*: [1-9]" "$work/output"; then
        echo "$1: $2 was weakened and orders.sh did not miss it:"
        cat "$work/output"
        bad=1
    fi
}

fresh_copy
compile
looked_at || bad=1

weaken_load() {
    misses "$1" "$2" afd__load_acquire_i32 afd__load_relaxed_i32
}
weaken_store() {
    misses "$1" "$2" 'afd__store_release_i32(\(.*\), \(.*\));' '*(\1) = \2;'
}
weaken_load A2 afd__desc_is_free
weaken_store R1 afd__desc_publish
weaken_load A1 afd__desc_is_ready
weaken_store R2 afd__desc_give_back
weaken_store R5 afd__slot_publish
weaken_load A5 afd__slot_is_ready
exit $bad
