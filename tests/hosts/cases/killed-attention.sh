# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# An attention worker is killed: the other goes on without it, and one that is started in its place goes on with it.
hosts f a0 a1
options=("${lite[@]}" --sessions 2 --minutes 10 --json)
listen f f0 7000 "${lite[@]}" --sessions 2 --json
for session in 0 1; do attend "a$session" "a$session" "${address[f]}:7000" "${options[@]}" --session $session; done
go_on a0 a1
finish a1 137 KILL
await_line f0 'session 1 .*was dropped'
go_on a0
attend a1 a1 "${address[f]}:7000" "${options[@]}" --session 1
go_on a0 a1
for session in 0 1; do
    finish "a$session" 130 TERM
    interrupted_right "a$session"
done
expect a0 0 rejoins
finish f0 0 TERM
sessions f0 3 1
