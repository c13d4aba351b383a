# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What a case's cmd may use. It is sourced with a temporary folder as the working folder.

afd() { "$AFD" "$@"; }
json_get() { "$TOOLS/json_get" "$@"; }

# shellcheck disable=SC2034 # for cases
examples=$(cd "$1/../../examples" && pwd)

# hold [OPTIONS] NAME S M BS E: a window with a living owner, until `release` or the end of the case.
declare -A holder_pids=()
hold() {
    local name=${*: -5:1}
    mkfifo "go.$name" "up.$name"
    "$TOOLS/window_holder" "$@" <"go.$name" >"up.$name" &
    holder_pids[$name]=$!
    echo "$name $!" >>"$AFD_CLI_PIDS"
    # Opened for reading too, so that neither side waits for the other to open it.
    exec {go}<>"go.$name"
    declare -g "go_${name//[^a-z0-9]/_}=$go"
    read -r _ <"up.$name"
}

release() {
    local fd="go_${1//[^a-z0-9]/_}"
    echo >&"${!fd}"
    wait "${holder_pids[$1]}"
    unset "holder_pids[$1]"
    rm -f "go.$1" "up.$1"
}

# abandon [OPTIONS] NAME S M BS E: a window whose owner is dead.
abandon() {
    local name=${*: -5:1}
    "$TOOLS/window_holder" --die "$@" &
    echo "$name $!" >>"$AFD_CLI_PIDS"
    wait $!
}

# patch FILE OFFSET BYTES: writes bytes, given as printf escapes, into the middle of a file.
patch() { printf '%b' "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }

# u32 N, u64 N: a number as little-endian escapes.
u32() { printf '\\x%02x' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255)); }
u64() { printf '%s%s' "$(u32 $(($1 & 0xffffffff)))" "$(u32 $(($1 >> 32 & 0xffffffff)))"; }

# The file of a window.
window_file() { echo "/dev/shm/afd.$1"; }

# Columns two spaces apart, for tables that hold pids, whose width varies.
squeeze() { sed -E 's/ {2,}/  /g'; }

# A terminal to write to; what goes to it comes out on stdout.
on_terminal() { TERM=xterm script -qec "$(printf '%q ' "$@")" /dev/null | tr -d '\r'; }

# As a user who owns nothing here; 77 where this user cannot become another.
as_nobody() {
    setpriv --reuid=65534 --regid=65534 --clear-groups true 2>/dev/null || exit 77
    chmod 755 . && cp "$AFD" afd-of-nobody && chmod 755 afd-of-nobody
    setpriv --reuid=65534 --regid=65534 --clear-groups ./afd-of-nobody "$@"
}

# ---- counters ----

# An FFN worker with counters: session 0 live, 1 and 4 never came, 2 dropped, 3 left.
worker_counts=started_ns=370s,beat_ns=12s,step_num=1000,micro_batch_num=4000,row_num=12345,byte_num=1234567
worker_counts+=,wild_num=1,join_num=3,leave_num=1,drop_num=1,refuse_num=2,late_num=4
live_counts=state=2,pid=4242,epoch=0x123456789abcdef,joined_ns=300s,heard_ns=12s,delivered_ns=15s
live_counts+=,micro_batch_num=7,row_num=5,byte_num=2000,in_flight_num=2,join_num=1,micro_batch=1,layer_id=12
# shellcheck disable=SC2034 # for cases
counted=(--worker "$worker_counts" --member "0:$live_counts"
         --member "2:state=4,pid=77,epoch=5,heard_ns=40s,late_num=4,drop_num=1,wild_num=1,join_num=1"
         --member "3:state=3,join_num=1,micro_batch_num=1,micro_batch=0,layer_id=-1")

# What varies in metrics: times, and whose window it is.
metric_figures() { sed -E -e 's/(_seconds\{.*\}) [0-9.]+$/\1 N/' -e 's/pid="[0-9]+"/pid="N"/'; }

# needs_ucx: the case is skipped where workers of several hosts cannot be tried. It is asked for at a port at which
# nobody is.
needs_ucx() {
    local said
    if [[ -n ${AFD_CLI_NO_LOOPBACK:-} ]]; then
        echo "skipped: the loopback of its own network is down, and ip (iproute2) is not here"
        exit 77
    fi
    said=$(afd doctor --connect 127.0.0.1:1 2>&1)
    if [[ $said == *libucx* ]]; then
        echo "skipped: $said"
        exit 77
    fi
}

# ---- afd run ----

# await COMMAND...: until it succeeds, for so long as only a hang takes, under ThreadSanitizer on a busy machine too.
await() {
    local attempt
    for ((attempt = 0; attempt < 2000; attempt++)); do
        if "$@"; then return 0; fi
        sleep 0.05
    done
    echo "in vain awaited: $*" >&2
    return 1
}

# A run that is over in no time, and one that is not over before it is ended: of the model with the smallest experts,
# and with a pool of a single one.
tiny=(--model qwen3-30b --layers 2 --batch 2 --weights 1MiB)
small=(--steps 1 "${tiny[@]}")
endless=(--steps 1000000 "${tiny[@]}")

# start_run [VAR=VALUE | ENV-OPTION]... -- --name NAME OPTIONS: a run in the background, its pid in run_pid, what it
# prints in run.out and run.err. Returns when its windows are there. A shell's background process ignores SIGINT, and
# what runs under nohup SIGHUP; this one does not. It is killed with the shell that started it.
start_run() {
    local environment=() name
    while [[ $1 != -- ]]; do environment+=("$1") && shift; done
    name=$3
    setpriv --pdeathsig KILL env --default-signal=INT,TERM,HUP "${environment[@]}" \
        "$AFD" run "${@:2}" >run.out 2>run.err &
    run_pid=$!
    await test -e "$(window_file "$name.ffn0")" -a -e "$(window_file "$name.attention0")"
}

# await_processes F A: until the run has F FFN and A attention workers, in `ffn` and `attention` by their numbers, and
# its `guard`.
await_processes() {
    local i
    await find_processes $(($1 + $2))
    ffn=("${workers[@]:0:$1}") attention=("${workers[@]:$1}")
    for i in "${!ffn[@]}"; do echo "ffn-$i ${ffn[i]}" >>"$AFD_CLI_PIDS"; done
    for i in "${!attention[@]}"; do echo "attention-$i ${attention[i]}" >>"$AFD_CLI_PIDS"; done
}

workers=() ffn=() attention=() guard=
find_processes() {
    local stat pid state parent session
    workers=() guard=
    for stat in /proc/[0-9]*/stat; do
        { read -r pid _ state parent _ session _ <"$stat"; } 2>/dev/null || continue
        [[ $parent == "$run_pid" && $state != Z ]] || continue
        # The guard alone has left the run's session for one of its own.
        if [[ $session == "$pid" ]]; then guard=$pid; else workers+=("$pid"); fi
    done
    mapfile -t workers < <(printf '%s\n' "${workers[@]}" | sort -n)
    [[ ${#workers[@]} == "$1" && -n $guard ]]
}

# has_sent SESSION NAME: the session is past the first layer, so it has sent all its micro-batches once and had an
# answer from every FFN worker that it asked.
has_sent() {
    local layer
    layer=$(afd inspect --json "$2.ffn0" | json_get layer_ids "$1" 0) && ((layer > 0))
}

# end_run [SIGNAL]: sends it to the run, awaits the run's end, and says how it ended and which processes it left.
end_run() {
    local pid status
    { # bash says on stderr who was killed, whenever it notices
        if (($# > 0)); then kill -"$1" "$run_pid"; fi
        await has_ended "$run_pid" || kill -KILL "$run_pid"
        wait "$run_pid"
        status=$?
    } 2>/dev/null
    for pid in "${workers[@]}" $guard; do await has_ended "$pid"; done
    echo "exit $status"
}

# has_ended PID: it is gone, or a zombie.
has_ended() {
    local state=
    { state=$(sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$1/status"); } 2>/dev/null
    [[ -z $state || $state == Z ]]
}

# What varies in a run's table.
figures() {
    sed -E -e 's/^(time +)[0-9.]+ s$/\1N s/' -e 's/^(tokens +)[0-9.]+ /\1N /' -e 's/^(  [a-z]+) .*/\1  N/' \
        -e 's/^(moved +.*), .*\/s$/\1, N\/s/' -e 's/^(not the experts +)[0-9.]+/\1N/' \
        -e 's/at most [0-9.]+ .?i?B of its own/at most N of its own/' -e 's/^(late reports +)[0-9]+$/\1N/' \
        -e 's/largest error [0-9.]+ of/largest error N of/'
}

# The same of a run that was cut off: how far it came varies too.
figures_so_far() {
    figures | sed -E -e 's/^(moved +).*/\1N, N\/s/' -e 's/until then [0-9]+ of/until then N of/' \
        -e 's/answered [0-9]+ micro/answered N micro/' -e "$last_sent"
}
last_sent='s/after [0-9]+ micro-batches; its last was micro-batch [0-9]+ of layer [0-9]+/after N micro-batches; '
last_sent+='its last was micro-batch N of layer N/'

# run_result OPTIONS: a run's verdict and counts, on one line.
run_result() {
    afd run --json "$@" >run.json
    local status=$? key
    for key in verdict micro_batches_back micro_batches_expected expert_ids_checked rows_checked differences; do
        printf '%s %s, ' "$key" "$(json_get "$key" <run.json)"
    done
    echo "exit $status"
}

# ---- afd ffn, afd attention ----

# Clocks that only a hang reaches, on a machine that stands still for seconds, too: nobody is silent for too long, or
# late, who was not made so. A case that wants one of the two gives that one a shorter time, and so knows which it gets.
patient=(--dead 60 --deadline 120)

# start ffn|attention NAME OPTIONS: a worker in the background whose window is NAME, what it prints in NAME.out and
# NAME.err, and its pid in ${pid[NAME]}. As with start_run, it heeds all signals and does not outlive its shell.
declare -A pid=()
start() {
    local verb=$1 name=$2
    shift 2
    : >"$name.out" && : >"$name.err" # what an earlier one of the name said is not awaited again
    setpriv --pdeathsig KILL env --default-signal=INT,TERM,HUP \
        "$AFD" "$verb" --name "$name" "${patient[@]}" "$@" >>"$name.out" 2>>"$name.err" &
    pid[$name]=$!
    echo "$name $!" >>"$AFD_CLI_PIDS"
}

# start_ffn NAME OPTIONS: and awaits that its door is open.
start_ffn() {
    start ffn "$@"
    await_line "$1" '^afd ffn: open'
}

# address NAME: where one listens.
address() { sed -n 's/^afd [a-z]*: listening at \([0-9.]*:[0-9]*\).*/\1/p' "$1.err"; }

# start_listener NAME OPTIONS: an `afd doctor --listen` in the background, at any free port.
start_listener() {
    local name=$1
    shift
    : >"$name.err"
    setpriv --pdeathsig KILL env --default-signal=INT,TERM,HUP \
        "$AFD" doctor --listen 127.0.0.1:0 "$@" >"$name.out" 2>"$name.err" &
    pid[$name]=$!
    await_line "$name" 'listening'
}

# A file that only its owner may read, with a token in it.
token() { (umask 077 && printf '%s\n' "$2" >"$1"); }

# await_line NAME PATTERN: until a worker has said something of the kind.
await_line() { await grep -qE "$2" "$1.err"; }

# await_rounds NAME: until an attention worker has collected something. An FFN worker says that a session joined before
# that knows of it; whoever is stopped, killed or asked to end then may not have begun.
await_rounds() { await has_collected "$1"; }
has_collected() { afd metrics "$1" 2>/dev/null | grep -qE '^afd_worker_steps_total\{.*\} [1-9]'; }

# finish NAME [SIGNAL]...: sends a worker the signals, awaits its end, and says how it ended.
finish() {
    local name=$1 signal status
    shift
    { # bash says on stderr who was killed, whenever it notices
        for signal; do kill -"$signal" "${pid[$name]}"; done
        await has_ended "${pid[$name]}" || kill -KILL "${pid[$name]}"
        wait "${pid[$name]}"
        status=$?
    } 2>/dev/null
    echo "$name: exit $status"
}

# said NAME [PATTERN]: what a worker said on stderr, without how long somebody was silent, and at which round, if any.
said() {
    grep -E "${2:-.}" "$1.err" | sed -E 's/ [0-9.]+ s\b/ N s/; s/, micro-batch [0-9]+( of layer [0-9]+)?//'
}

# verdict NAME: the line.
verdict() {
    grep -E '^verdict' "$1.out" |
        sed -E 's/ +/ /; s/[0-9]+ rows/N rows/; s/largest error [0-9.]+ of/largest error N of/'
}

# outcome NAME: of an attention worker with --json, on one line.
outcome() {
    local key
    for key in verdict rounds rejoins rounds_lost rounds_sent_again differences; do
        printf '%s %s, ' "$key" "$(json_get "$key" <"$1.out")"
    done
    echo
}

at_end() {
    local name
    for name in "${!holder_pids[@]}"; do release "$name"; done
}
trap at_end EXIT
