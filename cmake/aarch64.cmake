# SPDX-License-Identifier: Apache-2.0
# Toolchain: Debian's cross compiler for aarch64, and qemu-user to run what it makes. x86 hides a missing order and an
# unaligned access; this does not hide the second, and its instructions show the first (tests/aarch64).
# tools/aarch64-sysroot.sh fetches the arm64 packages of the libraries that the tests use.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)

set(AFD_AARCH64_SYSROOT ${CMAKE_CURRENT_LIST_DIR}/../build/aarch64-sysroot CACHE PATH "Where the arm64 packages lie")
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES AFD_AARCH64_SYSROOT)
cmake_path(NORMAL_PATH AFD_AARCH64_SYSROOT)

# Headers and libraries come from those packages and from the cross compiler, never from the build machine.
set(CMAKE_FIND_ROOT_PATH ${AFD_AARCH64_SYSROOT} /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_LIBDIR} ${AFD_AARCH64_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${AFD_AARCH64_SYSROOT})
# pkg-config leaves /usr/include out as the compiler's own; below a sysroot it is not.
set(ENV{PKG_CONFIG_ALLOW_SYSTEM_CFLAGS} 1)
set(ENV{PKG_CONFIG_ALLOW_SYSTEM_LIBS} 1)

# The C library is found below -L; the packages' libraries are named to the loader of the emulated program alone.
set(CMAKE_CROSSCOMPILING_EMULATOR
    qemu-aarch64 -L /usr/aarch64-linux-gnu -E LD_LIBRARY_PATH=${AFD_AARCH64_SYSROOT}/usr/lib/aarch64-linux-gnu)
