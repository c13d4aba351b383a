/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The base of the CANN front: codes, types of data, handles. Numbers are those of the public interface.
 *
 * A handle (stream, context, event, tensor, executor, …) is a number in a pointer's clothes: an index and a generation.
 * It is never dereferenced, not even by the runtime, so one that was destroyed is an error code wherever it is used.
 *
 * Threads: every function of the front may be called from any thread, at once with any other.
 */
#ifndef AFD_ASCEND_ACL_ACL_BASE_H
#define AFD_ASCEND_ACL_ACL_BASE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
/* Programs rely on the headers for these. */
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
extern "C" {
#endif

#pragma GCC visibility push(default)

typedef void *aclrtStream;
typedef void *aclrtEvent;
typedef void *aclrtContext;
typedef int aclError;

/* Constants and not an enum: `auto ret = ACL_SUCCESS;` must make an int. A translation unit need not use them all. */
#define AFD_ACL_CODE(name, value) static const int name __attribute__((unused)) = (value)

AFD_ACL_CODE(ACL_ERROR_NONE, 0);
AFD_ACL_CODE(ACL_SUCCESS, 0);
AFD_ACL_CODE(ACL_ERROR_INVALID_PARAM, 100000);
AFD_ACL_CODE(ACL_ERROR_UNINITIALIZE, 100001);
AFD_ACL_CODE(ACL_ERROR_REPEAT_INITIALIZE, 100002);
AFD_ACL_CODE(ACL_ERROR_INVALID_FILE, 100003);
AFD_ACL_CODE(ACL_ERROR_BAD_ALLOC, 200000);
AFD_ACL_CODE(ACL_ERROR_API_NOT_SUPPORT, 200001);
AFD_ACL_CODE(ACL_ERROR_INVALID_DEVICE, 200002);
AFD_ACL_CODE(ACL_ERROR_FEATURE_UNSUPPORTED, 200006);
AFD_ACL_CODE(ACL_ERROR_INTERNAL_ERROR, 500000);
AFD_ACL_CODE(ACL_ERROR_FAILURE, 500001);
AFD_ACL_CODE(ACL_ERROR_GE_FAILURE, 500002);
AFD_ACL_CODE(ACL_ERROR_RT_FAILURE, 500003);
AFD_ACL_CODE(ACL_ERROR_DRV_FAILURE, 500004);
AFD_ACL_CODE(ACL_ERROR_PROFILING_FAILURE, 500005);

#undef AFD_ACL_CODE

/* The runtime's codes are macros, so that programs can test for them with #ifdef. */
#define ACL_ERROR_RT_PARAM_INVALID         107000
#define ACL_ERROR_RT_INVALID_DEVICEID      107001
#define ACL_ERROR_RT_CONTEXT_NULL          107002
#define ACL_ERROR_RT_STREAM_CONTEXT        107003
#define ACL_ERROR_RT_INVALID_HANDLE        107017
#define ACL_ERROR_RT_FEATURE_NOT_SUPPORT   207000
#define ACL_ERROR_RT_MEMORY_ALLOCATION     207001
#define ACL_ERROR_RT_NO_DEVICE             207004
#define ACL_ERROR_RT_INTERNAL_ERROR        507000
#define ACL_ERROR_RT_AICORE_TIMEOUT        507014
#define ACL_ERROR_RT_AICORE_EXCEPTION      507015
#define ACL_ERROR_RT_AICPU_TIMEOUT         507017
#define ACL_ERROR_RT_AICPU_EXCEPTION       507018
#define ACL_ERROR_RT_VECTOR_CORE_TIMEOUT   507034
#define ACL_ERROR_RT_VECTOR_CORE_EXCEPTION 507035
#define ACL_ERROR_RT_STREAM_SYNC_TIMEOUT   507046
#define ACL_ERROR_RT_EVENT_SYNC_TIMEOUT    507047

typedef enum {
    ACL_DT_UNDEFINED = -1,
    ACL_FLOAT = 0,
    ACL_FLOAT16 = 1,
    ACL_INT8 = 2,
    ACL_INT32 = 3,
    ACL_UINT8 = 4,
    ACL_INT16 = 6,
    ACL_UINT16 = 7,
    ACL_UINT32 = 8,
    ACL_INT64 = 9,
    ACL_UINT64 = 10,
    ACL_DOUBLE = 11,
    ACL_BOOL = 12,
    ACL_STRING = 13,
    ACL_COMPLEX64 = 16,
    ACL_COMPLEX128 = 17,
    ACL_BF16 = 27,
    ACL_INT4 = 29,
    ACL_UINT1 = 30,
    ACL_COMPLEX32 = 33,
    ACL_HIFLOAT8 = 34,
    ACL_FLOAT8_E5M2 = 35,
    ACL_FLOAT8_E4M3FN = 36,
    ACL_FLOAT8_E8M0 = 37,
    ACL_FLOAT6_E3M2 = 38,
    ACL_FLOAT6_E2M3 = 39,
    ACL_FLOAT4_E2M1 = 40,
    ACL_FLOAT4_E1M2 = 41
} aclDataType;

typedef enum {
    ACL_FORMAT_UNDEFINED = -1,
    ACL_FORMAT_NCHW = 0,
    ACL_FORMAT_NHWC = 1,
    ACL_FORMAT_ND = 2,
    ACL_FORMAT_NC1HWC0 = 3,
    ACL_FORMAT_FRACTAL_Z = 4,
    ACL_FORMAT_NDHWC = 27,
    ACL_FORMAT_FRACTAL_NZ = 29,
    ACL_FORMAT_NCDHW = 30,
    ACL_FORMAT_NCL = 47
} aclFormat;

/* Bytes of one element; 0 for types of less than a byte, for strings and for numbers that are no type. */
size_t aclDataTypeSize(aclDataType dataType);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
