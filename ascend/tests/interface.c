/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public interface, written down a second time: that each function has the type, and each name the value, which
 * programs were compiled against. It compiles, or the headers are wrong.
 */
#include "acl/acl.h"
#include "aclnnop/aclnn_attention_to_ffn.h"
#include "aclnnop/aclnn_attention_worker_combine.h"
#include "aclnnop/aclnn_attention_worker_scheduler.h"
#include "aclnnop/aclnn_ffn_to_attention.h"
#include "aclnnop/aclnn_ffn_worker_batching.h"
#include "aclnnop/aclnn_ffn_worker_scheduler.h"
#include "hccl/hccl_ex.h"

/* clang-format off */
#define TYPE(function, result, ...) \
    _Static_assert(__builtin_types_compatible_p(__typeof__(function), result(__VA_ARGS__)), #function)
#define VALUE(name, value) _Static_assert((name) == (value), #name)

/* ---- start, end, devices, contexts ---- */
TYPE(aclInit, int, const char *);
TYPE(aclFinalize, int, void);
TYPE(aclGetRecentErrMsg, const char *, void);
TYPE(aclrtGetSocName, const char *, void);
TYPE(aclDataTypeSize, size_t, aclDataType);
TYPE(aclrtSetDevice, int, int32_t);
TYPE(aclrtResetDevice, int, int32_t);
TYPE(aclrtGetDevice, int, int32_t *);
TYPE(aclrtGetDeviceCount, int, uint32_t *);
TYPE(aclrtCreateContext, int, void **, int32_t);
TYPE(aclrtDestroyContext, int, void *);
TYPE(aclrtSetCurrentContext, int, void *);
TYPE(aclrtGetCurrentContext, int, void **);

/* ---- streams and events ---- */
TYPE(aclrtCreateStream, int, void **);
TYPE(aclrtCreateStreamWithConfig, int, void **, uint32_t, uint32_t);
TYPE(aclrtDestroyStream, int, void *);
TYPE(aclrtDestroyStreamForce, int, void *);
TYPE(aclrtSynchronizeStream, int, void *);
TYPE(aclrtSynchronizeStreamWithTimeout, int, void *, int32_t);
TYPE(aclrtSynchronizeDevice, int, void);
TYPE(aclrtStreamQuery, int, void *, aclrtStreamStatus *);
TYPE(aclrtCreateEvent, int, void **);
TYPE(aclrtCreateEventWithFlag, int, void **, uint32_t);
TYPE(aclrtRecordEvent, int, void *, void *);
TYPE(aclrtResetEvent, int, void *, void *);
TYPE(aclrtStreamWaitEvent, int, void *, void *);
TYPE(aclrtSynchronizeEvent, int, void *);
TYPE(aclrtDestroyEvent, int, void *);
TYPE(aclrtQueryEventStatus, int, void *, aclrtEventRecordedStatus *);
TYPE(aclrtEventElapsedTime, int, float *, void *, void *);

/* ---- memory and limits ---- */
TYPE(aclrtMalloc, int, void **, size_t, aclrtMemMallocPolicy);
TYPE(aclrtMallocHost, int, void **, size_t);
TYPE(aclrtFree, int, void *);
TYPE(aclrtFreeHost, int, void *);
TYPE(aclrtMemset, int, void *, size_t, int32_t, size_t);
TYPE(aclrtMemsetAsync, int, void *, size_t, int32_t, size_t, void *);
TYPE(aclrtMemcpy, int, void *, size_t, const void *, size_t, aclrtMemcpyKind);
TYPE(aclrtMemcpyAsync, int, void *, size_t, const void *, size_t, aclrtMemcpyKind, void *);
TYPE(aclrtGetMemInfo, int, aclrtMemAttr, size_t *, size_t *);
TYPE(aclrtSetOpExecuteTimeOut, int, uint32_t);
TYPE(aclrtSetOpWaitTimeout, int, uint32_t);

/* ---- descriptions and executors ---- */
TYPE(aclCreateTensor, aclTensor *, const int64_t *, uint64_t, aclDataType, const int64_t *, int64_t, aclFormat,
     const int64_t *, uint64_t, void *);
TYPE(aclCreateIntArray, aclIntArray *, const int64_t *, uint64_t);
TYPE(aclCreateScalar, aclScalar *, void *, aclDataType);
TYPE(aclDestroyTensor, int32_t, const aclTensor *);
TYPE(aclDestroyIntArray, int32_t, const aclIntArray *);
TYPE(aclDestroyScalar, int32_t, const aclScalar *);
TYPE(aclSetAclOpExecutorRepeatable, int32_t, aclOpExecutor *);
TYPE(aclDestroyAclOpExecutor, int32_t, aclOpExecutor *);

/* ---- operators ---- */
#define LAUNCH(function) TYPE(function, int32_t, void *, uint64_t, aclOpExecutor *, void *)
#define T const aclTensor *
#define A const aclIntArray *
#define OUT uint64_t *, aclOpExecutor **
LAUNCH(aclnnInplaceFfnWorkerScheduler);
LAUNCH(aclnnInplaceAttentionWorkerScheduler);
LAUNCH(aclnnFfnWorkerBatching);
LAUNCH(aclnnAttentionWorkerCombine);
LAUNCH(aclnnAttentionToFFN);
LAUNCH(aclnnFFNToAttention);
TYPE(aclnnInplaceFfnWorkerSchedulerGetWorkspaceSize, int32_t, aclTensor *, int32_t, int32_t, OUT);
TYPE(aclnnInplaceAttentionWorkerSchedulerGetWorkspaceSize, int32_t, aclTensor *, OUT);
TYPE(aclnnFfnWorkerBatchingGetWorkspaceSize, int32_t, T, int64_t, A, int64_t, int64_t, int64_t, T, T, T, T, T, T, T, T,
     OUT);
TYPE(aclnnAttentionWorkerCombineGetWorkspaceSize, int32_t, T, T, T, int64_t, int64_t, int64_t, T, T, OUT);
TYPE(aclnnAttentionToFFNGetWorkspaceSize, int32_t, T, T, T, T, T, T, T, T, const char *, int64_t, A, A, A, int64_t,
     int64_t, int64_t, int64_t, OUT);
TYPE(aclnnFFNToAttentionGetWorkspaceSize, int32_t, T, T, T, T, T, T, T, const char *, int64_t, A, A, OUT);

/* ---- communicators ---- */
TYPE(HcclCommInitAll, HcclResult, uint32_t, int32_t *, void **);
TYPE(HcclGetCommName, HcclResult, void *, char *);
TYPE(HcclCommDestroy, HcclResult, void *);
TYPE(HcclGetRootInfo, HcclResult, HcclRootInfo *);
TYPE(HcclCommInitRootInfo, HcclResult, uint32_t, const HcclRootInfo *, uint32_t, void **);
TYPE(HcclGetRankId, HcclResult, void *, uint32_t *);
TYPE(HcclGetRankSize, HcclResult, void *, uint32_t *);
TYPE(HcclGetHcclBuffer, HcclResult, void *, void **, uint64_t *);
TYPE(HcclCommRegister, HcclResult, void *, void *, uint64_t, void **, uint32_t);
TYPE(HcclCommDeregister, HcclResult, void *, void *);
TYPE(HcclCommExchangeMem, HcclResult, void *, void *, uint32_t *, uint32_t);
TYPE(HcclGetErrorString, const char *, HcclResult);

/* ---- values ---- */
VALUE(ACL_DT_UNDEFINED, -1); VALUE(ACL_FLOAT, 0); VALUE(ACL_FLOAT16, 1); VALUE(ACL_INT8, 2); VALUE(ACL_INT32, 3);
VALUE(ACL_UINT8, 4); VALUE(ACL_INT16, 6); VALUE(ACL_UINT16, 7); VALUE(ACL_UINT32, 8); VALUE(ACL_INT64, 9);
VALUE(ACL_UINT64, 10); VALUE(ACL_DOUBLE, 11); VALUE(ACL_BOOL, 12); VALUE(ACL_STRING, 13); VALUE(ACL_COMPLEX64, 16);
VALUE(ACL_COMPLEX128, 17); VALUE(ACL_BF16, 27); VALUE(ACL_INT4, 29); VALUE(ACL_UINT1, 30); VALUE(ACL_COMPLEX32, 33);
VALUE(ACL_HIFLOAT8, 34); VALUE(ACL_FLOAT8_E5M2, 35); VALUE(ACL_FLOAT8_E4M3FN, 36); VALUE(ACL_FLOAT8_E8M0, 37);
VALUE(ACL_FLOAT6_E3M2, 38); VALUE(ACL_FLOAT6_E2M3, 39); VALUE(ACL_FLOAT4_E2M1, 40); VALUE(ACL_FLOAT4_E1M2, 41);
VALUE(ACL_FORMAT_UNDEFINED, -1); VALUE(ACL_FORMAT_NCHW, 0); VALUE(ACL_FORMAT_NHWC, 1); VALUE(ACL_FORMAT_ND, 2);
VALUE(ACL_FORMAT_NC1HWC0, 3); VALUE(ACL_FORMAT_FRACTAL_Z, 4); VALUE(ACL_FORMAT_NDHWC, 27);
VALUE(ACL_FORMAT_FRACTAL_NZ, 29); VALUE(ACL_FORMAT_NCDHW, 30); VALUE(ACL_FORMAT_NCL, 47);
VALUE(ACL_MEMCPY_HOST_TO_HOST, 0); VALUE(ACL_MEMCPY_HOST_TO_DEVICE, 1); VALUE(ACL_MEMCPY_DEVICE_TO_HOST, 2);
VALUE(ACL_MEMCPY_DEVICE_TO_DEVICE, 3); VALUE(ACL_MEMCPY_DEFAULT, 4);
VALUE(ACL_MEM_MALLOC_HUGE_FIRST, 0); VALUE(ACL_MEM_MALLOC_HUGE_ONLY, 1); VALUE(ACL_MEM_MALLOC_NORMAL_ONLY, 2);
VALUE(ACL_MEM_MALLOC_HUGE_FIRST_P2P, 3); VALUE(ACL_MEM_MALLOC_NORMAL_ONLY_P2P, 5); VALUE(ACL_MEM_MALLOC_HUGE1G_ONLY, 6);
VALUE(ACL_DDR_MEM, 0); VALUE(ACL_HBM_MEM, 1); VALUE(ACL_DDR_MEM_HUGE, 2); VALUE(ACL_DDR_MEM_NORMAL, 3);
VALUE(ACL_HBM_MEM_HUGE, 4); VALUE(ACL_HBM_MEM_NORMAL, 5);
VALUE(ACL_STREAM_STATUS_COMPLETE, 0); VALUE(ACL_STREAM_STATUS_NOT_READY, 1); VALUE(ACL_STREAM_STATUS_RESERVED, 0xFFFF);
VALUE(ACL_EVENT_RECORDED_STATUS_NOT_READY, 0); VALUE(ACL_EVENT_RECORDED_STATUS_COMPLETE, 1);
VALUE(ACL_ERROR_RT_PARAM_INVALID, 107000); VALUE(ACL_ERROR_RT_INVALID_DEVICEID, 107001);
VALUE(ACL_ERROR_RT_CONTEXT_NULL, 107002); VALUE(ACL_ERROR_RT_STREAM_CONTEXT, 107003);
VALUE(ACL_ERROR_RT_INVALID_HANDLE, 107017); VALUE(ACL_ERROR_RT_FEATURE_NOT_SUPPORT, 207000);
VALUE(ACL_ERROR_RT_MEMORY_ALLOCATION, 207001); VALUE(ACL_ERROR_RT_NO_DEVICE, 207004);
VALUE(ACL_ERROR_RT_INTERNAL_ERROR, 507000); VALUE(ACL_ERROR_RT_AICORE_TIMEOUT, 507014);
VALUE(ACL_ERROR_RT_AICORE_EXCEPTION, 507015); VALUE(ACL_ERROR_RT_AICPU_TIMEOUT, 507017);
VALUE(ACL_ERROR_RT_AICPU_EXCEPTION, 507018); VALUE(ACL_ERROR_RT_VECTOR_CORE_TIMEOUT, 507034);
VALUE(ACL_ERROR_RT_VECTOR_CORE_EXCEPTION, 507035); VALUE(ACL_ERROR_RT_STREAM_SYNC_TIMEOUT, 507046);
VALUE(ACL_ERROR_RT_EVENT_SYNC_TIMEOUT, 507047);
VALUE(HCCL_SUCCESS, 0); VALUE(HCCL_E_PARA, 1); VALUE(HCCL_E_PTR, 2); VALUE(HCCL_E_MEMORY, 3);
VALUE(HCCL_E_INTERNAL, 4); VALUE(HCCL_E_NOT_SUPPORT, 5); VALUE(HCCL_E_NOT_FOUND, 6); VALUE(HCCL_E_UNAVAIL, 7);
VALUE(HCCL_E_SYSCALL, 8); VALUE(HCCL_E_TIMEOUT, 9); VALUE(HCCL_E_RUNTIME, 15); VALUE(HCCL_E_AGAIN, 20);
VALUE(HCCL_E_REMOTE, 21); VALUE(HCCL_E_SUSPENDING, 22); VALUE(HCCL_E_OPRETRY_FAIL, 23); VALUE(HCCL_E_OOM, 24);
VALUE(HCCL_ROOT_INFO_BYTES, 4108); VALUE(COMM_NAME_MAX_LENGTH, 128); VALUE(sizeof(HcclRootInfo), 4108);
/* The codes that are `static const int` are no constant expressions in C; test_codes compares them with numbers. */
