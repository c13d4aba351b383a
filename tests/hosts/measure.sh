#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Usage: tests/hosts/measure.sh [ROUNDS]
# What the way between an attention and an FFN worker costs: the cheap experts of `afd ffn --experts check` in the shape
# of DeepSeek-V2-Lite, so that moving rows is nearly all there is. Through shared memory, over UCX by the loopback, and
# over UCX between two network namespaces, beside UCX's own ucx_perftest at the same message size and a plain copy of
# the same bytes. Each is measured once a round, in turn; the table has the medians of ROUNDS (5). docs/performance.md
# says how to read it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=${AFD_BUILD:-$here/../../build/release}
export MEASURE_ROUNDS=${1:-5} COPY_FLOOR=$build/tests/hosts/copy_floor
exec "$here/run_case.sh" "$build/src/cli/afd" "$build/tests/cli" "$build/tests/faults/rogue" "$here/measure_case.sh"
