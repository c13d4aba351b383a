#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: calls.sh OBJECT...
#
# What the objects of the library refer to outside of themselves. A library never prints, never sets or reads the
# environment, never catches a signal, never ends the process; but transport/ucx/library.c looks whether the user has
# set a variable of UCX's, whose library reads them anyway. The operators, the hand-over, writing into a mapped
# window, what goes over a link, and what a worker does in a step, a dispatch or a collect in addition refer to nothing
# but libafd itself and copying: no allocation, no lock, no system call.
set -eu

undefined=$(mktemp)
trap 'rm -f "$undefined"' EXIT
bad=0
if [ $# -eq 0 ]; then
    echo "no objects were given"
    exit 1
fi
for object in "$@"; do
    nm -u "$object" >"$undefined"
    # shellcheck disable=SC2016 # the dollars are awk's
    awk -v object="$object" '
        BEGIN {
            layer = object ~ /\/(ffn|attention)\/[^\/]*$/ || object ~ /\/window\/(handover|writer)[.][^\/]*$/ ||
                    object ~ /\/worker\/(ffn_worker_step|attention_worker_round|member_stats)[.][^\/]*$/ ||
                    object ~ /\/transport\/mapped[.][^\/]*$/ ||
                    object ~ /\/transport\/ucx\/(wire|link_writer|link_receive)[.][^\/]*$/ ? "token path" : "library"
        }
        {
            name = $2
            sub(/@.*/, "", name)
        }
        name ~ /^_*(v?f?w?printf|v?dprintf|f?puts|f?putc|putchar|fwrite|perror)(_chk)?$/ ||
        name ~ /^(psignal|v?syslog|v?(err|warn)x?|stdout|stderr)$/ {
            complain("prints")
        }
        name == "getenv" && object ~ /\/transport\/ucx\/library[.][^\/]*$/ { next }
        name ~ /^(secure_getenv|getenv|setenv|unsetenv|putenv|clearenv|environ)$/ {
            complain("uses the environment")
        }
        name ~ /^(signal|sigaction|sigprocmask|pthread_sigmask|raise)$/ {
            complain("touches signals")
        }
        name ~ /^(exit|_exit|_Exit|quick_exit|atexit|abort|__assert_fail)$/ {
            complain("ends the process")
        }
        # _chk and __stack_chk_fail are what a hardened build makes of copying.
        layer == "token path" && name !~ /^afd_/ && name !~ /^(__)?mem(cpy|set|move|cmp)(_chk)?$/ && name != "strcmp" &&
        name !~ /^(__stack_chk_fail|_GLOBAL_OFFSET_TABLE_)$/ {
            complain("is on the token path, which only copies,")
        }
        function complain(what) {
            sub(/.*\.dir\//, "", object)
            print object ": " what " and refers to " name
            bad = 1
        }
        END { exit bad }
    ' "$undefined" || bad=1
done
exit $bad
