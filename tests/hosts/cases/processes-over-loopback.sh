# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# One host, 127.0.0.1, with UCX as it is set up without anything in the environment; two FFN workers, of which each
# attention worker finds one by address and the other one by name or by address.
unset UCX_TLS
hosts one
options=("${lite[@]}" --sessions 2)
for rank in 0 1; do
    start one ffn "f$rank" --listen "127.0.0.1:$((7000 + 10 * rank))" "${secret[@]}" --rank $rank --ffn 2 \
        "${options[@]}" --json
    await_line "f$rank" '^afd ffn: open'
done
attend one a0 127.0.0.1:7000,127.0.0.1:7010 "${options[@]}" --session 0 --steps 2 --json
attend one a1 f0,127.0.0.1:7010 "${options[@]}" --session 1 --steps 2 --json
for session in 0 1; do
    finish "a$session" 0
    all_right "a$session" 156
    expect "a$session" 0 rejoins
done
for rank in 0 1; do
    finish "f$rank" 0 TERM
    sessions "f$rank" 2 0
done
