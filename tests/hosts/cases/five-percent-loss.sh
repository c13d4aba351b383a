# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Of the packets that come in at each host, 5 % are lost. TCP sends them again, after 200 ms or more where it was the
# last ones of a message; three in a row are rare, so nobody is silent for the 10 s that are allowed here.
hosts f a0 a1
options=("${lite[@]}" --sessions 2 --dead 10 --layers 4)
for host in f a0 a1; do lose $host 5; done
listen f f0 7000 "${options[@]}" --json
for session in 0 1; do
    attend "a$session" "a$session" "${address[f]}:7000" "${options[@]}" --session $session --steps 4 --json
done
for session in 0 1; do
    finish "a$session" 0
    all_right "a$session" 48
    expect "a$session" 0 rejoins
done
for host in f a0 a1; do
    lost=$(lost_packets $host)
    echo "$host: $lost packets lost"
    ((lost > 0)) || fail "$host lost no packet"
done
finish f0 0 TERM
sessions f0 2 0
