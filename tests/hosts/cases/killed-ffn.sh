# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The FFN worker is killed, and started again at the same address: everybody joins it anew.
hosts f a0 a1
options=("${lite[@]}" --sessions 2)
listen f f0 7000 "${options[@]}" --json
for session in 0 1; do
    attend "a$session" "a$session" "${address[f]}:7000" "${options[@]}" --minutes 10 --json --session $session
done
go_on a0 a1
finish f0 137 KILL
for session in 0 1; do await_line "a$session" 'is lost'; done
listen f f0 7000 "${options[@]}" --json
go_on a0 a1
for session in 0 1; do
    finish "a$session" 130 TERM
    interrupted_right "a$session"
    expect "a$session" 1 rejoins
    expect "a$session" 1 events lost
done
finish f0 0 TERM
sessions f0 2 0
