# SPDX-License-Identifier: Apache-2.0
# Sanitizers are an option of the normal build: every target is built with them, tests and program too.
if(AFD_SANITIZE STREQUAL "address")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
elseif(AFD_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread)
elseif(NOT AFD_SANITIZE STREQUAL "")
  message(FATAL_ERROR "AFD_SANITIZE is '${AFD_SANITIZE}', must be empty, 'address' or 'thread'")
endif()
