/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small world for the tests of the front: a ScheduleContext with its window and outputs in memory from aclrtMalloc,
 * and a tensor on it. One token with two slots a micro-batch.
 */
#ifndef AFD_ASCEND_TESTS_WORLD_H
#define AFD_ASCEND_TESTS_WORLD_H

#include <stdint.h>

#include "aclnn/acl_meta.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { WORLD_SLOTS = 2, WORLD_DESC_WORDS = 2 + WORLD_SLOTS, WORLD_CONTEXT_BYTES = 1024 };

/* Byte offsets of the context's fields, from the format. */
enum {
    FIELD_SESSION_NUM = 0,
    FIELD_SCHEDULE_MODE = 28,
    FIELD_RUN_FLAG = 128,
    FIELD_TOKEN_INFO_BUF = 384,
    FIELD_TOKEN_INFO_BUF_SIZE = 392,
    FIELD_POLLING_INDEX = 416,
    FIELD_OUT_NUM = 576
};

typedef struct world {
    uint32_t session_num;
    uint32_t micro_batch_num;
    void *context; /* WORLD_CONTEXT_BYTES */
    int32_t *token_info;
    void *token_data;
    int32_t *layer_ids;
    int32_t *session_ids;
    int32_t *micro_batch_ids;
    int32_t *expert_ids;
    aclTensor *tensor; /* INT8, 1-D, over the context */
} world;

/* 0 if it could be made. Nothing is ready in it. */
int world_create(world *w, uint32_t session_num, uint32_t micro_batch_num);
void world_destroy(world *w);

/* Hands a desc over: ids session*10 and session*10+1, then the flag with release. */
void world_publish(world *w, uint32_t session, uint32_t micro_batch, int32_t layer_id);

/* Writes a field of the context through aclrtMemcpy, as a program would. */
void world_set_u32(world *w, uint32_t field, uint32_t value);
void world_set_u64(world *w, uint32_t field, uint64_t value);

uint32_t world_out_num(const world *w);

/* Both phases of the scheduler. */
int world_schedule(world *w, int32_t sync_group_size, aclrtStream stream);

#ifdef __cplusplus
}
#endif

#endif
