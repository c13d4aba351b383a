# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A thousand visits of whoever has no business at a door, while a session is at work: its results stay right, nobody is
# dropped, and the worker has no more descriptors or memory afterwards than before.
hosts f a0 rogue
seed=${SEED:-$RANDOM}
echo "seed $seed"
listen f f0 7000 "${lite[@]}" --sessions 2 --sync-group 1 --json
attend a0 a0 "${address[f]}:7000" "${lite[@]}" --sessions 2 --sync-group 1 --minutes 10 --json
go_on a0

descriptors() { find "/proc/${pid[f0]}/fd" -mindepth 1 | wc -l; }
memory_kib() { sed -n 's/^RssAnon:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/${pid[f0]}/status"; }
has_no_more() { (($(descriptors) <= before)); }
visit() {
    # shellcheck disable=SC2046 # ports are words
    on rogue "$ROGUE" "${address[f]}:7000" secret "$1" "$2" \
        $(on f ss -Hltn | sed -n 's/.*:\([0-9]*\) .*/\1/p' | grep -v '^700[01]$')
    [[ $? == 0 ]] || fail "the rogue did not do what it is for"
}

before=$(descriptors)
# What is there once and stays: UCX takes 2 MiB at a time for what comes in, twice for each of the two workers.
visit 2000 "$seed" >/dev/null
await has_no_more
warm_kib=$(memory_kib)
visit 1000 $((seed + 1))
go_on a0
await has_no_more
grown=$(($(memory_kib) - warm_kib))
echo "descriptors: $before before, $(descriptors) after; memory: $warm_kib KiB before, $grown KiB more after"
((grown < 1024)) || fail "$grown KiB more than before"
finish a0 130 TERM
interrupted_right a0
expect a0 0 rejoins
finish f0 0 TERM
sessions f0 1 0
echo "f0: $(value f0 events refused) refused"
