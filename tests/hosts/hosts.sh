# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What a case may use. It is sourced in a network namespace of its own, with a temporary folder as the working folder.

# ---- hosts ----

# hosts NAME...: makes them, 10.77.0.1 and on in that order; `address[NAME]` is the address of each.
declare -A address=() host_pid=()
hosts() {
    local name
    if ! ip link show bridge >/dev/null 2>&1; then
        ip link add bridge type bridge
        ip link set bridge up
    fi
    for name; do add_host "$name"; done
}

add_host() {
    local name=$1 outer
    address[$name]=10.77.0.$((${#address[@]} + 1))
    # shellcheck disable=SC2016 # expanded by the host's shell
    setpriv --pdeathsig KILL unshare --net --mount --uts --ipc --pid --fork --kill-child --mount-proc sh -c \
        'hostname "$1"; mount -t tmpfs -o size=512m,mode=1777 afd-test /dev/shm; ip link set lo up; echo >up.$1
         exec sleep infinity' sh "$name" &
    outer=$!
    await test -e "up.$name"
    host_pid[$name]=$(child_of $outer)
    ip link add "to-$name" type veth peer name eth0 netns "${host_pid[$name]}"
    ip link set "to-$name" master bridge up
    on "$name" ip addr add "${address[$name]}/24" dev eth0
    on "$name" ip link set eth0 up
}

child_of() { tr -d ' ' <"/proc/$1/task/$1/children"; }

# on HOST COMMAND...: there, with this working folder.
on() {
    local host=$1
    shift
    nsenter --target "${host_pid[$host]}" --net --mount --uts --ipc --pid --wd="$PWD" "$@"
}

# ---- what happens to their networks ----

# cut_off HOST: nothing comes in, and nothing goes out, as from now; nobody is told.
cut_off() {
    on "$1" nft 'add table inet trouble
        add chain inet trouble in { type filter hook input priority 0; }
        add chain inet trouble out { type filter hook output priority 0; }
        add rule inet trouble in iifname eth0 drop
        add rule inet trouble out oifname eth0 drop'
}

# lose HOST PERCENT: of the packets that come in, at random.
lose() {
    on "$1" nft "add table inet trouble
        add chain inet trouble in { type filter hook input priority 0; }
        add rule inet trouble in iifname eth0 numgen random mod 100 < $2 counter drop"
}

# lost_packets HOST: how many so far.
lost_packets() { on "$1" nft list table inet trouble | sed -n 's/.*counter packets \([0-9]*\).*/\1/p'; }

# heal HOST
heal() { on "$1" nft delete table inet trouble; }

# ---- workers ----

# await COMMAND...: until it succeeds, for so long as only a hang takes, under a sanitizer on a busy machine too.
await() {
    local attempt
    for ((attempt = 0; attempt < 2000; attempt++)); do
        if "$@"; then return 0; fi
        sleep 0.05
    done
    fail "in vain awaited: $*"
    conclude
}

# start HOST ffn|attention NAME OPTIONS: a worker in the background, what it prints in NAME.out and NAME.err, and its
# pid in ${pid[NAME]}.
declare -A pid=() entered=() where=()
start() {
    local host=$1 verb=$2 name=$3
    shift 3
    where[$name]=$host
    : >"$name.out" && : >"$name.err" # what an earlier one of the name said is not awaited again
    setpriv --pdeathsig KILL nsenter --target "${host_pid[$host]}" --net --mount --uts --ipc --pid --wd="$PWD" \
        setpriv --pdeathsig KILL env --default-signal=INT,TERM,HUP \
        "$AFD" "$verb" --name "$name" "$@" >"$name.out" 2>"$name.err" &
    entered[$name]=$!
    await is_running "$name"
    pid[$name]=$(child_of "${entered[$name]}")
}

is_running() { [[ -n $(child_of "${entered[$1]}" 2>/dev/null) ]] || ! kill -0 "${entered[$1]}" 2>/dev/null; }

# listen HOST NAME PORT OPTIONS: an FFN worker whose door is open.
listen() {
    local host=$1 name=$2 port=$3
    shift 3
    start "$host" ffn "$name" --listen "${address[$host]}:$port" "${secret[@]}" "$@"
    await_line "$name" '^afd ffn: open'
}

# attend HOST NAME ADDRESSES OPTIONS: an attention worker.
attend() {
    local host=$1 name=$2 addresses=$3
    shift 3
    start "$host" attention "$name" --connect "$addresses" "${secret[@]}" "$@"
}

# signal NAME SIGNAL. Whoever brought it into its host stops with it, and goes on first.
signal() {
    if [[ $2 == CONT ]]; then kill -CONT "${entered[$1]}"; fi
    kill -"$2" "${pid[$1]}"
}

# await_line NAME PATTERN: until a worker has said something of the kind.
await_line() { await grep -qE "$2" "$1.err"; }

# await_lines NAME NUMBER PATTERN: so often.
await_lines() { await has_lines "$@"; }
has_lines() { (($(grep -cE "$3" "$1.err") >= $2)); }

# go_on NAME...: until each of these attention workers has come some rounds further than it is now.
go_on() {
    local name began
    local -A before=()
    began=$(now_ms)
    for name; do before[$name]=$(round_num "$name"); done
    for name; do await is_further "$name"; done
    echo "all of $* go on, $(($(now_ms) - began)) ms"
}

# Micro-batches that came back; those of a new window, after a rejoin, are counted from 0.
round_num() {
    on "${where[$1]}" "$AFD" inspect --json "$1" 2>/dev/null | "$TOOLS/json_get" worker step_num 2>/dev/null || echo 0
}

is_further() {
    local num
    num=$(round_num "$1")
    if ((num < before[$1])); then before[$1]=$num; fi
    ((num >= before[$1] + 12))
}

now_ms() { echo $(($(date +%s%N) / 1000000)); }

# finish NAME STATUS [SIGNAL]: sends it the signal, awaits its end, which is to be with that status.
finish() {
    local name=$1 expected=$2 status
    { # bash says on stderr who was killed, whenever it notices
        if (($# > 2)); then signal "$name" "$3"; fi
        await has_ended "${entered[$name]}"
        wait "${entered[$name]}"
        status=$?
    } 2>/dev/null
    [[ $status == "$expected" ]] || fail "$name ended with status $status, must be $expected"
}

# has_ended PID: it is gone, or a zombie.
has_ended() {
    local state=
    { state=$(sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$1/status"); } 2>/dev/null
    [[ -z $state || $state == Z ]]
}

# ---- what is to be so ----

failures=0
fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# value NAME KEY...: of what a worker with --json said at its end.
value() {
    local name=$1
    shift
    "$TOOLS/json_get" "$@" <"$name.out"
}

# expect NAME VALUE KEY...: that it is this value.
expect() {
    local name=$1 expected=$2 got
    shift 2
    got=$(value "$name" "$@")
    [[ $got == "$expected" ]] || fail "$name: $* is $got, must be $expected"
}

# all_right NAME ROUNDS: every round came back, every row was computed again, and none differs.
all_right() {
    expect "$1" '"all right"' verdict
    expect "$1" "$2" rounds
    expect "$1" 0 differences
    summary "$1"
}

summary() {
    echo "$1: verdict $(value "$1" verdict), $(value "$1" rounds) rounds, $(value "$1" rows_verified) rows verified," \
        "$(value "$1" rejoins) rejoins, $(value "$1" rounds_sent_again) rounds sent again," \
        "$(value "$1" events dropped) times dropped, $(value "$1" events lost) FFN workers lost"
}

# interrupted_right NAME: of one that was asked to end.
interrupted_right() {
    expect "$1" '"interrupted"' verdict
    expect "$1" 0 differences
    summary "$1"
}

# sessions NAME JOINED DROPPED: of an FFN worker at its end: how often one joined, or joined again, and was dropped.
sessions() {
    local joined
    joined=$(($(value "$1" events joined) + $(value "$1" events rejoined)))
    ((joined == $2)) || fail "$1: $joined joins, must be $2"
    expect "$1" "$3" events dropped
    expect "$1" 0 events wild
    expect "$1" 0 events late
    echo "$1: $(value "$1" rounds) rounds answered, $joined joins, $(value "$1" events dropped) dropped"
}

# The end of a case.
conclude() {
    local name
    if ((failures > 0)); then
        for name in "${!pid[@]}"; do
            sed "s/^/$name: /" "$name.err" | tail -n 40
            sed "s/^/$name: /" "$name.out" | head -n 80
        done
        exit 1
    fi
    exit 0
}

# ---- options ----

# What both sides must know to meet.
printf 'the secret of this case %s\n' "$RANDOM$RANDOM" >secret
chmod 600 secret
secret=(--token-file secret)

# All sizes are those of DeepSeek-V2-Lite; every row of the cheap experts is known to the bit, and checked.
lite=(--model deepseek-v2-lite --experts check)

# UCX prefers its shared memory, across network namespaces too, and this is about the wire.
export UCX_TLS=tcp,self
