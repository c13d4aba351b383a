# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Cut off for less than the time after which somebody is lost: nobody is dropped, nothing is sent again.
hosts f a0 a1
options=("${lite[@]}" --sessions 2 --dead 10)
listen f f0 7000 "${options[@]}" --json
for session in 0 1; do
    attend "a$session" "a$session" "${address[f]}:7000" "${options[@]}" --minutes 10 --json --session $session
done
for host in a1 f; do
    go_on a0 a1
    cut_off $host
    sleep 1
    heal $host
    go_on a0 a1
done
for session in 0 1; do
    finish "a$session" 130 TERM
    interrupted_right "a$session"
    expect "a$session" 0 rejoins
done
finish f0 0 TERM
sessions f0 2 0
