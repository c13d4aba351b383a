# SPDX-License-Identifier: Apache-2.0
# Sources that are compiled for wider vectors than the baseline has; what they define is called only where base/cpu.h
# says that the CPU has them. To be called wherever such a source is compiled: the flags are those of a directory.
function(afd_flag_wide_sources)
  list(FILTER ARGN INCLUDE REGEX "_avx2\\.c$")
  set_source_files_properties(${ARGN} PROPERTIES COMPILE_OPTIONS "-mavx2;-mf16c")
endfunction()
