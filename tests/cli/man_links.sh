#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: man_links.sh FOLDER
# Every page that a page refers to is there, and every page names itself as its file is called.
set -u
cd "$1" || exit 1
bad=0
for page in *.[1-9]; do
    # shellcheck disable=SC2013 # words are what is wanted: a link has no blanks
    for link in $(sed -n 's/^\.Xr \([^ ]*\) \([1-9]\).*/\1.\2/p' "$page"); do
        if [ ! -e "$link" ]; then
            echo "$page refers to $link, which is not there"
            bad=1
        fi
    done
    title=$(sed -n 's/^\.Dt \([^ ]*\) \([1-9]\)$/\1.\2/p' "$page" | tr '[:upper:]' '[:lower:]')
    if [ "$title" != "$page" ]; then
        echo "$page calls itself '$title'"
        bad=1
    fi
done
exit $bad
