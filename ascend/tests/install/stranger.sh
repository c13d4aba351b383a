#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: stranger.sh ASCEND_DIR BUILD_DIR CMAKE C_COMPILER CXX_COMPILER
#
# Installs the front into a prefix, moves the tree elsewhere, and then is a stranger: with nothing but that tree,
# outside of this one, builds programs in the ways in which people build them for the original, and runs them.
set -eu

ascend_dir=$1
build_dir=$2
cmake=$3
cc=$4
cxx=$5
LC_ALL=C
export LC_ALL
unset LD_LIBRARY_PATH ASCEND_HOME_PATH || true

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
names="ascendcl nnopbase opapi opapi_math opapi_transformer cust_opapi op_common hccl hccl_fwk"

step() {
    echo "-- $*"
}

step "install, and compare what is there with what should be"
"$cmake" --install "$build_dir" --prefix "$work/prefix" --component ascend >"$work/log"
{
    echo README.md
    (cd "$ascend_dir" && find include -name '*.h')
    echo lib64/libafd_ascend.so
    for name in $names; do
        echo "lib64/lib$name.so"
    done
    echo latest
} | sort >"$work/expected"
(cd "$work/prefix" && find . ! -type d | sed 's|^\./ascend/||' | sort) | diff -u "$work/expected" -

step "move it; every name is a link to the one library, which needs nothing but the C library"
mkdir "$work/elsewhere"
mv "$work/prefix/ascend" "$work/elsewhere/cann"
A=$work/elsewhere/cann
for name in $names; do
    test "$(readlink "$A/lib64/lib$name.so")" = libafd_ascend.so
done
readelf -d "$A/lib64/libafd_ascend.so" >"$work/dynamic"
grep -q 'SONAME.*\[libafd_ascend.so\]' "$work/dynamic"
if grep 'NEEDED' "$work/dynamic" | grep -v '\[libc\.so\|\[ld-linux\|\[libpthread\.so'; then
    echo "it needs another library"
    exit 1
fi

mkdir "$work/stranger"
cd "$work/stranger"
cp "$ascend_dir/tests/samples/ffn_worker.cpp" "$ascend_dir/tests/samples/every_call.c" \
    "$ascend_dir/tests/install/by_name.c" "$ascend_dir/tests/install/one_token.cpp" .
cp "$ascend_dir"/../examples/acl_loop/* .
expected=$ascend_dir/tests/samples/ffn_worker.expected
includes="-I$A/include -I$A/include/aclnn -I$A/include/aclnnop"

# runs_right PROGRAM
runs_right() {
    LD_LIBRARY_PATH=$A/lib64 "$1" 2>/dev/null | diff "$expected" -
}

step "compile: the scheduler alone, every operator on one token, the whole loop"
for program in ffn_worker one_token loop_acl; do
    # shellcheck disable=SC2086 # words are wanted
    "$cxx" -std=c++11 -Wall -Wextra -Werror -O1 $includes -c "$program.cpp" -o "$program.o"
done

# each_operator_runs PROGRAM: one_token prints the name of an operator that was right, six lines.
each_operator_runs() {
    LD_LIBRARY_PATH=$A/lib64 "$1" >"$work/operators"
    test "$(grep -c '^aclnn[A-Za-z]*$' "$work/operators")" = 6
}

step "the link lines that programs use"
link() {
    for program in ffn_worker one_token loop_acl; do
        "$cxx" "$program.o" -o "$program" "$@"
    done
    runs_right ./ffn_worker
    each_operator_runs ./one_token
    LD_LIBRARY_PATH=$A/lib64 ./loop_acl >"$work/loop.$linked"
    linked=$((linked + 1))
    rm ffn_worker one_token
}
linked=0
link -L"$A/lib64" -lascendcl -lnnopbase -lopapi_math -lopapi_transformer
link -L"$A/lib64" -lascendcl -lnnopbase -lopapi_math -lop_common -lpthread -lhccl
link -L"$A/lib64" -lascendcl -lnnopbase -lopapi
link -L"$A/latest/lib64" -lascendcl -lnnopbase -lcust_opapi
link "$A/lib64/libascendcl.so" "$A/lib64/libnnopbase.so" "$A/lib64/libopapi_math.so" "$A/lib64/libop_common.so" \
    -Wl,--no-as-needed "$A/lib64/libhccl.so" "$A/lib64/libhccl_fwk.so"
step "the loop prints the same every time, as processes too"
LD_LIBRARY_PATH=$A/lib64 ./loop_acl --processes >"$work/loop.processes"
grep -q '^rank 1 step 3 layer 2 micro-batch 1 tokens 2 digest [0-9a-f]*$' "$work/loop.processes"
for number in 0 1 2 3 4; do
    cmp "$work/loop.$number" "$work/loop.processes"
done

step "C"
# shellcheck disable=SC2086 # words are wanted
"$cc" -std=c99 -Wall -Wextra -Werror $includes every_call.c -o every_call -L"$A/lib64" -lascendcl -lnnopbase
LD_LIBRARY_PATH=$A/lib64 ./every_call | grep -q '^every call made$'

step "a CMake project that finds the tree through ASCEND_HOME_PATH"
mkdir project
cp "$ascend_dir/tests/install/project.cmake" project/CMakeLists.txt
cp ffn_worker.cpp project
ASCEND_HOME_PATH=$A "$cmake" -S project -B project/build -DCMAKE_CXX_COMPILER="$cxx" >"$work/log"
ASCEND_HOME_PATH=$A "$cmake" --build project/build >>"$work/log"
project/build/bin/opapi_test 2>/dev/null | diff "$expected" - # no LD_LIBRARY_PATH: CMake put the folder in

step "libraries opened at run time, by the names that wrappers try"
"$cc" -std=c11 -Wall -Wextra by_name.c -o by_name -ldl
for name in opapi opapi_math opapi_transformer cust_opapi; do
    ./by_name "$A/lib64/lib$name.so" "$A/lib64/libascendcl.so"
done
LD_LIBRARY_PATH=$A/lib64 ./by_name libopapi.so libascendcl.so
