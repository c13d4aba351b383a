#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: headers.sh ROOT C_COMPILER CXX_COMPILER
# Each public header compiles alone, and twice, as C11 and as C++11, without a warning: with the compilers of the build,
# and with gcc and clang where they are there.
set -eu

root=$1
bad=0

# compiles HEADER LANGUAGE COMPILER FLAG...
compiles() {
    header=$1
    language=$2
    shift 2
    if ! printf '#include "afd/%s"\n#include "afd/%s"\n' "$header" "$header" |
        "$@" -x "$language" -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I "$root/include" -; then
        echo "$root/include/afd/$header: does not compile alone with: $* -x $language"
        bad=1
    fi
}

compilers_of() {
    for compiler in "$@"; do
        if command -v "$compiler" >/dev/null 2>&1; then
            readlink -f "$(command -v "$compiler")"
        fi
    done | sort -u
}

for header in "$root"/include/afd/*.h; do
    header=$(basename "$header")
    for compiler in $(compilers_of "$2" gcc clang); do
        compiles "$header" c "$compiler" -std=c11
    done
    # clang and clang++ are one file, and clang -x c++ says the same for syntax alone.
    for compiler in $(compilers_of "$3" g++ clang); do
        compiles "$header" c++ "$compiler" -std=c++11
    done
done
exit $bad
