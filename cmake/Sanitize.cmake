# SPDX-License-Identifier: Apache-2.0
# Sanitizers are an option of the normal build: every target is built with them, tests and program too.
# With gcc: clang leaves its runtime out of shared libraries, and libafd.so is linked with every symbol defined. The
# fuzzers, which are clang's, bring their own sanitizers.
if(AFD_SANITIZE AND NOT CMAKE_C_COMPILER_ID STREQUAL "GNU")
  message(FATAL_ERROR "AFD_SANITIZE needs gcc; the compiler is ${CMAKE_C_COMPILER}")
endif()
if(AFD_SANITIZE STREQUAL "address")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
elseif(AFD_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread)
elseif(NOT AFD_SANITIZE STREQUAL "")
  message(FATAL_ERROR "AFD_SANITIZE is '${AFD_SANITIZE}', must be empty, 'address' or 'thread'")
endif()
