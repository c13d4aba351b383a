# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The host of an attention worker is cut off: it is dropped, the other goes on; when it is back, both do.
hosts f a0 a1
options=("${lite[@]}" --sessions 2 --dead 3)
listen f f0 7000 "${options[@]}" --json
for session in 0 1; do
    attend "a$session" "a$session" "${address[f]}:7000" "${options[@]}" --minutes 10 --json --session $session
done
go_on a0 a1
cut_off a1
await_line f0 'session 1 .*was dropped: .*silent'
await_line a1 'is lost'
go_on a0
heal a1
await_line f0 'session 1 .*joined again'
go_on a0 a1
for session in 0 1; do
    finish "a$session" 130 TERM
    interrupted_right "a$session"
done
expect a0 0 rejoins
finish f0 0 TERM
sessions f0 3 1
