#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: headers.sh INCLUDE_DIR C_COMPILER CXX_COMPILER
# Each header of the front compiles alone, and twice, as C11 and as C++11, without a warning: with the compilers of the
# build, and with gcc and clang where they are there. In C as a main file too, where compilers look for what is unused.
set -eu

include=$1
bad=0
# shellcheck source=tests/house/alone.sh
. "$(dirname "$0")/../../tests/house/alone.sh"

# The list that the public interface has.
list=$(mktemp)
trap 'rm -f "$list"' EXIT
cat >"$list" <<LIST
acl/acl.h
acl/acl_base.h
acl/acl_mdl.h
acl/acl_op.h
acl/acl_rt.h
aclnn/acl_meta.h
aclnn/aclnn_base.h
aclnn/opdev/fp16_t.h
aclnnop/aclnn_attention_to_ffn.h
aclnnop/aclnn_attention_worker_combine.h
aclnnop/aclnn_attention_worker_scheduler.h
aclnnop/aclnn_ffn_to_attention.h
aclnnop/aclnn_ffn_worker_batching.h
aclnnop/aclnn_ffn_worker_scheduler.h
aclnnop/aclnn_util.h
hccl/hccl.h
hccl/hccl_comm.h
hccl/hccl_ex.h
hccl/hccl_res.h
hccl/hccl_types.h
LIST
(cd "$include" && find . -name '*.h' | sed 's|^\./||' | LC_ALL=C sort) | diff "$list" - || bad=1

while read -r header; do
    for compiler in $(compilers_of "$2" gcc clang); do
        compiles "$include" "$header" c "$compiler" -std=c11
        "$compiler" -std=c11 -x c -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I "$include" "$include/$header" ||
            bad=1
    done
    for compiler in $(compilers_of "$3" g++); do
        compiles "$include" "$header" c++ "$compiler" -std=c++11
    done
done <"$list"
exit $bad
