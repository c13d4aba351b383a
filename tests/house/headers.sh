#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: headers.sh ROOT C_COMPILER CXX_COMPILER
# Each public header compiles alone, and twice, as C11 and as C++11, without a warning: with the compilers of the build,
# and with gcc and clang where they are there.
set -eu

root=$1
bad=0
# shellcheck source=tests/house/alone.sh
. "$(dirname "$0")/alone.sh"

for header in "$root"/include/afd/*.h; do
    header=$(basename "$header")
    for compiler in $(compilers_of "$2" gcc clang); do
        compiles "$root/include" "afd/$header" c "$compiler" -std=c11
    done
    # clang and clang++ are one file, and clang -x c++ says the same for syntax alone.
    for compiler in $(compilers_of "$3" g++ clang); do
        compiles "$root/include" "afd/$header" c++ "$compiler" -std=c++11
    done
done
exit $bad
