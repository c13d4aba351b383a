# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Every expert is on two hosts: one is cut off and the sessions go on with the other, and use both when it is back.
hosts f0 f1 a0 a1
options=("${lite[@]}" --sessions 2 --copies 2 --dead 3)
for rank in 0 1; do listen "f$rank" "f$rank" 7000 --rank $rank --ffn 2 "${options[@]}" --json; done
for session in 0 1; do
    attend "a$session" "a$session" "${address[f0]}:7000,${address[f1]}:7000" "${options[@]}" --session $session \
        --minutes 10 --json
done
go_on a0 a1
cut_off f1
for session in 0 1; do await_line "a$session" 'FFN worker 1 .*is lost'; done
go_on a0 a1
heal f1
for session in 0 1; do await_lines "a$session" 2 'FFN worker 1 .*admitted'; done
go_on a0 a1
for session in 0 1; do
    finish "a$session" 130 TERM
    interrupted_right "a$session"
done
for rank in 0 1; do finish "f$rank" 0 TERM; done
sessions f0 6 0
sessions f1 4 2
