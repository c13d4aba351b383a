# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Four hosts; the experts are divided between two of them.
hosts f0 f1 a0 a1
options=("${lite[@]}" --sessions 2)
for rank in 0 1; do listen "f$rank" "f$rank" 7000 --rank $rank --ffn 2 "${options[@]}" --json; done
for session in 0 1; do
    attend "a$session" "a$session" "${address[f0]}:7000,${address[f1]}:7000" "${options[@]}" --session $session \
        --steps 2 --json
done
for session in 0 1; do
    finish "a$session" 0
    all_right "a$session" 156
    expect "a$session" 0 rejoins
done
for rank in 0 1; do
    finish "f$rank" 0 TERM
    sessions "f$rank" 2 0
done
