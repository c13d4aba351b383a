#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: stranger.sh SOURCE_DIR BUILD_DIR VERSION CMAKE C_COMPILER CXX_COMPILER [afd]
#
# Installs into a prefix, compares what is there with the list of what should be, moves the whole prefix elsewhere, and
# then is a stranger: outside of the tree, with nothing but the installed files, builds the C example through
# pkg-config, shared and static, the C++ example through find_package, runs them all, and runs the program.
set -eu

source_dir=$1
build_dir=$2
version=$3
cmake=$4
cc=$5
cxx=$6
program=${7:-}
soname=libafd.so.${version%.*}
LC_ALL=C
export LC_ALL

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/usr/local
moved=$work/moved/there
expected=$source_dir/examples/ffn_worker.expected
expect=$source_dir/tools/expect-output.sh

step() {
    echo "-- $*"
}

# All that an installation may contain, a path a line.
expected_files() {
    if [ -n "$program" ]; then
        echo "bin/$program"
    fi
    (cd "$source_dir/include" && find afd -name '*.h' | sed 's|^|include/|')
    printf 'lib/%s\n' libafd.a libafd.so "$soname" "libafd.so.$version" pkgconfig/libafd.pc
    printf 'lib/cmake/libafd/%s\n' libafdConfig.cmake libafdConfigVersion.cmake libafdTargets.cmake \
        libafdTargets-relwithdebinfo.cmake
    (cd "$source_dir" && find docs -path 'docs/man/*.[1357]' | sed 's|.*\(.\)$|share/man/man\1/&|; s|docs/man/||')
    (cd "$source_dir" && find . docs -maxdepth 1 -name LICENSE -o -maxdepth 1 -name '*.md' |
        sed 's|.*/|share/doc/libafd/|' | grep -v CONTRIBUTING.md | sort -u)
    if [ -d "$build_dir/ascend_tree" ]; then
        printf 'ascend/%s\n' latest README.md
        (cd "$source_dir/ascend/include" && find . -name '*.h' | sed 's|^\./|ascend/include/|')
        (cd "$build_dir/ascend_tree/lib64" && find . -name '*.so' | sed 's|^\./|ascend/lib64/|')
    fi
}

list_files() {
    (cd "$1" && find . ! -type d | sed 's|^\./||' | sort)
}

# lists_are_equal WHERE: what lies there is what is expected. The build type is part of one name.
lists_are_equal() {
    expected_files | sort >"$work/expected"
    list_files "$1" | sed 's|Targets-[a-z]*\.cmake|Targets-relwithdebinfo.cmake|' >"$work/found"
    diff -u "$work/expected" "$work/found"
}

step "install into a prefix; nothing outside of it is written"
mkdir "$work/home" "$work/tmp"
HOME=$work/home TMPDIR=$work/tmp "$cmake" --install "$build_dir" --prefix "$prefix" >"$work/log"
lists_are_equal "$prefix"
if grep -v "^$prefix/" "$build_dir/install_manifest.txt"; then
    echo "was installed outside of $prefix"
    exit 1
fi
list_files "$work" | grep -v -e '^usr/local/' -e '^log$' -e '^expected$' -e '^found$' && exit 1

step "install with DESTDIR; the same files, below it"
DESTDIR=$work/stage "$cmake" --install "$build_dir" --prefix /opt/afd >"$work/log"
lists_are_equal "$work/stage/opt/afd"
[ "$(list_files "$work/stage" | grep -vc '^opt/afd/')" -eq 0 ]

step "no installed text names the place it was built or installed in"
if grep -rIlF -e "$source_dir" -e "$build_dir" -e "$prefix" "$prefix/lib/cmake" "$prefix/lib/pkgconfig"; then
    exit 1
fi

step "move the prefix; from here on only what was installed is used"
mkdir -p "$(dirname "$moved")"
mv "$prefix" "$moved"
mkdir "$work/stranger"
cp "$source_dir/examples/ffn_worker.c" "$source_dir/examples/ffn_worker.cpp" "$source_dir/examples/workers.c" \
    "$work/stranger/"
cd "$work/stranger"
PKG_CONFIG_PATH=$moved/lib/pkgconfig
export PKG_CONFIG_PATH

step "C through pkg-config, with the shared library"
[ "$(pkg-config --modversion libafd)" = "$version" ]
# shellcheck disable=SC2046 # flags are meant to be split
"$cc" -std=c11 -Wall -Wextra -Werror -o shared ffn_worker.c $(pkg-config --cflags --libs libafd) -lpthread
LD_LIBRARY_PATH=$moved/lib "$expect" "$expected" ./shared
# shellcheck disable=SC2046
"$cc" -std=c11 -Wall -Wextra -Werror -o workers workers.c $(pkg-config --cflags --libs libafd) -lpthread
LD_LIBRARY_PATH=$moved/lib "$expect" "$source_dir/examples/workers.expected" ./workers
# It needs the soname, and nothing else of ours.
readelf -d shared | grep -q "NEEDED.*\[$soname\]"

step "C through pkg-config, all static"
# shellcheck disable=SC2046
"$cc" -std=c11 -static -o static ffn_worker.c $(pkg-config --static --cflags --libs libafd) -lpthread
"$expect" "$expected" ./static

step "C++ through find_package, with both libraries"
cat >CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.16)
project(stranger LANGUAGES CXX)
find_package(libafd 0.1 REQUIRED)
find_package(Threads REQUIRED)
foreach(kind IN ITEMS afd afd_static)
  add_executable(with_${kind} ffn_worker.cpp)
  target_compile_features(with_${kind} PRIVATE cxx_std_17)
  target_link_libraries(with_${kind} PRIVATE afd::${kind} Threads::Threads)
endforeach()
END
"$cmake" -S . -B build -G "Unix Makefiles" -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_PREFIX_PATH="$moved" >"$work/log"
"$cmake" --build build >"$work/log"
"$expect" "$expected" build/with_afd
"$expect" "$expected" build/with_afd_static
readelf -d build/with_afd | grep -q "NEEDED.*\[$soname\]"
if readelf -d build/with_afd_static | grep 'NEEDED.*libafd'; then
    exit 1
fi

if [ -n "$program" ]; then
    step "the program, from the place that it was moved to"
    env -u LD_LIBRARY_PATH "$moved/bin/$program" --version | grep -F "$version"
fi
