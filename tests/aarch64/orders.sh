#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: orders.sh OBJDUMP OBJECT...
#
# Disassembles objects that were compiled for aarch64 and looks for the six orders of src/window/handover.h, which x86
# makes of plain moves:
#   A2  afd_ffn_desc_is_free   load-acquire      R1  afd_ffn_desc_publish   store-release
#   A1  the scheduler's readiness check, inlined into src/ffn/pass.c and early.c
#   R2  the scheduler's give-back, inlined into src/ffn/take.c and early.c
#   A5  the attention side's readiness check     R5  afd_slot_publish   store-release
#       inlined into src/attention/schedule.c
set -eu

objdump=$1
shift
handover=
pass=
take=
early=
attention=
for object in "$@"; do
    case $object in
    */window/handover.c.o) handover=$object ;;
    */ffn/pass.c.o) pass=$object ;;
    */ffn/take.c.o) take=$object ;;
    */ffn/early.c.o) early=$object ;;
    */attention/schedule.c.o) attention=$object ;;
    esac
done
if [ -z "$handover" ] || [ -z "$pass" ] || [ -z "$take" ] || [ -z "$early" ] || [ -z "$attention" ]; then
    echo "one of window/handover.c.o, ffn/{pass,take,early}.c.o and attention/schedule.c.o is not among the objects"
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
holds A1 "ffn/pass.c, readiness" "$load_acquire" "$pass"
holds A1 "ffn/early.c, readiness" "$load_acquire" "$early"
holds R2 "ffn/take.c, give-back" "$store_release" "$take"
holds R2 "ffn/early.c, give-back" "$store_release" "$early"
holds R5 afd_slot_publish "$store_release" "$handover" afd_slot_publish
# The file waits through base/wait.c and has no other acquire of its own.
holds A5 "attention/schedule.c, readiness" "$load_acquire" "$attention"
exit $bad
