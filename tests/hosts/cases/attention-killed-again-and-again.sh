# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# An attention worker is killed forty times at whatever it is doing, with messages of a megabyte under way in both
# directions: the FFN worker and the other session live through all of it.
hosts f a0 a1
options=("${lite[@]}" --sessions 2 --minutes 10 --json)
kills=40
listen f f0 7000 "${lite[@]}" --sessions 2 --json
for session in 0 1; do attend "a$session" "a$session" "${address[f]}:7000" "${options[@]}" --session $session; done
for ((kill = 1; kill <= kills; kill++)); do
    go_on a0 a1 >/dev/null
    finish a1 137 KILL
    await_lines f0 $kill 'session 1 .*was dropped'
    attend a1 a1 "${address[f]}:7000" "${options[@]}" --session 1
done
go_on a0 a1
for session in 0 1; do
    finish "a$session" 130 TERM
    interrupted_right "a$session"
done
expect a0 0 rejoins
finish f0 0 TERM
sessions f0 $((kills + 2)) $kills
