# SPDX-License-Identifier: Apache-2.0
# Whether the headers of UCX are here: sets AFD_HAVE_UCX and UCX_INCLUDE_DIR. They are all that a build needs, and are
# found by file, so that a cross build needs no more than a sysroot.
set_property(CACHE AFD_WITH_UCX PROPERTY STRINGS AUTO ON OFF)
set(AFD_HAVE_UCX FALSE)
if(AFD_WITH_UCX)
  # "AUTO" is true to CMake too.
  find_path(UCX_INCLUDE_DIR ucp/api/ucp.h)
  if(UCX_INCLUDE_DIR)
    set(AFD_HAVE_UCX TRUE)
  elseif(NOT AFD_WITH_UCX STREQUAL "AUTO")
    message(FATAL_ERROR "AFD_WITH_UCX is '${AFD_WITH_UCX}', and ucp/api/ucp.h is not found: install libucx-dev")
  else()
    message(STATUS "UCX is not here: workers of one host alone (libucx-dev)")
  endif()
endif()
