#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: symbols.sh ROOT LIBRARY C_COMPILER
# What the shared library exports, what the version script promises and what the public headers declare are one list.
# And it needs the C library alone: UCX is opened when somebody uses it.
set -eu

root=$1
library=$2
compiler=$3
LC_ALL=C
export LC_ALL
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The version node itself is an absolute symbol.
nm -D --defined-only "$library" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort >"$work/exported"
sed -n '/global:/,/local:/s/^ *\(afd_[a-z0-9_]*\);$/\1/p' "$root/src/libafd.map" | sort >"$work/promised"

# Preprocessed, a header has no comments and no macros left: a name before a parenthesis is a function, declared or, in
# an inline one, called. The inline ones have no symbol. Types of functions, and members that point to functions, are
# no functions.
cat "$root"/include/afd/*.h | "$compiler" -E -P -I "$root/include" -x c - |
    sed -E '/^typedef [^{]*\<afd_[a-z0-9_]*\(/d; s/\<afd_[a-z0-9_]* *\(\*/(*/g' >"$work/headers"
grep -v 'static inline' "$work/headers" | grep -o '\<afd_[a-z0-9_]* *(' | tr -d ' (' | sort -u >"$work/named"
grep 'static inline' "$work/headers" | grep -o '\<afd_[a-z0-9_]* *(' | tr -d ' (' | sort -u >"$work/inline"
comm -23 "$work/named" "$work/inline" >"$work/declared"

bad=0
compare() {
    if ! diff -U 0 "$work/$1" "$work/$2" >"$work/difference"; then
        echo "$1 (-) and $2 (+) differ:"
        grep '^[-+]afd_\|^[-+]_' "$work/difference"
        bad=1
    fi
}
if [ ! -s "$work/declared" ]; then
    echo "no declarations were found in $root/include/afd"
    bad=1
fi
compare declared promised
compare promised exported
# The loader is there in a library with thread-local or sanitised code, whose runtimes are named too.
readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' >"$work/needed"
if grep -v '^libc\.so\|^ld-linux' "$work/needed" >"$work/strange"; then
    echo "the library needs more than libc: $(tr '\n' ' ' <"$work/strange")"
    bad=1
fi
exit $bad
