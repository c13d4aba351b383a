#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs one case and compares what it printed and how it ended with what is expected. See README.md.
#     run_case.sh AFD TOOLS CASE      AFD: the program; TOOLS: the folder of window_holder and json_get; CASE: a folder
# Ends with 0, 1, or 77 where this machine cannot run the case. UPDATE=1 writes the expected files instead.
set -u
export LC_ALL=C TERM=dumb TZ=UTC
unset NO_COLOR

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
self=$here/run_case.sh

# A /dev/shm of our own, so that other tests, and people, neither see our windows nor lose theirs; and a network, to
# which the names of workers' doors belong, and their ports. Its loopback is down at first.
if [[ -z ${AFD_CLI_SHM:-} ]]; then
    for unshare in "unshare --mount --net" "unshare --user --map-root-user --mount --net"; do
        # shellcheck disable=SC2086 # words, on purpose
        if $unshare mount -t tmpfs -o size=64m,mode=1777 afd-test /dev/shm 2>/dev/null; then
            # shellcheck disable=SC2016,SC2086 # expanded by the inner shell
            AFD_CLI_SHM=private exec $unshare bash -c \
                'mount -t tmpfs -o size=64m,mode=1777 afd-test /dev/shm &&
                 { ip link set lo up 2>/dev/null || export AFD_CLI_NO_LOOPBACK=1; } && exec "$@"' bash "$self" "$@"
        fi
    done
    # Not allowed to: then one case at a time, and only those that touch nothing but their own names.
    AFD_CLI_SHM=shared exec flock "${TMPDIR:-/tmp}/afd-cli-tests.$(id -u).lock" "$self" "$@"
fi

AFD=$1 TOOLS=$2 CASE=$3
export AFD TOOLS
if [[ $AFD_CLI_SHM == shared && -e $CASE/needs-private-shm ]]; then
    echo "skipped: it needs a /dev/shm of its own, and this user may not make one"
    exit 77
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/afd-cli.XXXXXX")
got=$(mktemp -d "${TMPDIR:-/tmp}/afd-cli.XXXXXX")
trap 'rm -rf "$work" "$got"' EXIT
export AFD_CLI_PIDS=$got/pids
: >"$AFD_CLI_PIDS"

(cd "$work" && bash -u -c 'source "$1/prelude.sh"; source "$2/cmd"' bash "$here" "$CASE") \
    </dev/null >"$got/stdout.raw" 2>"$got/stderr.raw"
status=$?
if [[ $status == 77 ]]; then
    cat "$got/stdout.raw"
    exit 77
fi
echo $status >"$got/exit"

# What varies from run to run. A pid becomes a word only where it is the right one.
substitutions=(-e "s#$work#WORK#g"
               -e 's/\b1[0-9]{18}\b/NANOSECONDS/g'
               -e 's/[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} UTC/DATE/g'
               -e 's/\b[0-9]{1,2} s( ago|  )/N s\1/g')
while read -r name pid; do
    substitutions+=(-e "s/process $pid\b/process PID($name)/g"
                    -e "s/_pid\": $pid\b/_pid\": PID($name)/g"
                    -e "s/  $pid  (alive|dead|unknown)/  PID($name)  \1/g")
done <"$AFD_CLI_PIDS"
for stream in stdout stderr; do
    sed -E "${substitutions[@]}" "$got/$stream.raw" >"$got/$stream"
done

failed=0
for what in stdout stderr exit; do
    expected=$CASE/$what
    if [[ -n ${UPDATE:-} ]]; then
        if [[ -s $got/$what && ! ($what == exit && $status == 0) ]]; then
            cp "$got/$what" "$expected"
        else
            rm -f "$expected"
        fi
        continue
    fi
    if [[ ! -e $expected ]]; then
        expected=$got/expected
        if [[ $what == exit ]]; then echo 0 >"$expected"; else : >"$expected"; fi
    fi
    diff -u --label "expected $what" --label "$what" "$expected" "$got/$what" || failed=1
done

left=$(cd /dev/shm && shopt -s nullglob dotglob &&
       if [[ $AFD_CLI_SHM == private ]]; then echo ./*; else echo afd.cli-*; fi)
if [[ -n $left ]]; then
    echo "left behind in /dev/shm: $left"
    failed=1
fi
# What the programs said, which the expected files do not hold and which is gone with the folder.
if ((failed)) && [[ -z ${UPDATE:-} ]]; then
    find "$work" -name '*.err' -size +0 -printf '--- %P\n' -exec cat {} \;
fi
exit $failed
