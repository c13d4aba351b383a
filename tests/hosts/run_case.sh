#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs one case of workers on several hosts. A host is a process that has a network, a /dev/shm, a hostname and process
# numbers of its own; all of them hang on a bridge in a network that is nobody else's. The kernel takes everything back
# when the last process of it ends, and all of them end with the first, so nothing is left, whoever is killed.
#     run_case.sh AFD TOOLS ROGUE CASE    AFD: the program; TOOLS: the folder of json_get; ROGUE: the program of
#                                         tests/faults; CASE: a file of cases/
# Ends with 0, 1, or 77 where this machine cannot run the case, with the reason on stdout. KEEP=FOLDER keeps what the
# workers said.
set -u
export LC_ALL=C TERM=dumb

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
skip() {
    echo "skipped: $*"
    exit 77
}

if [[ -z ${AFD_HOSTS:-} ]]; then
    for tool in ip nft unshare nsenter setpriv; do
        [[ -n $(PATH=$PATH:/usr/sbin:/sbin command -v $tool) ]] ||
            skip "there is no $tool (apt-get install iproute2 nftables util-linux)"
    done
    export AFD_HOSTS=one PATH=$PATH:/usr/sbin:/sbin
    own=(--net --mount --uts --ipc --pid --fork --kill-child --mount-proc)
    for user in "" "--user --map-root-user"; do
        # shellcheck disable=SC2086 # words, on purpose
        if unshare $user "${own[@]}" unshare "${own[@]}" sh -c \
            'mount -t tmpfs afd-test /dev/shm && ip link set lo up && nft list ruleset' >/dev/null 2>&1; then
            exec unshare $user "${own[@]}" bash "${BASH_SOURCE[0]}" "$@"
        fi
    done
    skip "this user may not make network, process and mount namespaces here"
fi

export AFD=$1 TOOLS=$2 ROGUE=$3
ip link set lo up
reason=$("$ROGUE" 127.0.0.1:1 /dev/null 0 0 2>&1 >/dev/null)
if [[ $? == 77 ]]; then skip "${reason:-this is built without the headers of UCX (apt-get install libucx-dev)}"; fi
work=$(mktemp -d "${TMPDIR:-/tmp}/afd-hosts.XXXXXX")
# shellcheck disable=SC2317 # the trap calls it
at_end() {
    if [[ -n ${KEEP:-} ]]; then mkdir -p "$KEEP" && cp -r "$work/." "$KEEP"; fi
    rm -rf "$work"
}
trap at_end EXIT
trap 'exit 130' INT TERM HUP
cd "$work" || exit 1
# shellcheck source=tests/hosts/hosts.sh
source "$here/hosts.sh"
# shellcheck disable=SC1090 # which case, the caller says
source "$4"
conclude
