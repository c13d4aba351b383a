# SPDX-License-Identifier: Apache-2.0
# Whether the headers of UCX are here: sets AFD_HAVE_UCX, and makes afd_ucx, which whatever compiles the library's
# sources links with. The headers are all that a build needs, and are found by file, so that a cross build needs no more
# than a sysroot.
set_property(CACHE AFD_WITH_UCX PROPERTY STRINGS AUTO ON OFF)
set(AFD_HAVE_UCX FALSE)
add_library(afd_ucx INTERFACE)
if(AFD_WITH_UCX)
  # "AUTO" is true to CMake too.
  find_path(UCX_INCLUDE_DIR ucp/api/ucp.h)
  if(UCX_INCLUDE_DIR)
    set(AFD_HAVE_UCX TRUE)
    target_compile_definitions(afd_ucx INTERFACE AFD_HAVE_UCX=1)
    target_include_directories(afd_ucx SYSTEM INTERFACE ${UCX_INCLUDE_DIR})
  elseif(NOT AFD_WITH_UCX STREQUAL "AUTO")
    message(FATAL_ERROR "AFD_WITH_UCX is '${AFD_WITH_UCX}', and ucp/api/ucp.h is not found: install libucx-dev")
  else()
    message(STATUS "UCX is not here: workers of one host alone (libucx-dev)")
  endif()
endif()
