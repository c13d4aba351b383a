# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` lays down: bin/afd, the public headers, both libraries, a pkg-config file, a CMake package, man
# pages and documents. Everything finds the rest relative to itself, so a tree may be moved as a whole.
include(CMakePackageConfigHelpers)

set(afd_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/libafd)

install(TARGETS afd afd_static EXPORT libafdTargets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/afd DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")

install(EXPORT libafdTargets NAMESPACE afd:: DESTINATION ${afd_package_dir})
configure_package_config_file(cmake/libafdConfig.cmake.in ${PROJECT_BINARY_DIR}/libafdConfig.cmake
                              INSTALL_DESTINATION ${afd_package_dir})
# Before 1.0 a new minor version is a new soname, so it does not satisfy who asked for an older one.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/libafdConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/libafdConfig.cmake ${PROJECT_BINARY_DIR}/libafdConfigVersion.cmake
        DESTINATION ${afd_package_dir})

# The prefix is named from the file's own place; folders that were given as absolute paths are kept.
set(afd_pc_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH AFD_PC_TO_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" AFD_PC_TO_PREFIX ${AFD_PC_TO_PREFIX})
set(AFD_PC_INCLUDEDIR "\${prefix}")
set(AFD_PC_LIBDIR "\${prefix}")
cmake_path(APPEND AFD_PC_INCLUDEDIR ${CMAKE_INSTALL_INCLUDEDIR})
cmake_path(APPEND AFD_PC_LIBDIR ${CMAKE_INSTALL_LIBDIR})
configure_file(cmake/libafd.pc.in ${PROJECT_BINARY_DIR}/libafd.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/libafd.pc DESTINATION ${afd_pc_dir})

# The program contains the library: it is one file that runs from any prefix, on any host it is copied to, with no
# search path in it, and it looks into windows with the version of the format that it was released with.
if(TARGET afd_cli)
  install(TARGETS afd_cli DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

foreach(section IN ITEMS 1 3 5 7)
  file(GLOB pages CONFIGURE_DEPENDS docs/man/*.${section})
  install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()
file(GLOB documents CONFIGURE_DEPENDS LICENSE README.md ARCHITECTURE.md CAVEATS.md CHANGELOG.md docs/*.md)
install(FILES ${documents} DESTINATION ${CMAKE_INSTALL_DOCDIR})
