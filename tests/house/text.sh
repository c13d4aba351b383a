#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: text.sh ROOT
# What every source file looks like: its licence in it, at most 120 columns, no trailing blanks, no tabs in C, nothing
# put off to later; and in the library, the public headers and the guest at most 450 lines a file.
set -eu

cd "$1"
# shellcheck disable=SC2016 # the dollars are awk's
find src include ascend examples tests tools bench cmake .ci CMakeLists.txt Makefile -type f 2>/dev/null |
    grep -E '\.([ch]|cpp|hpp|h\.in|sh|cmake)$|/CMakeLists\.txt$|^CMakeLists\.txt$|^Makefile$|^\.ci/run$' |
    LC_ALL=C sort | LC_ALL=C xargs awk '
    function complain(file, line, what) {
        print file ":" line ": " what
        bad = 1
    }

    # The file that ended has no line of its own any more.
    function end_of_file() {
        if (file != "" && !licensed) {
            complain(file, 1, "has no SPDX line")
        }
        if (file ~ /^(src|include|ascend)\// && lines > 450) {
            complain(file, lines, "is longer than 450 lines")
        }
    }

    FNR == 1 {
        end_of_file()
        file = FILENAME
        licensed = 0
        is_c = file ~ /\.(c|h|cpp|hpp|h\.in)$/
    }

    { lines = FNR }

    FNR <= 2 && /SPDX-License-Identifier: Apache-2\.0/ { licensed = 1 }

    {
        # Continuation bytes of UTF-8 take no column.
        text = $0
        gsub(/[\200-\277]/, "", text)
        if (length(text) > 120) {
            complain(file, FNR, "is longer than 120 columns")
        }
    }

    /[ \t]$/ { complain(file, FNR, "ends in a blank") }
    is_c && /\t/ { complain(file, FNR, "has a tab") }
    # Written so that this line does not find itself.
    /(^|[^A-Za-z0-9_])(TOD[O]|FIXM[E]|XX[X])([^A-Za-z0-9_]|$)/ { complain(file, FNR, "puts something off to later") }

    END {
        end_of_file()
        exit bad
    }
'
