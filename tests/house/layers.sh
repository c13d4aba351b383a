#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: layers.sh ROOT
#
# The layering rule: base <- context <- window <- {ffn, attention, transport} <- worker <- cli, and an arrow never runs
# the other way. A public header belongs to the layer of its name; status.h, wait.h and token.h belong to base,
# writer.h and stats.h to window, probe.h to transport, member.h to worker. The program is written against the public
# headers alone. Nothing in src/ or include/ knows of the guest in ascend/.
set -eu

cd "$1"
# shellcheck disable=SC2016 # the dollars are awk's
find src include/afd -name '*.[ch]' -o -name '*.h.in' | LC_ALL=C sort | xargs awk '
    BEGIN {
        below["base"] = "base"
        below["context"] = below["base"] " context"
        below["window"] = below["context"] " window"
        below["ffn"] = below["window"] " ffn"
        below["attention"] = below["window"] " attention"
        below["transport"] = below["window"] " transport"
        below["worker"] = below["window"] " ffn attention transport worker"
    }

    function complain(what) {
        print FILENAME ":" FNR ": " what
        bad = 1
    }

    # The layer of a public header "afd/NAME.h".
    function layer_of_public(path, name) {
        name = path
        sub(/^afd\//, "", name)
        sub(/\.h$/, "", name)
        if (name == "status" || name == "wait" || name == "token") {
            return "base"
        }
        if (name == "writer" || name == "stats") {
            return "window"
        }
        if (name == "probe") {
            return "transport"
        }
        return name == "member" ? "worker" : name
    }

    function is_below(layer, other) {
        return index(" " below[layer] " ", " " other " ") > 0
    }

    FNR == 1 {
        split(FILENAME, part, "/")
        layer = part[1] == "include" ? layer_of_public(part[2] "/" part[3]) : part[2]
        if (layer != "cli" && !(layer in below)) {
            complain("the folder or header is in no layer; tests/house/layers.sh has the list")
        }
    }

    tolower($0) ~ /(^|[^a-z])ascend([^a-z]|$)/ {
        complain("mentions ascend, which nothing in here may know of")
    }

    /^[ \t]*#[ \t]*include[ \t]*"/ || /^[ \t]*#[ \t]*include[ \t]*<afd\// {
        path = $0
        sub(/^[^"<]*["<]/, "", path)
        sub(/[">].*$/, "", path)
        folder = path ~ /\// ? path : ""
        sub(/\/.*$/, "", folder)
        if (layer == "cli") {
            if (folder in below) {
                complain("cli includes \"" path "\"; it is written against the public headers alone")
            }
        } else if (folder == "") {
            complain("includes \"" path "\" without the name of its layer")
        } else {
            other = folder == "afd" ? layer_of_public(path) : folder
            if (!is_below(layer, other)) {
                complain(layer " includes \"" path "\" of " other ", which is not below it")
            }
        }
    }

    END { exit bad }
'
