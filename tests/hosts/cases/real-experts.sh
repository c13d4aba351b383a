# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Experts that are computed from weights, whose results are held against a reference in double precision.
hosts f a0 a1
options=(--model deepseek-v2-lite --weights 64MiB --sessions 2)
listen f f0 7000 "${options[@]}" --json
for session in 0 1; do
    attend "a$session" "a$session" "${address[f]}:7000" "${options[@]}" --session $session --steps 1 --json
done
for session in 0 1; do
    finish "a$session" 0
    all_right "a$session" 78
    expect "a$session" 0 rejoins
done
finish f0 0 TERM
sessions f0 2 0
