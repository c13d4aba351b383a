#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Sourced by the checks of the library's and of the front's headers: whether one compiles alone, with which compilers.
# A header that does not sets bad=1.

# compiles INCLUDE_DIR HEADER LANGUAGE COMPILER FLAG...
# Twice in one file, so that a missing include guard shows too.
compiles() {
    # A function's variables are the caller's too in sh: names of our own.
    alone_include=$1
    alone_header=$2
    alone_language=$3
    shift 3
    if ! printf '#include "%s"\n#include "%s"\n' "$alone_header" "$alone_header" |
        "$@" -x "$alone_language" -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I "$alone_include" -; then
        echo "$alone_include/$alone_header: does not compile alone with: $* -x $alone_language"
        # shellcheck disable=SC2034 # the caller's
        bad=1
    fi
}

# compilers_of NAME...: those that are there, each once, whatever it is called.
compilers_of() {
    for alone_compiler in "$@"; do
        if command -v "$alone_compiler" >/dev/null 2>&1; then
            readlink -f "$(command -v "$alone_compiler")"
        fi
    done | sort -u
}
