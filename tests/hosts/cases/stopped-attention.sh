# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# An attention worker is stopped until it is dropped, and the other goes on; continued, it joins anew and sends again
# what was lost.
hosts f a0 a1
options=("${lite[@]}" --sessions 2 --dead 3)
listen f f0 7000 "${options[@]}" --json
for session in 0 1; do
    attend "a$session" "a$session" "${address[f]}:7000" "${options[@]}" --minutes 10 --json --session $session
done
go_on a0 a1
signal a1 STOP
await_line f0 'session 1 .*was dropped: .*silent'
go_on a0
signal a1 CONT
await_line f0 'session 1 .*joined again'
go_on a0 a1
for session in 0 1; do
    finish "a$session" 130 TERM
    interrupted_right "a$session"
done
expect a0 0 rejoins
expect a1 1 rejoins
finish f0 0 TERM
sessions f0 3 1
