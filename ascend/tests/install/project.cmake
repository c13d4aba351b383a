# SPDX-License-Identifier: Apache-2.0
# A stranger's project, in the way in which such projects are written.
cmake_minimum_required(VERSION 3.14)
project(ACLNN_PROGRAM CXX)
add_compile_options(-std=c++11)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

if(NOT "$ENV{ASCEND_HOME_PATH}" STREQUAL "")
  set(ASCEND_PATH $ENV{ASCEND_HOME_PATH})
else()
  set(ASCEND_PATH "/usr/local/Ascend/ascend-toolkit/latest")
endif()
set(INCLUDE_BASE_DIR "${ASCEND_PATH}/include")

include_directories(${INCLUDE_BASE_DIR} ${INCLUDE_BASE_DIR}/aclnn ${INCLUDE_BASE_DIR}/aclnnop)
add_executable(opapi_test ffn_worker.cpp)
target_link_libraries(opapi_test PRIVATE
  ${ASCEND_PATH}/lib64/libascendcl.so
  ${ASCEND_PATH}/lib64/libnnopbase.so
  ${ASCEND_PATH}/lib64/libopapi_math.so
  ${ASCEND_PATH}/lib64/libopapi_transformer.so
  ${ASCEND_PATH}/lib64/libopapi.so)
install(TARGETS opapi_test DESTINATION ${CMAKE_RUNTIME_OUTPUT_DIRECTORY})
