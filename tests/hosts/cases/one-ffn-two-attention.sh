# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Three hosts, in all-sync, in groups of one, and with tokens that travel as int8: all layers of the model, every row.
hosts f a0 a1
for how in "--sync-group all" "--sync-group 1" "--sync-group all --quantize"; do
    # shellcheck disable=SC2206 # words, on purpose
    options=("${lite[@]}" --sessions 2 $how)
    echo "-- $how"
    listen f f0 7000 "${options[@]}" --json
    for session in 0 1; do
        attend "a$session" "a$session" "${address[f]}:7000" "${options[@]}" --session $session --steps 2 --json
    done
    for session in 0 1; do
        finish "a$session" 0
        all_right "a$session" 156
        expect "a$session" 0 rejoins
    done
    finish f0 0 TERM
    sessions f0 2 0
done
