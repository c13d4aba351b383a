# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What a case's cmd may use. It is sourced with a temporary folder as the working folder.

afd() { "$AFD" "$@"; }
json_get() { "$TOOLS/json_get" "$@"; }

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

at_end() {
    local name
    for name in "${!holder_pids[@]}"; do release "$name"; done
}
trap at_end EXIT
