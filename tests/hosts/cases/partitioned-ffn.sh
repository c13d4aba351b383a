# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The host of the FFN worker is cut off: it drops everybody and everybody loses it; when it is back, all join anew.
hosts f a0 a1
options=("${lite[@]}" --sessions 2 --dead 3)
listen f f0 7000 "${options[@]}" --json
for session in 0 1; do
    attend "a$session" "a$session" "${address[f]}:7000" "${options[@]}" --minutes 10 --json --session $session
done
go_on a0 a1
cut_off f
for session in 0 1; do
    await_line f0 "session $session .*was dropped: .*silent"
    await_line "a$session" 'is lost'
done
heal f
go_on a0 a1
for session in 0 1; do
    finish "a$session" 130 TERM
    interrupted_right "a$session"
done
finish f0 0 TERM
sessions f0 4 2
