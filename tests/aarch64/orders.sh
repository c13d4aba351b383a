#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: orders.sh OBJDUMP OBJECT...
#
# Disassembles objects that were compiled for aarch64 and looks for the six orders of src/window/handover.h, which x86
# makes of plain moves:
#   A2  afd_ffn_desc_is_free   load-acquire      R1  afd_ffn_desc_publish   store-release
#   A1  the scheduler's readiness check          R2  the scheduler's give-back, both inlined into src/ffn/schedule.c
#   A5  the attention side's readiness check     R5  afd_slot_publish   store-release
#       inlined into src/attention/schedule.c
set -eu

objdump=$1
shift
handover=
schedule=
attention=
for object in "$@"; do
    case $object in
    */window/handover.c.o) handover=$object ;;
    */ffn/schedule.c.o) schedule=$object ;;
    */attention/schedule.c.o) attention=$object ;;
    esac
done
if [ -z "$handover" ] || [ -z "$schedule" ] || [ -z "$attention" ]; then
    echo "among the objects is no window/handover.c.o, no ffn/schedule.c.o or no attention/schedule.c.o"
    exit 1
fi

load_acquire='lda(p)?r'
store_release='stlr'
bad=0

# instructions OBJECT [FUNCTION]: the mnemonics, one a line; of the whole object or of one function.
instructions() {
    "$objdump" -d --no-show-raw-insn ${2:+--disassemble="$2"} "$1" | awk -F '\t' '/^ *[0-9a-f]+:\t/ { print $2 }'
}

# holds LABEL WHAT MNEMONIC OBJECT [FUNCTION]
holds() {
    label=$1
    what=$2
    mnemonic=$3
    shift 3
    count=$(instructions "$@" | grep -cxE "$mnemonic") || true
    echo "$label  $what: $count x $mnemonic"
    if [ "$count" -eq 0 ]; then
        bad=1
    fi
}

holds A2 afd_ffn_desc_is_free "$load_acquire" "$handover" afd_ffn_desc_is_free
holds R1 afd_ffn_desc_publish "$store_release" "$handover" afd_ffn_desc_publish
holds A1 "ffn/schedule.c, readiness" "$load_acquire" "$schedule"
holds R2 "ffn/schedule.c, give-back" "$store_release" "$schedule"
holds R5 afd_slot_publish "$store_release" "$handover" afd_slot_publish
# The file waits through base/wait.c and has no other acquire of its own.
holds A5 "attention/schedule.c, readiness" "$load_acquire" "$attention"
exit $bad
