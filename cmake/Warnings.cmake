# SPDX-License-Identifier: Apache-2.0
# The warnings every C file of the project compiles without; C++, in an example and a test, has fewer.
add_library(afd_warnings INTERFACE)
target_compile_options(afd_warnings INTERFACE
  $<$<COMPILE_LANGUAGE:C>:-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
                          -Wundef -Wvla -Wformat=2 -Wcast-qual>
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow>
  $<$<BOOL:${AFD_WERROR}>:-Werror>)
