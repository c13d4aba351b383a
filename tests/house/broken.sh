#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: broken.sh ROOT C_COMPILER
# Shows each check of this folder a broken copy of the tree, or a broken library, and expects it to fail and to name the
# place: a check that passes whatever it sees is worth nothing.
set -eu

root=$1
compiler=$2
here=$root/tests/house
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0

fresh_copy() {
    rm -rf "$work/tree"
    mkdir -p "$work/tree"
    cp -R "$root/src" "$root/include" "$work/tree/"
}

# finds EXPECTED COMMAND...: the command fails, and prints a line with EXPECTED in it.
finds() {
    expected=$1
    shift
    if "$@" >"$work/output" 2>&1; then
        echo "did not fail, was to find '$expected': $*"
        bad=1
    elif ! grep -qF -- "$expected" "$work/output"; then
        echo "failed without naming '$expected': $*"
        cat "$work/output"
        bad=1
    fi
}

# plant FILE TEXT: a new file in a fresh copy.
plant() {
    fresh_copy
    mkdir -p "$(dirname "$work/tree/$1")"
    printf '%b' "$2" >"$work/tree/$1"
}

licence='/* SPDX-License-Identifier: Apache-2.0 */\n'
tree=$work/tree

# The layering rule, upwards, sideways, out of the program, and towards the guest.
plant src/base/planted.c "$licence#include \"afd/window.h\"\n"
finds 'src/base/planted.c:2: base includes "afd/window.h" of window' "$here/layers.sh" "$tree"
plant src/context/planted.h "$licence\n#include \"window/handover.h\"\n"
finds 'src/context/planted.h:3: context includes' "$here/layers.sh" "$tree"
plant src/ffn/planted.c "$licence#include <afd/attention.h>\n"
finds 'src/ffn/planted.c:2: ffn includes' "$here/layers.sh" "$tree"
plant src/cli/planted.c "$licence#include \"base/atomic.h\"\n"
finds 'src/cli/planted.c:2: cli includes' "$here/layers.sh" "$tree"
plant src/window/planted.c "$licence#include \"shm.h\"\n"
finds 'src/window/planted.c:2: includes "shm.h" without' "$here/layers.sh" "$tree"
plant src/window/planted.c "$licence/* for ascend/ */\n"
finds 'src/window/planted.c:2: mentions ascend' "$here/layers.sh" "$tree"
plant src/nowhere/planted.c "$licence"
finds 'src/nowhere/planted.c:1: the folder or header is in no layer' "$here/layers.sh" "$tree"

# Text.
plant src/base/planted.c '/* nothing */\n'
finds 'src/base/planted.c:1: has no SPDX line' "$here/text.sh" "$tree"
plant src/base/planted.c "$licence\tint tab;\n"
finds 'src/base/planted.c:2: has a tab' "$here/text.sh" "$tree"
plant src/base/planted.c "${licence}int blank; \n"
finds 'src/base/planted.c:2: ends in a blank' "$here/text.sh" "$tree"
plant src/base/planted.c "$licence/* $(printf '%0115d' 0) */\n"
finds 'src/base/planted.c:2: is longer than 120 columns' "$here/text.sh" "$tree"
plant src/base/planted.c "$licence/* TO""DO */\n"
finds 'src/base/planted.c:2: puts something off' "$here/text.sh" "$tree"
plant src/base/planted.c "$licence$(yes '\n' | head -n 450 | tr -d '\n')"
finds 'src/base/planted.c:451: is longer than 450 lines' "$here/text.sh" "$tree"

# Headers that need another one first, or that C++ does not take.
plant include/afd/planted.h "${licence}uint32_t afd_planted(void);\n"
finds 'planted.h: does not compile alone' "$here/headers.sh" "$tree" "$compiler" "$compiler"
plant include/afd/planted.h "${licence}#pragma once\nstatic inline int f(int class) { return class; }\n"
finds 'planted.h: does not compile alone' "$here/headers.sh" "$tree" "$compiler" "$compiler"

# The three lists of functions, each wrong in turn. The library is made from the version script.
library() {
    sed -n 's/^ *\(afd_[a-z0-9_]*\);$/void \1(void); void \1(void) {}/p' "$1" >"$work/library.c"
    "$compiler" -shared -fPIC -Wl,--version-script="$tree/src/libafd.map" -o "$work/libafd.so" "$work/library.c"
}
fresh_copy
library "$tree/src/libafd.map"
"$here/symbols.sh" "$tree" "$work/libafd.so" "$compiler" || bad=1
plant include/afd/planted.h "void afd_planted(void);\n"
finds '-afd_planted' "$here/symbols.sh" "$tree" "$work/libafd.so" "$compiler"
fresh_copy
sed -i 's/^local:/    afd_planted;\n&/' "$tree/src/libafd.map"
finds '+afd_planted' "$here/symbols.sh" "$tree" "$work/libafd.so" "$compiler"
fresh_copy
echo 'void other(void); void other(void) {}' | "$compiler" -shared -fPIC -x c -o "$work/libucp.so.0" -
"$compiler" -shared -fPIC -Wl,--no-as-needed -Wl,--version-script="$tree/src/libafd.map" -o "$work/libafd.so" \
    "$work/library.c" "$work/libucp.so.0"
finds 'the library needs more than libc' "$here/symbols.sh" "$root" "$work/libafd.so" "$compiler"
fresh_copy
grep -v afd_version "$tree/src/libafd.map" >"$work/short.map"
library "$work/short.map"
finds '-afd_version' "$here/symbols.sh" "$tree" "$work/libafd.so" "$compiler"

# Calls, from a layer and from the token path; and no objects at all.
finds 'no objects' "$here/calls.sh"
finds 'No such file' "$here/calls.sh" "$work/missing.o"
calls() {
    mkdir -p "$work/x.dir/$1"
    object=$work/x.dir/$1/planted.o
    echo "void $2(); void afd__planted(void); void afd__planted(void) { $2(); }" |
        "$compiler" -fno-builtin -w -x c -c -o "$object" -
    echo "$object"
}
for name in printf __printf_chk fprintf puts perror getenv setenv signal sigaction exit abort; do
    finds "refers to $name" "$here/calls.sh" "$(calls base $name)"
done
for name in malloc free pthread_mutex_lock sched_yield; do
    finds "ffn/planted.o: is on the token path" "$here/calls.sh" "$(calls ffn $name)"
    "$here/calls.sh" "$(calls window $name)" || bad=1
done

exit $bad
