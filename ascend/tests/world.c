/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <string.h>

#include "acl/acl.h"
#include "aclnnop/aclnn_ffn_worker_scheduler.h"

static void *device_alloc(size_t bytes)
{
    void *memory = NULL;
    return aclrtMalloc(&memory, bytes, ACL_MEM_MALLOC_HUGE_FIRST) == ACL_SUCCESS ? memory : NULL;
}

static int fill_context(world *w)
{
    const uint64_t session_num = w->session_num;
    const uint64_t ids_bytes = session_num * sizeof(int32_t);
    const uint64_t info_bytes = session_num * w->micro_batch_num * WORLD_DESC_WORDS * sizeof(int32_t);
    const uint32_t counts[8] = { w->session_num, w->micro_batch_num, 1, WORLD_SLOTS, 8, 512, 512, 0 };
    const uint64_t window[4] = { (uint64_t)(uintptr_t)w->token_info, info_bytes, (uint64_t)(uintptr_t)w->token_data,
                                 0 };
    const uint64_t outputs[8] = { (uint64_t)(uintptr_t)w->layer_ids,       ids_bytes,
                                  (uint64_t)(uintptr_t)w->session_ids,     ids_bytes,
                                  (uint64_t)(uintptr_t)w->micro_batch_ids, ids_bytes,
                                  (uint64_t)(uintptr_t)w->expert_ids,      ids_bytes * WORLD_SLOTS };
    const int32_t run_flag = 1;
    unsigned char host[WORLD_CONTEXT_BYTES];
    memset(host, 0, sizeof(host));
    memcpy(host, counts, sizeof(counts));
    memcpy(host + FIELD_RUN_FLAG, &run_flag, sizeof(run_flag));
    memcpy(host + FIELD_TOKEN_INFO_BUF, window, sizeof(window));
    memcpy(host + 512, outputs, sizeof(outputs));
    return aclrtMemcpy(w->context, sizeof(host), host, sizeof(host), ACL_MEMCPY_HOST_TO_DEVICE);
}

int world_create(world *w, uint32_t session_num, uint32_t micro_batch_num)
{
    const size_t ids_bytes = session_num * sizeof(int32_t);
    const int64_t dim = WORLD_CONTEXT_BYTES;
    const int64_t stride = 1;
    w->session_num = session_num;
    w->micro_batch_num = micro_batch_num;
    w->context = device_alloc(WORLD_CONTEXT_BYTES);
    w->token_info = (int32_t *)device_alloc(ids_bytes * micro_batch_num * WORLD_DESC_WORDS);
    w->token_data = device_alloc(100);
    w->layer_ids = (int32_t *)device_alloc(ids_bytes);
    w->session_ids = (int32_t *)device_alloc(ids_bytes);
    w->micro_batch_ids = (int32_t *)device_alloc(ids_bytes);
    w->expert_ids = (int32_t *)device_alloc(ids_bytes * WORLD_SLOTS);
    w->tensor = aclCreateTensor(&dim, 1, ACL_INT8, &stride, 0, ACL_FORMAT_ND, &dim, 1, w->context);
    if (w->context == NULL || w->token_info == NULL || w->token_data == NULL || w->layer_ids == NULL ||
        w->session_ids == NULL || w->micro_batch_ids == NULL || w->expert_ids == NULL || w->tensor == NULL) {
        return -1;
    }
    return fill_context(w);
}

void world_destroy(world *w)
{
    (void)aclDestroyTensor(w->tensor);
    (void)aclrtFree(w->context);
    (void)aclrtFree(w->token_info);
    (void)aclrtFree(w->token_data);
    (void)aclrtFree(w->layer_ids);
    (void)aclrtFree(w->session_ids);
    (void)aclrtFree(w->micro_batch_ids);
    (void)aclrtFree(w->expert_ids);
}

void world_publish(world *w, uint32_t session, uint32_t micro_batch, int32_t layer_id)
{
    int32_t *desc = w->token_info + (session * w->micro_batch_num + micro_batch) * WORLD_DESC_WORDS;
    desc[1] = layer_id;
    desc[2] = (int32_t)session * 10;
    desc[3] = (int32_t)session * 10 + 1;
    __atomic_store_n(desc, 1, __ATOMIC_RELEASE);
}

void world_set_u32(world *w, uint32_t field, uint32_t value)
{
    (void)aclrtMemcpy((char *)w->context + field, sizeof(value), &value, sizeof(value), ACL_MEMCPY_HOST_TO_DEVICE);
}

void world_set_u64(world *w, uint32_t field, uint64_t value)
{
    (void)aclrtMemcpy((char *)w->context + field, sizeof(value), &value, sizeof(value), ACL_MEMCPY_HOST_TO_DEVICE);
}

uint32_t world_out_num(const world *w)
{
    uint32_t out_num = UINT32_MAX;
    (void)aclrtMemcpy(&out_num, sizeof(out_num), (const char *)w->context + FIELD_OUT_NUM, sizeof(out_num),
                      ACL_MEMCPY_DEVICE_TO_HOST);
    return out_num;
}

int world_schedule(world *w, int32_t sync_group_size, aclrtStream stream)
{
    uint64_t workspace_size = 0;
    aclOpExecutor *executor = NULL;
    int ret = aclnnInplaceFfnWorkerSchedulerGetWorkspaceSize(w->tensor, sync_group_size, 0, &workspace_size, &executor);
    return ret != 0 ? ret : aclnnInplaceFfnWorkerScheduler(NULL, workspace_size, executor, stream);
}
