# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What measure.sh measures, on hosts as a case has them.
hosts f a
command -v ucx_perftest >/dev/null || skip "there is no ucx_perftest (apt-get install ucx-utils)"
steps=20
port=7000

# Where the attention worker of each way is, and where the FFN worker listens, which is always on the same host.
declare -A attention_at=([shm]=f [ucx-loopback]=f [ucx-hosts]=a)
declare -A listens_at=([shm]="" [ucx-loopback]=127.0.0.1 [ucx-hosts]=${address[f]})
ways=(shm ucx-loopback ucx-hosts)

# note FILE FIGURE: one more of the kind.
note() { echo "$2" >>"$1"; }

# median FILE
median() { sort -g "$1" | awk '{ value[NR] = $1 } END { print value[int((NR + 1) / 2)] }'; }

# through WAY MICRO_BATCHES: one run; notes what a round takes, that is a micro-batch and layer, in us: all of the loop;
# and the way alone, from the beginning of dispatch until all results are there, less what the experts took. And the
# bytes of a round, out and back.
through() {
    local way=$1 m=$2 listen=() connect=f0 options
    options=("${lite[@]}" --sessions 1 --micro-batches "$m" --wait yield --json)
    if [[ -n ${listens_at[$way]} ]]; then
        port=$((port + 2)) connect=${listens_at[$way]}:$port
        listen=(--listen "$connect" "${secret[@]}")
    fi
    start f ffn f0 "${listen[@]}" "${options[@]}"
    await_line f0 '^afd ffn: open'
    if [[ -n ${listens_at[$way]} ]]; then
        attend "${attention_at[$way]}" a0 "$connect" "${options[@]}" --steps $steps
    else
        start f attention a0 --connect f0 "${options[@]}" --steps $steps
    fi
    finish a0 0
    expect a0 '"all right"' verdict
    finish f0 0 TERM
    rounds=$(value a0 rounds)
    note "$way.$m.us" "$(per_round "$(value a0 seconds) * 1e6")"
    note "$way.$m.way" "$(per_round "($(spent a0 dispatch) + $(spent a0 wait) - $(spent f0 experts)) / 1e3")"
    note "$way.$m.bytes" "$(per_round "$(value a0 moved_bytes)")"
}

# spent NAME STAGE: ns of a stage in a worker, in all.
spent() { echo "($(value "$1" stages "$2" cpu_ns) + $(value "$1" stages "$2" waiting_ns))"; }

per_round() { awk "BEGIN { print ($1) / $rounds }"; }

# perftest WAY TEST BYTES COLUMN: notes what UCX's own program says over the same way; the p50 in us of a message one
# way is in column 2, MB/s are in 6.
perftest() {
    local way=$1 test=$2 bytes=$3 column=$4 to=127.0.0.1 server
    local environment=(env "UCX_NET_DEVICES=lo" UCX_RNDV_THRESH=inf)
    port=$((port + 2))
    if [[ $way == ucx-hosts ]]; then to=${address[f]} environment=(env UCX_NET_DEVICES=eth0 UCX_RNDV_THRESH=inf); fi
    on f "${environment[@]}" ucx_perftest -p $port >/dev/null 2>&1 &
    server=$!
    await listens f $port
    on "${attention_at[$way]}" "${environment[@]}" ucx_perftest "$to" -p $port -t "$test" -s "$bytes" -n 400 -w 50 \
        -f -v >perftest.out 2>perftest.err
    wait $server
    note "$way.$test" "$(tail -n 1 perftest.out | cut -d, -f "$column")"
}

listens() { [[ -n $(on "$1" ss -Hltn "sport = :$2") ]]; }

for ((round = 1; round <= MEASURE_ROUNDS; round++)); do
    for m in 1 3; do
        for way in "${ways[@]}"; do through "$way" $m; done
    done
    message=$(awk '{ print int($1 / 2) }' <<<"$(median shm.1.bytes)")
    for way in ucx-loopback ucx-hosts; do
        perftest $way ucp_am_lat "$message" 2
        perftest $way ucp_am_bw "$message" 6
    done
    note copy "$("$COPY_FLOOR" "$message")"
    echo "round $round of $MEASURE_ROUNDS" >&2
done

echo "a message: $message bytes one way and as many back, for a micro-batch and layer;" \
    "medians of $MEASURE_ROUNDS rounds, us"
printf '%-13s  %9s  %10s  %9s  %9s  %16s  %12s\n' "" "the way," "bytes/s" "loop," "loop," "perftest lat," "perftest bw"
printf '%-13s  %9s  %10s  %9s  %9s  %16s  %12s\n' "" "1 in flight" "of it" "1 in fl." "3 in fl." "there and back" ""
for way in "${ways[@]}"; do
    rate=$(awk "BEGIN { printf \"%.2f GB/s\", $(median "$way.1.bytes") / $(median "$way.1.way") / 1e3 }")
    lat=- bw=-
    if [[ -e $way.ucp_am_lat ]]; then
        lat=$(awk "BEGIN { printf \"%.1f\", 2 * $(median "$way.ucp_am_lat") }")
        bw="$(median "$way.ucp_am_bw") MB/s"
    fi
    printf '%-13s  %11.1f  %10s  %8.1f  %8.1f  %14s  %12s\n' "$way" "$(median "$way.1.way")" "$rate" \
        "$(median "$way.1.us")" "$(median "$way.3.us")" "$lat" "$bw"
done
printf '%-13s  %11.1f\n' "plain copy" "$(median copy)"
